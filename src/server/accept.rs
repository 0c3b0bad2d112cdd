//! Accepting connections and speaking HTTP/1.1 on them until the server is stopped.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tower_service::Service;

use super::connections::{Connections, Watched, WatchedStream};

/// How often connections are looked at for their limits.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How long accepting rests where the system gives no more descriptors.
const REST: Duration = Duration::from_millis(50);
/// The answer where every connection is busy.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

/// Serves until `stop` says so, then until requests in flight are answered.
pub(super) async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let connections = Arc::new(Mutex::new(Connections::new()));
    let mut tasks = JoinSet::new();
    let stopping = stop.clone();
    let mut sweep = interval(SWEEP_INTERVAL);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let admitted = lock(&connections).admit(Instant::now());
                    let Some((number, watched)) = admitted else {
                        tasks.spawn(refuse(stream));
                        continue;
                    };
                    let (connections, router) = (Arc::clone(&connections), router.clone());
                    let stop = stopping.clone();
                    tasks.spawn(async move {
                        speak(stream, watched, router, stop).await;
                        lock(&connections).remove(number);
                    });
                }
                Err(error) => recover(&error, &connections).await,
            },
            _ = sweep.tick() => lock(&connections).close_overdue(Instant::now()),
            // What has ended is collected, so that its memory does not wait for the next stop.
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            () = stopped(&mut stop) => break,
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A server that is gone has stopped, too.
    drop(stop.wait_for(|stop| *stop).await);
}

fn lock(connections: &Mutex<Connections>) -> MutexGuard<'_, Connections> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection that broke before it was accepted is no news; a lack of descriptors passes when
/// one is closed.
async fn recover(error: &io::Error, connections: &Mutex<Connections>) {
    let broken = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    );
    if !broken {
        lock(connections).close_quietest();
        tokio::time::sleep(REST).await;
    }
}

async fn refuse(mut stream: TcpStream) {
    // The client may be gone; there is nothing else to tell it.
    drop(stream.write_all(FULL).await);
    drop(stream.shutdown().await);
}

/// Speaks HTTP/1.1 on one connection until it ends, a limit closes it, or the server stops.
async fn speak(
    stream: TcpStream,
    watched: Arc<Watched>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    // Answers are small: waiting to fill a packet would only delay them.
    drop(stream.set_nodelay(true));
    let io = TokioIo::new(WatchedStream::new(stream, Arc::clone(&watched)));
    let busy = Arc::clone(&watched);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let (mut router, busy) = (router.clone(), Arc::clone(&busy));
        async move {
            busy.serve();
            let response: Result<_, Infallible> = router.call(request).await;
            busy.answered();
            response
        }
    });
    let connection = http1::Builder::new().serve_connection(io, service);
    tokio::pin!(connection);
    tokio::select! {
        // How a connection ends is the client's business.
        _ = connection.as_mut() => return,
        () = watched.closed() => return,
        () = stopped(&mut stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(connection.await);
}

//! How many events per second are stored over keep-alive connections. Not part of the ordinary
//! run: `cargo test --release --no-default-features -- --ignored --nocapture throughput`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{EVENTS, Running};

/// As many as the SDK keeps in flight.
const CONNECTIONS: usize = 64;
const EVENTS_EACH: usize = 1_000;
const TARGET: f64 = 8_000.0;

/// One connection that sends the next event when the last one is answered.
async fn send_events(address: SocketAddr, key: &str, session: &str) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let body = json!({
        "sessionId": session, "eventType": "tool_call", "toolName": "search",
        "toolInput": {"text": "i".repeat(1_000)}, "toolOutput": {"text": "o".repeat(1_000)},
        "reasoning": null, "stateBefore": {}, "stateAfter": {}, "estimatedCost": 0.0,
    })
    .to_string();
    let mut answer = vec![0; 2_048];
    for _ in 0..EVENTS_EACH {
        let request = format!(
            "POST {EVENTS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             authorization: Bearer {}\r\nidempotency-key: {}\r\n\
             x-sentrial-timestamp: 2026-01-01T00:00:00Z\r\ncontent-length: {}\r\n\r\n{body}",
            key,
            uuid::Uuid::new_v4(),
            body.len(),
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let read = stream.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
#[ignore = "measures; run it in release mode"]
#[allow(clippy::print_stderr)] // The figure is what it is run for.
fn throughput() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (address, addressed) = std::sync::mpsc::channel();
    let (done, finished) = tokio::sync::oneshot::channel::<()>();
    // As in `sentrial dev`: the server has a thread and a runtime of its own.
    let serving = std::thread::spawn(move || {
        runtime().block_on(async {
            let server = Running::start();
            let session = server.session().await;
            address
                .send((server.address, server.key.clone(), session.clone()))
                .unwrap();
            finished.await.unwrap();
            let stored = server.store().session(&session).unwrap().unwrap();
            server.stop().await;
            stored.event_count
        })
    });
    let (address, key, session) = addressed.recv_timeout(Duration::from_secs(20)).unwrap();
    let started = Instant::now();
    runtime().block_on(async {
        let clients = (0..CONNECTIONS).map(|_| send_events(address, &key, &session));
        futures_util::future::join_all(clients).await;
    });
    let events = CONNECTIONS * EVENTS_EACH;
    let rate = f64::from(u32::try_from(events).unwrap()) / started.elapsed().as_secs_f64();
    done.send(()).unwrap();
    assert_eq!(usize::try_from(serving.join().unwrap()).unwrap(), events);
    eprintln!("{rate:.0} events/s stored over {CONNECTIONS} connections");
    assert!(rate >= TARGET);
}

//! Binding, serving and stopping.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::accept;
use super::answer::Answer;
use super::app;
use super::database::Database;
use super::store::StoreError;
use super::timestamp::Timestamp;

/// How long requests in flight may take once the server is told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// How often remembered answers that no longer count are removed, and how many in one step.
const CLEANING_INTERVAL: Duration = Duration::from_secs(600);
const CLEANING_STEP: u32 = 5_000;

/// Where to listen and what to keep.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The database file; made if missing.
    pub db: PathBuf,
    /// The address to listen on.
    pub host: IpAddr,
    /// The port; 0 picks a free one.
    pub port: u16,
}

impl ServerOptions {
    /// Listens on 127.0.0.1.
    #[must_use]
    pub const fn loopback(db: PathBuf, port: u16) -> Self {
        Self {
            db,
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port,
        }
    }
}

/// Why the server cannot start or go on.
#[derive(Debug, Error)]
pub enum ServerError {
    /// Another program listens there.
    #[error("port {0} is already in use; choose another one with --port, or 0 for any free port")]
    PortTaken(u16),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        reason: io::Error,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The socket failed while serving.
    #[error("the local server stopped: {0}")]
    Serve(#[from] io::Error),
}

/// A bound server: clients can connect, and are answered once it runs.
pub struct Server {
    listener: StdListener,
    address: SocketAddr,
    database: Database,
}

impl Server {
    /// Opens the database and binds the socket.
    ///
    /// # Errors
    /// If either fails.
    pub fn bind(options: &ServerOptions) -> Result<Self, ServerError> {
        let address = SocketAddr::new(options.host, options.port);
        let listener = StdListener::bind(address).map_err(|reason| {
            if reason.kind() == io::ErrorKind::AddrInUse {
                ServerError::PortTaken(options.port)
            } else {
                ServerError::Bind { address, reason }
            }
        })?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let database = Database::open(&options.db)?;
        Ok(Self {
            listener,
            address,
            database,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` completes, then lets requests in flight finish, within a bound.
    /// Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// If the socket fails.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServerError> {
        let listener = TcpListener::from_std(self.listener)?;
        let (stop, stopping) = watch::channel(false);
        let router = app::router(self.database.clone(), self.address);
        let serving = accept::serve(listener, router, stopping);
        let stopped = async {
            shutdown.await;
            let _ = stop.send(true);
            sleep(STOP_TIMEOUT).await;
        };
        tokio::select! {
            () = serving => {}
            () = stopped => {}
            () = clean(&self.database) => {}
        }
        Ok(())
    }
}

/// Removes old remembered answers, now and then, in steps short enough not to be noticed.
async fn clean(database: &Database) {
    let mut ticks = interval(CLEANING_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        loop {
            let cleaned = database.write(|store| {
                Answer::ok(&store.forget_old_answers(Timestamp::now(), CLEANING_STEP)?)
            });
            // Fewer than a full step, or a failure: enough for now.
            match cleaned.await {
                Ok(answer) if answer.body == CLEANING_STEP.to_string().as_bytes() => {}
                _ => break,
            }
        }
    }
}

//! The delivery thread's loop: takes what may be sent, sends it, settles the answers.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::client::ClientState;
use super::clock;
use super::notices::{Level, Notice};
use super::process::Process;
use super::reply::{Failure, Reply};
use super::request::Request;
use super::settle::Moment;
use super::transport::{Config, Transport};

/// How often the thread looks by itself while events keep coming.
const TICK: Duration = Duration::from_millis(5);
/// How long after the last event it keeps looking before it sleeps.
const LINGER: Duration = Duration::from_millis(250);
/// Answers settled before the thread looks for new requests.
const BATCH: usize = 64;

/// The runtime and everything in flight; moves to a new thread after a fork.
#[derive(Debug)]
pub struct Worker {
    runtime: Runtime,
    desk: Desk,
}

#[derive(Debug)]
struct Desk {
    answers: UnboundedReceiver<Landed>,
    sender: UnboundedSender<Landed>,
    transports: HashMap<Config, Transport>,
    last_event: Instant,
}

/// An attempt that ended.
#[derive(Debug)]
struct Landed {
    client: Arc<ClientState>,
    request: Request,
    reply: Reply,
    took: Duration,
}

impl Worker {
    /// A worker that has not run yet.
    ///
    /// # Errors
    /// In words, when the operating system refuses a runtime.
    pub fn new() -> Result<Self, String> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            // Name look-ups use this pool. Python warns when a process with threads forks, so its
            // threads go as soon as the look-up is done.
            .max_blocking_threads(2)
            .thread_keep_alive(Duration::from_millis(1))
            .thread_name("sentrial-resolver")
            .build()
            .map_err(|error| error.to_string())?;
        let (sender, answers) = unbounded_channel();
        let desk = Desk {
            answers,
            sender,
            transports: HashMap::new(),
            last_event: Instant::now(),
        };
        Ok(Self { runtime, desk })
    }

    /// Works until it is asked to park; returns itself to be resumed.
    pub fn run(self, process: &Arc<Process>) -> Self {
        let Self { runtime, mut desk } = self;
        runtime.block_on(desk.drive(process));
        Self { runtime, desk }
    }
}

impl Desk {
    async fn drive(&mut self, process: &Arc<Process>) {
        while !process.signal.is_parking() {
            let now = Instant::now();
            if process.signal.looked() {
                self.last_event = now;
            }
            let deadline = self.dispatch(process, now);
            self.pause(process, deadline).await;
            self.settle(process);
        }
    }

    /// Waits for an answer, an event, or a point in time.
    async fn pause(&mut self, process: &Process, deadline: Option<Instant>) {
        let now = Instant::now();
        let lingering = now.saturating_duration_since(self.last_event) < LINGER;
        let until = if lingering { Some(now + TICK) } else { None };
        let until = [until, deadline].into_iter().flatten().min();
        if !lingering {
            process.signal.doze();
            if process.signal.has_queued() {
                process.signal.wake();
                return;
            }
        }
        let alarm = async {
            match until {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            landed = self.answers.recv() => {
                if let Some(landed) = landed {
                    settle_one(process, landed);
                    process.announce();
                }
            }
            () = process.signal.rung() => {}
            () = alarm => {}
        }
        process.signal.wake();
    }

    fn settle(&mut self, process: &Process) {
        let mut any = false;
        for _ in 0..BATCH {
            let Ok(landed) = self.answers.try_recv() else {
                break;
            };
            settle_one(process, landed);
            any = true;
        }
        if any {
            process.announce();
        }
    }

    /// Sends what may be sent; returns when something else may be.
    fn dispatch(&mut self, process: &Process, now: Instant) -> Option<Instant> {
        process.with_clients(|clients| {
            let mut deadline: Option<Instant> = None;
            let mut orphans = false;
            for client in clients.iter() {
                self.dispatch_client(process, client, now);
                let queue = client.queue();
                deadline = [deadline, queue.next_deadline()]
                    .into_iter()
                    .flatten()
                    .min();
                orphans |= queue.is_drained() && Arc::strong_count(client) == 1;
            }
            if orphans {
                clients.retain(|client| {
                    let keep = Arc::strong_count(client) > 1 || !client.queue().is_drained();
                    if !keep {
                        process.retire(client.queue().counters());
                    }
                    keep
                });
            }
            deadline
        })
    }

    fn dispatch_client(&mut self, process: &Process, client: &Arc<ClientState>, now: Instant) {
        loop {
            let Some(request) = client.queue().take(now) else {
                break;
            };
            self.launch(process, Arc::clone(client), request);
        }
        for notice in client.queue().take_notices() {
            process.notices.park(client.sign(notice));
        }
    }

    fn launch(&mut self, process: &Process, client: Arc<ClientState>, mut request: Request) {
        let transport = self.transport(&client);
        let idempotency_key = process.idempotency_key(request.number);
        let attempt = client.attempt(&mut request, idempotency_key);
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let started = Instant::now();
            let reply = match transport {
                Ok(transport) => AssertUnwindSafe(transport.send(attempt))
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|_| {
                        Reply::Failed(Failure::Internal("internal error".to_owned()))
                    }),
                Err(why) => Reply::Failed(Failure::Internal(why)),
            };
            let took = started.elapsed();
            // Fails only when the desk is gone, and the ledger with it.
            let _ = sender.send(Landed {
                client,
                request,
                reply,
                took,
            });
        });
    }

    fn transport(&mut self, client: &ClientState) -> Result<Transport, String> {
        let config = client.transport_config();
        if let Some(transport) = self.transports.get(&config) {
            return Ok(transport.clone());
        }
        let transport = Transport::build(&config)?;
        self.transports.insert(config, transport.clone());
        Ok(transport)
    }
}

fn settle_one(process: &Process, landed: Landed) {
    let Landed {
        client,
        request,
        reply,
        took,
    } = landed;
    if client.is_debug() {
        process
            .notices
            .park(client.sign(debug_line(&request, &reply, took)));
    }
    let key = client.key();
    let moment = Moment {
        now: Instant::now(),
        jitter: clock::jitter(),
        key: key.as_deref(),
    };
    let mut queue = client.queue();
    let before = queue.counters().delivered;
    queue.settle(request, reply, moment);
    if queue.counters().delivered > before {
        process.note_success();
    }
    let notices = queue.take_notices();
    drop(queue);
    for notice in notices {
        process.notices.park(client.sign(notice));
    }
}

fn debug_line(request: &Request, reply: &Reply, took: Duration) -> Notice {
    let what = match reply {
        Reply::Answer(answer) => answer.status.to_string(),
        Reply::Failed(failure) => failure.message().to_owned(),
    };
    let (method, path, bytes) = (request.kind.method(), request.path(), request.weight());
    let text = format!(
        "{method} {path} ({bytes} bytes): {what} after {} ms",
        took.as_millis()
    );
    Notice::new(Level::Debug, text)
}

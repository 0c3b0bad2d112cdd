//! The delivery thread's loop: takes what may be sent, sends it, settles the answers.

mod arrival;
mod watch;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::arrival::{Arrival, Asking, Flight, Landed, arrive};
use self::watch::Watch;
use super::client::ClientState;
use super::handover::do_chores;
use super::health::State;
use super::lookup::{self, Lookup, Question};
use super::process::Process;
use super::reply::{Failure, Reply};
use super::spool::row::Row;
use super::transport::{Attempt, Config, Transport};

/// How often the thread looks by itself while events keep coming.
///
/// Each look costs the caches of a program that is at work. Once per millisecond, a call every 2 ms
/// took 10 % longer; 10 ms gained nothing over 5 ms.
const TICK: Duration = Duration::from_millis(5);
/// How long after the last event it keeps looking before it sleeps.
const LINGER: Duration = Duration::from_millis(250);
/// Answers settled before the thread looks for new requests.
const BATCH: usize = 64;
/// HTTP clients kept; a program rarely has more than one.
const MAX_TRANSPORTS: usize = 16;

/// The runtime and everything in flight; moves to a new thread after a fork.
#[derive(Debug)]
pub(super) struct Worker {
    runtime: Runtime,
    desk: Desk,
}

#[derive(Debug)]
struct Desk {
    answers: UnboundedReceiver<Arrival>,
    sender: UnboundedSender<Arrival>,
    transports: HashMap<Config, Transport>,
    /// The clients of one round; kept for its memory.
    round: Vec<Arc<ClientState>>,
    last_event: Instant,
}

impl Worker {
    /// A worker that has not run yet.
    ///
    /// # Errors
    /// In words, when the operating system refuses a runtime.
    pub(super) fn new() -> Result<Self, String> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            // Used only for names that neither the hosts file nor DNS knows. Python warns when a
            // process with threads forks, so its threads go as soon as the look-up is done.
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
            round: Vec::new(),
            last_event: Instant::now(),
        };
        Ok(Self { runtime, desk })
    }

    /// Ends: what is in flight goes back to its queue, answers that have arrived count.
    pub(super) fn give_back(self, process: &Process) {
        let Self { runtime, mut desk } = self;
        while let Ok(arrival) = desk.answers.try_recv() {
            arrive(process, arrival);
        }
        // A name look-up may hang; nobody waits for it.
        runtime.shutdown_background();
    }

    /// Works until it is asked to park; returns itself to be resumed.
    pub(super) fn run(self, process: &Arc<Process>) -> Self {
        let Self { runtime, mut desk } = self;
        runtime.block_on(desk.drive(process));
        Self { runtime, desk }
    }
}

impl Desk {
    async fn drive(&mut self, process: &Arc<Process>) {
        loop {
            #[cfg(test)]
            assert!(
                !process.sabotage.swap(false, Ordering::SeqCst),
                "sabotaged by a test"
            );
            let now = Instant::now();
            if process.signal.looked() {
                self.last_event = now;
            }
            let deadline = self.dispatch(process, now);
            if process.signal.is_asked() {
                // Not before a turn of I/O: a program that forks all the time must not keep
                // delivery from ever getting on.
                tokio::task::yield_now().await;
                self.settle(process);
                if process.signal.leaves() {
                    return;
                }
            }
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
            arrival = self.answers.recv() => {
                if let Some(arrival) = arrival {
                    arrive(process, arrival);
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
            let Ok(arrival) = self.answers.try_recv() else {
                break;
            };
            arrive(process, arrival);
            any = true;
        }
        if any {
            process.announce();
        }
    }

    /// Sends what may be sent; returns when something else may be.
    fn dispatch(&mut self, process: &Arc<Process>, now: Instant) -> Option<Instant> {
        // A copy: building an HTTP client takes milliseconds, and new clients join the list
        // on their callers' threads.
        let mut round = std::mem::take(&mut self.round);
        process.with_clients(|clients| round.extend(clients.iter().cloned()));
        let mut deadline: Option<Instant> = None;
        let mut again = false;
        let mut orphans = false;
        for client in round.drain(..) {
            // This copy and the list hold it, but no handle: nobody will flush it any more.
            let orphan = Arc::strong_count(&client) <= 2;
            if orphan {
                client.queue().release(now);
            }
            again |= do_chores(process, &client, now);
            let next = self.dispatch_client(process, &client, now);
            let chores = client.queue().next_chores();
            deadline = [deadline, next, chores].into_iter().flatten().min();
            orphans |= orphan && client.queue().is_done();
        }
        self.round = round;
        for call in process.calls.take() {
            let transport = self.transport(&call.client);
            tokio::spawn(call.carry_out(Arc::clone(process), transport));
        }
        if orphans {
            process.with_clients(|clients| process.collect(clients));
        }
        if again { Some(now) } else { deadline }
    }

    fn dispatch_client(
        &mut self,
        process: &Process,
        client: &Arc<ClientState>,
        now: Instant,
    ) -> Option<Instant> {
        let queue = client.queue();
        let soon = !queue.is_drained() && queue.health().state() == State::Up;
        drop(queue);
        if soon {
            // Building the HTTP client takes milliseconds: rather now than when the first request
            // is let go. A failure is met, and reported, by that request; after it only probes
            // try again, not every look.
            let _ = self.transport(client);
        }
        // Without the organisation's rules nothing leaves; they are asked for when something would.
        let open = || client.lookup() == Lookup::Settled;
        let held = !open() && client.queue().has_ready(now);
        if held && let Some((question, attempt)) = client.ask(now) {
            self.inquire(client, question, attempt);
        }
        let next = || open().then(|| client.queue().take(now)).flatten();
        // For all of them: to find it takes a copy of the options and a hash of it.
        let mut transport = None;
        while let Some(request) = next() {
            let flight = Flight {
                client: Arc::clone(client),
                request: Some(request),
            };
            let transport = transport.get_or_insert_with(|| self.transport(client));
            self.launch(process, flight, transport.clone());
        }
        let mut queue = client.queue();
        let next = match client_wait(held, client.lookup()) {
            Wait::Time => queue.next_deadline(),
            Wait::Health => queue.next_lookup(),
            Wait::Answer => None,
        };
        let notices = queue.take_notices();
        drop(queue);
        for notice in notices {
            process.notices.park(client.sign(&notice));
        }
        next
    }

    fn inquire(&mut self, client: &Arc<ClientState>, question: Question, attempt: Attempt) {
        let transport = self.transport(client);
        let sender = self.sender.clone();
        let watch = Watch {
            client: Arc::clone(client),
            seq: lookup::NUMBER,
            sent: Instant::now(),
        };
        let asking = Asking {
            client: Arc::clone(client),
            question: Some(question),
        };
        tokio::spawn(async move {
            let (reply, _) = exchange(transport, attempt, watch).await;
            // Fails only when the desk is gone; then the question is lost and asked again.
            let _ = sender.send(Arrival::Rules(asking, reply));
        });
    }

    fn launch(&self, process: &Process, mut flight: Flight, transport: Result<Transport, String>) {
        let Some(request) = &mut flight.request else {
            return;
        };
        let idempotency_key = process.key_of(request);
        let attempt = flight.client.attempt(request, idempotency_key);
        let mut queue = flight.client.queue();
        if queue.must_save(request) {
            let row = Row::of(request, attempt.idempotency_key.clone());
            queue.in_flight_as(request.seq, row);
        }
        drop(queue);
        let watch = Watch {
            client: Arc::clone(&flight.client),
            seq: request.seq,
            sent: Instant::now(),
        };
        let key = attempt.key.clone();
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let (reply, sent) = exchange(transport, attempt, watch).await;
            // Fails only when the desk is gone; then the flight goes back by itself.
            let _ = sender.send(Arrival::Landed(Landed {
                flight,
                reply,
                key,
                sent,
            }));
        });
    }

    fn transport(&mut self, client: &ClientState) -> Result<Transport, String> {
        let config = client.transport_config();
        if let Some(transport) = self.transports.get(&config) {
            return Ok(transport.clone());
        }
        let transport = Transport::build(&config)?;
        if self.transports.len() >= MAX_TRANSPORTS {
            // What is in use is shared and lives on; the rest is built again when needed.
            self.transports.clear();
        }
        self.transports.insert(config, transport.clone());
        Ok(transport)
    }
}

async fn exchange(
    transport: Result<Transport, String>,
    attempt: Attempt,
    watch: Watch,
) -> (Reply, Instant) {
    let failed = |why| (Reply::Failed(Failure::Internal(why)), watch.sent);
    match transport {
        Ok(transport) => AssertUnwindSafe(watch.exchange(&transport, &attempt))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| failed("internal error".to_owned())),
        Err(why) => failed(why),
    }
}

/// What a client can next be served upon, without an event.
enum Wait {
    Time,
    Health,
    Answer,
}

fn client_wait(held: bool, lookup: Lookup) -> Wait {
    match lookup {
        Lookup::Wanted if held => Wait::Health,
        Lookup::Asked | Lookup::Denied if held => Wait::Answer,
        _ => Wait::Time,
    }
}

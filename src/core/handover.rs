//! From the queue to the spool: chores of the delivery thread, and the end of the process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::ClientState;
use super::process::Process;
use super::queue::Chores;
use super::request::Request;
use super::spool::row::Row;
use super::spool::{Batch, Job, Purpose, Task};

/// Rows handed over at once at the end: enough to be quick, few enough to stop in time.
const CHUNK: usize = 512;
/// How long the end of the process waits for the delivery thread to give back what is in flight.
const RECALL: Duration = Duration::from_millis(200);

/// Does what the queue wants from the spool; true if there is more to be done at once.
pub(super) fn do_chores(process: &Arc<Process>, client: &Arc<ClientState>, now: Instant) -> bool {
    let chores = client.queue().chores(now);
    let Some(chores) = chores else { return false };
    let Chores {
        mut twins,
        copied,
        flying,
        upto,
        mut moved,
        gone,
        lanes,
        loads,
        adopt,
    } = chores;
    let more = !moved.is_empty();
    let post = |task| {
        process.spool.post(
            process,
            Job {
                client: Arc::clone(client),
                task,
            },
        );
    };
    if upto.is_some() || !gone.is_empty() || !lanes.is_empty() {
        let mut rows = flying;
        rows.extend(rows_of(process, client, &mut twins));
        post(Task::Write(Batch {
            purpose: Purpose::Every { upto, copied },
            rows,
            gone,
            lanes,
        }));
    }
    if !moved.is_empty() {
        let charged = moved.iter().map(|request| request.charged).sum();
        let rows = rows_of(process, client, &mut moved);
        post(Task::Write(Batch {
            purpose: Purpose::Overflow(charged),
            rows,
            gone: Vec::new(),
            lanes: Vec::new(),
        }));
    }
    for part in loads {
        post(Task::Load(part));
    }
    if adopt {
        post(Task::Adopt);
    }
    more
}

/// Requests in the form in which they may be written.
fn rows_of(process: &Process, client: &ClientState, requests: &mut [Request]) -> Vec<Row> {
    let seal = |request: &mut Request| {
        client.seal(request);
        let key = process.key_of(request);
        Row::of(request, key)
    };
    requests.iter_mut().map(seal).collect()
}

impl Process {
    /// The process ends: what is left goes to the spool, or is given up where there is none. What
    /// is handed over here is on disk when [`Process::is_evacuated`]; what cannot be handed over
    /// before `deadline` is given up. The number of requests left.
    pub fn evacuate(self: &Arc<Self>, deadline: Instant) -> u64 {
        self.recall(RECALL);
        let clients = self.with_clients(|clients| clients.clone());
        let left = clients
            .iter()
            .map(|client| self.evacuate_client(client, deadline))
            .sum();
        self.announce();
        left
    }

    fn evacuate_client(self: &Arc<Self>, client: &Arc<ClientState>, deadline: Instant) -> u64 {
        let mut queue = client.queue();
        let left = queue.counters().pending;
        let rest = queue.evacuate(Instant::now());
        let closing = queue.is_leaving();
        drop(queue);
        let (mut requests, mut gone, mut lanes) = (rest.requests, rest.gone, rest.lanes);
        if !closing {
            return left;
        }
        // Also when there are none: a file without rows is then removed.
        loop {
            let rest = requests.split_off(requests.len().min(CHUNK));
            if !requests.is_empty() && Instant::now() >= deadline {
                break;
            }
            let last = rest.is_empty();
            let batch = Batch {
                purpose: Purpose::Exit { last },
                rows: rows_of(self, client, &mut requests),
                gone: std::mem::take(&mut gone),
                lanes: std::mem::take(&mut lanes),
            };
            let task = Task::Write(batch);
            let client = Arc::clone(client);
            self.spool.post(self, Job { client, task });
            if last {
                break;
            }
            requests = rest;
        }
        left
    }

    /// Is everything that the end of the process has left on disk?
    #[must_use]
    pub fn is_evacuated(&self) -> bool {
        self.with_clients(|clients| clients.iter().all(|client| !client.queue().is_leaving()))
    }

    /// Time is over: what has not been written is not, so that the figures stay true while they are
    /// taken. Wait for [`Process::is_evacuated`]; a commit that has begun goes on to its end.
    pub fn stop_writing(&self) {
        self.spool.set_late(true);
    }

    /// Gives up what has not reached the disk.
    pub fn leave_behind(&self) {
        self.spool.set_late(false);
        self.with_clients(|clients| {
            for client in clients.iter() {
                client.queue().leave_behind();
            }
        });
    }
}

//! The threads that own the database connections.
//!
//! Requests that write share one thread, so they happen one after the other: two identical
//! requests at the same moment cannot both be the first. It commits what has queued up meanwhile
//! as one transaction, which multiplies the rate under load and delays a lone request by nothing.
//! Each request is a savepoint, so one that fails takes no other with it, and no answer leaves
//! before its transaction is committed. Reads have a thread of their own and never wait for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use http::StatusCode;
use tokio::sync::oneshot;

use super::answer::{Answer, ApiError};
use super::store::{Store, StoreError};

/// Requests in one transaction at most: a bound on how long the first of them waits.
const BATCH: usize = 128;

type Outcome = Result<Answer, ApiError>;
type Work = Box<dyn FnOnce(&Store) -> Outcome + Send>;

struct Job {
    work: Work,
    reply: oneshot::Sender<Outcome>,
}

/// A handle on both threads; they end when the last handle is gone.
#[derive(Clone)]
pub(crate) struct Database {
    writer: mpsc::Sender<Job>,
    reader: mpsc::Sender<Job>,
    noting: Arc<AtomicBool>,
}

impl Database {
    /// Opens the file and starts the threads.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let (writer, reader) = (Store::open(path)?, Store::open(path)?);
        let spawn_failed = |error: std::io::Error| StoreError::Open {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        Ok(Self {
            writer: spawn("sentrial-db-write", writer, write_batch).map_err(spawn_failed)?,
            reader: spawn("sentrial-db-read", reader, read_batch).map_err(spawn_failed)?,
            noting: Arc::default(),
        })
    }

    /// Runs `work` inside a transaction; the answer comes when that is committed.
    pub(crate) async fn write(
        &self,
        work: impl FnOnce(&Store) -> Outcome + Send + 'static,
    ) -> Outcome {
        submit(&self.writer, Box::new(work)).await
    }

    /// Writes what may be left out, without an answer: not while an earlier note still waits, as
    /// notes would pile up behind a database that is locked.
    pub(crate) fn note(
        &self,
        work: impl FnOnce(&Store) -> Result<(), StoreError> + Send + 'static,
    ) {
        if self.noting.swap(true, Ordering::Relaxed) {
            return;
        }
        let waiting = Waiting(Arc::clone(&self.noting));
        let work = move |store: &Store| {
            drop(waiting);
            work(store)?;
            Answer::ok(&())
        };
        let (reply, _) = oneshot::channel();
        // A server that stops notes nothing more.
        drop(self.writer.send(Job {
            work: Box::new(work),
            reply,
        }));
    }

    /// Runs `work` beside the writer.
    pub(crate) async fn read(
        &self,
        work: impl FnOnce(&Store) -> Outcome + Send + 'static,
    ) -> Outcome {
        submit(&self.reader, Box::new(work)).await
    }
}

/// A note that has not been written; it ends with the work, done or not.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

async fn submit(thread: &mpsc::Sender<Job>, work: Work) -> Outcome {
    let gone = || {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the local server is stopping",
        )
    };
    let (reply, outcome) = oneshot::channel();
    thread.send(Job { work, reply }).map_err(|_| gone())?;
    outcome.await.map_err(|_| gone())?
}

fn spawn(
    name: &str,
    store: Store,
    run: fn(&Store, Vec<Job>),
) -> std::io::Result<mpsc::Sender<Job>> {
    let (sender, jobs) = mpsc::channel::<Job>();
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            while let Ok(first) = jobs.recv() {
                let batch = std::iter::once(first)
                    .chain(jobs.try_iter().take(BATCH - 1))
                    .collect();
                run(&store, batch);
            }
        })?;
    Ok(sender)
}

fn read_batch(store: &Store, batch: Vec<Job>) {
    let there = store.check_file();
    for Job { work, reply } in batch {
        let outcome = match &there {
            Ok(()) => guarded(store, work),
            Err(StoreError::Gone(path)) => Err(StoreError::Gone(path.clone()).into()),
            Err(error) => Err(ApiError::internal(error)),
        };
        // A caller that has gone away needs no answer.
        drop(reply.send(outcome));
    }
}

fn write_batch(store: &Store, batch: Vec<Job>) {
    let (replies, work): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|job| (job.reply, job.work)).unzip();
    let mut outcomes = Vec::with_capacity(replies.len());
    let committed = store.check_file().and_then(|()| {
        store.begin()?;
        for work in work {
            outcomes.push(isolated(store, work)?);
        }
        store.commit()?;
        // What was committed into a file that has lost its name meanwhile is not stored.
        store.check_file()
    });
    if let Err(error) = committed {
        store.roll_back();
        // A full disk may end the transaction under the work that met it: that is the reason then,
        // and not that the transaction is gone.
        let full = |outcome: &Outcome| {
            let error = outcome.as_ref().err()?;
            (error.status == StatusCode::INSUFFICIENT_STORAGE).then(|| error.clone())
        };
        let error = outcomes
            .iter()
            .find_map(full)
            .unwrap_or_else(|| error.into());
        outcomes = vec![Err(error); replies.len()];
    }
    for (reply, outcome) in replies.into_iter().zip(outcomes) {
        drop(reply.send(outcome));
    }
}

/// One piece of work as a savepoint: a failure of ours leaves no trace of it (a refusal may: the
/// caller's key was used). `Err` means that the whole batch is lost.
fn isolated(store: &Store, work: Work) -> Result<Outcome, StoreError> {
    store.savepoint()?;
    let outcome = guarded(store, work);
    let keep = outcome
        .as_ref()
        .map_or_else(|error| !error.status.is_server_error(), |_| true);
    store.release(keep)?;
    Ok(outcome)
}

/// Runs `work`; a panic becomes a 500 and the thread lives on.
fn guarded(store: &Store, work: Work) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| work(store)))
        .unwrap_or_else(|_| Err(ApiError::internal(&"a request could not be handled")))
}

#[cfg(test)]
mod tests {
    use super::super::keys::Environment;
    use super::super::store::tests::Scratch;
    use super::{Answer, ApiError, Database};

    fn name_of(store: &super::Store, name: &str) -> Result<Answer, ApiError> {
        store.create_key(name, Environment::Live)?;
        Answer::ok(&name)
    }

    #[tokio::test]
    async fn failures_and_panics_undo_their_own_work_only() {
        let scratch = Scratch::new();
        let database = Database::open(&scratch.database()).unwrap();
        let (kept, failed, panicked, last) = tokio::join!(
            database.write(|store| name_of(store, "kept")),
            database.write(|store| {
                name_of(store, "failed")?;
                Err(ApiError::internal(&"no"))
            }),
            database.write(|store| {
                name_of(store, "panicked")?;
                panic!("on purpose");
            }),
            database.write(|store| name_of(store, "last")),
        );
        assert!(kept.is_ok() && last.is_ok());
        assert_eq!(failed.unwrap_err().status, 500);
        assert_eq!(panicked.unwrap_err().status, 500);
        let names = database.read(|store| {
            let keys = store.list_keys()?;
            Answer::ok(&keys.into_iter().map(|key| key.name).collect::<Vec<_>>())
        });
        assert_eq!(names.await.unwrap().body, r#"["kept","last"]"#);
    }
}

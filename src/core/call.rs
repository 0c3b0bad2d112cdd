//! A call outside the ledger: made at once, beside the lanes, for somebody who waits for its answer.
//!
//! Experiments, redaction settings and self-diagnosis use it. It shares the transport, the key and
//! the retry policy of the client's blocking calls, is never queued behind what is recorded, never
//! spooled, and not counted in `stats()`.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt as _;

use super::answer::ApiError;
use super::api_key::ApiKey;
use super::client::ClientState;
use super::clock;
use super::error::DeliveryError;
use super::process::Process;
use super::receipt::Outcome;
use super::reply::{Answer, Failure, Reply};
use super::retry::{self, Kind as Pace, StatusClass};
use super::sync::lock;
use super::transport::{Attempt, Transport};

/// What starting a thread, building the HTTP client and the like may add to the time of a call.
const SLACK: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Call {
    /// `GET`, `POST`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// Path below the API's address, with a leading slash, percent-encoded.
    pub path: String,
    /// JSON body; empty for none.
    pub body: Bytes,
    /// Attempts, the first one included.
    pub attempts: u32,
}

/// Where the end of a call can be read.
#[derive(Debug, Default)]
pub struct Calling(OnceLock<Ended>);

/// How a call ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The body of the answer, or why there is none.
    pub outcome: Outcome,
    /// The server's clock (`Date`) when it answered last, whatever it answered.
    pub server_time: Option<SystemTime>,
}

impl Calling {
    /// The end, once it is reached.
    #[must_use]
    pub fn ended(&self) -> Option<&Ended> {
        self.0.get()
    }
}

/// Calls that the delivery thread has not seen yet.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<Vec<Waiting>>);

/// A call on its way, until it is settled.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) client: Arc<ClientState>,
    call: Call,
    made_at: SystemTime,
    idempotency_key: String,
    calling: Arc<Calling>,
}

impl Calls {
    pub(super) fn put(&self, call: Waiting) {
        lock(&self.0).push(call);
    }

    pub(super) fn take(&self) -> Vec<Waiting> {
        std::mem::take(&mut lock(&self.0))
    }
}

impl Waiting {
    pub(super) fn new(
        client: Arc<ClientState>,
        call: Call,
        idempotency_key: String,
        calling: Arc<Calling>,
    ) -> Self {
        Self {
            client,
            call,
            made_at: SystemTime::now(),
            idempotency_key,
            calling,
        }
    }

    /// Makes the call on the delivery thread and settles it.
    pub(super) async fn carry_out(
        self,
        process: Arc<Process>,
        transport: Result<Transport, String>,
    ) {
        // Also if the thread dies in the middle: whoever waits must learn it.
        let witness = Witness {
            calling: Arc::clone(&self.calling),
            process,
        };
        let ended = match transport {
            Ok(transport) => self.attempts(&witness.process, &transport).await,
            Err(message) => Ended::unreached(message),
        };
        let _ = self.calling.0.set(ended);
        drop(witness);
    }

    async fn attempts(&self, process: &Process, transport: &Transport) -> Ended {
        let mut attempts = 0;
        let mut server_time = None;
        loop {
            attempts += 1;
            // As it is sent: the key may have been replaced since the last attempt.
            let attempt = self.attempt();
            let key = attempt.key.clone();
            let started = Instant::now();
            let reply = AssertUnwindSafe(transport.clone().send(attempt))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Reply::Failed(Failure::Internal("internal error".to_owned())));
            self.note(process, &reply, started);
            if let Reply::Answer(answer) = &reply {
                server_time = answer.date.or(server_time);
            }
            let (error, retry_after) = match judge(reply, key.as_ref()) {
                Verdict::Accepted(body) => {
                    let outcome = Outcome::Answer(body);
                    return Ended {
                        outcome,
                        server_time,
                    };
                }
                Verdict::Again(error, retry_after) if self.goes_on(attempts) => {
                    (error, Some(retry_after))
                }
                Verdict::Refused(error) | Verdict::Again(error, _) => (error, None),
            };
            let Some(retry_after) = retry_after else {
                let outcome = Outcome::Failed(error);
                return Ended {
                    outcome,
                    server_time,
                };
            };
            let pause = retry::next_delay(attempts, Pace::Blocking, retry_after, clock::jitter());
            tokio::time::sleep(pause).await;
        }
    }

    /// Is another attempt left, and anybody there to read its outcome? Nobody else holds it once
    /// the caller has given up, on Ctrl-C for example.
    fn goes_on(&self, attempts: u32) -> bool {
        attempts < self.call.attempts && Arc::strong_count(&self.calling) > 2
    }

    fn attempt(&self) -> Attempt {
        self.client
            .attempt_call(&self.call, self.made_at, self.idempotency_key.clone())
    }

    fn note(&self, process: &Process, reply: &Reply, started: Instant) {
        if self.client.is_debug() {
            let line = reply.debug_line(
                self.call.method,
                &self.call.path,
                &self.call.body,
                started.elapsed(),
                self.client.key().as_deref(),
            );
            process.notices.park(self.client.sign(&line));
        }
    }
}

impl Call {
    /// How long somebody waits for it at most, where one attempt takes up to `timeout`: the
    /// attempts and the longest pauses between them. A server that asks for a longer pause with
    /// `Retry-After` is not asked again within this time.
    #[must_use]
    pub fn longest(&self, timeout: Duration) -> Duration {
        let pauses = self.attempts.saturating_sub(1);
        timeout.saturating_mul(self.attempts) + Pace::Blocking.cap().saturating_mul(pauses) + SLACK
    }
}

impl Ended {
    fn unreached(message: String) -> Self {
        Self::failed(DeliveryError::Connection { message })
    }

    /// No answer within the time that somebody waits for one.
    #[must_use]
    pub fn late(longest: Duration) -> Self {
        let message = format!("no answer within {} s", longest.as_secs());
        Self::failed(DeliveryError::Timeout { message })
    }

    fn failed(error: DeliveryError) -> Self {
        Self {
            outcome: Outcome::Failed(error),
            server_time: None,
        }
    }
}

enum Verdict {
    Accepted(Bytes),
    Refused(DeliveryError),
    Again(DeliveryError, Option<Duration>),
}

fn judge(reply: Reply, key: Option<&ApiKey>) -> Verdict {
    let answer = match reply {
        Reply::Answer(answer) => answer,
        Reply::Failed(failure) => return judge_failure(&failure, key),
    };
    if let Some(failure) = answer.imposed_page() {
        return judge_failure(&failure, key);
    }
    let class = retry::classify(answer.status);
    if class == StatusClass::Success {
        return Verdict::Accepted(answer.body);
    }
    let Answer {
        status,
        retry_after,
        request_id,
        body,
        ..
    } = answer;
    let error = ApiError::from_response(status, &body, request_id.as_deref(), retry_after, key);
    let error = DeliveryError::from(error);
    if class.is_retryable() {
        Verdict::Again(error, retry_after)
    } else {
        Verdict::Refused(error)
    }
}

fn judge_failure(failure: &Failure, key: Option<&ApiKey>) -> Verdict {
    let text = failure.message();
    let message = key.map_or_else(|| text.to_owned(), |key| key.scrub(text));
    match failure {
        Failure::Timeout(_) => Verdict::Again(DeliveryError::Timeout { message }, None),
        Failure::Unsendable(_) => Verdict::Refused(DeliveryError::Connection { message }),
        Failure::Connection(_) | Failure::Redirect(_) | Failure::Page(_) | Failure::Internal(_) => {
            Verdict::Again(DeliveryError::Connection { message }, None)
        }
    }
}

/// Tells whoever waits, whatever becomes of the call.
struct Witness {
    calling: Arc<Calling>,
    process: Arc<Process>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.calling
            .0
            .get_or_init(|| Ended::unreached("internal error".to_owned()));
        self.process.announce();
    }
}

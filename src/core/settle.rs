//! What becomes of a request once an attempt has ended.

mod fault;
mod requeue;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::{ApiError, session_id_from};
use super::api_key::ApiKey;
use super::concurrency::Attempted;
use super::error::{DeliveryError, DropReason};
use super::health::Wait;
use super::notices::{Level, Notice};
use super::queue::Queue;
use super::receipt::Outcome;
use super::reply::{Answer, Failure, Reply};
use super::request::{Kind, Patience, Request};
use super::retry::{self, Kind as Pace, StatusClass};

/// What a request waits that was refused (429) without `Retry-After`, while others get through.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// Circumstances of a settlement.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// Now.
    pub now: Instant,
    /// Random number in 0..1 for the back-off.
    pub jitter: f64,
    /// The key the requests are sent with.
    pub key: Option<&'a ApiKey>,
}

impl Moment<'_> {
    pub(super) fn error(&self, answer: &Answer) -> ApiError {
        let request_id = answer.request_id.as_deref();
        ApiError::from_response(
            answer.status,
            &answer.body,
            request_id,
            answer.retry_after,
            self.key,
        )
    }

    pub(super) fn wait(&self, retry_after: Option<Duration>) -> Wait {
        Wait {
            retry_after,
            jitter: self.jitter,
            hung: false,
        }
    }

    /// A text that was made from what the server sent, without the key.
    pub(super) fn scrubbed(&self, text: &str) -> String {
        self.key
            .map_or_else(|| text.to_owned(), |key| key.scrub(text))
    }

    pub(super) fn masked_key(&self) -> String {
        self.key.map_or_else(|| "none".to_owned(), ApiKey::masked)
    }
}

impl Queue {
    /// Settles an attempt: delivered, dropped, or back into its lane.
    pub fn settle(&mut self, mut request: Request, reply: Reply, at: Moment<'_>) {
        let Some(key) = self.landed(&mut request, at.now) else {
            return;
        };
        match reply {
            Reply::Answer(answer) => {
                let sent = request.sent_at.unwrap_or(at.now);
                self.silence.answered(sent, at.now);
                self.answered(request, answer, at);
            }
            Reply::Failed(failure) => self.failed(request, &failure, at),
        }
        self.reindex(key, at.now);
    }

    fn answered(&mut self, request: Request, answer: Answer, at: Moment<'_>) {
        if let Some(failure) = answer.imposed_page() {
            return self.page(request, &answer, &failure, at);
        }
        match retry::classify(answer.status) {
            StatusClass::Success => self.succeeded(request, answer, at),
            StatusClass::Unauthorized => self.unauthorized(request, &answer, at),
            StatusClass::RateLimited => self.rate_limited(request, &answer, at),
            StatusClass::Outage => self.unavailable(request, &answer, at),
            StatusClass::Retry => self.failing(request, &answer, at),
            StatusClass::Redirect => {
                let text = format!("unexpected redirect ({})", answer.status);
                self.failed(request, &Failure::Redirect(text), at);
            }
            StatusClass::Rejected => self.rejected(request, &answer, at),
        }
    }

    fn succeeded(&mut self, request: Request, answer: Answer, at: Moment<'_>) {
        if request.kind == Kind::Create {
            let Some(id) = session_id_from(&answer.body) else {
                return self.without_id(request, &answer, at);
            };
            request.session.resolve(&id);
        }
        self.works(&request, at);
        self.settled(&request);
        if request.is_adopted() {
            self.counters.replayed += 1;
        } else {
            self.counters.delivered += 1;
        }
        self.counters.bytes += request.body.len() as u64;
        if let Some(receipt) = &request.receipt
            && Arc::strong_count(receipt) > 1
        {
            receipt.settle(Outcome::Answer(answer.body));
        }
        if request.kind == Kind::Create {
            self.identified(&request.session, at.now);
        }
    }

    fn unauthorized(&mut self, request: Request, answer: &Answer, at: Moment<'_>) {
        if request.key_epoch != self.key_epoch {
            // The key was replaced while this request was on its way with the old one.
            return self.put_back(request, at.now);
        }
        let error = at.error(answer);
        let totals = self.totals();
        self.last_error = Some(error.to_string());
        self.failures
            .get_or_insert_with(|| (DeliveryError::from(error.clone()), 1));
        if let Patience::Blocking { .. } = request.patience {
            // The caller is told; nothing is kept, so nothing is paused.
            self.report(request.kind, answer.status, &error.to_string());
            return self.gave_up(request, DeliveryError::from(error), at);
        }
        let line = self
            .health
            .unauthorized(at.now, &error.message, &at.masked_key(), totals);
        self.say_if(line);
        self.put_back(request, at.now);
    }

    fn rate_limited(&mut self, mut request: Request, answer: &Answer, at: Moment<'_>) {
        request.attempts += 1;
        self.attempted(&request, Attempted::Refused, at);
        let retry_after = answer.retry_after;
        if !self.limits.immediate {
            let wait = at.wait(retry_after);
            let totals = self.totals();
            let line = self.health.limited(at.now, request.probe, wait, totals);
            self.say_if(line);
        }
        let error = at.error(answer);
        self.last_error = Some(error.to_string());
        match request.patience {
            Patience::Blocking { .. } => {
                self.once_more(request, DeliveryError::from(error), retry_after, at);
            }
            Patience::Background if self.health.is_open() => {
                let asked = retry_after.unwrap_or(REFUSED_PAUSE);
                self.alone(request, Some(asked), at);
            }
            Patience::Background => self.put_back(request, at.now),
        }
    }

    /// 502, 503, 504 and the like: the server, or what stands before it, does not work.
    fn unavailable(&mut self, request: Request, answer: &Answer, at: Moment<'_>) {
        let error = at.error(answer);
        let reason = error.to_string();
        self.outage(
            request,
            DeliveryError::from(error),
            &reason,
            answer.retry_after,
            at,
        );
    }

    fn failed(&mut self, request: Request, failure: &Failure, at: Moment<'_>) {
        let message = at.scrubbed(failure.message());
        if let Failure::Unsendable(_) = failure {
            // No server has a part in this: nothing is said about its health.
            let error = DeliveryError::Connection { message };
            return self.refuse(request, DropReason::Invalid, error, at);
        }
        let error = match failure {
            Failure::Timeout(_) => DeliveryError::Timeout {
                message: message.clone(),
            },
            _ => DeliveryError::Connection {
                message: message.clone(),
            },
        };
        self.outage(request, error, &message, None, at);
    }

    fn outage(
        &mut self,
        mut request: Request,
        error: DeliveryError,
        reason: &str,
        retry_after: Option<Duration>,
        at: Moment<'_>,
    ) {
        request.attempts += 1;
        self.cursor = request.seq;
        self.last_error = Some(reason.to_owned());
        let asks = retry_after.is_some();
        let attempted = if asks {
            Attempted::Refused
        } else {
            Attempted::Broken
        };
        self.attempted(&request, attempted, at);
        let totals = self.totals();
        let hung = matches!(error, DeliveryError::Timeout { .. });
        let wait = Wait {
            hung,
            ..at.wait(retry_after)
        };
        let line = self
            .health
            .outage(at.now, request.probe, reason, wait, totals);
        self.say_if(line);
        if let Patience::Blocking { .. } = request.patience {
            return self.once_more(request, error, retry_after, at);
        }
        if self.health.is_open() {
            return self.alone(request, retry_after, at);
        }
        let delivered = self.counters.successes();
        if delivered > *request.delivered_before.get_or_insert(delivered) {
            // Others got through since this one began to fail: it may be at fault itself, and
            // must not stop the whole client each time delivery works again.
            let pause =
                retry::next_delay(request.attempts, Pace::Background, retry_after, at.jitter);
            return self.delay(request, pause, at.now);
        }
        self.put_back(request, at.now);
    }

    fn rejected(&mut self, request: Request, answer: &Answer, at: Moment<'_>) {
        let status = answer.status;
        let error = at.error(answer);
        self.works(&request, at);
        self.last_error = Some(error.to_string());
        self.report(request.kind, status, &error.to_string());
        self.refuse(
            request,
            DropReason::from_status(status),
            DeliveryError::from(error),
            at,
        );
    }

    /// Drops a request the server does not accept; a refused create ends its session.
    fn refuse(
        &mut self,
        request: Request,
        reason: DropReason,
        error: DeliveryError,
        at: Moment<'_>,
    ) {
        if request.kind == Kind::Create {
            let session = Arc::clone(&request.session);
            self.forget(request, DropReason::SessionRejected, Some(error.clone()));
            self.bury(&session, DropReason::SessionRejected, Some(&error), at.now);
        } else {
            self.forget(request, reason, Some(error));
        }
    }

    fn attempted(&mut self, request: &Request, attempted: Attempted, at: Moment<'_>) {
        let sent = request.sent_at.unwrap_or(at.now);
        let took = at.now.saturating_duration_since(sent);
        self.concurrency.note(attempted, took);
    }

    fn works(&mut self, request: &Request, at: Moment<'_>) {
        self.attempted(request, Attempted::Answered, at);
        let totals = self.totals();
        let line = self.health.success(at.now, request.probe, totals);
        if line.is_some() {
            // Delivery was broken and works again: what it refuses from now on is news.
            self.reported.clear();
        }
        self.say_if(line);
    }

    /// One line per kind of request and status, until delivery recovers from an outage or gets
    /// another key.
    fn report(&mut self, kind: Kind, status: u16, what: &str) {
        if self.reported.insert((kind, status)) {
            let noun = kind.noun();
            self.say(
                Level::Warning,
                format!("the server refused a {noun}: {what}; further ones are only counted"),
            );
        }
    }

    fn say_if(&mut self, notice: Option<Notice>) {
        if let Some(notice) = notice {
            self.say(notice.level, notice.text);
        }
    }
}

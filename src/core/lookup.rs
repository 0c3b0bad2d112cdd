//! Asking the server for the organisation's rules before anything of a client leaves.
//!
//! The question behaves like a request of the client: an outage, a 429 or a 401 that it meets is
//! one that the requests behind it would meet, so it goes through the same health. It is not in the
//! ledger.

use std::time::Instant;

use super::api_key::ApiKey;
use super::error::DeliveryError;
use super::health::Gate;
use super::queue::Queue;
use super::redact::organisation::{self, Settings};
use super::reply::{Answer, Failure, Reply};
use super::settle::Moment;

/// Where the question is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// There is nothing to ask, or the answer is known: requests may be sent.
    Settled,
    /// To be asked before the next request.
    Wanted,
    /// On its way.
    Asked,
    /// The server refuses it to this key (403): nothing is sent until there is another.
    Denied,
}

/// What an answer means.
#[derive(Debug)]
pub(super) enum Verdict {
    /// These settings apply.
    Known(Settings),
    /// Ask again when the client's health allows.
    Again,
    /// See [`Lookup::Denied`].
    Denied,
    /// It was asked with another key: it means nothing.
    Stale,
}

/// The path below the API's address.
pub(super) const PATH: &str = "/api/sdk/pii-config";
/// Stands for the question where requests are told apart by their numbers.
pub(super) const NUMBER: u64 = u64::MAX;

impl Queue {
    /// Is there a request that could be sent at `now`, so that the question is worth asking?
    pub(super) fn has_ready(&mut self, now: Instant) -> bool {
        self.refresh(now);
        self.is_ready(now)
    }

    /// May the question be asked now? If so it counts as asked.
    pub(super) fn take_lookup(&mut self, now: Instant) -> bool {
        match self.gate(now) {
            Gate::Closed => false,
            Gate::Open => true,
            Gate::Probe => {
                self.health.probe_started(NUMBER);
                true
            }
        }
    }

    /// When the question may be asked again, if time decides that.
    pub(super) fn next_lookup(&self) -> Option<Instant> {
        self.has_room().then(|| self.health.next_probe()).flatten()
    }

    /// The answer to the question. `epoch` is that of the key it was asked with.
    pub(super) fn looked_up(&mut self, reply: &Reply, epoch: u64, at: Moment<'_>) -> Verdict {
        let probe = self.health.probe_landed(NUMBER) || self.limits.immediate;
        self.silence.landed(NUMBER);
        if epoch != self.key_epoch {
            return Verdict::Stale;
        }
        let reply = readable(reply);
        match &reply {
            Reply::Answer(answer) if answer.status == 404 => {
                self.lookup_works(probe, at);
                return Verdict::Known(Settings::None);
            }
            Reply::Answer(answer) if matches!(answer.status, 200..=299) => {
                if let Some(settings) = organisation::read(&answer.body) {
                    self.lookup_works(probe, at);
                    return Verdict::Known(settings);
                }
            }
            _ => {}
        }
        if self.limits.immediate {
            self.fail_ready(&reply, at);
            return Verdict::Again;
        }
        self.lookup_failed(&reply, probe, at)
    }

    fn lookup_works(&mut self, probe: bool, at: Moment<'_>) {
        let totals = self.totals();
        if let Some(line) = self.health.success(at.now, probe, totals) {
            self.say(line.level, line.text);
        }
    }

    fn lookup_failed(&mut self, reply: &Reply, probe: bool, at: Moment<'_>) -> Verdict {
        let totals = self.totals();
        let (error, status, retry_after) = match reply {
            Reply::Answer(answer) => {
                let error = at.error(answer);
                (
                    DeliveryError::from(error),
                    answer.status,
                    answer.retry_after,
                )
            }
            Reply::Failed(failure) => {
                let message = at.scrubbed(failure.message());
                (DeliveryError::Connection { message }, 0, None)
            }
        };
        let reason = format!("the organisation's PII settings: {error}");
        self.last_error = Some(reason.clone());
        let wait = at.wait(retry_after);
        let line = match status {
            401 => {
                self.failures.get_or_insert_with(|| (error.clone(), 1));
                let key = at.masked_key();
                self.health.unauthorized(at.now, &reason, &key, totals)
            }
            403 => self.health.denied(at.now, &reason, totals),
            429 => self.health.limited(at.now, probe, wait, totals),
            _ => self.health.outage(at.now, probe, &reason, wait, totals),
        };
        if let Some(line) = line {
            self.say(line.level, line.text);
        }
        if status == 403 {
            self.failures.get_or_insert((error, 1));
            Verdict::Denied
        } else {
            Verdict::Again
        }
    }

    /// In immediate delivery somebody waits for each request: what the question met is what the
    /// requests have met.
    fn fail_ready(&mut self, reply: &Reply, at: Moment<'_>) {
        while let Some(request) = self.take(at.now) {
            self.settle(request, reply.clone(), at);
        }
    }
}

/// Success with a body that cannot be read, or an answer that has no meaning here, is no answer.
fn readable(reply: &Reply) -> Reply {
    let failed = |what: &str| Reply::Failed(Failure::Connection(what.to_owned()));
    match reply {
        Reply::Answer(answer) if answer.imposed_page().is_some() => {
            failed("a page instead of an answer to GET /api/sdk/pii-config")
        }
        Reply::Answer(Answer { status, body, .. }) => match status {
            200..=299 if organisation::read(body).is_none() => {
                failed("the server's answer to GET /api/sdk/pii-config cannot be read")
            }
            100..=199 | 300..=399 => failed("unexpected answer to GET /api/sdk/pii-config"),
            _ => reply.clone(),
        },
        Reply::Failed(_) => reply.clone(),
    }
}

/// A question on its way.
#[derive(Debug)]
pub(super) struct Question {
    /// Which key of the client it is asked with.
    pub(super) epoch: u64,
    /// That key.
    pub(super) key: Option<ApiKey>,
}

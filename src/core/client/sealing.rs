//! The last step before a body leaves memory: redacted by the rules of its client, and cut.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use super::ClientState;
use crate::core::clock;
use crate::core::lookup::{self, Lookup, Question, Verdict};
use crate::core::notices::{Level, Notice};
use crate::core::policy::{Policy, Version};
use crate::core::redact::{self, Report, Shape};
use crate::core::reply::Reply;
use crate::core::request::Request;
use crate::core::settle::Moment;
use crate::core::sync::lock;
use crate::core::transport::Attempt;

/// How long the server may take to hand out the organisation's rules.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Kept free in an event for the id of its session.
const ID_ROOM: usize = 128;

impl ClientState {
    /// Gives the body the final form in which it may leave memory: redacted, and within
    /// `max_event_bytes`. Done once for each version of the rules. If it fails the body is withheld.
    pub fn seal(&self, request: &mut Request) {
        let rules = self.policy.current();
        if request.sealed == Some(rules.number) {
            return;
        }
        let mut report = Report::default();
        request
            .body
            .rewrite(|json, shape| self.sealed(&rules, json, shape, &mut report));
        request.sealed = Some(rules.number);
        if !report.is_empty() {
            self.note(&report);
        }
    }

    pub(super) fn sealed(
        &self,
        rules: &Version,
        json: &[u8],
        shape: Shape,
        report: &mut Report,
    ) -> Option<Vec<u8>> {
        let room = if shape == Shape::Tail { ID_ROOM } else { 0 };
        let max = self.settings.options.max_event_bytes.saturating_sub(room);
        let sealing = AssertUnwindSafe(|| rules.redactor.sealed(json, shape, max, report));
        std::panic::catch_unwind(sealing).unwrap_or_else(|_| Some(redact::withheld(shape)))
    }

    /// The body of a request as it may leave for somewhere else, where it is recorded as well: the
    /// same rules apply. What they do is in the report once, with the request itself.
    #[must_use]
    pub fn sealed_copy(&self, json: &[u8]) -> Option<Vec<u8>> {
        let rules = self.policy.current();
        self.sealed(&rules, json, Shape::Body, &mut Report::default())
    }

    /// Are the rules known that bodies are redacted with? Before that nothing may leave.
    #[must_use]
    pub fn knows_rules(&self) -> bool {
        !self.policy.must_ask()
    }

    /// Adds to what has been redacted for this client.
    pub fn note(&self, report: &Report) {
        lock(&self.report).add(report);
    }

    /// What has been redacted for this client in this process.
    #[must_use]
    pub fn report(&self) -> Report {
        lock(&self.report).clone()
    }

    pub(in crate::core) fn lookup(&self) -> Lookup {
        *lock(&self.lookup)
    }

    /// The question to ask the server now, if there is one and it may be asked.
    pub(in crate::core) fn ask(&self, now: Instant) -> Option<(Question, Attempt)> {
        let mut lookup = lock(&self.lookup);
        let mut queue = self.queue();
        if *lookup != Lookup::Wanted || !queue.take_lookup(now) {
            return None;
        }
        *lookup = Lookup::Asked;
        let key = self.key().as_deref().cloned();
        let question = Question {
            epoch: queue.key_epoch,
            key: key.clone(),
        };
        let attempt = Attempt {
            url: Arc::clone(&self.settings.url),
            key,
            method: "GET",
            path: lookup::PATH.to_owned(),
            body: Bytes::new(),
            idempotency_key: String::new(),
            made_at: SystemTime::now(),
            timeout: self.settings.options.timeout.min(LOOKUP_TIMEOUT),
        };
        Some((question, attempt))
    }

    /// The server has answered the question, or not.
    pub(in crate::core) fn answered(&self, question: &Question, reply: &Reply) {
        let at = Moment {
            now: Instant::now(),
            jitter: clock::jitter(),
            key: question.key.as_ref(),
        };
        let mut lookup = lock(&self.lookup);
        let verdict = self.queue().looked_up(reply, question.epoch, at);
        *lookup = match verdict {
            Verdict::Known(settings) => {
                for problem in self.policy.learn(settings) {
                    let text = format!("the organisation's PII settings: {problem}");
                    let notice = self.sign(&Notice::new(Level::Warning, text));
                    self.process.notices.park(notice);
                }
                Lookup::Settled
            }
            Verdict::Again => Lookup::Wanted,
            Verdict::Denied => Lookup::Denied,
            Verdict::Stale => return,
        };
    }
}

/// What there is to find out before anything may leave.
pub(super) fn first_lookup(policy: &Policy) -> Lookup {
    if policy.must_ask() {
        Lookup::Wanted
    } else {
        Lookup::Settled
    }
}

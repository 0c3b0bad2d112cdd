//! What has arrived.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::request::{Kind, Request};

/// Numbers of a run. Sessions and events are those that were taken.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    requests: AtomicU64,
    bytes: AtomicU64,
    sessions: AtomicU64,
    events: AtomicU64,
    others: AtomicU64,
    refused: AtomicU64,
    reset: AtomicU64,
    in_flight: AtomicU64,
    peak: AtomicU64,
    last_event: Mutex<Vec<u8>>,
    checks: Option<Mutex<Checks>>,
}

/// What is known of every request that was taken.
#[derive(Debug, Default)]
struct Checks {
    keys: HashSet<Vec<u8>>,
    doubled: u64,
    /// By session the number of its last event.
    last: HashMap<Vec<u8>, u64>,
    disordered: u64,
}

impl Counts {
    pub(crate) fn new(check: bool) -> Self {
        Self {
            checks: check.then(Mutex::default),
            ..Self::default()
        }
    }

    /// A request has arrived; its number, from 0.
    pub(crate) fn arrived(&self, request: &Request<'_>) -> u64 {
        self.bytes.fetch_add(request.length as u64, Relaxed);
        let now = self.in_flight.fetch_add(1, Relaxed) + 1;
        self.peak.fetch_max(now, Relaxed);
        self.requests.fetch_add(1, Relaxed)
    }

    pub(crate) fn answered(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn reset(&self) {
        self.reset.fetch_add(1, Relaxed);
        self.answered();
    }

    /// Takes a request; the body of its answer.
    pub(crate) fn taken(&self, request: &Request<'_>) -> String {
        if let Some(checks) = &self.checks {
            lock(checks).take(request);
        }
        match request.kind {
            Kind::Event => {
                // One of many is enough, and copying each would be most of the work.
                if self.events.fetch_add(1, Relaxed).is_multiple_of(64) {
                    request.body.clone_into(&mut lock(&self.last_event));
                }
                "{\"id\":\"e\",\"sequenceNumber\":1}".to_owned()
            }
            Kind::Session => {
                let number = self.sessions.fetch_add(1, Relaxed) + 1;
                format!("{{\"id\":\"session-{number}\",\"status\":\"running\"}}")
            }
            Kind::Other | Kind::Counts => {
                self.others.fetch_add(1, Relaxed);
                "{\"ok\":true}".to_owned()
            }
        }
    }

    pub(crate) fn to_json(&self) -> String {
        let last: Value = serde_json::from_slice(&lock(&self.last_event)).unwrap_or_default();
        let mut report = json!({
            "requests": self.requests.load(Relaxed),
            "bytes": self.bytes.load(Relaxed),
            "sessions": self.sessions.load(Relaxed),
            "events": self.events.load(Relaxed),
            "others": self.others.load(Relaxed),
            "refused": self.refused.load(Relaxed),
            "reset": self.reset.load(Relaxed),
            "peak": self.peak.load(Relaxed),
            "last_event": last,
        });
        if let (Some(checks), Some(report)) = (&self.checks, report.as_object_mut()) {
            let checks = lock(checks);
            report.insert("doubled".to_owned(), checks.doubled.into());
            report.insert("disordered".to_owned(), checks.disordered.into());
        }
        report.to_string()
    }
}

impl Checks {
    fn take(&mut self, request: &Request<'_>) {
        if !request.key.is_empty() && !self.keys.insert(request.key.to_owned()) {
            self.doubled += 1;
        }
        if request.kind == Kind::Event {
            let last = self.last.entry(request.session().to_owned()).or_default();
            if request.number() <= *last {
                self.disordered += 1;
            }
            *last = request.number().max(*last);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The outcome of one logical request, for whoever wants to read it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::error::DeliveryError;

/// How a request ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The server accepted it; the body is its answer, cut at the answer limit.
    Answer(Bytes),
    /// It was dropped.
    Failed(DeliveryError),
}

/// A place for the outcome of one request. Cheap to make; costs nothing when nobody reads it.
#[derive(Debug)]
pub struct Receipt {
    pid: u32,
    outcome: OnceLock<Outcome>,
}

impl Receipt {
    /// An empty receipt of the process `pid`, which is this one: asking the system again would cost
    /// every call a microsecond.
    #[must_use]
    pub fn new(pid: u32) -> Arc<Self> {
        Arc::new(Self {
            pid,
            outcome: OnceLock::new(),
        })
    }

    /// The outcome, once there is one.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.get()
    }

    /// Can an outcome still arrive in this process? Not for a receipt inherited over a fork.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.pid == std::process::id()
    }

    pub(super) fn settle(&self, outcome: Outcome) {
        let _ = self.outcome.set(outcome);
    }
}

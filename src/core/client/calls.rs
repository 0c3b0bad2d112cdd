//! Calls outside the ledger: what a client gives them, and the form in which they leave.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{Client, ClientState};
use crate::core::call::{Call, Calling, Waiting};
use crate::core::process::salt;
use crate::core::redact::{self, Report, Shape};
use crate::core::transport::Attempt;

impl Client {
    /// Makes a call outside the ledger; the outcome can be waited for.
    pub fn call(&self, call: Call) -> Arc<Calling> {
        let state = self.state();
        let process = Arc::clone(&state.process);
        let idempotency_key = process.idempotency_key(process.next_number(), salt());
        let calling = Arc::new(Calling::default());
        let waiting = Waiting::new(state, call, idempotency_key, Arc::clone(&calling));
        process.calls.put(waiting);
        process.ensure_running();
        process.signal.ring();
        calling
    }
}

impl ClientState {
    /// What goes out for a call outside the ledger. Like [`ClientState::attempt`] it runs on the
    /// delivery thread, right before the bytes leave.
    pub(in crate::core) fn attempt_call(
        &self,
        call: &Call,
        made_at: SystemTime,
        idempotency_key: String,
    ) -> Attempt {
        Attempt {
            url: Arc::clone(&self.settings.url),
            key: self.key().as_deref().cloned(),
            method: call.method,
            path: self.hidden_path(&call.path),
            body: self.sealed_call(&call.body),
            idempotency_key,
            made_at,
            timeout: self.settings.options.timeout,
        }
    }

    /// A path is percent-encoded, also what stands for a key in it.
    fn hidden_path(&self, path: &str) -> String {
        const BRACKETS: &AsciiSet = &CONTROLS.add(b'[').add(b']');
        match self.policy.hidden(path) {
            Cow::Borrowed(path) => path.to_owned(),
            Cow::Owned(path) => utf8_percent_encode(&path, BRACKETS).to_string(),
        }
    }

    /// The body of a call outside the ledger as it may leave: redacted, but not cut, for a prompt
    /// must arrive whole. Before the rules are known all of it is withheld.
    fn sealed_call(&self, body: &Bytes) -> Bytes {
        if body.is_empty() {
            return Bytes::new();
        }
        if !self.knows_rules() {
            return redact::withheld(Shape::Body).into();
        }
        let rules = self.policy.current();
        let mut report = Report::default();
        let sealing = AssertUnwindSafe(|| {
            rules
                .redactor
                .sealed(body, Shape::Body, usize::MAX, &mut report)
        });
        let sealed = std::panic::catch_unwind(sealing);
        if !report.is_empty() {
            self.note(&report);
        }
        match sealed.unwrap_or_else(|_| Some(redact::withheld(Shape::Body))) {
            Some(sealed) => sealed.into(),
            None => body.clone(),
        }
    }
}

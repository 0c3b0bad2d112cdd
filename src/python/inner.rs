//! What every call of a client goes through: one path from a written body to the caller's result.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};

use crate::core::client::{Client, Mode};
use crate::core::error::{ConfigError, DropReason};
use crate::core::receipt::Receipt;
use crate::core::request::{Body, Kind};
use crate::core::session::Session;

use super::awaited::{Answer, Naming};
use super::before_send::BeforeSend;
use super::json::number;
use super::mirror::Mirror;
use super::payload::Payload;
use super::record::{Registry, SessionRecord};
use super::state::Limits;
use super::wait::block_on;
use super::{errors, log, pending, redaction};

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);
/// Longest id of a session, in bytes; an address with a longer one is refused everywhere.
pub(crate) const MAX_ID: usize = 1024;

/// Where the calls of a client are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// In threads, where a call may wait.
    Thread,
    /// In an event loop: no call waits, also not in immediate delivery; the loop waits for the
    /// outcome by itself.
    EventLoop,
}

/// A client without its Python face.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) core: Client,
    pub(crate) number: u64,
    pub(crate) fail_silently: bool,
    /// Switched off for good: every call is a no-op.
    disabled: bool,
    before_send: Option<BeforeSend>,
    /// Where it is called.
    pub(crate) caller: Caller,
    pub(crate) registry: Registry,
    /// Where its requests are recorded a second time.
    pub(crate) mirror: OnceLock<Mirror>,
    complained: AtomicBool,
    odd_confidence: AtomicBool,
}

impl Inner {
    pub(crate) fn new(
        core: Client,
        fail_silently: bool,
        disabled: bool,
        before_send: Option<BeforeSend>,
    ) -> Self {
        Self {
            core,
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            fail_silently,
            disabled,
            before_send,
            caller: Caller::Thread,
            registry: Registry::new(),
            mirror: OnceLock::new(),
            complained: AtomicBool::new(false),
            odd_confidence: AtomicBool::new(false),
        }
    }

    /// Switched off, or without the key that the server needs: every call is a no-op.
    pub(crate) fn is_off(&self) -> bool {
        self.disabled || !self.core.may_send()
    }

    /// Switched off for good, by `SENTRIAL_DISABLED`.
    pub(crate) fn is_disabled(&self) -> bool {
        self.disabled
    }

    pub(crate) fn is_immediate(&self) -> bool {
        self.core.settings().mode == Mode::Immediate
    }

    fn is_batching(&self) -> bool {
        self.core.settings().batch.is_some()
    }

    /// An empty body.
    pub(crate) fn payload(&self) -> Payload {
        Payload::new(self.core.settings().options.max_event_bytes)
    }

    /// Bytes of a body that is written again; sealing cuts it to `max_event_bytes`.
    fn max_written(&self) -> usize {
        let max = self.core.settings().options.max_event_bytes;
        max.saturating_mul(redaction::WRITTEN)
    }

    /// How much is sent of a state.
    pub(crate) fn state_limits(&self) -> Limits {
        let options = &self.core.settings().options;
        Limits {
            state: options.max_state_bytes.min(options.max_event_bytes),
            value: options.max_event_bytes,
        }
    }

    /// Queues an event of `record`; the result is what `track_*` returns, if that is read.
    pub(crate) fn event(
        &self,
        py: Python<'_>,
        record: &SessionRecord,
        payload: Payload,
        is_read: bool,
    ) -> PyResult<Py<PyAny>> {
        let session = Arc::clone(&record.session);
        let body = Body::Led {
            field: "sessionId",
            session: Arc::clone(&session),
            tail: payload.tail(),
        };
        self.deliver(py, Kind::Event, session, body, is_read)
    }

    /// Queues a PATCH of `record`.
    pub(crate) fn patch(
        &self,
        py: Python<'_>,
        kind: Kind,
        record: &SessionRecord,
        payload: Payload,
    ) -> PyResult<Py<PyAny>> {
        let body = Body::Ready(payload.whole().into());
        self.deliver(py, kind, Arc::clone(&record.session), body, true)
    }

    /// Queues the creation of a session; the answer can be waited for.
    pub(crate) fn create(
        &self,
        py: Python<'_>,
        session: &Arc<Session>,
        body: Body,
    ) -> PyResult<Option<Arc<Receipt>>> {
        let Some(body) = self.looked_at(py, body)? else {
            session.kill();
            return Ok(None);
        };
        if let Some(mirror) = self.mirror.get() {
            let state = self.core.state();
            mirror.put(py, state, Kind::Create, session, &body, false)?;
        }
        let session = Arc::clone(session);
        Ok(self.core.submit(Kind::Create, session, body, true))
    }

    /// The body as `before_send` wants it; what it does not want is dropped and counted.
    fn looked_at(&self, py: Python<'_>, body: Body) -> PyResult<Option<Body>> {
        let Some(hook) = &self.before_send else {
            return Ok(Some(body));
        };
        let body = hook.apply(py, body, self.max_written())?;
        if body.is_none() {
            self.core.reject(DropReason::BeforeSend);
        }
        Ok(body)
    }

    fn deliver(
        &self,
        py: Python<'_>,
        kind: Kind,
        session: Arc<Session>,
        body: Body,
        is_read: bool,
    ) -> PyResult<Py<PyAny>> {
        let Some(body) = self.looked_at(py, body)? else {
            return Ok(empty(py));
        };
        // Asked for once: it costs a system call.
        let state = self.core.state();
        let (is_immediate, is_event) = (self.is_immediate(), kind == Kind::Event);
        let waits = is_immediate && self.caller == Caller::Thread;
        let wanted = is_immediate || (is_read && !(is_event && self.is_batching()));
        if let Some(mirror) = self.mirror.get() {
            let state = Arc::clone(&state);
            // Never on an event loop: what awaits its answer there must not stop the others.
            mirror.put(py, state, kind, &session, &body, waits)?;
        }
        let receipt = state.submit(kind, session, body, wanted);
        if self.caller == Caller::Thread && state.takes_turn_to_wait() {
            py.detach(|| state.wait_for_disk());
        }
        let noted = state.process().notices().any();
        let result = match receipt {
            Some(receipt) if waits => self.answer(py, receipt)?.unwrap_or_else(|| empty(py)),
            Some(receipt) if is_read => {
                let loud = is_immediate && !self.fail_silently;
                pending::receipt(py, receipt, state, loud)?
            }
            _ if is_read => empty(py),
            _ => py.None(),
        };
        if noted || waits {
            log::drain(py);
        }
        Ok(result)
    }

    /// Waits for an answer: in immediate delivery as long as attempts are made, else as long as
    /// `wait_timeout` allows. None if the request was dropped or time was over.
    pub(crate) fn answer(
        &self,
        py: Python<'_>,
        receipt: Arc<Receipt>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let answer = Answer::of(self.core.state(), receipt, !self.fail_silently);
        block_on(py, &answer)?;
        answer.data(py)
    }

    /// The id of a session whose creation was queued, waiting for it as long as the mode allows.
    pub(crate) fn id_of(
        &self,
        py: Python<'_>,
        session: &Arc<Session>,
        receipt: Option<Arc<Receipt>>,
    ) -> PyResult<Option<Arc<str>>> {
        let naming = Naming::of(self, session, receipt);
        block_on(py, &naming)?;
        naming.id(py)
    }

    /// A confidence is a probability; another number is sent all the same, with one warning.
    pub(crate) fn check_confidence(&self, confidence: &Bound<'_, PyAny>) {
        let odd = number(confidence).is_some_and(|number| !(0.0..=1.0).contains(&number.value));
        if odd && !self.odd_confidence.swap(true, Ordering::AcqRel) {
            let text = "a confidence is outside 0 to 1; it is sent as it is, further ones too";
            log::warn(confidence.py(), text);
        }
    }

    /// The session with this id, which goes into paths and bodies as it is, but for the client's key.
    pub(crate) fn session_named(&self, id: &str) -> Arc<SessionRecord> {
        self.registry.get(&self.core.policy().hidden(id))
    }

    /// The session an id names.
    pub(crate) fn record(
        &self,
        id: Option<&Bound<'_, PyAny>>,
    ) -> Result<Arc<SessionRecord>, ConfigError> {
        let wrong = |what: &str| {
            Err(ConfigError::new(
                "session_id",
                format!("{what}; pass the id of a session"),
            ))
        };
        let Some(id) = id else {
            return wrong("is None");
        };
        if let Ok(text) = id.cast::<PyString>() {
            return match text.to_str() {
                Ok("") => wrong("is empty"),
                // As a segment of a path they would mean another path.
                Ok("." | "..") => wrong("is not an id"),
                Ok(text) if text.len() > MAX_ID => wrong("is too long for an id"),
                Ok(text) => Ok(self.session_named(text)),
                Err(_) => wrong("is not valid text"),
            };
        }
        match id.extract::<i64>() {
            Ok(number) if !id.is_instance_of::<PyBool>() => {
                Ok(self.session_named(&number.to_string()))
            }
            _ => wrong("is not a string"),
        }
    }

    /// The outcome of a call: what went wrong in it never leaves a silent client.
    pub(crate) fn guard<T>(
        &self,
        py: Python<'_>,
        fallback: impl FnOnce() -> T,
        call: impl FnOnce() -> Result<T, CallError>,
    ) -> PyResult<T> {
        let error = match call() {
            Ok(value) => return Ok(value),
            Err(CallError::Python(error)) => {
                if !is_ours(py, &error) {
                    self.core.reject(DropReason::Invalid);
                }
                error
            }
            Err(CallError::Argument(error)) => {
                self.core.reject(DropReason::Invalid);
                errors::configuration(py, &error)
            }
        };
        if !self.fail_silently || !error.is_instance_of::<PyException>(py) {
            return Err(error);
        }
        if !self.complained.swap(true, Ordering::AcqRel) {
            let text = format!("a call was dropped: {error}; further ones are only counted");
            log::warn(py, &text);
        }
        Ok(fallback())
    }
}

/// Was the error made from the outcome of a request, which is in the ledger already?
fn is_ours(py: Python<'_>, error: &PyErr) -> bool {
    let ours = py
        .import("sentrial.exceptions")
        .and_then(|module| module.getattr("SentrialError"));
    ours.is_ok_and(|class| error.matches(py, class).unwrap_or(false))
        || !error.is_instance_of::<PyException>(py)
}

/// Why a call could not be carried out.
pub(crate) enum CallError {
    /// An argument cannot be used.
    Argument(ConfigError),
    /// Python code raised, or an immediate request failed.
    Python(PyErr),
}

impl From<ConfigError> for CallError {
    fn from(error: ConfigError) -> Self {
        Self::Argument(error)
    }
}

impl From<PyErr> for CallError {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

/// The plain `{}` of a call whose answer nobody waits for.
pub(crate) fn empty(py: Python<'_>) -> Py<PyAny> {
    PyDict::new(py).into_any().unbind()
}

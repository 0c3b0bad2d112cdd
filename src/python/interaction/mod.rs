//! `Interaction`: one piece of work of an agent, from `begin()` to `finish()`.
#![expect(clippy::doc_markdown, reason = "docstrings of Python, shown by help()")]

mod begin;
mod calls;
mod open;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use pyo3::exceptions::PyException;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::core::receipt::Receipt;
use crate::core::session::{Identity, Session};

use super::client::{SentrialClient, not_picklable};
use super::context;
use super::inner::{CallError, Inner, empty};
use super::json::{is_true, text_of};
use super::record::SessionRecord;
use super::sessions::{Completion, complete};
use super::track::Target;

pub(crate) use begin::Begin;
pub(crate) use open::open_session;

type Any<'py> = Bound<'py, PyAny>;

/// One piece of work of an agent. Made by `SentrialClient.begin()`; usable with ``with``.
///
/// While it is not finished it is the current session of the context it was begun in.
#[pyclass(
    frozen,
    dict,
    weakref,
    subclass,
    module = "sentrial.client",
    name = "Interaction"
)]
pub(crate) struct Interaction {
    client: Py<SentrialClient>,
    pub(crate) record: Arc<SessionRecord>,
    event_id: Py<PyAny>,
    user_id: Py<PyAny>,
    event: Py<PyAny>,
    started: Instant,
    output: ArcSwapOption<Py<PyAny>>,
    failure: ArcSwapOption<Py<PyAny>>,
    finished: AtomicBool,
    inner: Arc<Inner>,
    pid: u32,
    /// Of the create request, where its failure is to be raised later.
    creation: Option<Arc<Receipt>>,
    /// Always true, once there is a value. CPython tracks an object before its value is written, and
    /// on 3.10 and 3.11 makes its `__dict__` in between, which may start a collection: that finds
    /// zeros here, and must not visit what is not there.
    is_made: bool,
}

impl Drop for Interaction {
    /// Collected without `finish()`: counted, no completion is invented.
    fn drop(&mut self) {
        let finished = *self.finished.get_mut() || self.record.is_finished();
        let unfinished = !finished && !self.inner.is_off();
        let exists = self.record.session.identity() != Identity::Dead;
        if unfinished && exists && self.pid == std::process::id() {
            self.inner.core.count_abandoned();
        }
    }
}

fn truthy<'a, 'py>(value: Option<&'a Any<'py>>) -> Option<&'a Any<'py>> {
    value.filter(|value| is_true(value))
}

impl Interaction {
    fn with(
        client: &Bound<'_, SentrialClient>,
        record: Arc<SessionRecord>,
        event_id: Any<'_>,
        user_id: Any<'_>,
        event: Any<'_>,
    ) -> Self {
        Self {
            client: client.clone().unbind(),
            record,
            event_id: event_id.unbind(),
            user_id: user_id.unbind(),
            event: event.unbind(),
            started: Instant::now(),
            output: ArcSwapOption::empty(),
            failure: ArcSwapOption::empty(),
            finished: AtomicBool::new(false),
            inner: Arc::clone(client.get().inner()),
            pid: std::process::id(),
            creation: None,
            is_made: true,
        }
    }

    /// What is needed to wait for the session's id.
    pub(crate) fn naming(&self) -> (&Inner, Option<Arc<Receipt>>) {
        (&self.inner, self.creation.clone())
    }

    /// Its session, for a call of the client it was begun on.
    pub(crate) fn record_of(&self, client: &Arc<Inner>) -> Option<Arc<SessionRecord>> {
        Arc::ptr_eq(&self.inner, client).then(|| Arc::clone(&self.record))
    }

    /// Runs a call of this session, unless there is none.
    fn call<'py>(
        slf: &Bound<'py, Self>,
        f: impl FnOnce(Target<'_, 'py>) -> PyResult<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let this = slf.get();
        if this.inner.is_off() {
            this.inner.core.count_disabled();
            return Ok(empty(py));
        }
        let client = this.client.bind(py);
        this.inner.guard(
            py,
            || empty(py),
            || {
                let record = Arc::clone(&this.record);
                Ok::<_, CallError>(f(Target {
                    client,
                    record,
                    is_read: true,
                })?)
            },
        )
    }

    /// Makes its session the one of a block in this context, wherever it was begun; nothing if it
    /// is finished.
    pub(crate) fn make_current(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        this.record.enter();
        let current = context::current(py).and_then(|current| current.record);
        let is_current = current.is_some_and(|current| Arc::ptr_eq(&current, &this.record));
        if is_current || !this.record.is_live() {
            return Ok(());
        }
        context::enter(this.client.bind(py), &this.record, slf.as_any())
    }

    fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn complete<'py>(
        slf: &Bound<'py, Self>,
        output: Option<&Any<'py>>,
        fill: impl FnOnce(&mut Completion<'_, 'py>),
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let this = slf.get();
        if this.finished.swap(true, Ordering::AcqRel) {
            return Ok(empty(py));
        }
        let stored = this.output.load_full();
        let stored = stored.as_ref().map(|stored| stored.bind(py).clone());
        Self::call(slf, |target| {
            let mut done = Completion {
                success: None,
                status: None,
                failure_reason: None,
                estimated_cost: None,
                custom_metrics: None,
                duration_ms: None,
                prompt_tokens: None,
                completion_tokens: None,
                total_tokens: None,
                user_input: None,
                assistant_output: output.or(stored.as_ref()),
                own_input: target.record.input.as_deref(),
                elapsed_ms: Some(this.elapsed_ms()),
            };
            fill(&mut done);
            complete(target.client, &target.record, &done)
        })
    }
}

#[pymethods]
impl Interaction {
    #[new]
    #[pyo3(signature = (client, session_id, event_id, user_id, event, langfuse_context=None))]
    fn new(
        client: &Bound<'_, SentrialClient>,
        session_id: Option<&Any<'_>>,
        event_id: Any<'_>,
        user_id: Any<'_>,
        event: Any<'_>,
        langfuse_context: Option<&Any<'_>>,
    ) -> Self {
        let _ = langfuse_context;
        let named = client.get().inner().record(session_id);
        let record = named.unwrap_or_else(|_| Arc::new(SessionRecord::new(Session::dead(), None)));
        Self::with(client, record, event_id, user_id, event)
    }

    /// Everything is done when the object is made; this shows the documented arguments.
    #[pyo3(signature = (client, session_id, event_id, user_id, event, langfuse_context=None))]
    #[expect(clippy::unused_self, reason = "a method of the object protocol")]
    fn __init__(
        &self,
        client: &Any<'_>,
        session_id: Option<&Any<'_>>,
        event_id: &Any<'_>,
        user_id: &Any<'_>,
        event: &Any<'_>,
        langfuse_context: Option<&Any<'_>>,
    ) {
        let _ = (
            client,
            session_id,
            event_id,
            user_id,
            event,
            langfuse_context,
        );
    }

    /// The client it was begun on.
    #[getter]
    pub(crate) fn client(&self, py: Python<'_>) -> Py<SentrialClient> {
        self.client.clone_ref(py)
    }

    /// The session's id. Waits for it at most ``wait_timeout`` seconds; None if there is none.
    #[getter]
    fn session_id(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let id = self.inner.id_of(py, &self.record.session, None)?;
        Ok(id.map(|id| id.to_string()))
    }

    /// The id of the event: given, or a new UUID.
    #[getter]
    fn event_id(&self, py: Python<'_>) -> Py<PyAny> {
        self.event_id.clone_ref(py)
    }

    /// The end user.
    #[getter]
    fn user_id(&self, py: Python<'_>) -> Py<PyAny> {
        self.user_id.clone_ref(py)
    }

    /// What happens.
    #[getter]
    fn event(&self, py: Python<'_>) -> Py<PyAny> {
        self.event.clone_ref(py)
    }

    /// Remembers the answer for `finish()`.
    #[pyo3(signature = (output))]
    fn set_output(&self, output: Py<PyAny>) {
        self.output.store(Some(Arc::new(output)));
    }

    /// Completes the interaction. A second call does nothing.
    ///
    /// Args:
    ///     output: What the agent answered; default: what `set_output` was given.
    ///     success: Whether the agent did its work.
    ///     failure_reason: Why not.
    ///     estimated_cost: Cost in USD; default: the sum over its events.
    ///     custom_metrics: A dict of numbers.
    ///     duration_ms: How long it took, in milliseconds; default: since `begin`.
    ///     prompt_tokens: Tokens of inputs; default: the sum.
    ///     completion_tokens: Tokens of outputs; default: the sum.
    ///     total_tokens: All tokens; default: the sum.
    ///
    /// Returns:
    ///     The server's answer; in background delivery a dict that waits for it when first read.
    #[pyo3(signature = (output=None, success=None, failure_reason=None, estimated_cost=None, custom_metrics=None, duration_ms=None, prompt_tokens=None, completion_tokens=None, total_tokens=None), text_signature = "($self, output=None, success=True, failure_reason=None, estimated_cost=None, custom_metrics=None, duration_ms=None, prompt_tokens=None, completion_tokens=None, total_tokens=None)")]
    #[expect(clippy::too_many_arguments, reason = "the documented signature")]
    fn finish<'py>(
        slf: &Bound<'py, Self>,
        output: Option<&Any<'py>>,
        success: Option<&Any<'py>>,
        failure_reason: Option<&Any<'py>>,
        estimated_cost: Option<&Any<'py>>,
        custom_metrics: Option<&Any<'py>>,
        duration_ms: Option<&Any<'py>>,
        prompt_tokens: Option<&Any<'py>>,
        completion_tokens: Option<&Any<'py>>,
        total_tokens: Option<&Any<'py>>,
    ) -> PyResult<Py<PyAny>> {
        let implied = yes(slf.py());
        Self::complete(slf, output, |done| {
            done.success = Some(success.unwrap_or(&implied));
            done.failure_reason = failure_reason;
            done.estimated_cost = estimated_cost;
            done.custom_metrics = truthy(custom_metrics);
            done.duration_ms = duration_ms;
            done.prompt_tokens = prompt_tokens;
            done.completion_tokens = completion_tokens;
            done.total_tokens = total_tokens;
        })
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.get().record.enter();
        slf.clone()
    }

    #[pyo3(signature = (exc_type, exc_val, exc_tb))]
    fn __exit__(
        slf: &Bound<'_, Self>,
        exc_type: &Any<'_>,
        exc_val: &Any<'_>,
        exc_tb: &Any<'_>,
    ) -> PyResult<bool> {
        let _ = exc_tb;
        let py = slf.py();
        if !exc_type.is_none() {
            let name = exc_type
                .getattr("__name__")
                .map_or_else(|_| String::new(), |n| n.to_string());
            let reason = PyString::new(py, &format!("{name}: {}", text_of(exc_val)));
            let no = pyo3::types::PyBool::new(py, false).to_owned();
            let failed = Self::complete(slf, None, |done| {
                done.success = Some(no.as_any());
                done.failure_reason = Some(reason.as_any());
            });
            return match failed {
                // The program's own exception matters more than ours.
                Err(error) if !error.is_instance_of::<PyException>(py) => Err(error),
                _ => Ok(false),
            };
        }
        let failure = slf.get().failure.load_full();
        let failure = failure.as_ref().map(|failure| failure.bind(py).clone());
        let success = pyo3::types::PyBool::new(py, failure.is_none()).to_owned();
        Self::complete(slf, None, |done| {
            done.success = Some(success.as_any());
            done.failure_reason = failure.as_ref();
        })?;
        Ok(false)
    }

    fn __repr__(&self) -> String {
        let id = self
            .record
            .session
            .id()
            .map_or("not known yet", AsRef::as_ref);
        let state = if self.finished.load(Ordering::Acquire) {
            "finished"
        } else {
            "open"
        };
        format!("<Interaction {state}, session {id}>")
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.is_made {
            return Ok(());
        }
        for held in [self.output.load(), self.failure.load()] {
            if let Some(object) = held.as_ref() {
                visit.call(&**object)?;
            }
        }
        visit.call(&self.client)?;
        visit.call(&self.event_id)?;
        visit.call(&self.user_id)?;
        visit.call(&self.event)
    }

    fn __clear__(&self) {
        self.output.store(None);
        self.failure.store(None);
    }

    fn __copy__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn __deepcopy__<'py>(slf: &Bound<'py, Self>, memo: &Any<'_>) -> Bound<'py, Self> {
        let _ = memo;
        slf.clone()
    }

    #[expect(clippy::unused_self, reason = "a method of the pickle protocol")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(not_picklable("an Interaction"))
    }
}

fn yes(py: Python<'_>) -> Bound<'_, PyAny> {
    pyo3::types::PyBool::new(py, true).to_owned().into_any()
}

//! The things that calls wait for, and what the calls return then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::core::call::{Call, Calling, Ended};
use crate::core::client::{ClientState, Mode};
use crate::core::error::DeliveryError;
use crate::core::exit::Patience;
use crate::core::process::{Marks, Process};
use crate::core::receipt::{Outcome, Receipt};
use crate::core::session::{Identity, Session};

use super::inner::Inner;
use super::record::SessionRecord;
use super::wait::Awaited;
use super::{errors, log, pending};

/// Longest wait that can be asked for: a year.
const LONGEST: f64 = 31_536_000.0;

/// When a call of this client stops waiting: in immediate delivery when the attempts are used up.
fn limit(state: &ClientState) -> Option<Instant> {
    let settings = state.settings();
    let waits = settings.mode == Mode::Background;
    waits.then(|| Instant::now() + settings.options.wait_timeout)
}

/// A time-out that a user gave, in seconds; 30 for what is none.
pub(crate) fn timeout(seconds: Option<f64>) -> Duration {
    let seconds = seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    Duration::from_secs_f64(seconds.unwrap_or(30.0).min(LONGEST))
}

/// The answer to one request.
pub(crate) struct Answer {
    state: Arc<ClientState>,
    receipt: Arc<Receipt>,
    deadline: Option<Instant>,
    loud: bool,
}

impl Answer {
    /// `loud`: what went wrong is raised.
    pub(crate) fn of(state: Arc<ClientState>, receipt: Arc<Receipt>, loud: bool) -> Arc<Self> {
        Arc::new(Self {
            deadline: limit(&state),
            state,
            receipt,
            loud,
        })
    }

    /// The answer's data; None if there is none (yet).
    pub(crate) fn data(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        log::drain(py);
        match self.receipt.outcome() {
            Some(Outcome::Answer(body)) => pending::decode(py, body).map(|data| Some(data.into())),
            Some(Outcome::Failed(error)) if self.loud => Err(errors::delivery(py, error)),
            _ => Ok(None),
        }
    }
}

impl Awaited for Answer {
    fn process(&self) -> &Arc<Process> {
        self.state.process()
    }

    fn is_over(&self) -> bool {
        self.receipt.outcome().is_some()
            || !self.receipt.is_ours()
            || (self.deadline.is_some() && self.state.is_broken())
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.data(py)?.unwrap_or_else(|| py.None()))
    }
}

/// A call outside the ledger. Dropped, it is not tried again.
pub(crate) struct ApiCall {
    state: Arc<ClientState>,
    calling: Arc<Calling>,
    longest: Duration,
    deadline: Instant,
}

impl ApiCall {
    pub(crate) fn begin(inner: &Inner, call: Call) -> Arc<Self> {
        let longest = call.longest(inner.core.settings().options.timeout);
        Arc::new(Self {
            state: inner.core.state(),
            calling: inner.core.call(call),
            longest,
            deadline: Instant::now() + longest,
        })
    }

    /// How it ended; as a time-out if it has not.
    pub(crate) fn ended(&self) -> Ended {
        let ended = self.calling.ended().cloned();
        ended.unwrap_or_else(|| Ended::late(self.longest))
    }
}

impl Awaited for ApiCall {
    fn process(&self) -> &Arc<Process> {
        self.state.process()
    }

    fn is_over(&self) -> bool {
        self.calling.ended().is_some()
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }

    /// Nothing: only calls that block wait for it, and they read [`ApiCall::ended`].
    fn outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(py.None())
    }
}

/// The id of a session.
pub(crate) struct Naming {
    state: Arc<ClientState>,
    session: Arc<Session>,
    /// Of the create request, if it is known.
    receipt: Option<Arc<Receipt>>,
    deadline: Option<Instant>,
    loud: bool,
}

impl Naming {
    pub(crate) fn of(
        inner: &Inner,
        session: &Arc<Session>,
        receipt: Option<Arc<Receipt>>,
    ) -> Arc<Self> {
        let state = inner.core.state();
        Arc::new(Self {
            deadline: limit(&state),
            state,
            session: Arc::clone(session),
            receipt,
            loud: !inner.fail_silently,
        })
    }

    /// The id; None if there is none (yet).
    pub(crate) fn id(&self, py: Python<'_>) -> PyResult<Option<Arc<str>>> {
        log::drain(py);
        if self.session.lost_at_fork(self.state.process().pid()) {
            return Ok(None);
        }
        if let Identity::Known(id) = self.session.identity() {
            return Ok(Some(id));
        }
        match self.receipt.as_ref().and_then(|receipt| receipt.outcome()) {
            Some(Outcome::Failed(error)) if self.loud => Err(errors::delivery(py, error)),
            _ => Ok(None),
        }
    }
}

impl Awaited for Naming {
    fn process(&self) -> &Arc<Process> {
        self.state.process()
    }

    fn is_over(&self) -> bool {
        self.session.identity() != Identity::Pending
            || self.session.lost_at_fork(self.state.process().pid())
            || (self.deadline.is_some() && self.state.is_broken())
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        text(py, self.id(py)?.as_deref())
    }
}

/// A session that `create_session()` waits for.
pub(crate) struct Creation {
    pub(crate) inner: Arc<Inner>,
    pub(crate) record: Arc<SessionRecord>,
    pub(crate) naming: Arc<Naming>,
}

impl Creation {
    /// The id. Without one the request is withdrawn: nobody would know of the session.
    pub(crate) fn id(&self, py: Python<'_>) -> PyResult<Option<Arc<str>>> {
        let named = self.naming.id(py);
        if !matches!(named, Ok(Some(_))) {
            self.abandon();
        }
        // The answer may have come just before: then there is a session after all.
        let id = named?.or_else(|| self.record.session.id().cloned());
        if let Some(id) = &id {
            self.inner.registry.keep(id, &self.record);
        }
        Ok(id)
    }
}

impl Awaited for Creation {
    fn process(&self) -> &Arc<Process> {
        self.naming.process()
    }

    fn is_over(&self) -> bool {
        self.naming.is_over()
    }

    fn deadline(&self) -> Option<Instant> {
        self.naming.deadline()
    }

    fn outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        text(py, self.id(py)?.as_deref())
    }

    fn abandon(&self) {
        self.naming.state.withdraw(&self.record.session);
    }
}

/// Everything one client has recorded up to now.
pub(crate) struct Flush {
    inner: Arc<Inner>,
    state: Arc<ClientState>,
    mark: u64,
    started: Instant,
    until: Until,
}

enum Until {
    Timeout(Duration),
    Quiet(Patience),
}

impl Flush {
    /// Lets go what is held back; it can be waited for at most `timeout`.
    pub(crate) fn begin(inner: &Arc<Inner>, timeout: Duration) -> Arc<Self> {
        Self::start(inner, Until::Timeout(timeout))
    }

    /// The same, waiting as the end of the process would.
    pub(crate) fn begin_last(inner: &Arc<Inner>) -> Arc<Self> {
        let options = &inner.core.settings().options;
        let patience = Patience {
            quiet: options.shutdown_timeout,
            max: options.shutdown_max,
        };
        Self::start(inner, Until::Quiet(patience))
    }

    fn start(inner: &Arc<Inner>, until: Until) -> Arc<Self> {
        let state = inner.core.state();
        Arc::new(Self {
            inner: Arc::clone(inner),
            mark: state.begin_flush(),
            state,
            started: Instant::now(),
            until,
        })
    }

    /// Raises the first failure since the last flush, if the client is loud and batches.
    pub(crate) fn check(&self, py: Python<'_>) -> PyResult<()> {
        log::drain(py);
        if self.inner.fail_silently {
            return Ok(());
        }
        match self.state.take_failures() {
            Some((error, count)) if !self.inner.is_immediate() => Err(first_of(py, &error, count)),
            _ => Ok(()),
        }
    }
}

impl Awaited for Flush {
    fn process(&self) -> &Arc<Process> {
        self.state.process()
    }

    fn is_over(&self) -> bool {
        self.state.is_flushed(self.mark)
    }

    fn deadline(&self) -> Option<Instant> {
        Some(match &self.until {
            Until::Timeout(timeout) => self.started + *timeout,
            Until::Quiet(patience) => {
                patience.deadline(self.started, self.process().last_success())
            }
        })
    }

    fn outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.check(py)?;
        Ok(py.None())
    }
}

/// Everything all clients have recorded up to now.
pub(crate) struct FlushAll {
    process: Arc<Process>,
    marks: Marks,
    deadline: Instant,
}

impl FlushAll {
    pub(crate) fn begin(process: Arc<Process>, timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            marks: process.begin_flush(),
            process,
            deadline: Instant::now() + timeout,
        })
    }
}

impl Awaited for FlushAll {
    fn process(&self) -> &Arc<Process> {
        &self.process
    }

    fn is_over(&self) -> bool {
        self.marks.is_settled()
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }

    fn outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        log::drain(py);
        Ok(py.None())
    }
}

fn text(py: Python<'_>, id: Option<&str>) -> PyResult<Py<PyAny>> {
    Ok(id.into_pyobject(py)?.unbind())
}

fn first_of(py: Python<'_>, error: &DeliveryError, count: u64) -> PyErr {
    let raised = errors::delivery(py, error);
    if count > 1 {
        let value = raised.value(py);
        let note = format!("{count} requests failed since the last flush; this is the first");
        if value.call_method1("add_note", (&note,)).is_err() {
            // Before Python 3.11 there are no notes: the message tells.
            let message = value
                .getattr("message")
                .map_or_else(|_| error.to_string(), |m| m.to_string());
            let _ = value.setattr("message", format!("{message} ({note})"));
        }
    }
    raised
}

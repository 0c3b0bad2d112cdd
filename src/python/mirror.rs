//! What a client sends, handed to a second recorder: copied here, told to it by a thread of Python.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::core::client::ClientState;
use crate::core::options::Options;
use crate::core::request::{Body, Kind};
use crate::core::session::{Identity, Session};

use super::log;

/// The Python end of the mirror of one client.
#[derive(Debug)]
pub(crate) struct Mirror(Py<PyAny>);

impl Mirror {
    /// The mirror for an integration; `None` if it is switched off. Nothing is started.
    pub(crate) fn open(
        integration: &Bound<'_, PyAny>,
        options: &Options,
    ) -> PyResult<Option<Self>> {
        let patience = options.shutdown_timeout.as_secs_f64();
        let module = integration.py().import("sentrial._mirror")?;
        let sink = module.call_method1("sink_for", (integration, patience))?;
        Ok((!sink.is_none()).then(|| Self(sink.unbind())))
    }

    /// Hands over one request. With `wait`, until it has been recorded there, too.
    pub(crate) fn put(
        &self,
        py: Python<'_>,
        client: Arc<ClientState>,
        kind: Kind,
        session: &Arc<Session>,
        body: &Body,
        wait: bool,
    ) -> PyResult<()> {
        let mirrored = Mirrored {
            client,
            kind,
            session: Arc::clone(session),
            body: whole(body),
        };
        quietly(py, self.0.call_method1(py, "put", (mirrored, wait)))
    }

    /// Waits until everything handed over so far has left.
    pub(crate) fn flush(&self, py: Python<'_>, timeout: Duration) -> PyResult<()> {
        let timeout = timeout.as_secs_f64();
        quietly(py, self.0.call_method1(py, "flush", (timeout,)))
    }
}

/// A failing mirror is a line in the log; only what is no `Exception` (Ctrl-C) goes on.
fn quietly(py: Python<'_>, result: PyResult<Py<PyAny>>) -> PyResult<()> {
    match result {
        Err(error) if error.is_instance_of::<PyException>(py) => {
            log::warn(py, &format!("a call was not mirrored: {error}"));
            Ok(())
        }
        other => other.map(drop),
    }
}

/// The JSON object of a body, without the id of its session.
fn whole(body: &Body) -> Vec<u8> {
    match body {
        Body::Ready(bytes) => bytes.to_vec(),
        Body::Led { tail, .. } => {
            let members = tail.strip_prefix(b",").unwrap_or(tail);
            [b"{", members].concat()
        }
    }
}

/// One request, as the mirror gets it.
#[pyclass(frozen, module = "sentrial._core")]
pub(crate) struct Mirrored {
    client: Arc<ClientState>,
    kind: Kind,
    session: Arc<Session>,
    body: Vec<u8>,
}

#[pymethods]
impl Mirrored {
    /// ``"create"``, ``"event"``, ``"complete"`` or ``"update"``.
    #[getter]
    fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Create => "create",
            Kind::Event => "event",
            Kind::Complete => "complete",
            _ => "update",
        }
    }

    /// A number that all requests of one session share, in this process.
    #[getter]
    fn session_key(&self) -> u64 {
        self.session.key()
    }

    /// The session's id, or None while it is not known.
    #[getter]
    fn session_id(&self) -> Option<&str> {
        self.session.id().map(AsRef::as_ref)
    }

    /// Whether there is no session: its creation was refused, or belongs to the parent process.
    #[getter]
    fn is_lost(&self) -> bool {
        let pid = std::process::id();
        self.session.identity() == Identity::Dead || self.session.lost_at_fork(pid)
    }

    /// How many bytes it holds.
    #[getter]
    fn size(&self) -> usize {
        self.body.len()
    }

    /// Whether the rules are known that it is redacted with. Before that it must not leave.
    #[getter]
    fn knows_rules(&self) -> bool {
        self.client.knows_rules()
    }

    /// The request's body, redacted: JSON, without the id of the session.
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let sealed = py.detach(|| self.client.sealed_copy(&self.body));
        PyBytes::new(py, sealed.as_deref().unwrap_or(&self.body))
    }
}

//! Bindings of the local server: the server itself on a thread of its own, and the database
//! behind `sentrial keys` and `sentrial sessions`, which need no running server.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::sync::oneshot;

use crate::server::keys::Environment;
use crate::server::store::{KeyRecord, SessionFilter, Store, StoreError};
use crate::server::timestamp::Timestamp;
use crate::server::{Server, ServerError, ServerOptions, view};

/// The local server. `start()` binds and serves in the background, `stop()` ends it.
#[pyclass(frozen, module = "sentrial._core")]
pub(crate) struct LocalServer {
    options: ServerOptions,
    running: Mutex<Option<Running>>,
}

struct Running {
    port: u16,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), ServerError>>,
}

#[pymethods]
impl LocalServer {
    #[new]
    #[pyo3(signature = (db, port = 3001))]
    fn new(db: PathBuf, port: u16) -> Self {
        Self {
            options: ServerOptions::loopback(db, port),
            running: Mutex::new(None),
        }
    }

    /// Opens the database, binds 127.0.0.1 and starts to serve; nothing if it serves already.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if running.is_none() {
                *running = Some(Running::start(&self.options)?);
            }
            Ok(())
        })
        .map_err(server_error)
    }

    /// Stops, letting requests in flight finish within a bound.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| {
            let running = self
                .running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            running.map_or(Ok(()), Running::stop)
        })
        .map_err(server_error)
    }

    /// The port it listens on; the one asked for while it does not.
    #[getter]
    fn port(&self, py: Python<'_>) -> u16 {
        py.detach(|| {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running
                .as_ref()
                .map_or(self.options.port, |running| running.port)
        })
    }

    /// `http://127.0.0.1:<port>`
    #[getter]
    fn url(&self, py: Python<'_>) -> String {
        format!("http://127.0.0.1:{}", self.port(py))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!(
            "LocalServer(db='{}', port={})",
            self.options.db.display(),
            self.port(py)
        )
    }
}

impl Running {
    fn start(options: &ServerOptions) -> Result<Self, ServerError> {
        let server = Server::bind(options)?;
        let port = server.local_addr().port();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            // A dropped handle means the same.
            drop(stopped.await);
        };
        let thread = std::thread::Builder::new()
            .name("sentrial-server".to_owned())
            .spawn(move || runtime.block_on(server.run(shutdown)))?;
        Ok(Self { port, stop, thread })
    }

    fn stop(self) -> Result<(), ServerError> {
        // A server that has failed no longer listens; its error comes from the thread.
        let _ = self.stop.send(());
        self.thread.join().unwrap_or_else(|_| {
            Err(ServerError::Serve(std::io::Error::other(
                "its thread has panicked",
            )))
        })
    }
}

/// Makes a key: `{id, name, environment, masked, created_at, last_used_at, revoked_at, key}`.
/// `key` is the key in clear; it cannot be had again.
#[pyfunction]
#[pyo3(signature = (db, name, env = "live"))]
pub(crate) fn keys_create<'py>(
    py: Python<'py>,
    db: PathBuf,
    name: &str,
    env: &str,
) -> PyResult<Bound<'py, PyDict>> {
    let environment = Environment::parse(env)
        .ok_or_else(|| PyValueError::new_err(format!("env must be live or test: {env}")))?;
    let created = with_store(py, db, |store| store.create_key(name, environment))?;
    let shown = key_dict(py, &created.record)?;
    shown.set_item("key", created.key.reveal())?;
    Ok(shown)
}

/// All keys, masked, the oldest first, revoked ones included.
#[pyfunction]
pub(crate) fn keys_list(py: Python<'_>, db: PathBuf) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let keys = with_store(py, db, Store::list_keys)?;
    keys.iter().map(|key| key_dict(py, key)).collect()
}

/// Revokes the active key with this name or id; it is refused from the next request on.
#[pyfunction]
pub(crate) fn keys_revoke<'py>(
    py: Python<'py>,
    db: PathBuf,
    name_or_id: &str,
) -> PyResult<Bound<'py, PyDict>> {
    let revoked = with_store(py, db, |store| store.revoke_key(name_or_id))?;
    key_dict(py, &revoked)
}

/// Sessions as a JSON array, the latest first. `since` is an RFC 3339 date and time, `key_id`
/// the id of the key they were made with.
#[pyfunction]
#[pyo3(signature = (db, agent = None, user = None, status = None, since = None, limit = 50, key_id = None))]
#[allow(clippy::too_many_arguments)] // Python callers name them.
pub(crate) fn sessions_list(
    py: Python<'_>,
    db: PathBuf,
    agent: Option<String>,
    user: Option<String>,
    status: Option<String>,
    since: Option<&str>,
    limit: u32,
    key_id: Option<String>,
) -> PyResult<String> {
    let since = match since {
        None => None,
        Some(text) => Some(Timestamp::parse(text).ok_or_else(|| {
            PyValueError::new_err(format!("since must be an RFC 3339 date and time: {text}"))
        })?),
    };
    let filter = SessionFilter {
        agent,
        user,
        status,
        since,
        key_id,
        caller: None,
        limit,
    };
    with_store(py, db, |store| {
        let sessions = store.sessions(&filter)?;
        let sessions = sessions.iter().map(view::session).collect();
        Ok(serde_json::Value::Array(sessions).to_string())
    })
}

/// The session whose id is, or alone begins with, `id`, with its events and nested sessions, as
/// JSON: `{session, events, nested: [{session, events}]}`.
#[pyfunction]
pub(crate) fn sessions_get(py: Python<'_>, db: PathBuf, id: &str) -> PyResult<String> {
    with_store(py, db, |store| {
        let root = store.find_session(id)?;
        Ok(view::family(store, &root)?.to_string())
    })
}

/// Opens the database for one piece of work, without holding the interpreter.
fn with_store<T: Send>(
    py: Python<'_>,
    db: PathBuf,
    work: impl FnOnce(&Store) -> Result<T, StoreError> + Send,
) -> PyResult<T> {
    py.detach(move || Store::open(&db).and_then(|store| work(&store)))
        .map_err(|error| store_error(&error))
}

fn key_dict<'py>(py: Python<'py>, key: &KeyRecord) -> PyResult<Bound<'py, PyDict>> {
    let instant = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let shown = PyDict::new(py);
    shown.set_item("id", &key.id)?;
    shown.set_item("name", &key.name)?;
    shown.set_item("environment", key.environment.as_str())?;
    shown.set_item("masked", &key.masked)?;
    shown.set_item("created_at", key.created_at.to_string())?;
    shown.set_item("last_used_at", instant(key.last_used_at))?;
    shown.set_item("revoked_at", instant(key.revoked_at))?;
    Ok(shown)
}

/// What the caller got wrong is a `ValueError`, what the system refuses an `OSError`.
fn store_error(error: &StoreError) -> PyErr {
    let message = error.to_string();
    match error {
        StoreError::Open { .. } | StoreError::Gone(_) => PyOSError::new_err(message),
        StoreError::Foreign(_)
        | StoreError::Newer { .. }
        | StoreError::KeyName(_)
        | StoreError::UnknownKey(_)
        | StoreError::AmbiguousKey { .. }
        | StoreError::UnknownSession(_)
        | StoreError::AmbiguousSession(_) => PyValueError::new_err(message),
        StoreError::Sqlite(_) => PyRuntimeError::new_err(format!("the database failed: {message}")),
    }
}

fn server_error(error: ServerError) -> PyErr {
    match error {
        ServerError::Store(error) => store_error(&error),
        ServerError::PortTaken(_) | ServerError::Bind { .. } | ServerError::Serve(_) => {
            PyOSError::new_err(error.to_string())
        }
    }
}

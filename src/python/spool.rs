//! Bindings behind `sentrial spool`.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::core::options::{Environment, SpoolPlaces};
use crate::core::spool::Group;
use crate::core::spool::inspect::{self, FileState};

use super::client::SentrialClient;
use super::log;
use super::wait::wait_for;

fn places(spool_dir: Option<String>) -> SpoolPlaces {
    let variable = |name: &str| std::env::var(name).ok();
    SpoolPlaces::resolve(spool_dir, &Environment::new(&variable))
}

/// The spool files: `[{path, state, error, groups: [{url, key, fingerprint, requests, bytes,
/// age}]}]`, where state is `in use`, `left`, `unreadable` or `set aside`, and age is that of the
/// oldest request in seconds.
#[pyfunction]
#[pyo3(signature = (spool_dir = None))]
pub(crate) fn spool_status(
    py: Python<'_>,
    spool_dir: Option<String>,
) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let files = py.detach(|| inspect::files(&places(spool_dir)));
    let shown = files.into_iter().map(|file| {
        let shown = PyDict::new(py);
        let (state, groups, error) = match file.state {
            FileState::InUse(groups) => ("in use", groups, None),
            FileState::Left(groups) => ("left", groups, None),
            FileState::Unreadable(error) => ("unreadable", Vec::new(), Some(error)),
            FileState::SetAside => ("set aside", Vec::new(), None),
        };
        shown.set_item("path", file.path.display().to_string())?;
        shown.set_item("state", state)?;
        shown.set_item("error", error)?;
        let groups = groups.iter().map(|group| of_group(py, group));
        shown.set_item("groups", groups.collect::<PyResult<Vec<_>>>()?)?;
        Ok(shown)
    });
    shown.collect()
}

fn of_group<'py>(py: Python<'py>, group: &Group) -> PyResult<Bound<'py, PyDict>> {
    let age = Duration::from_micros(inspect::now().abs_diff(group.oldest));
    let shown = PyDict::new(py);
    shown.set_item("url", &group.url)?;
    shown.set_item("key", &group.key_end)?;
    shown.set_item("fingerprint", &group.fingerprint)?;
    shown.set_item("requests", group.requests)?;
    shown.set_item("bytes", group.bytes)?;
    shown.set_item("age", age.as_secs_f64())?;
    Ok(shown)
}

/// The folder that a process would write to; nothing is made. Raises `OSError`, in words, if none
/// can be used.
#[pyfunction]
#[pyo3(signature = (spool_dir = None))]
pub(crate) fn spool_folder(spool_dir: Option<String>) -> PyResult<std::path::PathBuf> {
    inspect::folder(&places(spool_dir)).map_err(PyOSError::new_err)
}

/// Removes what dead processes have left, all of it or what was recorded with one key; the number
/// of requests removed.
#[pyfunction]
#[pyo3(signature = (spool_dir = None, key = None))]
pub(crate) fn spool_purge(
    py: Python<'_>,
    spool_dir: Option<String>,
    key: Option<&str>,
) -> PyResult<u64> {
    py.detach(|| inspect::purge(&places(spool_dir), key))
        .map_err(PyOSError::new_err)
}

/// Sends what dead processes have left for this client, and what they recorded with `key` if that
/// is given. True if all of it was delivered within `timeout` seconds.
#[pyfunction]
#[pyo3(signature = (client, key, timeout))]
pub(crate) fn spool_flush(
    client: &Bound<'_, SentrialClient>,
    key: Option<&str>,
    timeout: f64,
) -> PyResult<bool> {
    let py = client.py();
    let inner = client.get().inner();
    if inner.is_off() {
        return Ok(false);
    }
    inner.core.inherit(key);
    let state = inner.core.state();
    let timeout = Duration::try_from_secs_f64(timeout).unwrap_or_default();
    let timeout = timeout.min(Duration::from_secs(86_400));
    let deadline = Instant::now() + timeout;
    wait_for(
        py,
        state.process(),
        || Some(deadline),
        || {
            let queue = state.queue();
            queue.is_drained() || queue.health().is_broken()
        },
    )?;
    log::drain(py);
    let done = state.queue().is_drained();
    Ok(done)
}

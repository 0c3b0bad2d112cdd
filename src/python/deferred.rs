//! The calls that wait, for event loops: begun here, waited for there.

use std::sync::Arc;

use pyo3::prelude::*;

use super::awaited::{self, Answer, Flush, Naming};
use super::client::{SentrialClient, named, parent_of};
use super::interaction::Interaction;
use super::loops::Wait;
use super::sessions::NewSession;

type Any<'py> = Bound<'py, PyAny>;

/// A client none of whose calls wait, without its options: `__init__` is still to be called.
#[pyfunction]
pub(crate) fn deferred_client(py: Python<'_>) -> PyResult<SentrialClient> {
    SentrialClient::deferred(py)
}

/// Is the answer to each call of this client to be awaited before it returns?
#[pyfunction]
pub(crate) fn awaits_answers(client: &Bound<'_, SentrialClient>) -> bool {
    client.get().inner().is_immediate()
}

/// Begins `SentrialClient.create_session`; None if it has its result, None, already.
#[pyfunction]
#[pyo3(signature = (client, name, agent_name, user_id, parent_session_id, convo_id, metadata, project_id))]
#[expect(clippy::too_many_arguments, reason = "the documented signature")]
pub(crate) fn start_create_session<'py>(
    client: &Bound<'py, SentrialClient>,
    name: &Any<'py>,
    agent_name: Option<&Any<'py>>,
    user_id: Option<&Any<'py>>,
    parent_session_id: Option<&Any<'py>>,
    convo_id: Option<&Any<'py>>,
    metadata: Option<&Any<'py>>,
    project_id: Option<&Any<'py>>,
) -> PyResult<Option<Wait>> {
    let new = NewSession {
        name,
        agent_name,
        user_id,
        parent: parent_of(parent_session_id),
        convo_id,
        metadata,
        project_id,
    };
    Ok(new.create(client)?.map(Wait::of))
}

/// Begins `SentrialClient.get_session`; None if it has its result, None, already.
#[pyfunction]
pub(crate) fn start_get_session<'py>(
    client: &Bound<'py, SentrialClient>,
    session_id: Option<&Any<'py>>,
) -> PyResult<Option<Wait>> {
    let inner = client.get().inner();
    if inner.is_off() {
        inner.core.count_disabled();
        return Ok(None);
    }
    let start = || {
        let record = named(inner, session_id)?;
        let receipt = inner.core.fetch(Arc::clone(&record.session));
        let state = inner.core.state();
        Ok(receipt.map(|receipt| Wait::of(Answer::of(state, receipt, !inner.fail_silently))))
    };
    inner.guard(client.py(), || None, start)
}

/// Begins `SentrialClient.flush`; None if there is nothing to wait for.
#[pyfunction]
pub(crate) fn start_flush(
    client: &Bound<'_, SentrialClient>,
    timeout: Option<f64>,
) -> Option<Wait> {
    let inner = client.get().inner();
    (!inner.is_off()).then(|| Wait::of(Flush::begin(inner, awaited::timeout(timeout))))
}

/// Begins `SentrialClient.shutdown`; None if there is nothing to wait for.
#[pyfunction]
pub(crate) fn start_shutdown(client: &Bound<'_, SentrialClient>) -> Option<Wait> {
    let inner = client.get().inner();
    (!inner.is_off()).then(|| Wait::of(Flush::begin_last(inner)))
}

/// Has the mirror of a client, if it has one, send what it holds; blocks for at most `timeout`
/// seconds.
#[pyfunction]
pub(crate) fn flush_mirror(client: &Bound<'_, SentrialClient>, timeout: f64) -> PyResult<()> {
    match client.get().inner().mirror.get() {
        Some(mirror) => mirror.flush(client.py(), awaited::timeout(Some(timeout))),
        None => Ok(()),
    }
}

/// Begins to read `Interaction.session_id`.
#[pyfunction]
pub(crate) fn start_naming(interaction: &Bound<'_, Interaction>) -> Wait {
    let interaction = interaction.get();
    let (inner, receipt) = interaction.naming();
    Wait::of(Naming::of(inner, &interaction.record.session, receipt))
}

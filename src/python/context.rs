//! Which session is current: two context variables, each an immutable chain of weak references.
//!
//! One chain holds the sessions that `@tool` and the wrappers attach to, the other the sessions
//! whose state `current_state` shows. Chains are set by value, never restored by token: finishing
//! out of order, in another task or in another thread cannot bring a finished session back.

use std::sync::{Arc, Weak};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyWeakrefMethods, PyWeakrefReference};

use super::calling_context::{self, Home, calling_context};
use super::chain::{Anonymous, Chain, Link, Origin, Owner, below, needed, walk};
use super::client::SentrialClient;
use super::record::SessionRecord;
use super::state::State;
use crate::core::session::Session;

/// Makes the context variables, at import; see [`super::pending::prepare`].
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    calling_context::prepare(py)?;
    Chain::Session.variable(py)?;
    Chain::State.variable(py).map(drop)
}

/// The current session: who to send to, and what for.
pub(crate) struct Current<'py> {
    pub(crate) client: Option<Bound<'py, SentrialClient>>,
    pub(crate) record: Option<Arc<SessionRecord>>,
    pub(crate) id: Option<String>,
}

/// The innermost session that is neither finished nor collected.
pub(crate) fn current(py: Python<'_>) -> Option<Current<'_>> {
    walk(py, Chain::Session).find_map(|link| {
        let record = link.live();
        (record.is_some() || link.is_named()).then(|| Current {
            client: link.client(py),
            record,
            id: link.id.clone(),
        })
    })
}

/// The context variables, for code that runs pieces of a program in the context of another: it
/// sets what it has read from them, by value.
#[pyfunction]
pub(crate) fn context_variables(py: Python<'_>) -> PyResult<(Bound<'_, PyAny>, Bound<'_, PyAny>)> {
    let session = Chain::Session.variable(py)?.clone();
    Ok((session, Chain::State.variable(py)?.clone()))
}

/// The innermost interaction that is neither finished nor collected.
#[pyfunction]
pub(crate) fn current_interaction(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    walk(py, Chain::Session).find_map(|link| {
        link.live()?;
        link.interaction.as_ref()?.bind(py).upgrade()
    })
}

/// The session that one begun now is nested in, by its being used as a block (`with`, `@session`,
/// headers of a caller).
pub(crate) fn enclosing(client: &Bound<'_, SentrialClient>) -> Option<Enclosing> {
    let current = current(client.py())?;
    match (current.record, current.client, current.id) {
        (Some(record), Some(other), _) if other.is(client) => record
            .is_entered()
            .then(|| Enclosing::Session(Arc::clone(&record.session))),
        (None, _, Some(id)) => Some(Enclosing::Id(id)),
        _ => None,
    }
}

/// See [`enclosing`].
pub(crate) enum Enclosing {
    /// A session of the same client.
    Session(Arc<Session>),
    /// Only the id is known.
    Id(String),
}

/// Makes the session of an interaction current, for calls and for state.
pub(crate) fn enter(
    client: &Bound<'_, SentrialClient>,
    record: &Arc<SessionRecord>,
    interaction: &Bound<'_, PyAny>,
) -> PyResult<()> {
    push(
        client,
        Chain::Session,
        Origin::Interaction,
        record,
        Some(interaction),
    )?;
    push(client, Chain::State, Origin::Interaction, record, None)
}

/// The state of a session made by `create_session()` is shown from now on.
pub(crate) fn created(
    client: &Bound<'_, SentrialClient>,
    record: &Arc<SessionRecord>,
) -> PyResult<()> {
    push(client, Chain::State, Origin::Created, record, None)
}

/// `set_session_context(id, client)`.
pub(crate) fn set(
    py: Python<'_>,
    id: Option<&str>,
    client: Option<&Bound<'_, SentrialClient>>,
) -> PyResult<()> {
    let inherited = current(py).and_then(|current| current.client);
    let Some(id) = id.filter(|id| !id.is_empty()) else {
        return clear(py);
    };
    let Some(client) = client.cloned().or(inherited) else {
        let (depth, tidy_at) = below(None);
        let link = Link {
            parent: None,
            depth,
            tidy_at,
            origin: Origin::Manual,
            client_number: 0,
            owner: Owner::Nobody,
            record: Weak::new(),
            id: Some(id.to_owned()),
            anonymous: None,
            interaction: None,
        };
        return Chain::Session.set(py, Some(Arc::new(link)));
    };
    let record = client.get().inner().session_named(id);
    if record.state().is_none() {
        record.set_state(State::empty(py));
    }
    push(&client, Chain::Session, Origin::Manual, &record, None)?;
    push(&client, Chain::State, Origin::Manual, &record, None)
}

/// `clear_session_context()`.
pub(crate) fn clear(py: Python<'_>) -> PyResult<()> {
    Chain::Session.set(py, None)
}

/// A session has finished: chains of this context begin with what is still live.
pub(crate) fn leave(py: Python<'_>) -> PyResult<()> {
    let Some(head) = Chain::Session.head(py) else {
        return Ok(());
    };
    let live = walk(py, Chain::Session).find(|link| link.live().is_some() || link.is_named());
    match live {
        Some(link) if Arc::ptr_eq(&link, &head) => Ok(()),
        live => Chain::Session.set(py, live),
    }
}

fn push(
    client: &Bound<'_, SentrialClient>,
    chain: Chain,
    origin: Origin,
    record: &Arc<SessionRecord>,
    interaction: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let py = client.py();
    let parent = needed(py, chain, client.get().inner().number);
    // An explicit client of the user's may live in the context only; an interaction holds its own.
    let owner = if origin == Origin::Manual {
        Owner::Strong(client.clone().unbind())
    } else {
        Owner::Weak(PyWeakrefReference::new(client.as_any())?.unbind())
    };
    let (depth, tidy_at) = below(parent.as_deref());
    let link = Link {
        depth,
        tidy_at,
        parent,
        origin,
        client_number: client.get().inner().number,
        owner,
        record: Arc::downgrade(record),
        id: None,
        anonymous: None,
        interaction: interaction
            .map(PyWeakrefReference::new)
            .transpose()?
            .map(Bound::unbind),
    };
    chain.set(py, Some(Arc::new(link)))
}

/// Where the state of a client is kept in this context.
enum Holder {
    Record(Arc<SessionRecord>),
    Anonymous(Arc<Anonymous>),
}

fn holder(py: Python<'_>, client: u64) -> Option<Holder> {
    let ours = |link: &Arc<Link>| link.client_number == client;
    let live = walk(py, Chain::State)
        .filter(ours)
        .find_map(|link| link.live());
    if let Some(record) = live {
        return Some(Holder::Record(record));
    }
    walk(py, Chain::State).filter(ours).find_map(|link| {
        let anonymous = link.anonymous.clone();
        let finished = link.record.upgrade().filter(|record| record.is_finished());
        anonymous
            .map(Holder::Anonymous)
            .or(finished.map(Holder::Record))
    })
}

/// The state that `current_state` shows; made now if there is none. That before any session is the
/// calling context's own: what one of several tasks stores, its siblings never see.
pub(crate) fn current_state(client: &Bound<'_, SentrialClient>) -> PyResult<Arc<State>> {
    let py = client.py();
    match holder(py, client.get().inner().number) {
        Some(Holder::Anonymous(found)) if found.is_at_home(py) => Ok(Arc::clone(&found.state)),
        Some(Holder::Anonymous(found)) => {
            let copy = Arc::new(found.state.copied(py)?);
            anonymous(client, Arc::clone(&copy))?;
            Ok(copy)
        }
        Some(Holder::Record(record)) => {
            if record.state().is_none() {
                record.set_state(State::empty(py));
            }
            Ok(record.state().unwrap_or_else(|| Arc::new(State::empty(py))))
        }
        None => {
            let state = Arc::new(State::empty(py));
            anonymous(client, Arc::clone(&state))?;
            Ok(state)
        }
    }
}

/// `client.current_state = {...}`.
pub(crate) fn replace_state<'py>(
    client: &Bound<'py, SentrialClient>,
    state: Bound<'py, PyDict>,
) -> PyResult<()> {
    match holder(client.py(), client.get().inner().number) {
        Some(Holder::Record(record)) => {
            record.set_state(State::of(state));
            Ok(())
        }
        _ => anonymous(client, Arc::new(State::of(state))),
    }
}

fn anonymous(client: &Bound<'_, SentrialClient>, state: Arc<State>) -> PyResult<()> {
    let py = client.py();
    let number = client.get().inner().number;
    let parent = needed(py, Chain::State, number);
    let (depth, tidy_at) = below(parent.as_deref());
    let link = Link {
        depth,
        tidy_at,
        parent,
        origin: Origin::Created,
        client_number: number,
        owner: Owner::Nobody,
        record: Weak::new(),
        id: None,
        anonymous: Some(Arc::new(Anonymous {
            state,
            home: calling_context(py).as_ref().and_then(Home::of),
            client: PyWeakrefReference::new(client.as_any())?.unbind(),
        })),
        interaction: None,
    };
    Chain::State.set(py, Some(Arc::new(link)))
}

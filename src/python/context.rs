//! Which session is current: two context variables, each an immutable chain of weak references.
//!
//! One chain holds the sessions that `@tool` and the wrappers attach to, the other the sessions
//! whose state `current_state` shows. Chains are set by value, never restored by token: finishing
//! out of order, in another task or in another thread cannot bring a finished session back.

use std::sync::{Arc, Weak};

use crate::python::once::Once;
use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyWeakrefMethods, PyWeakrefReference};

use super::client::SentrialClient;
use super::record::SessionRecord;
use crate::core::session::Session;

/// Links after which a chain is rebuilt without what is no longer needed.
const MAX_DEPTH: usize = 8;

/// Which chain.
#[derive(Clone, Copy)]
pub(crate) enum Chain {
    /// Sessions that calls attach to.
    Session,
    /// Sessions whose state is shown.
    State,
}

impl Chain {
    fn variable(self, py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
        static SESSION: Once<Py<PyAny>> = Once::new();
        static STATE: Once<Py<PyAny>> = Once::new();
        let (cell, name) = match self {
            Self::Session => (&SESSION, "sentrial_session"),
            Self::State => (&STATE, "sentrial_state"),
        };
        let made = cell.get_or_try_init(|| -> PyResult<Py<PyAny>> {
            let kwargs = PyDict::new(py);
            kwargs.set_item("default", py.None())?;
            let class = py.import("_contextvars")?.getattr("ContextVar")?;
            Ok(class.call((name,), Some(&kwargs))?.unbind())
        })?;
        Ok(made.bind(py))
    }

    fn head(self, py: Python<'_>) -> Option<Bound<'_, Node>> {
        let value = self
            .variable(py)
            .ok()?
            .call_method0(intern!(py, "get"))
            .ok()?;
        value.cast_into::<Node>().ok()
    }

    fn set(self, py: Python<'_>, node: Option<&Bound<'_, Node>>) -> PyResult<()> {
        self.variable(py)?
            .call_method1(intern!(py, "set"), (node,))?;
        Ok(())
    }
}

/// Makes the context variables, at import; see [`super::pending::prepare`].
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    Chain::Session.variable(py)?;
    Chain::State.variable(py).map(drop)
}

/// How a node refers to the client.
enum Owner {
    Weak(Py<PyWeakrefReference>),
    Strong(Py<SentrialClient>),
    Nobody,
}

/// What made a session current.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `begin()`: it leaves when the interaction finishes.
    Interaction,
    /// `set_session_context()`.
    Manual,
    /// `create_session()`: current for state until the next one.
    Created,
}

/// One link of a chain.
#[pyclass(frozen, module = "sentrial._core", name = "ContextNode")]
pub(crate) struct Node {
    parent: Option<Py<Node>>,
    depth: usize,
    origin: Origin,
    client_number: u64,
    owner: Owner,
    record: Weak<SessionRecord>,
    /// Set by `set_session_context()` before any client was named.
    id: Option<String>,
    /// State before there is any session.
    anonymous: Option<Py<PyDict>>,
    /// The interaction whose session it is.
    interaction: Option<Py<PyWeakrefReference>>,
}

/// The current session: who to send to, and what for.
pub(crate) struct Current<'py> {
    pub(crate) client: Option<Bound<'py, SentrialClient>>,
    pub(crate) record: Option<Arc<SessionRecord>>,
    pub(crate) id: Option<String>,
}

impl Node {
    /// Is only the id known, because no client was named?
    fn is_named(&self) -> bool {
        self.id.is_some()
    }

    fn live(&self) -> Option<Arc<SessionRecord>> {
        self.record.upgrade().filter(|record| record.is_live())
    }

    fn client<'py>(&self, py: Python<'py>) -> Option<Bound<'py, SentrialClient>> {
        match &self.owner {
            Owner::Weak(weak) => weak
                .bind(py)
                .upgrade()
                .and_then(|client| client.cast_into().ok()),
            Owner::Strong(client) => Some(client.bind(py).clone()),
            Owner::Nobody => None,
        }
    }
}

fn walk(py: Python<'_>, chain: Chain) -> impl Iterator<Item = Bound<'_, Node>> {
    std::iter::successors(chain.head(py), move |node| {
        node.get()
            .parent
            .as_ref()
            .map(|parent| parent.bind(py).clone())
    })
}

/// The innermost session that is neither finished nor collected.
pub(crate) fn current(py: Python<'_>) -> Option<Current<'_>> {
    walk(py, Chain::Session).find_map(|node| {
        let node = node.get();
        let record = node.live();
        (record.is_some() || node.is_named()).then(|| Current {
            client: node.client(py),
            record,
            id: node.id.clone(),
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
    walk(py, Chain::Session).find_map(|node| {
        let node = node.get();
        node.live()?;
        node.interaction.as_ref()?.bind(py).upgrade()
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
        let node = Node {
            parent: None,
            depth: 0,
            origin: Origin::Manual,
            client_number: 0,
            owner: Owner::Nobody,
            record: Weak::new(),
            id: Some(id.to_owned()),
            anonymous: None,
            interaction: None,
        };
        return Chain::Session.set(py, Some(&Bound::new(py, node)?));
    };
    let record = client.get().inner().registry.get(id);
    if record.state(py).is_none() {
        record.set_state(PyDict::new(py));
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
    let live = walk(py, Chain::Session).find(|node| {
        let node = node.get();
        node.live().is_some() || node.is_named()
    });
    match live {
        Some(node) if node.is(&head) => Ok(()),
        live => Chain::Session.set(py, live.as_ref()),
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
    let parent = needed(py, chain, client.get().inner().number)?;
    // An explicit client of the user's may live in the context only; an interaction holds its own.
    let owner = if origin == Origin::Manual {
        Owner::Strong(client.clone().unbind())
    } else {
        Owner::Weak(PyWeakrefReference::new(client.as_any())?.unbind())
    };
    let node = Node {
        depth: parent.as_ref().map_or(0, |parent| parent.get().depth + 1),
        parent: parent.map(Bound::unbind),
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
    chain.set(py, Some(&Bound::new(py, node)?))
}

/// The part of a chain that a new node of this client stands on: what is live and would become
/// current again once the new session has finished.
fn needed(py: Python<'_>, chain: Chain, client: u64) -> PyResult<Option<Bound<'_, Node>>> {
    let keep = |node: &Bound<'_, Node>| {
        let node = node.get();
        let replaced = node.origin == Origin::Created && node.client_number == client;
        !replaced && (node.live().is_some() || node.anonymous.is_some() || node.is_named())
    };
    let first = walk(py, chain).find(keep);
    if first
        .as_ref()
        .is_none_or(|node| node.get().depth < MAX_DEPTH)
    {
        return Ok(first);
    }
    let kept: Vec<_> = walk(py, chain).filter(keep).collect();
    let length = first.as_ref().map_or(0, |node| node.get().depth + 1);
    if kept.len() * 2 > length {
        // Sessions that are really nested this deep: nothing to leave out.
        return Ok(first);
    }
    let mut parent: Option<Bound<'_, Node>> = None;
    for old in kept.into_iter().rev() {
        let old = old.get();
        let owner = match &old.owner {
            Owner::Weak(weak) => Owner::Weak(weak.clone_ref(py)),
            Owner::Strong(client) => Owner::Strong(client.clone_ref(py)),
            Owner::Nobody => Owner::Nobody,
        };
        let node = Node {
            depth: parent.as_ref().map_or(0, |parent| parent.get().depth + 1),
            parent: parent.map(Bound::unbind),
            origin: old.origin,
            client_number: old.client_number,
            owner,
            record: Weak::clone(&old.record),
            id: old.id.clone(),
            anonymous: old.anonymous.as_ref().map(|state| state.clone_ref(py)),
            interaction: old.interaction.as_ref().map(|weak| weak.clone_ref(py)),
        };
        parent = Some(Bound::new(py, node)?);
    }
    Ok(parent)
}

/// Where the state of a client is kept in this context.
enum Holder<'py> {
    Record(Arc<SessionRecord>),
    Anonymous(Bound<'py, PyDict>),
}

fn holder(py: Python<'_>, client: u64) -> Option<Holder<'_>> {
    let ours = |node: &Bound<'_, Node>| node.get().client_number == client;
    let live = walk(py, Chain::State)
        .filter(ours)
        .find_map(|node| node.get().live());
    if let Some(record) = live {
        return Some(Holder::Record(record));
    }
    walk(py, Chain::State).filter(ours).find_map(|node| {
        let node = node.get();
        let anonymous = node.anonymous.as_ref().map(|dict| dict.bind(py).clone());
        let finished = node.record.upgrade().filter(|record| record.is_finished());
        anonymous
            .map(Holder::Anonymous)
            .or(finished.map(Holder::Record))
    })
}

/// The state dict that `current_state` shows; made now if there is none.
pub(crate) fn current_state<'py>(
    client: &Bound<'py, SentrialClient>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = client.py();
    match holder(py, client.get().inner().number) {
        Some(Holder::Anonymous(dict)) => Ok(dict),
        Some(Holder::Record(record)) => Ok(record.state(py).unwrap_or_else(|| {
            let state = PyDict::new(py);
            record.set_state(state.clone());
            state
        })),
        None => {
            let state = PyDict::new(py);
            anonymous(client, state.clone())?;
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
            record.set_state(state);
            Ok(())
        }
        _ => anonymous(client, state),
    }
}

fn anonymous<'py>(client: &Bound<'py, SentrialClient>, state: Bound<'py, PyDict>) -> PyResult<()> {
    let py = client.py();
    let number = client.get().inner().number;
    let parent = needed(py, Chain::State, number)?;
    let node = Node {
        depth: parent.as_ref().map_or(0, |parent| parent.get().depth + 1),
        parent: parent.map(Bound::unbind),
        origin: Origin::Created,
        client_number: number,
        owner: Owner::Nobody,
        record: Weak::new(),
        id: None,
        anonymous: Some(state.unbind()),
        interaction: None,
    };
    Chain::State.set(py, Some(&Bound::new(py, node)?))
}

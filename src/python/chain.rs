//! Chains of sessions, each in a context variable: immutable, of weak references, shared.

use std::sync::{Arc, Weak};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyWeakrefMethods, PyWeakrefReference};

use super::calling_context::{Home, calling_context};
use super::client::SentrialClient;
use super::once::{Once, intern};
use super::record::SessionRecord;
use super::state::State;

/// Links after which a chain is first rebuilt without what is no longer needed; then whenever it
/// has twice the links that were left, so that a link costs the same however many there are.
const FIRST_TIDY: usize = 8;

/// Which chain.
#[derive(Clone, Copy)]
pub(super) enum Chain {
    /// Sessions that calls attach to.
    Session,
    /// Sessions whose state is shown.
    State,
}

impl Chain {
    pub(super) fn variable(self, py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
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

    pub(super) fn head(self, py: Python<'_>) -> Option<Arc<Link>> {
        let value = self
            .variable(py)
            .ok()?
            .call_method0(intern!(py, "get"))
            .ok()?;
        Some(Arc::clone(&value.cast_into::<Node>().ok()?.get().0))
    }

    pub(super) fn set(self, py: Python<'_>, link: Option<Arc<Link>>) -> PyResult<()> {
        let node = link.map(|link| Bound::new(py, Node(link))).transpose()?;
        self.variable(py)?
            .call_method1(intern!(py, "set"), (node,))?;
        Ok(())
    }
}

/// How a node refers to the client.
pub(super) enum Owner {
    Weak(Py<PyWeakrefReference>),
    Strong(Py<SentrialClient>),
    Nobody,
}

/// What made a session current.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// `begin()`: it leaves when the interaction finishes.
    Interaction,
    /// `set_session_context()`.
    Manual,
    /// `create_session()`: current for state until the next one.
    Created,
}

/// The state before there is any session. A context that was copied from another one has the dict
/// of that one, until it uses it: then it gets a copy of its own.
pub(super) struct Anonymous {
    pub(super) state: Arc<State>,
    /// The context whose state it is.
    pub(super) home: Option<Home>,
    /// The client that shows it: once that is collected, nothing does.
    pub(super) client: Py<PyWeakrefReference>,
}

impl Anonymous {
    /// Does the dict belong to the calling context?
    pub(super) fn is_at_home(&self, py: Python<'_>) -> bool {
        // Without an answer it stays shared, as it is between calls of one context.
        let (Some(home), Some(here)) = (&self.home, calling_context(py)) else {
            return true;
        };
        home.is(&here)
    }

    fn is_shown(&self, py: Python<'_>) -> bool {
        self.client.bind(py).upgrade().is_some()
    }
}

/// What the context variables hold: the innermost link of a chain.
#[pyclass(frozen, module = "sentrial._core", name = "ContextNode")]
pub(crate) struct Node(Arc<Link>);

/// One link of a chain.
pub(super) struct Link {
    pub(super) parent: Option<Arc<Link>>,
    pub(super) depth: usize,
    /// The depth at which the chain is tidied.
    pub(super) tidy_at: usize,
    pub(super) origin: Origin,
    pub(super) client_number: u64,
    pub(super) owner: Owner,
    pub(super) record: Weak<SessionRecord>,
    /// Set by `set_session_context()` before any client was named.
    pub(super) id: Option<String>,
    /// State before there is any session.
    pub(super) anonymous: Option<Arc<Anonymous>>,
    /// The interaction whose session it is.
    pub(super) interaction: Option<Py<PyWeakrefReference>>,
}

/// One after the other: a program may hold more sessions than its stack has room for.
impl Drop for Link {
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(mut link) = next.and_then(Arc::into_inner) {
            next = link.parent.take();
        }
    }
}

impl Link {
    /// Is only the id known, because no client was named?
    pub(super) fn is_named(&self) -> bool {
        self.id.is_some()
    }

    pub(super) fn live(&self) -> Option<Arc<SessionRecord>> {
        self.record.upgrade().filter(|record| record.is_live())
    }

    pub(super) fn client<'py>(&self, py: Python<'py>) -> Option<Bound<'py, SentrialClient>> {
        match &self.owner {
            Owner::Weak(weak) => weak
                .bind(py)
                .upgrade()
                .and_then(|client| client.cast_into().ok()),
            Owner::Strong(client) => Some(client.bind(py).clone()),
            Owner::Nobody => None,
        }
    }

    /// The same link on top of another.
    fn standing_on(&self, py: Python<'_>, parent: Option<Arc<Self>>, tidy_at: usize) -> Self {
        let owner = match &self.owner {
            Owner::Weak(weak) => Owner::Weak(weak.clone_ref(py)),
            Owner::Strong(client) => Owner::Strong(client.clone_ref(py)),
            Owner::Nobody => Owner::Nobody,
        };
        Self {
            depth: below(parent.as_deref()).0,
            tidy_at,
            parent,
            origin: self.origin,
            client_number: self.client_number,
            owner,
            record: Weak::clone(&self.record),
            id: self.id.clone(),
            anonymous: self.anonymous.clone(),
            interaction: self.interaction.as_ref().map(|weak| weak.clone_ref(py)),
        }
    }
}

pub(super) fn walk(py: Python<'_>, chain: Chain) -> impl Iterator<Item = Arc<Link>> {
    std::iter::successors(chain.head(py), |link| link.parent.clone())
}

/// The depth of a link that stands on `parent`, and that at which its chain is tidied.
pub(super) fn below(parent: Option<&Link>) -> (usize, usize) {
    parent.map_or((0, FIRST_TIDY), |parent| (parent.depth + 1, parent.tidy_at))
}

/// The part of a chain that a new link of this client stands on: what is live and would become
/// current again once the new session has finished.
pub(super) fn needed(py: Python<'_>, chain: Chain, client: u64) -> Option<Arc<Link>> {
    let keep = |link: &Arc<Link>| {
        let replaced = link.origin == Origin::Created && link.client_number == client;
        let is_shown = |state: &Arc<Anonymous>| state.is_shown(py);
        !replaced
            && (link.live().is_some()
                || link.anonymous.as_ref().is_some_and(is_shown)
                || link.is_named())
    };
    let first = walk(py, chain).find(keep)?;
    if first.depth < first.tidy_at {
        return Some(first);
    }
    let kept: Vec<_> = walk(py, chain).filter(keep).collect();
    let tidy_at = FIRST_TIDY.max(2 * kept.len());
    kept.into_iter().rev().fold(None, |parent, link| {
        Some(Arc::new(link.standing_on(py, parent, tidy_at)))
    })
}

//! Which `contextvars.Context` is the calling one.
//!
//! Python has no name for it: `copy_context()` gives a copy. What `ContextVar.set()` returns refers
//! to it, and `gc.get_referents()` says what an object refers to.

use pyo3::prelude::*;
use pyo3::types::{PyList, PyWeakrefMethods, PyWeakrefReference};

use super::once::Once;

/// A context, without keeping it alive: it refers to what is set in it.
pub(super) struct Home(Py<PyWeakrefReference>);

impl Home {
    /// Refers to a context; None if that is not possible.
    pub(super) fn of(context: &Bound<'_, PyAny>) -> Option<Self> {
        let weak = PyWeakrefReference::new(context).ok()?;
        Some(Self(weak.unbind()))
    }

    /// Is it this one?
    pub(super) fn is(&self, context: &Bound<'_, PyAny>) -> bool {
        let home = self.0.bind(context.py()).upgrade();
        home.is_some_and(|home| home.is(context))
    }
}

/// The calling context; None where Python does not tell.
pub(super) fn calling_context(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    let tools = Tools::get(py).ok()?;
    let token = tools.set.bind(py).call1((py.None(),)).ok()?;
    let referents = tools.get_referents.bind(py).call1((token,)).ok()?;
    let referents = referents.cast_into::<PyList>().ok()?;
    let class = tools.class.bind(py);
    referents
        .iter()
        .find(|referent| referent.is_exact_instance(class))
}

/// Makes what it takes, at import; see [`super::pending::prepare`].
pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
    Tools::get(py).map(drop)
}

/// What it takes to find the calling context.
struct Tools {
    /// Sets a variable that is there only for what setting it returns.
    set: Py<PyAny>,
    get_referents: Py<PyAny>,
    /// `contextvars.Context`.
    class: Py<PyAny>,
}

impl Tools {
    fn get(py: Python<'_>) -> PyResult<&'static Self> {
        static TOOLS: Once<Tools> = Once::new();
        TOOLS.get_or_try_init(|| {
            let contextvars = py.import("_contextvars")?;
            let variable = contextvars
                .getattr("ContextVar")?
                .call1(("sentrial_here",))?;
            Ok(Self {
                set: variable.getattr("set")?.unbind(),
                get_referents: py.import("gc")?.getattr("get_referents")?.unbind(),
                class: contextvars.getattr("Context")?.unbind(),
            })
        })
    }
}

//! Named tuples of Python's.

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::Read;
use crate::python::once::Once;

/// Makes objects of a class of Python's that is a named tuple, without running code of Python's.
pub(super) struct NamedTuple {
    module: &'static str,
    name: &'static str,
    /// `tuple.__new__`, and the class.
    makers: Once<(Py<PyAny>, Py<PyAny>)>,
}

impl NamedTuple {
    pub(super) const fn new(module: &'static str, name: &'static str) -> Self {
        Self {
            module,
            name,
            makers: Once::new(),
        }
    }

    /// One of the class; `members` are all of its members, in their order.
    pub(super) fn make<'py>(&self, members: &Bound<'py, PyTuple>) -> Read<Bound<'py, PyAny>> {
        let py = members.py();
        let (new, class) = self.makers.get_or_try_init(|| self.find(py))?;
        Ok(new.bind(py).call1((class.bind(py), members))?)
    }

    /// The members of one of the class; None for anything else, and while none has been made.
    pub(super) fn members<'a, 'py>(
        &self,
        value: &'a Bound<'py, PyAny>,
    ) -> Option<&'a Bound<'py, PyTuple>> {
        let (_, class) = self.makers.get()?;
        let is_one = value.get_type().is(class.bind(value.py()));
        value.cast::<PyTuple>().ok().filter(|_| is_one)
    }

    #[cold]
    fn find(&self, py: Python<'_>) -> PyResult<(Py<PyAny>, Py<PyAny>)> {
        let class = py.import(self.module)?.getattr(self.name)?;
        let new = py.get_type::<PyTuple>().getattr("__new__")?;
        Ok((new.unbind(), class.unbind()))
    }
}

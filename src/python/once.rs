//! Values made once, without a lock that a fork could copy.
//!
//! `PyO3`'s own cells are locked while a value is made, and let other threads of Python run
//! meanwhile. A fork at that moment leaves the child with a value that is being made for ever: its
//! next call hangs, as in one of five runs of a test that forks during the first `flush()`.

use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::types::PyString;

/// A value made by whoever comes first. Threads that come at the same time may make it twice; one
/// of both is kept.
pub(crate) struct Once<T>(OnceLock<T>);

impl<T> Once<T> {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The value; `make` runs without any lock but the interpreter's.
    ///
    /// # Errors
    /// Those of `make`; the next call tries again.
    pub(crate) fn get_or_try_init<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        if let Some(value) = self.0.get() {
            return Ok(value);
        }
        let value = make()?;
        Ok(self.0.get_or_init(|| value))
    }
}

impl Once<Py<PyString>> {
    /// The interned text; see [`intern!`].
    #[inline]
    pub(crate) fn interned<'py>(
        &'static self,
        py: Python<'py>,
        text: &str,
    ) -> &'py Bound<'py, PyString> {
        match self.0.get() {
            Some(name) => name.bind(py),
            None => self.intern(py, text),
        }
    }

    /// Apart, so that a line that uses names stays short: code is read from cold caches, too.
    #[cold]
    #[inline(never)]
    fn intern<'py>(&'static self, py: Python<'py>, text: &str) -> &'py Bound<'py, PyString> {
        let made = PyString::intern(py, text).unbind();
        self.0.get_or_init(|| made).bind(py)
    }
}

/// An interned name, made at its first use: `pyo3::intern!`, safe to fork at any moment.
macro_rules! intern {
    ($py:expr, $text:expr) => {{
        static NAME: $crate::python::once::Once<::pyo3::Py<::pyo3::types::PyString>> =
            $crate::python::once::Once::new();
        NAME.interned($py, $text)
    }};
}
pub(crate) use intern;

//! Python bindings: the extension module `sentrial._core`.

mod json;
mod server;

use pyo3::prelude::*;

/// The native core of the `sentrial` package.
#[pymodule]
#[pyo3(name = "_core")]
mod core_module {
    #[pymodule_export]
    use super::json::to_json;
}

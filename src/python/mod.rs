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
    #[pymodule_export]
    use super::server::{
        LocalServer, keys_create, keys_list, keys_revoke, sessions_get, sessions_list,
    };
}

//! Python bindings: the extension module `sentrial._core`.
//!
//! ```text
//! client, interaction, module      classes and functions Python sees
//!        │
//! track, sessions, llm             bodies of requests        context, record   whose they are
//!        │                                                          │
//! payload, state, json             JSON bytes                       │
//!        │                                                          │
//!      inner  ─────────────────────────────────────────────────────┘
//!        │          submit, wait, result
//!   crate::core
//! ```

mod awaited;
mod before_send;
mod begun;
mod calling_context;
mod chain;
mod client;
mod context;
mod deferred;
mod errors;
mod forks;
mod inner;
mod interaction;
mod interpreter;
mod json;
mod llm;
mod log;
mod loops;
mod mirror;
mod module;
mod once;
mod payload;
mod pending;
mod plain;
mod pricing;
mod record;
mod redaction;
mod server;
mod sessions;
mod settings;
mod spool;
mod state;
mod stats;
mod track;
mod wait;

use pyo3::prelude::*;

/// The native core of the `sentrial` package.
#[pymodule]
#[pyo3(name = "_core")]
mod core_module {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::begun::{FirstSession, watch_first_session};
    #[pymodule_export]
    use super::chain::Node;
    #[pymodule_export]
    use super::client::SentrialClient;
    #[pymodule_export]
    use super::context::{context_variables, current_interaction};
    #[pymodule_export]
    use super::deferred::{
        awaits_answers, deferred_client, flush_mirror, start_create_session, start_flush,
        start_get_session, start_naming, start_shutdown,
    };
    #[pymodule_export]
    use super::forks::{after_fork_in_child, after_fork_in_parent, before_fork};
    #[pymodule_export]
    use super::interaction::{Interaction, open_session};
    #[pymodule_export]
    use super::json::{described, to_json};
    #[pymodule_export]
    use super::loops::{Wait, Waits};
    #[pymodule_export]
    use super::mirror::Mirrored;
    #[pymodule_export]
    use super::module::{
        CurrentSession, add_usage, at_exit, attach, clear_session_context, context_client,
        current_session, flush_all, get_session_context, is_immediate, make_current, prepare,
        process_stats, release, set_session_context,
    };
    #[pymodule_export]
    use super::pending::Pending;
    #[pymodule_export]
    use super::plain::{is_plain, written};
    #[pymodule_export]
    use super::pricing::{price_call, price_cost, price_lookup, price_register};
    #[pymodule_export]
    use super::redaction::Redactor;
    #[pymodule_export]
    use super::server::{
        LocalServer, keys_create, keys_list, keys_revoke, sessions_get, sessions_list,
    };
    #[pymodule_export]
    use super::wait::NativeWait;

    #[pymodule_export]
    use super::spool::{spool_flush, spool_folder, spool_purge, spool_status};
    /// Version of the embedded price data set.
    #[pymodule_export]
    const PRICES_VERSION: &str = crate::core::pricing::PRICES_VERSION;

    /// Version of the package.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name Python expects")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::interpreter::only_the_first(module.py())
    }
}

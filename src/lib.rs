//! `sentrial`: telemetry for AI agents.
//!
//! ```text
//! python/sentrial (decorators, wrappers, CLI)
//!        │
//!     _core  ──  src/python   bindings (PyO3, feature `python`)
//!                   │      │
//!                   │      └─────────► src/server   local server (axum + SQLite)
//!                   ▼
//!                src/core     delivery: options, lanes, queue, retry, transport, worker
//! ```
//!
//! Dependencies point downwards only. `core` and `server` never name Python:
//! `cargo test --no-default-features` builds and tests them without an interpreter.

pub mod core;
#[cfg(feature = "python")]
mod python;
pub mod server;

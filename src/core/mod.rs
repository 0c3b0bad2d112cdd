//! The delivery core: everything between a recorded call and the API, without Python.

pub mod answer;
pub mod api_key;
pub mod api_url;
pub mod call;
pub mod client;
pub mod clock;
pub mod concurrency;
pub mod error;
pub mod exit;
mod handover;
pub mod health;
mod lane;
mod lookup;
pub mod notices;
pub mod options;
pub mod policy;
pub mod pricing;
pub mod process;
pub mod queue;
pub mod receipt;
pub mod redact;
pub mod reply;
pub mod request;
mod resolver;
pub mod retry;
pub mod session;
mod settle;
mod signal;
mod silence;
pub mod spool;
pub mod stats;
mod sync;
#[cfg(test)]
mod tests;
pub mod transport;
mod worker;

//! The local server behind `sentrial dev`: the documented API on loopback, kept in one `SQLite` file.
//!
//! ```text
//! serve    binds, runs, stops                        keys       a key: made, hashed, masked
//! accept   HTTP/1.1 on each connection          ──►  connections  limits: heads, silence, number
//!   │
//! app      routes, 404/405, panics                   answer     status and JSON body, errors
//! guard    for us, and not from a foreign page
//!   │
//! routes   one request → one `Write` or `Read`  ──►  request    headers and body of one request
//!   │                                                intake     bodies: who may send, how much
//!   │                                                validate   fields of a JSON body
//! database threads that own a `Store`; group commit
//!   │
//! store    the only place naming `SQLite`         ──►  view       stored rows as JSON
//! ```
//!
//! The command line uses [`store::Store`] directly: listing sessions or revoking a key needs no
//! running server, and a running one sees the change with its next request.

mod accept;
mod answer;
mod app;
mod connections;
mod database;
mod guard;
mod intake;
pub mod keys;
mod query;
mod request;
mod routes;
mod serve;
pub mod store;
pub mod timestamp;
mod validate;
pub mod view;

pub use serve::{Server, ServerError, ServerOptions};

#[cfg(test)]
mod tests;

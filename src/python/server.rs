//! Bindings of the local server.

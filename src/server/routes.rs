//! The routes: one request becomes one piece of work on the database, and that an answer.

pub(super) mod experiments;
pub(super) mod read;
pub(super) mod write;

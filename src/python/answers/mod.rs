//! What the wrappers read at every call: parameters, messages, answers, usage.
//!
//! Answers come as dicts, as models of pydantic's or as any other object; what is missing, of
//! another type or raises counts as absent. Compiled, because after a call of a provider's client
//! nothing of ours is in the caches of the processor: each line of Python then costs five times
//! what it costs in a loop.

mod arguments;
mod chat;
mod identity;
mod members;
mod named;
mod parameters;
mod plain;
mod usage;

pub(crate) use arguments::arguments_of;
pub(crate) use chat::chat_answer;
pub(crate) use identity::answer_identity;
pub(crate) use members::read_member;
pub(crate) use parameters::scalars;
pub(crate) use plain::{is_plain, written};
pub(crate) use usage::members_of_usage;
pub(crate) use usage::{usage_of_anthropic, usage_of_google, usage_of_openai};

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

/// What was read, or what was raised meanwhile that is no `Exception`.
type Read<T> = Result<T, Raised>;

/// An exception on its way out.
///
/// Behind a pointer: a result then fits into registers, and a line that reads a member is a third
/// as long in machine code, which comes from cold caches, too.
pub(crate) struct Raised(Box<PyErr>);

impl From<PyErr> for Raised {
    #[cold]
    #[inline(never)]
    fn from(error: PyErr) -> Self {
        Self(Box::new(error))
    }
}

impl From<Raised> for PyErr {
    fn from(raised: Raised) -> Self {
        *raised.0
    }
}

/// The items of a list or a tuple; None for anything else.
fn items<'py>(value: &Bound<'py, PyAny>) -> Option<Vec<Bound<'py, PyAny>>> {
    if let Ok(list) = value.cast::<PyList>() {
        return Some(list.iter().collect());
    }
    Some(value.cast::<PyTuple>().ok()?.iter().collect())
}

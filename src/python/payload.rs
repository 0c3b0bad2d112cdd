//! Request bodies, written straight to JSON bytes on the caller's thread.

use std::cell::Cell;
use std::ops::Range;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::json::{
    Amount, Budget, Pair, message_of, number, write_f64, write_i64, write_object, write_str,
    write_text, write_u64, write_value,
};

/// Whole numbers beyond this are not exact.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// What a thread keeps of a larger body is given back.
const MAX_SCRATCH: usize = 64 * 1024;

thread_local! {
    /// Where a thread writes its bodies. Each is copied out: grown in place, a queue of them would
    /// take up to twice the memory that is charged for them.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Writes the members of one JSON object.
///
/// The first member starts with a comma: the tail of an event follows the session id.
pub(crate) struct Payload {
    pub(crate) out: Vec<u8>,
    budget: Budget,
    max: usize,
}

impl Payload {
    /// A body of which each large field has about `max_bytes` at most, and so have all others
    /// together: no more of it can be sent.
    pub(crate) fn new(max_bytes: usize) -> Self {
        let out = SCRATCH.try_with(Cell::take).unwrap_or_default();
        Self {
            out,
            budget: Budget::of_field(max_bytes),
            max: max_bytes,
        }
    }

    /// `,"name":`
    pub(crate) fn key(&mut self, name: &str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// Bytes that are JSON already.
    pub(crate) fn raw(&mut self, name: &str, json: &[u8]) {
        self.key(name);
        self.out.extend_from_slice(json);
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.key(name);
        write_str(text, &mut self.out);
    }

    /// A number; a whole one, if it was given so, stays whole.
    pub(crate) fn amount(&mut self, name: &str, amount: Amount) {
        self.key(name);
        let whole = amount.value.abs() <= MAX_WHOLE && amount.whole;
        if whole {
            write_i64(truncated(amount.value), &mut self.out);
        } else {
            write_f64(amount.value, &mut self.out);
        }
    }

    /// Any value.
    pub(crate) fn value(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.key(name);
        write_value(value, &mut self.out, &mut self.budget)
    }

    /// Any value, left out if None.
    pub(crate) fn some(&mut self, name: &str, value: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        value.map_or(Ok(()), |value| self.value(name, value))
    }

    /// A text, cut if it is too long.
    pub(crate) fn words(&mut self, name: &str, text: &str) -> PyResult<()> {
        self.key(name);
        write_text(text, &mut self.out, &mut self.budget)
    }

    /// A whole number.
    pub(crate) fn count(&mut self, name: &str, count: u64) {
        self.key(name);
        write_u64(count, &mut self.out);
    }

    /// An object with these members, as large as one large field may be.
    pub(crate) fn members(&mut self, name: &str, members: Vec<Pair<'_>>) -> PyResult<()> {
        self.key(name);
        write_object(members, &mut self.out, &mut Budget::of_field(self.max))
    }

    /// A value; null if None.
    pub(crate) fn value_or_null(
        &mut self,
        name: &str,
        value: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        match value {
            Some(value) => self.value(name, value),
            None => {
                self.raw(name, b"null");
                Ok(())
            }
        }
    }

    /// A value that must be a JSON object: anything else but null is put under `wrapper`.
    /// Returns where its own JSON is, without the wrapper.
    pub(crate) fn object(
        &mut self,
        name: &str,
        value: Option<&Bound<'_, PyAny>>,
        wrapper: &str,
    ) -> PyResult<Range<usize>> {
        self.key(name);
        let start = self.out.len();
        match value {
            None => self.out.extend_from_slice(b"null"),
            Some(value) => {
                write_value(value, &mut self.out, &mut Budget::of_field(self.max))?;
                if !matches!(self.out.get(start), Some(b'{' | b'n')) {
                    return Ok(self.wrap(start, wrapper));
                }
            }
        }
        Ok(start..self.out.len())
    }

    fn wrap(&mut self, start: usize, wrapper: &str) -> Range<usize> {
        let head = ["{\"", wrapper, "\":"].concat();
        let inside = start + head.len()..self.out.len() + head.len();
        self.out.splice(start..start, head.into_bytes());
        self.out.push(b'}');
        inside
    }

    /// `toolError`: an object as it is, an exception as its message and type, text as a message.
    pub(crate) fn error(&mut self, error: &Bound<'_, PyAny>) -> PyResult<()> {
        if error.is_instance_of::<pyo3::exceptions::PyBaseException>() {
            self.key("toolError");
            self.out.extend_from_slice(b"{\"message\":");
            let message = message_of(error)?;
            write_value(message.as_any(), &mut self.out, &mut self.budget)?;
            self.out.extend_from_slice(b",\"type\":");
            let name = error.get_type().name()?;
            write_value(name.as_any(), &mut self.out, &mut self.budget)?;
            self.out.push(b'}');
            return Ok(());
        }
        self.object("toolError", Some(error), "message").map(drop)
    }

    /// The user's metadata and what the call adds to it.
    pub(crate) fn metadata(
        &mut self,
        metadata: Option<&Bound<'_, PyAny>>,
        extra: &[(&str, Option<&Bound<'_, PyAny>>)],
    ) -> PyResult<()> {
        if extra.iter().all(|(_, value)| value.is_none()) {
            return match metadata {
                Some(value) => self.object("metadata", Some(value), "value").map(drop),
                None => Ok(()),
            };
        }
        let Some((py, merged)) = extra
            .iter()
            .find_map(|(_, v)| *v)
            .map(|v| (v.py(), merged(v.py(), metadata)))
        else {
            return Ok(());
        };
        let merged = merged?;
        for (name, value) in extra {
            if let Some(value) = value {
                merged.set_item(PyString::intern(py, name), value)?;
            }
        }
        self.object("metadata", Some(merged.as_any()), "value")
            .map(drop)
    }

    /// Closes the object: the tail of a body that begins with a session id.
    pub(crate) fn tail(mut self) -> Vec<u8> {
        self.out.push(b'}');
        exact(self.out)
    }

    /// Closes the object: a body of its own.
    pub(crate) fn whole(self) -> Vec<u8> {
        let mut out = self.tail();
        match out.first_mut() {
            Some(first) if *first == b',' => {
                *first = b'{';
                out
            }
            _ => b"{}".to_vec(),
        }
    }
}

/// A finished body in exactly the memory it needs.
fn exact(mut out: Vec<u8>) -> Vec<u8> {
    if out.capacity() > MAX_SCRATCH {
        out.shrink_to_fit();
        return out;
    }
    let body = out.as_slice().to_vec();
    out.clear();
    // While the thread ends there is nothing to keep it for.
    let _ = SCRATCH.try_with(|scratch| scratch.set(out));
    body
}

/// A copy of the user's metadata as a dict.
pub(crate) fn merged<'py>(
    py: Python<'py>,
    metadata: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let Some(metadata) = metadata else {
        return Ok(PyDict::new(py));
    };
    // A subclass may refuse to be copied; it is then written like any other object.
    if let Some(copy) = metadata
        .cast::<PyDict>()
        .ok()
        .and_then(|dict| dict.copy().ok())
    {
        return Ok(copy);
    }
    let merged = PyDict::new(py);
    merged.set_item("value", metadata)?;
    Ok(merged)
}

/// A cost or count as a finite number; what is none counts as zero.
pub(crate) fn amount(value: Option<&Bound<'_, PyAny>>) -> Amount {
    value.and_then(number).unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, as meant")]
fn truncated(value: f64) -> i64 {
    value as i64
}

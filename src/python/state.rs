//! `stateBefore` and `stateAfter`: a session's state dict as bounded JSON.

use std::ops::Range;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::json::{Budget, write_i64, write_pystr, write_value};

/// A value that a call stores in the state, and where its JSON stands in the body already.
pub(crate) struct Stored<'a, 'py> {
    pub(crate) key: &'a Bound<'py, PyString>,
    pub(crate) json: Range<usize>,
}

/// Where a state stands in a body, so that the state after the call can be made from it.
pub(crate) struct Written {
    whole: Range<usize>,
    /// The value under the key that the call stores to, if the state has that key.
    old: Option<Range<usize>>,
    /// Every value was written in full, and every key is plain text.
    plain: bool,
}

impl Written {
    /// Bytes of the state.
    pub(crate) fn len(&self) -> usize {
        self.whole.len()
    }
}

/// Writes `state` as a JSON object. Values are written in full up to `max_bytes` in all; above
/// that the oldest become `{"truncated": true, "bytes": n}`, so that the keys remain. Looks for
/// `key` on the way; `json` is what stands for its value, if that is known.
pub(crate) fn write_state(
    state: &Bound<'_, PyDict>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
    max_bytes: usize,
    key: Option<&Bound<'_, PyString>>,
    json: Option<&Range<usize>>,
) -> PyResult<Written> {
    let start = out.len();
    let (mut old, mut plain) = (None, true);
    if state.is_empty() {
        out.extend_from_slice(b"{}");
    } else {
        // Collected first, because writing a value may run code that changes the state.
        let members: Vec<_> = state.iter().collect();
        let mut values = Vec::with_capacity(members.len());
        for (nth, (name, value)) in members.iter().enumerate() {
            out.push(if nth == 0 { b'{' } else { b',' });
            write_key(name, out, budget)?;
            out.push(b':');
            let from = out.len();
            let found =
                key.is_some_and(|key| key.is(name) || key.as_any().eq(name).unwrap_or(false));
            match json {
                Some(json) if found => out.extend_from_within(json.clone()),
                _ => write_value(value, out, budget)?,
            }
            let value = from..out.len();
            if found {
                old = Some(value.clone());
            }
            plain &= name.is_exact_instance_of::<PyString>();
            values.push(value);
        }
        out.push(b'}');
        if out.len() - start > max_bytes {
            shorten(out, start, &values, max_bytes);
            plain = false;
        }
    }
    Ok(Written {
        whole: start..out.len(),
        old,
        plain,
    })
}

/// Writes what the state `before` becomes by storing a value. That is a copy of bytes: walking the
/// state again would cost as much as the first time. False, and nothing written, if it must be
/// walked, because something is unusual or there is more than `max_bytes`.
pub(crate) fn write_after(
    before: &Written,
    stored: &Stored<'_, '_>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
    max_bytes: usize,
) -> PyResult<bool> {
    let whole = before.whole.clone();
    let most = whole.len() + stored.json.len() + 6 * stored.key.len()? + 4;
    if !before.plain || most > max_bytes {
        return Ok(false);
    }
    out.reserve(most);
    if let Some(old) = before.old.clone() {
        out.extend_from_within(whole.start..old.start);
        out.extend_from_within(stored.json.clone());
        out.extend_from_within(old.end..whole.end);
        return Ok(true);
    }
    let members = whole.start..whole.end - 1;
    let is_first = members.len() == 1;
    out.extend_from_within(members);
    if !is_first {
        out.push(b',');
    }
    write_pystr(stored.key, out, budget)?;
    out.push(b':');
    out.extend_from_within(stored.json.clone());
    out.push(b'}');
    Ok(true)
}

fn write_key(key: &Bound<'_, PyAny>, out: &mut Vec<u8>, budget: &mut Budget) -> PyResult<()> {
    if let Ok(text) = key.cast::<PyString>() {
        return write_pystr(text, out, budget);
    }
    match key.str() {
        Ok(text) => write_pystr(&text, out, budget),
        Err(_) => {
            out.extend_from_slice(b"\"<key>\"");
            Ok(())
        }
    }
}

/// Replaces values, oldest first, until the whole is small enough.
fn shorten(out: &mut Vec<u8>, start: usize, values: &[Range<usize>], max_bytes: usize) {
    let full = out.split_off(start);
    let mut size = full.len();
    let mut copied = 0;
    for value in values {
        let (from, to) = (value.start - start, value.end - start);
        let mut marker = b"{\"truncated\":true,\"bytes\":".to_vec();
        write_i64(i64::try_from(to - from).unwrap_or(i64::MAX), &mut marker);
        marker.push(b'}');
        if size <= max_bytes || to - from <= marker.len() {
            continue;
        }
        out.extend_from_slice(full.get(copied..from).unwrap_or_default());
        out.extend_from_slice(&marker);
        copied = to;
        size -= (to - from) - marker.len();
    }
    out.extend_from_slice(full.get(copied..).unwrap_or_default());
}

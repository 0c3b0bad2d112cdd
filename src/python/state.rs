//! `stateBefore` and `stateAfter`: a session's state dict as bounded JSON.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::json::{Budget, write_i64, write_pystr, write_value};

/// A value whose JSON is known already: the output that was just stored in the state.
pub(crate) struct Known<'a, 'py> {
    pub(crate) key: &'a Bound<'py, PyAny>,
    pub(crate) json: &'a [u8],
}

/// Writes `state` as a JSON object. Values are written in full up to `max_bytes` in all; above
/// that the oldest become `{"truncated": true, "bytes": n}`, so that the keys remain.
pub(crate) fn write_state(
    state: &Bound<'_, PyDict>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
    max_bytes: usize,
    known: Option<&Known<'_, '_>>,
) -> PyResult<()> {
    if state.is_empty() {
        out.extend_from_slice(b"{}");
        return Ok(());
    }
    let start = out.len();
    let mut values = Vec::with_capacity(state.len());
    // A copy is walked, because writing a value may run code that changes the state.
    for (nth, (key, value)) in state.copy()?.iter().enumerate() {
        out.push(if nth == 0 { b'{' } else { b',' });
        write_key(&key, out, budget)?;
        out.push(b':');
        let from = out.len();
        match known {
            Some(known) if known.key.is(&key) || known.key.eq(&key).unwrap_or(false) => {
                out.extend_from_slice(known.json);
            }
            _ => write_value(&value, out, budget)?,
        }
        values.push(from..out.len());
    }
    out.push(b'}');
    if out.len() - start > max_bytes {
        shorten(out, start, &values, max_bytes);
    }
    Ok(())
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
fn shorten(out: &mut Vec<u8>, start: usize, values: &[std::ops::Range<usize>], max_bytes: usize) {
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

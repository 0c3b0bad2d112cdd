//! The scalars of JSON, written without running any Python code.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};

use super::{escape, exact, numbers};

/// Appends `value` if it is exactly a `str`, `int`, `float`, `bool` or `None` of ordinary size, in
/// at most `room` bytes if it is a text. Otherwise `out` is as it was, and the answer is `false`.
#[inline]
pub(super) fn try_write(value: &Bound<'_, PyAny>, out: &mut Vec<u8>, room: usize) -> bool {
    if let Some(text) = exact::<PyString>(value) {
        return try_write_pystr(text, out, room);
    }
    if let Some(int) = exact::<PyInt>(value) {
        return numbers::try_write_int(int, out);
    }
    if let Some(float) = exact::<PyFloat>(value) {
        numbers::write_f64(float.value(), out);
    } else if value.is_none() {
        out.extend_from_slice(b"null");
    } else if let Some(flag) = exact::<PyBool>(value) {
        out.extend_from_slice(if flag.is_true() { b"true" } else { b"false" });
    } else {
        return false;
    }
    true
}

#[inline]
pub(super) fn try_write_pystr(text: &Bound<'_, PyString>, out: &mut Vec<u8>, room: usize) -> bool {
    // Asked before `to_str`, which keeps a UTF-8 copy in the object if it is not ASCII: a huge
    // text must be neither converted nor retained as a whole.
    if !text.code_point_len().is_ok_and(|chars| chars < room) {
        return false;
    }
    text.to_str()
        .is_ok_and(|utf8| try_write_quoted(b"\"", utf8.as_bytes(), b"\"", out, room))
}

/// Appends a key with what stands around it. Without the question about its length: a call of the
/// interpreter less per member, and keys are short.
#[inline]
pub(super) fn try_write_key(
    open: [u8; 2],
    key: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    room: usize,
) -> bool {
    if let Some(key) = exact::<PyString>(key) {
        return key
            .to_str()
            .is_ok_and(|utf8| try_write_quoted(&open, utf8.as_bytes(), b"\":", out, room));
    }
    let start = out.len();
    out.extend_from_slice(&open);
    let written = exact::<PyInt>(key).is_some_and(|key| numbers::try_write_int(key, out));
    if !written {
        out.truncate(start);
        return false;
    }
    out.extend_from_slice(b"\":");
    true
}

/// Appends UTF-8 between `open` and `close` unless that takes more than `room`.
#[inline]
pub(super) fn try_write_quoted<const N: usize, const M: usize>(
    open: &[u8; N],
    bytes: &[u8],
    close: &[u8; M],
    out: &mut Vec<u8>,
    room: usize,
) -> bool {
    if bytes.len().saturating_add(N + M) > room {
        return false;
    }
    let start = out.len();
    escape::write_between(open, bytes, close, out);
    // Escapes made it longer than its bytes.
    if out.len() - start > room {
        out.truncate(start);
        return false;
    }
    true
}

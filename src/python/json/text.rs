//! Strings, bytes and what stands for them when they do not fit.

use std::fmt::Write as _;

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PySlice, PyString};

use super::{Budget, absorb, base64, escape, scalars};
use crate::core::redact::{large_bytes, whole_media};

/// Characters kept of the `str()` of an object that JSON has no form for.
pub(super) const MAX_STR_CHARS: usize = 1_000;
const MAX_NAME_CHARS: usize = 100;
/// Room for the marker `…[cut 18446744073709551615 characters]…` and the quotes.
const MARKER_BYTES: usize = 48;

/// Characters at which a text is seen not to be base64: shorter than its lines in mail.
const MEDIA_HEAD: usize = 60;

/// Appends the content of a `str` or of an instance of a subclass, whose methods are not asked.
#[inline]
pub(super) fn write_pystr(
    text: &Bound<'_, PyString>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    if scalars::try_write_pystr(text, out, budget.room(out)) {
        return Ok(());
    }
    write_unusual(text, out, budget)
}

/// Appends `text`, cut in the middle if it does not fit.
pub(super) fn write_utf8(text: &str, out: &mut Vec<u8>, budget: &mut Budget) {
    if !scalars::try_write_quoted(b"\"", text.as_bytes(), b"\"", out, budget.room(out))
        && !write_media(text.as_bytes(), out, budget)
    {
        let chars = text.chars().count();
        write_cut(text.as_bytes(), text.as_bytes(), chars, out, budget);
    }
}

/// Too long, or with lone surrogates.
#[cold]
#[inline(never)]
pub(super) fn write_unusual(
    text: &Bound<'_, PyString>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    let chars = text.code_point_len()?;
    let room = budget.room(out);
    if chars < room {
        let whole = encoded(text)?;
        let start = out.len();
        out.push(b'"');
        escape::escape_with_surrogates(whole.as_bytes(), out);
        out.push(b'"');
        if out.len() - start > room {
            out.truncate(start);
            if !write_media(whole.as_bytes(), out, budget) {
                write_cut(whole.as_bytes(), whole.as_bytes(), chars, out, budget);
            }
        }
    } else if !write_long_media(text, out, budget)? {
        let head = encoded(&slice(text, 0, room.min(chars))?)?;
        let tail = encoded(&slice(text, chars.saturating_sub(room), chars)?)?;
        write_cut(head.as_bytes(), tail.as_bytes(), chars, out, budget);
    }
    Ok(())
}

/// Appends what stands for a large binary value in the place of a part of it.
fn write_media(text: &[u8], out: &mut Vec<u8>, budget: &mut Budget) -> bool {
    let room = budget.room(out).saturating_sub(b"\"\"".len());
    let Some(media) = whole_media(text).filter(|media| media.len() <= room) else {
        return false;
    };
    budget.mark_truncated();
    escape::write_str(&media, out);
    true
}

fn write_long_media(
    text: &Bound<'_, PyString>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<bool> {
    let head = encoded(&slice(text, 0, text.code_point_len()?.min(MEDIA_HEAD))?)?;
    // Only what may be base64 is copied as a whole.
    if head.as_bytes().iter().any(u8::is_ascii_whitespace) || !head.as_bytes().is_ascii() {
        return Ok(false);
    }
    Ok(write_media(encoded(text)?.as_bytes(), out, budget))
}

/// Appends as much of the start of `head` and of the end of `tail` as fits, with a marker between
/// that tells how many of `chars` are missing.
fn write_cut(head: &[u8], tail: &[u8], chars: usize, out: &mut Vec<u8>, budget: &mut Budget) {
    budget.mark_truncated();
    let room = budget.room(out);
    // A quarter stays for the siblings of a nested string: one large field shall not erase the
    // ones behind it.
    let room = if budget.is_nested() {
        room - room / 4
    } else {
        room
    };
    let half = room.saturating_sub(MARKER_BYTES) / 2;
    let head = head.get(..prefix_within(head, half)).unwrap_or_default();
    let tail = tail.get(suffix_within(tail, half)..).unwrap_or_default();
    let kept = count_chars(head) + count_chars(tail);
    out.push(b'"');
    escape::escape_with_surrogates(head, out);
    let mut marker = String::new();
    let _ = write!(marker, "…[cut {} characters]…", chars.saturating_sub(kept));
    out.extend_from_slice(marker.as_bytes());
    escape::escape_with_surrogates(tail, out);
    out.push(b'"');
}

/// Length of the longest prefix of whole characters whose escaped length is at most `limit`.
fn prefix_within(bytes: &[u8], limit: usize) -> usize {
    let mut used = 0;
    let mut end = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !is_continuation(byte) {
            end = at;
        }
        used += escape::escaped_len(byte);
        if used > limit {
            return end;
        }
    }
    bytes.len()
}

/// Start of the longest suffix of whole characters whose escaped length is at most `limit`.
fn suffix_within(bytes: &[u8], limit: usize) -> usize {
    let mut used = 0;
    let mut start = bytes.len();
    for (at, &byte) in bytes.iter().enumerate().rev() {
        used += escape::escaped_len(byte);
        if used > limit {
            break;
        }
        if !is_continuation(byte) {
            start = at;
        }
    }
    start
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

fn count_chars(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| !is_continuation(byte)).count()
}

/// UTF-8 in which lone surrogates are encoded like any other character.
fn encoded<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyBytes>> {
    let py = text.py();
    let bytes = py.get_type::<PyString>().call_method1(
        intern!(py, "encode"),
        (text, intern!(py, "utf-8"), intern!(py, "surrogatepass")),
    )?;
    Ok(bytes.cast_into::<PyBytes>()?)
}

fn slice<'py>(
    text: &Bound<'py, PyString>,
    start: usize,
    end: usize,
) -> PyResult<Bound<'py, PyString>> {
    let py = text.py();
    let range = PySlice::new(py, start.try_into()?, end.try_into()?, 1);
    let part = py
        .get_type::<PyString>()
        .call_method1(intern!(py, "__getitem__"), (text, range))?;
    Ok(part.cast_into::<PyString>()?)
}

/// Appends the first `limit` characters of `text`.
pub(super) fn write_head(
    text: &Bound<'_, PyString>,
    limit: usize,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    if text.code_point_len()? <= limit {
        return write_pystr(text, out, budget);
    }
    budget.mark_truncated();
    let head = encoded(&slice(text, 0, limit)?)?;
    let head = head.as_bytes();
    let head = head
        .get(..prefix_within(head, budget.room(out)))
        .unwrap_or_default();
    out.push(b'"');
    escape::escape_with_surrogates(head, out);
    out.extend_from_slice("…\"".as_bytes());
    Ok(())
}

/// Appends `str(value)`, at most `limit` characters of it, or `"<TypeName>"` if it raises.
pub(super) fn write_str_of(
    value: &Bound<'_, PyAny>,
    limit: usize,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    match absorb(value.py(), value.str())? {
        Some(text) => write_head(&text, limit, out, budget),
        None => write_placeholder(value, out),
    }
}

/// Appends `"<TypeName>"`.
pub(super) fn write_placeholder(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<()> {
    let name = absorb(value.py(), value.get_type().name())?;
    let name = name.as_ref().map(|name| name.to_string_lossy());
    let name = name.as_deref().unwrap_or("object");
    let name: String = name.chars().take(MAX_NAME_CHARS).collect();
    escape::write_str(&format!("<{name}>"), out);
    Ok(())
}

/// Appends bytes as text if they are UTF-8, else as base64.
pub(super) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>, budget: &mut Budget) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return write_utf8(text, out, budget);
    }
    let fits = budget.room(out).saturating_sub(MARKER_BYTES) / 4 * 3;
    out.push(b'"');
    if bytes.len() <= fits {
        base64::encode(bytes, out);
    } else {
        budget.mark_truncated();
        if let Some(media) = large_bytes(bytes).filter(|media| media.len() <= fits) {
            out.extend_from_slice(media.as_bytes());
            out.push(b'"');
            return;
        }
        let head = bytes.get(..fits).unwrap_or_default();
        base64::encode(head, out);
        let mut marker = String::new();
        let _ = write!(marker, "…[cut {} bytes]…", bytes.len() - head.len());
        out.extend_from_slice(marker.as_bytes());
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, max_bytes: usize) -> String {
        let mut out = Vec::new();
        let mut budget = Budget::new(max_bytes);
        budget.begin(0);
        write_utf8(text, &mut out, &mut budget);
        assert!(out.len() <= max_bytes.max(MARKER_BYTES));
        assert!(budget.truncated());
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn cuts_in_the_middle_between_characters() {
        assert_eq!(cut(&"é".repeat(100), 53), "é…[cut 98 characters]…é");
        assert_eq!(cut(&"ab".repeat(100), 51), "a…[cut 198 characters]…b");
        assert_eq!(cut("abc", 0), "…[cut 3 characters]…");
    }

    #[test]
    fn counts_what_escaping_adds() {
        let text = cut(&"\u{1}".repeat(100), 102);
        assert_eq!(text.matches('\u{1}').count(), 8);
    }
}

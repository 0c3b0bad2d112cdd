//! Strings, bytes and what stands for them when they do not fit.

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PySlice, PyString, PyType};

use super::classify::{instance_dict, is_disguised, may_be_asked};
use super::escape::{is_continuation, prefix_within, suffix_within};
use super::{Budget, absorb, base64, escape, scalars};
use crate::core::redact::{large_bytes, may_hold_media, sampled_media, whole_media};

/// Characters kept of the `str()` of an object that JSON has no form for.
pub(super) const MAX_STR_CHARS: usize = 1_000;
const MAX_NAME_CHARS: usize = 100;
/// Room for the marker `…[cut 18446744073709551615 characters]…` and the quotes.
const MARKER_BYTES: usize = 48;

/// Characters of each part at which a long text is looked at to see whether it is a binary value.
const MEDIA_SAMPLE: usize = 4096;
/// Characters of a long text that are read at a time.
const PIECE: usize = 64 * 1024;

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
    let bytes = text.as_bytes();
    if scalars::try_write_quoted(b"\"", bytes, b"\"", out, budget.room(out)) {
        return;
    }
    if bytes.len() < budget.room(out) && write_media(bytes, out, budget) {
        return;
    }
    let size = Size::Characters(text.chars().count());
    write_cut(bytes, size, out, budget);
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
    if chars >= room {
        if !write_long_media(text, chars, out, budget)? {
            write_long(text, chars, out, budget)?;
        }
        return Ok(());
    }
    let whole = encoded(text)?;
    let start = out.len();
    out.push(b'"');
    escape::escape_with_surrogates(whole.as_bytes(), out);
    out.push(b'"');
    if out.len() - start > room {
        out.truncate(start);
        if !write_media(whole.as_bytes(), out, budget) {
            write_cut(whole.as_bytes(), Size::Characters(chars), out, budget);
        }
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

/// Appends a long text that is, or holds, a binary value: whole where that may be done, to be
/// described before it is sent; else what can be told of it by looking at a few parts.
fn write_long_media(
    text: &Bound<'_, PyString>,
    chars: usize,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<bool> {
    if chars < MEDIA_SAMPLE {
        return Ok(false);
    }
    let head = encoded(&slice(text, 0, MEDIA_SAMPLE)?)?;
    if !may_hold_media(head.as_bytes()) {
        return Ok(false);
    }
    if chars <= budget.media() {
        let whole = encoded(text)?;
        if budget.take_media(whole.as_bytes().len()) {
            out.push(b'"');
            escape::escape_with_surrogates(whole.as_bytes(), out);
            out.push(b'"');
            return Ok(true);
        }
    }
    let middle = encoded(&slice(text, chars / 2, chars / 2 + MEDIA_SAMPLE)?)?;
    let tail = encoded(&slice(text, chars.saturating_sub(MEDIA_SAMPLE), chars)?)?;
    let parts = [head.as_bytes(), middle.as_bytes(), tail.as_bytes()];
    let room = budget.room(out).saturating_sub(b"\"\"".len());
    let Some(media) = sampled_media(parts, chars).filter(|media| media.len() <= room) else {
        return Ok(false);
    };
    budget.mark_truncated();
    escape::write_str(&media, out);
    Ok(true)
}

/// How long the whole of a cut value is.
#[derive(Clone, Copy)]
enum Size {
    Characters(usize),
    Bytes(usize),
}

/// Bytes that may be written before the marker of a cut, and after it.
fn half(out: &[u8], budget: &Budget) -> usize {
    let room = budget.room(out);
    // A quarter stays for the siblings of a nested string: one large field shall not erase the
    // ones behind it.
    let room = if budget.is_nested() {
        room - room / 4
    } else {
        room
    };
    room.saturating_sub(MARKER_BYTES) / 2
}

/// Appends the beginning and the end of a long text, read piece by piece: the rest is not touched,
/// and a text that is not ASCII is not converted as a whole.
fn write_long(
    text: &Bound<'_, PyString>,
    chars: usize,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    let half = half(out, budget);
    budget.mark_truncated();
    out.push(b'"');
    let (mut read, mut used, mut kept) = (0, 0, 0);
    while read < chars && used < half {
        let piece = encoded(&slice(text, read, chars.min(read + PIECE))?)?;
        let (end, taken) = prefix_within(piece.as_bytes(), half - used);
        let head = piece.as_bytes().get(..end).unwrap_or_default();
        escape::escape_with_surrogates(head, out);
        kept += count_chars(head);
        used += taken;
        if end < piece.as_bytes().len() {
            break;
        }
        read += PIECE;
    }
    let (mut pieces, mut left, mut used) = (Vec::new(), chars, 0);
    while left > 0 && used < half {
        let from = left.saturating_sub(PIECE);
        let piece = encoded(&slice(text, from, left)?)?;
        let (start, taken) = suffix_within(piece.as_bytes(), half - used);
        kept += count_chars(piece.as_bytes().get(start..).unwrap_or_default());
        used += taken;
        left = if start > 0 { 0 } else { from };
        pieces.push((piece, start));
    }
    write_marker(Size::Characters(chars), kept, out);
    for (piece, start) in pieces.iter().rev() {
        let tail = piece.as_bytes().get(*start..).unwrap_or_default();
        escape::escape_with_surrogates(tail, out);
    }
    out.push(b'"');
    Ok(())
}

/// Appends as much of the start and of the end of `bytes` as fits, with a marker between.
fn write_cut(bytes: &[u8], size: Size, out: &mut Vec<u8>, budget: &mut Budget) {
    let half = half(out, budget);
    let head = bytes
        .get(..prefix_within(bytes, half).0)
        .unwrap_or_default();
    let tail = bytes
        .get(suffix_within(bytes, half).0..)
        .unwrap_or_default();
    write_ends(head, tail, size, out, budget);
}

fn write_marker(size: Size, kept: usize, out: &mut Vec<u8>) {
    let (all, what) = match size {
        Size::Characters(all) => (all, "characters"),
        Size::Bytes(all) => (all, "bytes"),
    };
    let marker = format!("…[cut {} {what}]…", all.saturating_sub(kept));
    out.extend_from_slice(marker.as_bytes());
}

/// Appends the two ends of a text, with a marker between that tells how much is missing.
fn write_ends(head: &[u8], tail: &[u8], size: Size, out: &mut Vec<u8>, budget: &mut Budget) {
    budget.mark_truncated();
    out.push(b'"');
    escape::escape_with_surrogates(head, out);
    let kept = match size {
        Size::Characters(_) => count_chars(head) + count_chars(tail),
        Size::Bytes(_) => head.len() + tail.len(),
    };
    write_marker(size, kept, out);
    escape::escape_with_surrogates(tail, out);
    out.push(b'"');
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
        .get(..prefix_within(head, budget.room(out)).0)
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

/// Appends the text of an object that JSON has no form for, or its class if it must not be asked.
pub(super) fn write_text_of(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    if may_be_asked(&value.get_type())? {
        write_str_of(value, MAX_STR_CHARS, out, budget)
    } else {
        write_placeholder(value, out)
    }
}

/// Appends `"<TypeName>"`.
pub(super) fn write_placeholder(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<()> {
    escape::write_str(&placeholder(value)?, out);
    Ok(())
}

/// `<TypeName>`, for a query of a class with a table `<TypeName of Class>`.
pub(crate) fn placeholder(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = value.py();
    let name = absorb(py, class_name(&value.get_type()))?.unwrap_or_else(|| "object".to_owned());
    let model = || -> PyResult<Option<String>> {
        // What answers for another object may answer for its dict, too.
        if is_disguised(&value.get_type())? {
            return Ok(None);
        }
        let Some(dict) = instance_dict(value)? else {
            return Ok(None);
        };
        let model = dict.get_item(intern!(py, "model"))?;
        let model = model.and_then(|model| model.cast_into::<PyType>().ok());
        model.map(|model| class_name(&model)).transpose()
    };
    Ok(match absorb(py, model())?.flatten() {
        Some(model) => format!("<{name} of {model}>"),
        None => format!("<{name}>"),
    })
}

fn class_name(class: &Bound<'_, PyType>) -> PyResult<String> {
    let name = class.name()?;
    Ok(name
        .to_string_lossy()
        .chars()
        .take(MAX_NAME_CHARS)
        .collect())
}

/// Appends the beginning of `size` bytes, as text if they are UTF-8, else as base64. `bytes` are all
/// of them, or more than there is room for.
pub(super) fn write_bytes(bytes: &[u8], size: usize, out: &mut Vec<u8>, budget: &mut Budget) {
    let room = budget.room(out);
    if bytes.len() == size && size <= room {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return write_utf8(text, out, budget);
        }
    } else if let Some((head, tail)) = text_ends(bytes, size, half(out, budget)) {
        let head = head.get(..prefix_within(head, half(out, budget)).0);
        let tail = tail.get(suffix_within(tail, half(out, budget)).0..);
        let (head, tail) = (head.unwrap_or_default(), tail.unwrap_or_default());
        return write_ends(head, tail, Size::Bytes(size), out, budget);
    }
    let fits = room.saturating_sub(MARKER_BYTES) / 4 * 3;
    out.push(b'"');
    if bytes.len() == size && size <= fits {
        base64::encode(bytes, out);
    } else {
        budget.mark_truncated();
        if let Some(media) = large_bytes(bytes, size).filter(|media| media.len() <= fits) {
            out.extend_from_slice(media.as_bytes());
            out.push(b'"');
            return;
        }
        let head = bytes.get(..fits).unwrap_or(bytes);
        base64::encode(head, out);
        write_marker(Size::Bytes(size), head.len(), out);
    }
    out.push(b'"');
}

/// The first and the last `length` bytes if they are text, between whole characters; without an end
/// if that is not among `bytes`.
fn text_ends(bytes: &[u8], size: usize, length: usize) -> Option<(&[u8], &[u8])> {
    let whole = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(_) => Some(bytes.len()),
        // Ends within a character.
        Err(error) => error.error_len().is_none().then(|| error.valid_up_to()),
    };
    let head = bytes.get(..length.min(bytes.len()))?;
    let head = head.get(..whole(head)?)?;
    if bytes.len() < size {
        return Some((head, b""));
    }
    let tail = bytes.get(bytes.len().saturating_sub(length)..)?;
    let begins = tail.iter().position(|byte| !is_continuation(*byte))?;
    let tail = tail.get(begins..)?;
    (whole(tail)? == tail.len()).then_some((head, tail))
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

//! A body that is too large: its largest strings are cut in the middle.

use std::cmp::Reverse;

use sha2::{Digest as _, Sha256};

use super::media::hex;
use super::syntax::string_end;

/// Shorter strings are never cut.
const SHORTEST: usize = 512;
/// Room for the marker.
const MARKER: usize = 96;

/// Cuts a body (or the tail of one) to `max` bytes; returns how many values were cut.
///
/// All strings longer than some length are cut to it. Where that is not enough, because the body
/// is made of many small things, the largest fields become `{"truncated":true,"bytes":n}`.
pub(super) fn cut(json: &[u8], max: usize) -> Option<(Vec<u8>, usize)> {
    if json.len() <= max {
        return None;
    }
    let strings = strings(json);
    let limit = limit(&strings, json.len() - max);
    let mut out = Vec::with_capacity(max);
    let mut from = 0;
    let mut count = 0;
    for (start, end) in strings {
        if end - start > limit {
            out.extend_from_slice(json.get(from..start)?);
            shorten(json.get(start..end)?, limit, &mut out);
            from = end;
            count += 1;
        }
    }
    out.extend_from_slice(json.get(from..)?);
    if out.len() > max {
        let (shorter, replaced) = without_fields(&out, max)?;
        out = shorter;
        count += replaced;
    }
    Some((out, count))
}

/// The body without its largest fields, as many as it takes.
fn without_fields(json: &[u8], max: usize) -> Option<(Vec<u8>, usize)> {
    let mut fields = fields(json)?;
    fields.sort_by_key(|(start, end)| Reverse(end - start));
    let mut length = json.len();
    let mut replaced = Vec::new();
    for (start, end) in fields {
        let stand_in = format!("{{\"truncated\":true,\"bytes\":{}}}", end - start);
        if length <= max || stand_in.len() >= end - start {
            break;
        }
        length -= end - start - stand_in.len();
        replaced.push((start, end, stand_in));
    }
    replaced.sort_unstable_by_key(|(start, ..)| *start);
    let mut out = Vec::with_capacity(length);
    let mut from = 0;
    for (start, end, stand_in) in &replaced {
        out.extend_from_slice(json.get(from..*start)?);
        out.extend_from_slice(stand_in.as_bytes());
        from = *end;
    }
    out.extend_from_slice(json.get(from..)?);
    Some((out, replaced.len()))
}

/// The insides of all string values that may be cut.
fn strings(json: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(quote) = json.get(at..).and_then(|rest| memchr::memchr(b'"', rest)) {
        let start = at + quote + 1;
        let Some(end) = string_end(json, start) else {
            break;
        };
        at = end + 1;
        let is_key = json.get(at) == Some(&b':');
        if !is_key && end - start > SHORTEST {
            found.push((start, end));
        }
    }
    found
}

/// The length to which strings must be cut to save `excess` bytes.
fn limit(strings: &[(usize, usize)], excess: usize) -> usize {
    let mut lengths: Vec<usize> = strings.iter().map(|(start, end)| end - start).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    let (mut sum, mut count) = (0, 0);
    for (i, length) in lengths.iter().enumerate() {
        sum += length;
        count = i + 1;
        let next = lengths.get(i + 1).copied().unwrap_or(SHORTEST);
        let limit = sum.saturating_sub(excess) / count;
        if limit >= next.max(SHORTEST) {
            return limit;
        }
    }
    SHORTEST.max(sum.saturating_sub(excess).checked_div(count).unwrap_or(0))
}

/// The beginning and the end of the inside of a JSON string, with a marker between; `limit` bytes at
/// most.
fn shorten(raw: &[u8], limit: usize, out: &mut Vec<u8>) {
    let half = limit.saturating_sub(MARKER) / 2;
    let (mut head, mut tail) = (0, raw.len());
    let mut at = 0;
    while at < raw.len() {
        if at <= half {
            head = at;
        }
        if at + half >= raw.len() {
            tail = at;
            break;
        }
        at += unit(raw, at);
    }
    let digest = hex(&Sha256::digest(raw));
    let marker = format!(
        "…[cut {} of {} bytes, sha256 {}]…",
        tail - head,
        raw.len(),
        digest.get(..16).unwrap_or_default()
    );
    out.extend_from_slice(raw.get(..head).unwrap_or_default());
    out.extend_from_slice(marker.as_bytes());
    out.extend_from_slice(raw.get(tail..).unwrap_or_default());
}

/// Bytes of the character or escape at `at`.
fn unit(raw: &[u8], at: usize) -> usize {
    match raw.get(at) {
        Some(b'\\') if raw.get(at + 1) == Some(&b'u') => {
            let high = matches!(
                raw.get(at + 2..at + 4),
                Some([b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B'])
            );
            let pair = raw.get(at + 6..at + 8) == Some(b"\\u");
            if high && pair { 12 } else { 6 }
        }
        Some(b'\\' | 0xC0..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..) => 4,
        _ => 1,
    }
}

/// The objects and lists among the members of the body.
fn fields(json: &[u8]) -> Option<Vec<(usize, usize)>> {
    let mut depth = usize::from(json.first() != Some(&b'{'));
    let (mut at, mut start) = (0, 0);
    let mut found = Vec::new();
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => at = string_end(json, at + 1)?,
            b'{' | b'[' => {
                depth += 1;
                if depth == 2 {
                    start = at;
                }
            }
            b'}' | b']' => {
                if depth == 2 {
                    found.push((start, at + 1));
                }
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        at += 1;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_strings_are_cut_and_the_small_ones_stay() {
        let body = serde_json::json!({
            "a": "x".repeat(10_000), "b": "é\n".repeat(4_000), "c": "short", "d": {"e": 1},
        });
        let (out, count) = cut(body.to_string().as_bytes(), 4_000).unwrap();
        assert!(out.len() <= 4_000, "{}", out.len());
        assert!(out.len() > 3_500);
        assert_eq!(count, 2);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["c"], "short");
        let text = value["a"].as_str().unwrap();
        assert!(text.starts_with("xxx") && text.ends_with("xxx"));
        assert!(text.contains(" of 10000 bytes, sha256 "));
    }

    #[test]
    fn a_body_of_many_small_things_loses_its_largest_field() {
        let many: Vec<u32> = (0..10_000).collect();
        let body = serde_json::json!({"eventType": "tool_call", "toolInput": {"many": many}});
        let (out, _) = cut(body.to_string().as_bytes(), 1_000).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["eventType"], "tool_call");
        assert_eq!(value["toolInput"]["truncated"], true);
    }

    #[test]
    fn many_fields_are_replaced_in_one_go_and_only_as_many_as_it_takes() {
        let fields = (0..20_000).map(|n| (format!("f{n}"), vec![n; 50].into()));
        let body = serde_json::Value::from(fields.collect::<serde_json::Map<_, _>>()).to_string();
        let (out, count) = cut(body.as_bytes(), body.len() / 2).unwrap();
        assert!(out.len() <= body.len() / 2 && out.len() > body.len() / 2 - 400);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let all = value.as_object().unwrap();
        let truncated = all.values().filter(|value| value["truncated"] == true);
        assert_eq!((all.len(), truncated.count()), (20_000, count));
    }

    #[test]
    fn an_escape_is_not_torn() {
        let body = format!("{{\"a\":\"{}\"}}", "\\ud83d\\ude00\\n".repeat(500));
        for max in 900..960 {
            let (out, _) = cut(body.as_bytes(), max).unwrap();
            serde_json::from_slice::<serde_json::Value>(&out).unwrap();
        }
    }
}

//! What the API said: error bodies in every documented form and the id of a new session.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::api_key::ApiKey;

/// How much of an error body is kept, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;
/// How much of an error message is kept, in characters.
const MESSAGE_LIMIT: usize = 500;

/// An answer with a status other than 2xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The short name of the error in the body (`error`, or `error.code`), if there is one.
    pub error: Option<String>,
    /// What the server said, on one line; the standard phrase of the status if it said nothing.
    pub message: String,
    /// The body as received, at most [`BODY_LIMIT`] bytes, with the key masked.
    pub body: Vec<u8>,
    /// The `X-Request-Id` of the answer.
    pub request_id: Option<String>,
    /// The `Retry-After` of the answer, already parsed.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// Reads an error answer. `key` is what the request was sent with: should the server repeat
    /// it, it is masked in everything that is kept.
    #[must_use]
    pub fn from_response(
        status: u16,
        body: &[u8],
        request_id: Option<&str>,
        retry_after: Option<Duration>,
        key: Option<&ApiKey>,
    ) -> Self {
        let scrub = |text: &str| key.map_or_else(|| text.to_owned(), |key| key.scrub(text));
        // Scrubbed before it is cut: a key on the cut would no longer be recognised.
        let text = scrub(&String::from_utf8_lossy(body));
        let (error, message) = describe(&text);
        Self {
            status,
            error,
            message: message.unwrap_or_else(|| reason_phrase(status).to_owned()),
            body: cut(&text, BODY_LIMIT).as_bytes().to_vec(),
            request_id: request_id
                .map(|id| one_line(&scrub(id)))
                .filter(|id| !id.is_empty()),
            retry_after,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self
            .error
            .as_deref()
            .unwrap_or_else(|| reason_phrase(self.status));
        write!(f, "the Sentrial API answered {} {name}", self.status)?;
        if self.message != name {
            write!(f, ": {}", self.message)?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        if self.status == 401 {
            f.write_str("; check SENTRIAL_API_KEY")?;
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {}

/// The answer to a create request. Only the id is read: elsewhere the server may repeat text of
/// ours that is no valid Unicode.
#[derive(serde::Deserialize)]
struct Created {
    id: Value,
}

/// The id in the answer to a create request. Numbers become text; an answer without a usable id
/// (empty, null, another type, or too large a number to be exact) is `None`.
#[must_use]
pub fn session_id_from(body: &[u8]) -> Option<String> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    // An array would do for serde, its first element being the first field.
    if !body.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    match serde_json::from_slice::<Created>(body).ok()?.id {
        Value::String(id) if !id.trim().is_empty() => Some(id),
        Value::Number(id) => {
            // Integers beyond 64 bits arrive as a float that has lost digits: not an id any more.
            let exact = id
                .as_f64()
                .is_some_and(|value| value.abs() < 9_007_199_254_740_992.0);
            (id.is_i64() || id.is_u64() || exact).then(|| id.to_string())
        }
        _ => None,
    }
}

/// The name and the message of an error body, whatever its form.
fn describe(body: &str) -> (Option<String>, Option<String>) {
    let body = body.trim_start_matches('\u{feff}').trim();
    if body.is_empty() {
        return (None, None);
    }
    if let Ok(value) = serde_json::from_str::<Value>(body) {
        return describe_json(&value);
    }
    if body.starts_with('<') {
        return (None, page_title(body.as_bytes()));
    }
    (None, sentence(body))
}

fn describe_json(value: &Value) -> (Option<String>, Option<String>) {
    match value {
        Value::Null => (None, None),
        Value::String(text) => (None, sentence(text)),
        Value::Object(fields) => {
            let said = |name| fields.get(name).and_then(text_of);
            match fields.get("error") {
                Some(Value::Object(nested)) => {
                    let code = nested.get("code").and_then(text_of);
                    let message = nested
                        .get("message")
                        .and_then(text_of)
                        .or_else(|| said("message"));
                    let message = message.or_else(|| code.clone());
                    (code, message)
                }
                error => {
                    let name = error.and_then(text_of);
                    let message = said("message")
                        .or_else(|| said("detail"))
                        .or_else(|| name.clone());
                    let unknown = name.is_none() && message.is_none() && !fields.is_empty();
                    (
                        name,
                        if unknown {
                            sentence(&value.to_string())
                        } else {
                            message
                        },
                    )
                }
            }
        }
        other => (None, sentence(&other.to_string())),
    }
}

/// A JSON value as one line: strings as they are, null and empty ones as nothing.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => sentence(text),
        other => sentence(&other.to_string()),
    }
}

/// Is a body an HTML page? `kind` is its `Content-Type`: some servers declare everything as HTML,
/// and some gateways declare nothing, so the body decides in either case. What `succeeded` must
/// declare it, too: the sign-in page of a network does.
#[must_use]
pub(super) fn is_page(kind: Option<&str>, body: &[u8], succeeded: bool) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let text = body.trim_ascii_start();
    let kind = kind.unwrap_or_default().trim_start().to_ascii_lowercase();
    let declared = kind.starts_with("text/html") || kind.starts_with("application/xhtml");
    let starts: &[&[u8]] = if declared {
        &[b"<"]
    } else if succeeded {
        &[]
    } else {
        &[b"<!doctype html", b"<html", b"<head"]
    };
    starts.iter().any(|start| {
        text.get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start))
    })
}

/// What an HTML page calls itself, or else the beginning of its text.
pub(super) fn page_title(page: &[u8]) -> Option<String> {
    let page = String::from_utf8_lossy(page);
    title(&page).or_else(|| sentence(&without_tags(&page)))
}

/// The title of an HTML page.
fn title(page: &str) -> Option<String> {
    // ASCII lower case keeps byte positions.
    let lower = page.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let start = tag + lower.get(tag..)?.find('>')? + 1;
    let end = start + lower.get(start..)?.find("</title")?;
    sentence(page.get(start..end)?)
}

/// The text of an HTML page: tags out, and what stands in `script` and `style` with them.
fn without_tags(page: &str) -> String {
    let mut text = String::new();
    let mut rest = cut(page, BODY_LIMIT);
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        let name: String = after
            .chars()
            .take(6)
            .collect::<String>()
            .to_ascii_lowercase();
        let closing = match name.as_str() {
            name if name.starts_with("script") => "</script",
            name if name.starts_with("style") => "</style",
            _ => "",
        };
        let end = if closing.is_empty() {
            Some(0)
        } else {
            after.to_ascii_lowercase().find(closing)
        };
        rest = end
            .and_then(|end| after.get(end..))
            .and_then(|tail| tail.split_once('>'))
            .map_or("", |(_, tail)| tail);
    }
    text.push_str(rest);
    text
}

/// One bounded line, or nothing.
fn sentence(text: &str) -> Option<String> {
    Some(one_line(text)).filter(|line| !line.is_empty())
}

/// `text` on one line of at most [`MESSAGE_LIMIT`] characters: runs of white space and control
/// characters (which could forge log lines) become one blank.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    let mut length = 0;
    for word in text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
    {
        for c in (length > 0).then_some(' ').into_iter().chain(word.chars()) {
            if length == MESSAGE_LIMIT {
                line.push('…');
                return line;
            }
            line.push(c);
            length += 1;
        }
    }
    line
}

/// The first `limit` bytes of `text`, ending on a character.
fn cut(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or(0)).unwrap_or("")
}

fn reason_phrase(status: u16) -> &'static str {
    let known = http::StatusCode::from_u16(status).ok();
    known
        .and_then(|status| status.canonical_reason())
        .unwrap_or("an unknown status")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> ApiError {
        ApiError::from_response(status, body.as_bytes(), None, None, None)
    }

    fn said(body: &str) -> (Option<String>, String) {
        let error = read(400, body);
        (error.error, error.message)
    }

    fn pair(error: Option<&str>, message: &str) -> (Option<String>, String) {
        (error.map(str::to_owned), message.to_owned())
    }

    #[test]
    fn documented_bodies() {
        assert_eq!(
            read(
                401,
                r#"{"error": "Unauthorized", "message": "Invalid or missing API key"}"#
            )
            .to_string(),
            "the Sentrial API answered 401 Unauthorized: Invalid or missing API key; check SENTRIAL_API_KEY",
        );
        assert_eq!(
            said(r#"{"error": {"code": "bad_request", "message": "name is required"}}"#),
            pair(Some("bad_request"), "name is required"),
        );
    }

    #[test]
    fn partial_and_foreign_bodies() {
        assert_eq!(said(r#"{"error": "Nope"}"#), pair(Some("Nope"), "Nope"));
        assert_eq!(said(r#"{"message": "m"}"#), pair(None, "m"));
        assert_eq!(said(r#"{"error": {"code": 7}}"#), pair(Some("7"), "7"));
        assert_eq!(said(r#"{"error": {}}"#), pair(None, "Bad Request"));
        assert_eq!(
            said(r#"{"detail": [{"loc": 1}]}"#),
            pair(None, r#"[{"loc":1}]"#)
        );
        assert_eq!(said(r#"{"a": 1}"#), pair(None, r#"{"a":1}"#));
        assert_eq!(said("\u{feff}{\"message\": \"m\"}"), pair(None, "m"));
        assert_eq!(said("\"text\""), pair(None, "text"));
        assert_eq!(said("[1, 2]"), pair(None, "[1,2]"));
        assert_eq!(
            said("  upstream\n\r\tfailed\u{1b}[31m "),
            pair(None, "upstream failed [31m")
        );
        for nothing in ["", "  ", "null", "{}"] {
            assert_eq!(said(nothing), pair(None, "Bad Request"), "{nothing:?}");
        }
        assert_eq!(read(599, "").message, "an unknown status");
        assert_eq!(
            ApiError::from_response(400, b"\xff\xfe", None, None, None).status,
            400
        );
    }

    #[test]
    fn html_pages() {
        let page = "<!DOCTYPE html><HTML><Title lang=en>502 Bad\n Gateway</Title><body>x</body>";
        assert_eq!(said(page), pair(None, "502 Bad Gateway"));
        let page = "<html><style>a{}</style><script>var a='<b>';</script><h1>Sorry</h1><p>down</p>";
        assert_eq!(said(page), pair(None, "Sorry down"));
        assert_eq!(said("<"), pair(None, "Bad Request"));
        assert_eq!(said("<script>never closed"), pair(None, "Bad Request"));
        assert_eq!(said("<é<title"), pair(None, "Bad Request"));
    }

    #[test]
    fn a_page_is_known_by_its_body() {
        for (kind, body) in [
            (Some("text/html"), "<html>"),
            (
                Some("Text/HTML; charset=utf-8"),
                "\r\n <!-- blocked --><body>no</body>",
            ),
            (
                Some("application/xhtml+xml"),
                "<?xml version='1.0'?><html/>",
            ),
            (Some("text/html"), "\u{feff}<h1>Access Denied</h1>"),
            (Some("text/plain"), "<!DOCTYPE HTML PUBLIC>"),
            (Some("application/json"), "<HTML>"),
            (None, "<head>"),
        ] {
            assert!(is_page(kind, body.as_bytes(), false), "{kind:?} {body}");
        }
        for (kind, body) in [
            (Some("text/html"), r#"{"id": "1"}"#),
            (Some("text/html"), "OK"),
            (Some("text/html"), ""),
            (Some("application/xml"), "<Error/>"),
            (None, "<"),
        ] {
            assert!(!is_page(kind, body.as_bytes(), false), "{kind:?} {body}");
        }
        assert!(is_page(Some("text/html"), b"<html>", true));
        assert!(!is_page(Some("application/json"), b"<html>", true));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let error = read(500, &"é".repeat(BODY_LIMIT));
        assert_eq!(error.body.len(), BODY_LIMIT);
        assert_eq!(error.message.chars().count(), MESSAGE_LIMIT + 1);
        assert!(error.message.ends_with('…'));
    }

    #[test]
    fn a_repeated_key_is_masked_everywhere() {
        let (key, _) = ApiKey::parse("sentrial_live_0123456789abcdef").unwrap();
        let body = r#"{"error": "E", "message": "bad key sentrial_live_0123456789abcdef"}"#;
        let id = Some("r-sentrial_live_0123456789abcdef");
        let error = ApiError::from_response(401, body.as_bytes(), id, None, Some(&key));
        assert_eq!(error.message, "bad key sentrial_live_…cdef");
        assert!(!format!("{error:?}{error}").contains("0123456789"));
        assert!(!String::from_utf8_lossy(&error.body).contains("0123456789"));
    }

    #[test]
    fn session_ids() {
        let id = |body: &str| session_id_from(body.as_bytes());
        assert_eq!(
            id(r#"{"id": "sess_1", "name": "n"}"#).as_deref(),
            Some("sess_1")
        );
        assert_eq!(id(r#"{"id": 17}"#).as_deref(), Some("17"));
        assert_eq!(
            id(r#"{"id": 18446744073709551615}"#).as_deref(),
            Some("18446744073709551615")
        );
        assert_eq!(id("\u{feff}{\"id\": \"a\"}").as_deref(), Some("a"));
        for body in [
            "",
            "OK",
            "[]",
            "{}",
            "null",
            r#"{"id": null}"#,
            r#"{"id": ""}"#,
            r#"{"id": " "}"#,
            r#"{"id": true}"#,
            r#"{"id": {"a": 1}}"#,
            r#"{"id": 184467440737095516150}"#,
        ] {
            assert_eq!(id(body), None, "{body}");
        }
    }
}

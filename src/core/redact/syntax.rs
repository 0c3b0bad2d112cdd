//! The syntax of JSON: where its parts end.

/// Where the closing quote is of the JSON string whose opening quote is in front of `start`.
pub(super) fn string_end(json: &[u8], start: usize) -> Option<usize> {
    let mut from = start;
    loop {
        let quote = from + memchr::memchr(b'"', json.get(from..)?)?;
        let before = json.get(from..quote)?.iter().rev();
        let backslashes = before.take_while(|byte| **byte == b'\\').count();
        if backslashes.is_multiple_of(2) {
            return Some(quote);
        }
        from = quote + 1;
    }
}

/// Could a text be an object or a list with something in it, or a text that was written as JSON?
pub(super) fn looks_like_json(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let ends = text.first().zip(text.last());
    text.len() >= 7 && matches!(ends, Some((b'{', b'}') | (b'[', b']') | (b'"', b'"')))
}

/// The length of the JSON number that begins here.
pub(super) fn number_length(rest: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = rest.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = usize::from(rest.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && rest.get(at) == Some(&b'0')) {
        return None;
    }
    at += whole;
    if rest.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if matches!(rest.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}

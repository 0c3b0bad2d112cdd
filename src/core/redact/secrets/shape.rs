//! What follows the beginning of a secret, and where the secret ends.

use super::super::media;
use super::alphabet::Alphabet::{self, Alnum, Base64, Dash, Dotted};

/// What must follow a beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// At least so many characters.
    Long(Alphabet, usize),
    /// At least so many characters, one of them a digit.
    Numbered(Alphabet, usize),
    /// Exactly so many characters.
    Exact(Alphabet, usize),
    /// `sk-`: also the beginning of ordinary words, so more is asked for.
    SkKey,
    Jwt,
    PrivateKey,
    Bearer,
    Basic,
    /// The rest of a URL: `user:password@`.
    UrlPassword,
    /// A secret access key of AWS behind its name.
    AwsSecret,
    /// The number of a bot stands in front of it.
    Telegram,
}

use Shape::{
    AwsSecret, Basic, Bearer, Exact, Jwt, Long, Numbered, PrivateKey, SkKey, Telegram, UrlPassword,
};

/// Longest user and password in a URL.
const MAX_USERINFO: usize = 512;
/// So many characters without a dash or an underscore are no word.
const SOLID: usize = 30;
/// A word in mixed case has fewer capitals behind small letters than this.
const TURNS: usize = 3;
/// The characters of the token of a bot behind its number.
const TELEGRAM: usize = 35;

impl Shape {
    /// Is what follows looked at to its end, however long it is, before it is found to be nothing?
    pub(super) fn is_open(self) -> bool {
        matches!(self, SkKey | Jwt | Numbered(..))
    }

    /// How much of the text an open shape looks at.
    pub(super) fn looked_at(text: &[u8], start: usize) -> usize {
        run(text, start, |byte| Dash.has(byte)).len()
    }

    /// Where the secret is whose beginning is `start..body`.
    pub(super) fn find(self, text: &[u8], start: usize, body: usize) -> Option<(usize, usize)> {
        let anywhere = matches!(self, UrlPassword | AwsSecret | Telegram);
        if !anywhere && is_inside_word(text, start) {
            return None;
        }
        match self {
            Long(alphabet, least) => {
                let run = run(text, body, |byte| alphabet.has(byte));
                let point = |byte: &&u8| alphabet == Dotted && **byte == b'.';
                let length = run.len() - run.iter().rev().take_while(point).count();
                (length >= least).then_some((start, body + length))
            }
            Numbered(alphabet, least) => {
                let run = run(text, body, |byte| alphabet.has(byte));
                (run.len() >= least && has_digit(run)).then_some((start, body + run.len()))
            }
            Exact(alphabet, length) => {
                let run = run_within(text, body, length, |byte| alphabet.has(byte));
                let next = text.get(body + length);
                let over = next.is_none_or(|byte| !byte.is_ascii_alphanumeric());
                (run.len() == length && over).then_some((start, body + length))
            }
            SkKey => {
                let run = run(text, body, |byte| Dash.has(byte));
                is_sk_key(run).then_some((start, body + run.len()))
            }
            Jwt => jwt(text, start),
            PrivateKey => private_key(text, start, body),
            Bearer => bearer(text, start, body),
            Basic => {
                let run = run(text, body, |byte| Base64.has(byte));
                let pair = media::decode(run).is_some_and(|plain| {
                    plain.contains(&b':') && plain.iter().all(|b| matches!(b, b' '..=b'~'))
                });
                (run.len() >= 8 && pair).then_some((body, body + run.len()))
            }
            UrlPassword => url_password(text, body),
            AwsSecret => {
                let between = |byte: u8| {
                    matches!(byte, b'"' | b'\'' | b':' | b'=' | b'\\' | b'>')
                        || byte.is_ascii_whitespace()
                };
                let body = body + run(text, body, between).len();
                let run = run_within(text, body, 41, |byte| Base64.has(byte));
                (run.len() == 40).then_some((body, body + 40))
            }
            Telegram => telegram(text, start),
        }
    }
}

/// Bytes from `start` on that belong to `alphabet`.
fn run(text: &[u8], start: usize, alphabet: impl Fn(u8) -> bool) -> &[u8] {
    run_within(text, start, usize::MAX, alphabet)
}

fn run_within(text: &[u8], start: usize, most: usize, alphabet: impl Fn(u8) -> bool) -> &[u8] {
    let rest = text.get(start..).unwrap_or_default();
    let rest = rest.get(..rest.len().min(most)).unwrap_or_default();
    let length = rest.iter().position(|byte| !alphabet(*byte));
    rest.get(..length.unwrap_or(rest.len())).unwrap_or_default()
}

fn has_digit(bytes: &[u8]) -> bool {
    bytes.iter().any(u8::is_ascii_digit)
}

/// Capitals behind small letters: `camelCase` has one, random letters have many.
fn turns(bytes: &[u8]) -> usize {
    let pairs = bytes.windows(2);
    pairs
        .filter(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()))
        .count()
}

/// Is the place in the middle of a word? An underscore ends one, and so does a code that colours
/// the lines of a log (`\x1b[31m`).
fn is_inside_word(text: &[u8], start: usize) -> bool {
    let Some((last, before)) = text.get(..start).and_then(<[u8]>::split_last) else {
        return false;
    };
    let code = |byte: &&u8| byte.is_ascii_digit() || **byte == b';';
    let code = before.iter().rev().take(16).take_while(code).count();
    let coloured = *last == b'm' && before.iter().rev().nth(code) == Some(&b'[');
    last.is_ascii_alphanumeric() && !coloured
}

fn is_sk_key(run: &[u8]) -> bool {
    let solid = |ends: fn(&u8) -> bool| run.split(ends).any(|part| part.len() >= SOLID);
    let upper = run.iter().any(u8::is_ascii_uppercase);
    run.len() >= 20
        && (has_digit(run) && (upper || solid(|byte| *byte == b'-'))
            || solid(|byte| !Alnum.has(*byte))
            || turns(run) >= TURNS)
}

/// Three parts of base64 with points between, or five if it is encrypted, the first of which is the
/// beginning of an object.
fn jwt(text: &[u8], start: usize) -> Option<(usize, usize)> {
    let part = |at: usize| {
        let length = run(text, at, |byte| Dash.has(byte)).len();
        (length, at + length)
    };
    let next = |end: usize| (text.get(end) == Some(&b'.')).then_some(end + 1);
    let (head, end) = part(start);
    let (second, end) = part(next(end)?);
    let (third, mut end) = part(next(end)?);
    // A key that both sides know already is left out of an encrypted one.
    if head < 12 || (second < 8 && (second > 0 || third < 8)) {
        return None;
    }
    for _ in 0..2 {
        let more = next(end).map(part).filter(|(length, _)| *length >= 8);
        end = more.map_or(end, |(_, end)| end);
    }
    Some((start, end))
}

/// Without a digit it is a token if it is in mixed case, or if the header is named in front of it.
fn bearer(text: &[u8], start: usize, body: usize) -> Option<(usize, usize)> {
    let token = |byte: u8| Dash.has(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'=');
    let run = run(text, body, token);
    let least = if is_authorization(text, start) { 8 } else { 16 };
    let telling = least == 8 || has_digit(run) || turns(run) >= TURNS;
    (run.len() >= least && telling).then_some((body, body + run.len()))
}

/// Is `Authorization` in front of the value that begins at `start`, as in a header or in an object?
fn is_authorization(text: &[u8], start: usize) -> bool {
    let near = text
        .get(start.saturating_sub(24)..start)
        .unwrap_or_default();
    let between = |byte: &&u8| !byte.is_ascii_alphanumeric();
    let name = near.len() - near.iter().rev().take_while(between).count();
    let name = near.get(..name).unwrap_or_default();
    name.to_ascii_lowercase().ends_with(b"authorization")
}

/// `123456789:AA…`: the number, the colon and the rest of the token.
fn telegram(text: &[u8], colon: usize) -> Option<(usize, usize)> {
    let before = text.get(colon.saturating_sub(11)..colon)?;
    let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit());
    let digits = digits.count();
    let start = colon - digits;
    let run = run_within(text, colon + 1, TELEGRAM + 1, |byte| Dash.has(byte));
    let shaped = (8..=10).contains(&digits) && run.len() == TELEGRAM;
    // The path of a request has it behind `/bot`.
    shaped.then_some((start, colon + 1 + TELEGRAM))
}

/// A block of PEM, or everything from its beginning if the end was cut off.
fn private_key(text: &[u8], start: usize, body: usize) -> Option<(usize, usize)> {
    let rest = text.get(body..)?;
    let title = memchr::memmem::find(rest.get(..rest.len().min(64))?, b"-----")?;
    memchr::memmem::find(rest.get(..title)?, b"PRIVATE KEY")?;
    let end = memchr::memmem::find(rest, b"-----END ").and_then(|at| {
        let from = at + b"-----END ".len();
        let close = memchr::memmem::find(rest.get(from..)?, b"-----")?;
        Some(body + from + close + 5)
    });
    Some((start, end.unwrap_or(text.len())))
}

fn url_password(text: &[u8], body: usize) -> Option<(usize, usize)> {
    let rest = text.get(body..)?;
    let rest = rest.get(..rest.len().min(MAX_USERINFO))?;
    let over = |byte: &u8| {
        matches!(
            byte,
            b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b','
        ) || byte.is_ascii_whitespace()
    };
    let authority = rest.get(..rest.iter().position(over).unwrap_or(rest.len()))?;
    let at = memchr::memrchr(b'@', authority)?;
    let colon = memchr::memchr(b':', authority.get(..at)?)?;
    let redacted = authority.get(colon + 1..at)?.starts_with(b"[SECRET:");
    (colon + 1 < at && !redacted).then_some((body + colon + 1, body + at))
}

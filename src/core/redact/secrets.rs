//! Keys, tokens and passwords that give themselves away by how they look.
//!
//! Precision before recall: each rule asks for a known beginning, a length and an alphabet, so that
//! prose and code are not hit.

use std::sync::Arc;

use aho_corasick::automaton::Automaton as _;
use aho_corasick::dfa::DFA;
use aho_corasick::{Input, MatchKind};
use arc_swap::{ArcSwapOption, Guard};

use super::hit::{Hits, Rule};
use super::traits::Traits;
use super::words::LongWords;

/// Characters a secret goes on with.
#[derive(Clone, Copy)]
enum Alphabet {
    Alnum,
    Upper,
    Hex,
    /// With `_`.
    Word,
    /// With `_` and `-`.
    Dash,
    /// With `_`, `-` and `.`.
    Dotted,
    /// With `/`.
    Path,
    /// Base64.
    Base64,
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Hex => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
            Self::Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Self::Dash => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Path => byte.is_ascii_alphanumeric() || byte == b'/',
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='),
        }
    }
}

/// What must follow a beginning.
#[derive(Clone, Copy)]
enum Shape {
    /// At least so many characters, one of them a digit.
    Long(Alphabet, usize),
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
}

use Alphabet::{Alnum, Base64, Dash, Dotted, Hex, Path, Upper, Word};
use Shape::{AwsSecret, Basic, Bearer, Exact, Jwt, Long, PrivateKey, SkKey, UrlPassword};

/// Kind of secret, beginning, what follows.
const SHAPES: &[(&str, &str, Shape)] = &[
    ("sentrial_key", "sentrial_live_", Long(Dash, 8)),
    ("sentrial_key", "sentrial_test_", Long(Dash, 8)),
    ("anthropic_key", "sk-ant-", Long(Dash, 16)),
    ("langfuse_key", "sk-lf-", Long(Dash, 20)),
    ("openai_key", "sk-", SkKey),
    ("google_key", "AIza", Exact(Dash, 35)),
    ("google_token", "ya29.", Long(Dash, 20)),
    ("google_secret", "GOCSPX-", Long(Dash, 20)),
    ("aws_access_key", "AKIA", Exact(Upper, 16)),
    ("aws_access_key", "ASIA", Exact(Upper, 16)),
    ("aws_secret_key", "aws_secret_access_key", AwsSecret),
    ("aws_secret_key", "AWS_SECRET_ACCESS_KEY", AwsSecret),
    ("aws_secret_key", "SecretAccessKey", AwsSecret),
    ("azure_key", "AccountKey=", Long(Base64, 60)),
    ("github_token", "ghp_", Long(Alnum, 30)),
    ("github_token", "gho_", Long(Alnum, 30)),
    ("github_token", "ghu_", Long(Alnum, 30)),
    ("github_token", "ghs_", Long(Alnum, 30)),
    ("github_token", "ghr_", Long(Alnum, 30)),
    ("github_token", "github_pat_", Long(Word, 22)),
    ("gitlab_token", "glpat-", Long(Dash, 20)),
    ("slack_token", "xoxb-", Long(Dash, 10)),
    ("slack_token", "xoxp-", Long(Dash, 10)),
    ("slack_token", "xoxa-", Long(Dash, 10)),
    ("slack_token", "xoxr-", Long(Dash, 10)),
    ("slack_token", "xoxs-", Long(Dash, 10)),
    ("slack_token", "xoxe-", Long(Dash, 10)),
    ("slack_token", "xapp-", Long(Dash, 10)),
    ("slack_webhook", "hooks.slack.com/services/", Long(Path, 20)),
    ("stripe_key", "sk_live_", Long(Alnum, 16)),
    ("stripe_key", "sk_test_", Long(Alnum, 16)),
    ("stripe_key", "rk_live_", Long(Alnum, 16)),
    ("stripe_key", "rk_test_", Long(Alnum, 16)),
    ("stripe_key", "whsec_", Long(Base64, 16)),
    ("huggingface_token", "hf_", Long(Alnum, 30)),
    ("huggingface_token", "api_org_", Long(Alnum, 30)),
    ("groq_key", "gsk_", Long(Alnum, 40)),
    ("xai_key", "xai-", Long(Alnum, 40)),
    ("perplexity_key", "pplx-", Long(Alnum, 32)),
    ("replicate_token", "r8_", Long(Alnum, 30)),
    ("pinecone_key", "pcsk_", Long(Word, 30)),
    ("tavily_key", "tvly-", Long(Dash, 20)),
    ("langsmith_key", "lsv2_", Long(Word, 30)),
    ("databricks_token", "dapi", Exact(Hex, 32)),
    ("sendgrid_key", "SG.", Long(Dotted, 60)),
    ("twilio_key", "SK", Exact(Hex, 32)),
    ("npm_token", "npm_", Long(Alnum, 36)),
    ("pypi_token", "pypi-AgEI", Long(Dash, 40)),
    ("digitalocean_token", "dop_v1_", Exact(Hex, 64)),
    ("shopify_token", "shpat_", Exact(Hex, 32)),
    ("linear_key", "lin_api_", Long(Alnum, 30)),
    ("notion_token", "ntn_", Long(Alnum, 40)),
    ("jwt", "eyJ", Jwt),
    ("private_key", "-----BEGIN ", PrivateKey),
    ("bearer_token", "Bearer ", Bearer),
    ("bearer_token", "bearer ", Bearer),
    ("bearer_token", "BEARER ", Bearer),
    ("basic_auth", "Basic ", Basic),
    ("basic_auth", "basic ", Basic),
    ("url_password", "://", UrlPassword),
];

/// Longest user and password in a URL.
const MAX_USERINFO: usize = 512;
/// Shorter than every secret but the password of a URL, which has a colon.
pub(super) const SHORTEST: usize = 15;

/// Can there be a secret in such a text at all?
pub(super) fn possible(length: usize, colon: bool) -> bool {
    length >= SHORTEST || (colon && length >= b"a://:b@".len())
}

/// Made at the first look. Not a `LazyLock`: a child forked while the delivery thread makes it would
/// wait for it for ever.
static BEGINNINGS: ArcSwapOption<DFA> = ArcSwapOption::const_empty();

fn beginnings() -> Guard<Option<Arc<DFA>>> {
    let known = BEGINNINGS.load();
    if known.is_some() {
        return known;
    }
    let made = DFA::builder()
        .match_kind(MatchKind::LeftmostLongest)
        // The beginnings are too many and too short for one: it costs more than it skips.
        .prefilter(false)
        .build(SHAPES.iter().map(|(_, beginning, _)| beginning));
    BEGINNINGS.store(made.ok().map(Arc::new));
    BEGINNINGS.load()
}

/// `Bearer ` and `Basic ` stand in front of the word that is the secret.
const LONGEST_SCHEME: usize = b"Bearer ".len();

/// Finds secrets; returns whether there was as much as the beginning of one that could have been.
///
/// Every secret is a long word or begins with one, but for the password of a URL. Prose is passed
/// over: looking at each of its bytes was a quarter of the time of all of redaction.
pub(super) fn find(text: &[u8], traits: Traits, hits: &mut Hits) -> bool {
    let known = beginnings();
    let Some(beginnings) = known.as_ref() else {
        // Cannot happen, as a test shows; if it did, nothing may pass unseen.
        hits.add(0, text.len(), Rule::Withheld);
        return true;
    };
    let mut search = Search {
        text,
        beginnings,
        from: 0,
        in_vain: 0,
        begun: false,
    };
    if traits.at() && traits.colon() {
        search.within(0, text.len(), hits);
    } else {
        for (start, end) in LongWords::of(text) {
            // With what is behind it, as some beginnings end with a space.
            search.within(start.saturating_sub(LONGEST_SCHEME), end + 1, hits);
            if search.from >= text.len() {
                break;
            }
        }
    }
    search.begun
}

struct Search<'a> {
    text: &'a [u8],
    beginnings: &'a DFA,
    from: usize,
    /// End of a run of characters that was looked at in vain: what begins further inside it is no
    /// more a secret than the whole, and looking again each time would take quadratic time.
    in_vain: usize,
    begun: bool,
}

impl Search<'_> {
    /// Looks at the secrets that begin in a part of the text; the parts come in order.
    fn within(&mut self, start: usize, end: usize, hits: &mut Hits) {
        let end = end.min(self.text.len());
        self.from = self.from.max(start);
        while self.from < end {
            let part = Input::new(self.text).range(self.from..end);
            let Ok(Some(found)) = self.beginnings.try_find(&part) else {
                break;
            };
            self.begun = true;
            self.from = found.start() + 1;
            let Some((kind, _, shape)) = SHAPES.get(found.pattern().as_usize()) else {
                continue;
            };
            let open = matches!(shape, SkKey | Jwt | Long(Dash | Word, _));
            if open && found.start() < self.in_vain {
                continue;
            }
            if let Some((start, end)) = shape.find(self.text, found.start(), found.end()) {
                hits.add(start, end, Rule::Secret(kind));
                self.from = end.max(self.from);
            } else if open {
                let looked_at = run(self.text, found.start(), |byte| Dash.has(byte));
                self.in_vain = found.start() + looked_at.len();
            }
        }
    }
}

/// The longest secret that is recognised; JSON Web Tokens are the longest.
const LONGEST: usize = 64 * 1024;
/// The same for alphabets that also hold punctuation.
const LONGEST_PUNCTUATED: usize = 256;

/// Bytes from `start` on that belong to `alphabet`.
fn run(text: &[u8], start: usize, alphabet: impl Fn(u8) -> bool) -> &[u8] {
    run_within(text, start, LONGEST, alphabet)
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

impl Shape {
    /// Where the secret is whose beginning is `start..body`.
    fn find(self, text: &[u8], start: usize, body: usize) -> Option<(usize, usize)> {
        if !matches!(self, UrlPassword) && super::number::word_before(text, start) {
            return None;
        }
        match self {
            Long(alphabet, least) => {
                let most = match alphabet {
                    Dotted | Base64 | Path => LONGEST_PUNCTUATED,
                    _ => LONGEST,
                };
                let run = run_within(text, body, most, |byte| alphabet.has(byte));
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
                let upper = run.iter().any(u8::is_ascii_uppercase);
                let solid = run.split(|b| *b == b'-').any(|part| part.len() >= 30);
                (run.len() >= 20 && has_digit(run) && (upper || solid))
                    .then_some((start, body + run.len()))
            }
            Jwt => jwt(text, start),
            PrivateKey => private_key(text, start, body),
            Bearer => {
                let token =
                    |byte: u8| Dash.has(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'=');
                let run = run(text, body, token);
                (run.len() >= 16 && has_digit(run)).then_some((body, body + run.len()))
            }
            Basic => {
                let run = run(text, body, |byte| Base64.has(byte));
                let pair = super::media::decode(run).is_some_and(|plain| {
                    plain.contains(&b':') && plain.iter().all(|b| matches!(b, b' '..=b'~'))
                });
                (run.len() >= 8 && pair).then_some((body, body + run.len()))
            }
            UrlPassword => url_password(text, body),
            AwsSecret => {
                let between =
                    |byte: u8| matches!(byte, b'"' | b'\'' | b' ' | b':' | b'=' | b'\\' | b'>');
                let body = body + run(text, body, between).len();
                let run = run_within(text, body, 41, |byte| Base64.has(byte));
                (run.len() == 40).then_some((body, body + 40))
            }
        }
    }
}

/// Three parts of base64 with points between, the first of which is the beginning of an object.
fn jwt(text: &[u8], start: usize) -> Option<(usize, usize)> {
    let head = run(text, start, |byte| Dash.has(byte));
    let second = start + head.len() + 1;
    let payload = run(text, second, |byte| Dash.has(byte));
    let third = second + payload.len() + 1;
    let dots = [second - 1, third - 1];
    let dotted = dots.iter().all(|at| text.get(*at) == Some(&b'.'));
    let signature = run(text, third, |byte| Dash.has(byte));
    (dotted && head.len() >= 12 && payload.len() >= 8).then_some((start, third + signature.len()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut hits = Hits::default();
        find(text.as_bytes(), Traits::of_text(text.as_bytes()), &mut hits);
        hits.iter()
            .map(|hit| format!("{}={}", hit.rule.name(), &text[hit.start..hit.end]))
            .collect()
    }

    #[test]
    fn the_password_of_a_url_and_nothing_else_of_it() {
        assert_eq!(
            found("postgres://bob:hunter2@db.local:5432/x?q=a:b@c"),
            ["url_password=hunter2"]
        );
        assert!(found("https://host:8080/a@b and http://[::1]:80/").is_empty());
    }

    #[test]
    fn ordinary_words_that_begin_like_a_key() {
        for text in [
            "sk-learn-compatible-estimators-2 task-1234567890-abcdefghijklmnop",
            "the Basic idea and a Bearer of authentication-by-description",
            "eyJust.a.sentence AKIA SG.nothing npm_package_name_of_the_month",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn a_private_key_whose_end_was_cut_off_goes_to_the_end_of_the_text() {
        let text = "key: -----BEGIN RSA PRIVATE KEY-----\nMIIEow and so on";
        assert_eq!(found(text), [format!("private_key={}", &text[5..])]);
    }
}

//! The API key: checked once, shown only masked.
//!
//! The type has no `Serialize` and prints itself masked, so the key cannot reach a log line, an
//! error or the spool by accident; [`ApiKey::expose`] is the one way out, for the header.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::error::ConfigError;

/// The mark that stands for what is hidden.
const HIDDEN: &str = "…";
/// From this length of the random part on, its last characters may be shown.
const SHOWABLE: usize = 16;
/// How many characters of the random part are shown at most.
const SHOWN: usize = 4;
/// A shorter key is no secret but may be a common word; masking it would garble messages.
const SCRUBBABLE: usize = 8;
/// The longest environment name that is taken for one.
const LONGEST_ENVIRONMENT: usize = 16;

/// A key of the form `sentrial_<environment>_<random>`; cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ApiKey(Arc<str>);

impl ApiKey {
    /// Checks a key as given by the caller or by `SENTRIAL_API_KEY`.
    ///
    /// White space around it (the newline of a secrets file) is removed. A key of another shape
    /// is usable, but the second value is then a warning to log once. Decide before calling
    /// whether a blank key means "none": here it is an error.
    ///
    /// # Errors
    /// A blank key, or one with characters that cannot stand in a header; names `api_key`.
    pub fn parse(text: &str) -> Result<(Self, Option<String>), ConfigError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ConfigError::new(
                "api_key",
                "is empty; pass a key or set SENTRIAL_API_KEY",
            ));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConfigError::new(
                "api_key",
                "contains white space, a control character or a character outside ASCII; copy \
                 the key again from Settings → API Keys",
            ));
        }
        let key = Self(Arc::from(text));
        let warning = key.parts().is_none().then(|| {
            String::from(
                "api_key: does not look like a Sentrial key (sentrial_live_…); it is sent as it \
                 is, check SENTRIAL_API_KEY if the API answers 401",
            )
        });
        Ok((key, warning))
    }

    /// The key itself, for the `Authorization` header and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `sentrial_live_…abcd`, or `…` when the key is too short or of another shape to show parts.
    #[must_use]
    pub fn masked(&self) -> String {
        match self.shown() {
            Some((environment, end)) => format!("sentrial_{environment}_{HIDDEN}{end}"),
            None => HIDDEN.to_owned(),
        }
    }

    /// `…abcd`, or `…`: the short form by which two keys are told apart in messages.
    #[must_use]
    pub fn suffix(&self) -> String {
        let end = self.shown().map_or("", |(_, end)| end);
        format!("{HIDDEN}{end}")
    }

    /// The first 16 hexadecimal digits of the key's SHA-256: it names the key in the spool.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        digest
            .iter()
            .take(8)
            .fold(String::with_capacity(16), |mut text, byte| {
                // Writing to a string cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
    }

    /// `text` with every occurrence of the key masked: for what a server or a library said. A key
    /// below 8 characters is left, for it would be found inside ordinary words.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        if self.0.len() >= SCRUBBABLE && text.contains(self.expose()) {
            text.replace(self.expose(), &self.masked())
        } else {
            text.to_owned()
        }
    }

    /// Environment and random part, if the key has the documented shape.
    fn parts(&self) -> Option<(&str, &str)> {
        let (environment, random) = self.0.strip_prefix("sentrial_")?.split_once('_')?;
        let named = !environment.is_empty()
            && environment.len() <= LONGEST_ENVIRONMENT
            && environment
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        (named && !random.is_empty()).then_some((environment, random))
    }

    /// What may be shown: the environment and the end of a random part that is long enough.
    fn shown(&self) -> Option<(&str, &str)> {
        let (environment, random) = self.parts()?;
        if random.len() < SHOWABLE {
            return None;
        }
        let end = random.get(random.len() - SHOWN..)?;
        Some((environment, end))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.masked())
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ApiKey {
        ApiKey::parse(text).unwrap().0
    }

    #[test]
    fn white_space_around_a_key_is_removed() {
        let (parsed, warning) = ApiKey::parse("  sentrial_live_0123456789abcdef\r\n").unwrap();
        assert_eq!(parsed.expose(), "sentrial_live_0123456789abcdef");
        assert_eq!(warning, None);
    }

    #[test]
    fn a_key_that_cannot_be_a_header_is_an_error_that_does_not_show_it() {
        for text in [
            "",
            " \n",
            "sentrial_live_ab cd",
            "sentrial_live_ab\ncd",
            "sentrial_live_é",
            "a\u{7f}",
        ] {
            let error = ApiKey::parse(text).unwrap_err();
            assert_eq!(error.parameter, "api_key");
            assert!(!error.to_string().contains("_ab"), "{error}");
        }
    }

    #[test]
    fn another_shape_is_sent_after_a_warning() {
        for text in [
            "k",
            "sentrial_",
            "sentrial_live_",
            "sentrial_live",
            "SENTRIAL_LIVE_abc",
            "sk-1",
        ] {
            let (parsed, warning) = ApiKey::parse(text).unwrap();
            assert_eq!(parsed.expose(), text);
            assert!(warning.is_some(), "{text}");
            assert_eq!(parsed.masked(), "…");
        }
    }

    #[test]
    fn at_most_four_characters_show() {
        assert_eq!(
            key("sentrial_live_0123456789abcdef").masked(),
            "sentrial_live_…cdef"
        );
        assert_eq!(key("sentrial_test_a_b_c_0123456789abcd").suffix(), "…abcd");
        assert_eq!(key("sentrial_live_short").masked(), "…");
        assert_eq!(key("sentrial_live_short").suffix(), "…");
        let secret = key("sentrial_live_0123456789abcdef");
        for text in [
            format!("{secret}"),
            format!("{secret:?}"),
            format!("{secret:#?}"),
        ] {
            assert!(!text.contains("0123456789ab"), "{text}");
        }
    }

    #[test]
    fn the_fingerprint_is_the_start_of_the_digest() {
        assert_eq!(key("abc").fingerprint(), "ba7816bf8f01cfea");
    }

    #[test]
    fn what_others_say_is_scrubbed() {
        let secret = key("sentrial_live_0123456789abcdef");
        let said = "unknown key sentrial_live_0123456789abcdef!";
        assert_eq!(secret.scrub(said), "unknown key sentrial_live_…cdef!");
        assert_eq!(secret.scrub("fine"), "fine");
        assert_eq!(key("k").scrub("unknown key"), "unknown key");
    }
}

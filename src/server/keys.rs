//! API keys: `sentrial_<environment>_<random>`, shown once, stored as a SHA-256 digest.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Length of the random part: 40 base-62 characters are 238 bits.
const RANDOM_LENGTH: usize = 40;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Bytes from here on are skipped, so that every character is equally likely.
const UNBIASED: u8 = 248;

/// The environment a key works in; what one environment records the other cannot touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// `sentrial_live_…`
    Live,
    /// `sentrial_test_…`
    Test,
}

impl Environment {
    /// The word used in keys, on the command line and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }

    /// The environment called `word`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "live" => Some(Self::Live),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

/// A key in clear. It exists from its creation to the moment it is shown, or while one request
/// is checked; neither `Debug` nor any other representation shows it.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    /// Makes a key from the operating system's random numbers.
    #[must_use]
    pub fn generate(environment: Environment) -> Self {
        let mut key = format!("sentrial_{}_", environment.as_str());
        let length = key.len() + RANDOM_LENGTH;
        while key.len() < length {
            let mut block = Sha256::new();
            for _ in 0..3 {
                block.update(uuid::Uuid::new_v4().as_bytes());
            }
            let characters = block
                .finalize()
                .into_iter()
                .filter(|byte| *byte < UNBIASED)
                .filter_map(|byte| ALPHABET.get(usize::from(byte) % ALPHABET.len()).copied())
                .map(char::from)
                .take(length - key.len())
                .collect::<String>();
            key.push_str(&characters);
        }
        Self(key)
    }

    /// The key as a caller presented it.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The key in clear, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the database keeps instead of the key.
    #[must_use]
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The last four characters, the part that a masked key shows.
    #[must_use]
    pub fn tail(&self) -> String {
        let count = self.0.chars().count();
        self.0.chars().skip(count.saturating_sub(4)).collect()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The SHA-256 digest of a key. A plain digest is enough: the key has 238 random bits.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest as stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `stored` is this digest, in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.0.as_slice().ct_eq(stored).into()
    }
}

/// `sentrial_live_…abcd`
#[must_use]
pub fn masked(environment: Environment, tail: &str) -> String {
    format!("sentrial_{}_…{tail}", environment.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{ALPHABET, Environment, Key, RANDOM_LENGTH, masked};

    #[test]
    fn keys_have_the_documented_shape_and_differ() {
        let keys: HashSet<String> = (0..200)
            .map(|_| Key::generate(Environment::Live).reveal().to_owned())
            .collect();
        assert_eq!(keys.len(), 200);
        for key in &keys {
            let random = key.strip_prefix("sentrial_live_").unwrap();
            assert_eq!(random.len(), RANDOM_LENGTH);
            assert!(random.bytes().all(|byte| ALPHABET.contains(&byte)));
        }
        assert!(
            Key::generate(Environment::Test)
                .reveal()
                .starts_with("sentrial_test_")
        );
    }

    #[test]
    fn a_digest_matches_only_its_own_key() {
        let key = Key::presented("sentrial_live_abcd");
        assert!(key.digest().matches(key.digest().as_bytes()));
        assert!(
            !key.digest()
                .matches(Key::presented("sentrial_live_abce").digest().as_bytes())
        );
        assert!(!key.digest().matches(b""));
    }

    #[test]
    fn no_representation_shows_the_key() {
        let key = Key::generate(Environment::Live);
        assert_eq!(format!("{key:?}"), "Key(…)");
        assert_eq!(masked(Environment::Live, &key.tail()).chars().count(), 19);
        assert_eq!(Key::presented("äb").tail(), "äb");
    }
}

//! The client's own keys, found by value: whatever their form, they never leave.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use memchr::memmem::Finder;

use super::hit::{Hits, Rule};

/// A shorter key may be a common word: replacing it would garble what is recorded.
const SHORTEST: usize = 8;
/// So many keys of one client are kept, the newest last.
const MOST: usize = 16;
/// What stands for a key.
pub(super) const RULE: Rule = Rule::Secret("sentrial_key");
/// The same where it is shown in plain text.
const STAND_IN: &str = "[SECRET:sentrial_key]";

/// Keys that a client has now or had before: what it recorded earlier may hold those.
#[derive(Clone, Default)]
pub struct OwnKeys(Vec<Arc<Finder<'static>>>);

impl OwnKeys {
    /// These and one more.
    #[must_use]
    pub fn and(&self, key: &str) -> Self {
        let mut keys = self.0.clone();
        if key.len() >= SHORTEST && !keys.iter().any(|known| known.needle() == key.as_bytes()) {
            keys.push(Arc::new(Finder::new(key).into_owned()));
        }
        let surplus = keys.len().saturating_sub(MOST);
        keys.drain(..surplus);
        Self(keys)
    }

    /// Adds every place where a key stands in a text.
    pub(super) fn find(&self, text: &[u8], hits: &mut Hits) {
        for key in self.within(text) {
            let length = key.needle().len();
            for at in key.find_iter(text) {
                hits.add(at, at + length, RULE);
            }
        }
    }

    /// Does a key stand in a text?
    pub(super) fn stand_in(&self, text: &[u8]) -> bool {
        self.within(text).any(|key| key.find(text).is_some())
    }

    /// A plain text without the keys.
    #[must_use]
    pub fn hidden<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let keys = self.0.iter();
        keys.fold(Cow::Borrowed(text), |text, key| {
            if key.find(text.as_bytes()).is_none() {
                return text;
            }
            let needle = String::from_utf8_lossy(key.needle());
            Cow::Owned(text.replace(&*needle, STAND_IN))
        })
    }

    /// The keys that are not longer than the text.
    fn within(&self, text: &[u8]) -> impl Iterator<Item = &Finder<'static>> {
        let length = text.len();
        let keys = self.0.iter().map(AsRef::as_ref);
        keys.filter(move |key| key.needle().len() <= length)
    }
}

impl fmt::Debug for OwnKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnKeys({} …)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_a_word_is_replaced() {
        let keys = OwnKeys::default().and("short").and("long-enough");
        assert_eq!(
            keys.hidden("short long-enough"),
            "short [SECRET:sentrial_key]"
        );
        assert!(matches!(keys.hidden("nothing"), Cow::Borrowed("nothing")));
        assert_eq!(format!("{keys:?}"), "OwnKeys(1 …)");
    }

    #[test]
    fn the_oldest_of_many_keys_is_forgotten() {
        let names = (0..=MOST).map(|n| format!("the-key-{n:04}"));
        let keys = names.fold(OwnKeys::default(), |keys, key| keys.and(&key).and(&key));
        assert!(!keys.stand_in(b"the-key-0000") && keys.stand_in(b"the-key-0001"));
    }
}

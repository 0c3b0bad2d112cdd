//! What may leave the process: the last step before bytes go to the socket or to the disk.
//!
//! ```text
//! Redactor ── walk (JSON) ── text ──┬─ secrets, media
//!                                   ├─ email, number, card, address (on folded text)
//!                                   └─ custom (python_regex)
//! ```
//! Pure: bytes in, bytes out, no I/O.

mod address;
mod card;
mod custom;
mod cut;
mod deny;
mod email;
mod escape;
mod fold;
mod frames;
mod hit;
mod json_number;
mod media;
mod number;
pub mod organisation;
mod own;
mod python_regex;
mod repeats;
mod report;
mod rewrite;
mod rules;
mod secrets;
mod spelled;
mod syntax;
mod text;
mod traits;
mod uuid;
mod view;
mod walk;
mod words;

#[cfg(test)]
mod tests;

pub use self::custom::{OverBudget, Patience, Pattern};
use self::deny::DenyList;
pub use self::hit::Rule;
pub use self::media::{large_bytes, may_hold_media, sampled_media, whole_media};
pub use self::own::OwnKeys;
pub use self::report::{Finding, Report};
pub use self::rules::{
    Builtins, DOCUMENTED_FIELDS, Fields, HashKey, IDENTIFIERS, Mode, Pii, Rules,
};
use self::traits::Traits;
use self::walk::Walk;
pub use self::walk::{Log, Malformed, Shape};

/// Rules, ready to be applied.
#[derive(Debug, Clone)]
pub struct Redactor {
    rules: Rules,
    deny: DenyList,
    own: OwnKeys,
}

impl Redactor {
    /// Makes rules ready.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let deny = DenyList::new(rules.secrets, &rules.deny_fields);
        let own = OwnKeys::default();
        Self { rules, deny, own }
    }

    /// The same rules, with the keys of a client that are replaced by value.
    #[must_use]
    pub fn hiding(self, own: OwnKeys) -> Self {
        Self { own, ..self }
    }

    /// The keys that are replaced by value.
    #[must_use]
    pub fn own_keys(&self) -> &OwnKeys {
        &self.own
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// JSON as it may leave; `None` if it may as it is.
    ///
    /// # Errors
    /// The bytes are not JSON.
    pub fn json(
        &self,
        json: &[u8],
        shape: Shape,
        log: &mut Log,
    ) -> Result<Option<Vec<u8>>, Malformed> {
        std::str::from_utf8(json).map_err(|_| Malformed)?;
        Walk::new(self, json, shape, log).run()
    }

    /// A body, or the tail of one, in the form in which it leaves: redacted, and cut to `max` bytes.
    /// What cannot be read is withheld. `None` if nothing has to change.
    #[must_use]
    pub fn sealed(
        &self,
        json: &[u8],
        shape: Shape,
        max: usize,
        report: &mut Report,
    ) -> Option<Vec<u8>> {
        let mut log = Log::default();
        let redacted = self.json(json, shape, &mut log);
        report.add(&log.report);
        let Ok(redacted) = redacted else {
            report.count(&Rule::Withheld, "body");
            return Some(withheld(shape));
        };
        match cut::cut(redacted.as_deref().unwrap_or(json), max) {
            Some((cut, count)) => {
                for _ in 0..count {
                    report.count(&Rule::Cut, "body");
                }
                Some(cut)
            }
            None => redacted,
        }
    }

    /// A plain text, all of it content, as the documented `redact_string` has it: no secrets, no
    /// look into JSON inside. `None` if nothing was found.
    #[must_use]
    pub fn text(&self, text: &str) -> Option<String> {
        let bytes = text.as_bytes();
        let cover = self.rules.cover_all();
        let traits = Traits::of_text(bytes);
        let built_in = text::built_in(bytes, traits, self, cover, &mut |_| {});
        let result = match self.rules.pii.as_ref() {
            None => built_in,
            Some(pii) => {
                let current = built_in.as_deref().unwrap_or(bytes);
                match text::customised(current, pii, &mut Patience::default(), &mut |_| {}) {
                    Ok(custom) => custom.or(built_in),
                    Err(_) => Some(text::WITHHELD.to_vec()),
                }
            }
        };
        result.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What is sent in the place of a body that cannot be read.
#[must_use]
pub fn withheld(shape: Shape) -> Vec<u8> {
    match shape {
        Shape::Body => b"{\"redacted\":\"[REDACTED]\"}".to_vec(),
        Shape::Tail => b",\"redacted\":\"[REDACTED]\"}".to_vec(),
        Shape::Value => b"\"[REDACTED]\"".to_vec(),
    }
}

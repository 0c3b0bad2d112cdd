//! What was found in a text.

use std::borrow::Cow;

/// Which rule found something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// An e-mail address.
    Email,
    /// A telephone number in the North American form.
    Phone,
    /// A telephone number with its country code (E.164).
    InternationalPhone,
    /// A US social security number.
    Ssn,
    /// A card number.
    CreditCard,
    /// An IPv4 or IPv6 address.
    IpAddress,
    /// A bank account number with a valid checksum.
    Iban,
    /// A custom pattern, by its label.
    Custom(String),
    /// A secret, by its kind.
    Secret(&'static str),
    /// The value of a field that is on the deny list.
    Field,
    /// A large binary value.
    Media(String),
    /// A value that could not be checked.
    Withheld,
    /// A long string that was cut.
    Cut,
}

impl Rule {
    /// The name in reports.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::InternationalPhone => "international_phone",
            Self::Ssn => "ssn",
            Self::CreditCard => "credit_card",
            Self::IpAddress => "ip_address",
            Self::Iban => "iban",
            Self::Custom(label) => return Cow::Owned(format!("custom:{label}")),
            Self::Secret(kind) => kind,
            Self::Field => "denied_field",
            Self::Media(_) => "media",
            Self::Withheld => "withheld",
            Self::Cut => "cut",
        })
    }

    /// The word that stands for a match in mode `label`.
    pub(super) fn label(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Email => "EMAIL",
            Self::Phone | Self::InternationalPhone => "PHONE",
            Self::Ssn => "SSN",
            Self::CreditCard => "CREDIT_CARD",
            Self::IpAddress => "IP_ADDRESS",
            Self::Iban => "IBAN",
            Self::Custom(label) => label,
            Self::Secret(kind) => return Cow::Owned(format!("SECRET:{kind}")),
            Self::Media(what) => what,
            Self::Field | Self::Withheld | Self::Cut => "REDACTED",
        })
    }

    /// Is it personal data, so that the mode decides what stands for it?
    pub(super) fn is_pii(&self) -> bool {
        matches!(
            self,
            Self::Email
                | Self::Phone
                | Self::InternationalPhone
                | Self::Ssn
                | Self::CreditCard
                | Self::IpAddress
                | Self::Iban
                | Self::Custom(_)
        )
    }
}

/// A part of a text that a rule found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit<'a> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) rule: &'a Rule,
}

/// The longest text in which something can be found: places in it are kept in 32 bits.
pub(super) const LONGEST: usize = u32::MAX as usize;

/// A part as it is kept: where many are found in a long text, their list is most of the memory that
/// is touched for it.
#[derive(Debug, Clone, Copy)]
struct Part {
    start: u32,
    end: u32,
    /// Its place among the rules.
    rule: u32,
}

/// Parts of a text, ascending and apart from each other.
///
/// The list is cut where the last part was added: each rule goes through the text from its beginning
/// to its end, so that adding a part moves few others. In one list every part of a second rule would
/// move all behind it, which takes quadratic time where two rules hit in turn.
#[derive(Debug, Default)]
pub(super) struct Hits {
    before: Vec<Part>,
    /// The last one is the next.
    behind: Vec<Part>,
    rules: Vec<Rule>,
}

impl Hits {
    /// Adds a part. One that overlaps an earlier find widens that one: nothing found is left over.
    pub(super) fn add(&mut self, start: usize, end: usize, rule: Rule) {
        if start >= end {
            return;
        }
        let (start, end) = (place(start), place(end));
        self.go_to(start);
        let next = self.behind.pop_if(|part| part.start < end);
        let mut part = next.unwrap_or_else(|| Part {
            start,
            end,
            rule: self.number(rule),
        });
        part.start = part.start.min(start);
        part.end = part.end.max(end);
        while let Some(next) = self.behind.pop_if(|next| next.start < part.end) {
            part.end = part.end.max(next.end);
        }
        self.before.push(part);
    }

    /// The place of a rule among those that found something. Few rules do, but each medium is
    /// described in words of its own.
    fn number(&mut self, rule: Rule) -> u32 {
        let media = matches!(rule, Rule::Media(_));
        let known = self.rules.iter().rposition(|known| *known == rule);
        let at = known.filter(|_| !media).unwrap_or_else(|| {
            self.rules.push(rule);
            self.rules.len() - 1
        });
        place(at)
    }

    /// Cuts the list in front of the first part that ends behind `start`.
    fn go_to(&mut self, start: u32) {
        while let Some(part) = self.before.pop_if(|part| part.end > start) {
            self.behind.push(part);
        }
        while let Some(part) = self.behind.pop_if(|part| part.end <= start) {
            self.before.push(part);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.behind.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Hit<'_>> {
        let parts = self.before.iter().chain(self.behind.iter().rev());
        parts.map(|part| Hit {
            start: part.start as usize,
            end: part.end as usize,
            // Every part was added with a rule; a value without one would not be checked.
            rule: self
                .rules
                .get(part.rule as usize)
                .unwrap_or(&Rule::Withheld),
        })
    }

    pub(super) fn clear(&mut self) {
        self.before.clear();
        self.behind.clear();
        self.rules.clear();
    }

    /// Adds what was found in the text with its escapes read. A part that begins inside an escape
    /// (`piece_around` gives its end), because the letter of the escape was taken for a part of a
    /// word, begins behind it if what is behind was found in either form.
    pub(super) fn join(&mut self, read: &Self, piece_around: impl Fn(usize) -> Option<usize>) {
        let plain = std::mem::take(self);
        for hit in read.iter() {
            self.add(hit.start, hit.end, hit.rule.clone());
        }
        let mut places = read.iter().peekable();
        for hit in plain.iter() {
            while places.next_if(|place| place.end <= hit.start).is_some() {}
            let end = piece_around(hit.start).filter(|end| {
                let next = places.peek();
                next.is_some_and(|place| place.end > *end && place.start < hit.end)
            });
            self.add(end.unwrap_or(hit.start), hit.end, hit.rule.clone());
        }
    }

    /// Moves every part to where the original has it.
    pub(super) fn moved(&mut self, original: impl Fn(usize, usize) -> (usize, usize)) {
        for part in self.before.iter_mut().chain(&mut self.behind) {
            let (start, end) = original(part.start as usize, part.end as usize);
            (part.start, part.end) = (place(start), place(end));
        }
    }
}

/// A place in a text that is at most [`LONGEST`] bytes long.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_stay_apart_and_cover_what_was_added(
            parts in prop::collection::vec((0_usize..60, 0_usize..9), 0..40),
        ) {
            let mut hits = Hits::default();
            let mut covered = [false; 70];
            for (start, length) in parts {
                hits.add(start, start + length, Rule::Email);
                covered[start..start + length].fill(true);
            }
            let mut seen = [false; 70];
            let mut last = 0;
            for hit in hits.iter() {
                prop_assert!(last <= hit.start && hit.start < hit.end);
                seen[hit.start..hit.end].fill(true);
                last = hit.end;
            }
            prop_assert_eq!(seen, covered);
        }
    }

    #[test]
    fn the_rule_that_was_first_keeps_its_name() {
        let mut hits = Hits::default();
        for (start, end, rule) in [
            (0, 3, Rule::Ssn),
            (10, 14, Rule::Secret("a")),
            (20, 24, Rule::Secret("b")),
            (12, 22, Rule::Email),
            (4, 6, Rule::Phone),
        ] {
            hits.add(start, end, rule);
        }
        let found: Vec<_> = hits
            .iter()
            .map(|hit| (hit.start, hit.end, hit.rule.name()))
            .collect();
        let names = |start, end, name: &'static str| (start, end, Cow::Borrowed(name));
        assert_eq!(
            found,
            [names(0, 3, "ssn"), names(4, 6, "phone"), names(10, 24, "a")]
        );
    }
}

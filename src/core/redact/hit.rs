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
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) rule: Rule,
}

/// Parts of a text, ascending and apart from each other.
#[derive(Debug, Default)]
pub(super) struct Hits(Vec<Hit>);

impl Hits {
    /// Adds a part. One that overlaps an earlier find widens that one: nothing found is left over.
    pub(super) fn add(&mut self, start: usize, end: usize, rule: Rule) {
        if start >= end {
            return;
        }
        let first = self.0.partition_point(|hit| hit.end <= start);
        let Some(there) = self.0.get_mut(first).filter(|hit| hit.start < end) else {
            self.0.insert(first, Hit { start, end, rule });
            return;
        };
        there.start = there.start.min(start);
        there.end = there.end.max(end);
        let end = there.end;
        let mut last = first + 1;
        while let Some(next) = self.0.get(last).filter(|hit| hit.start < end) {
            let reach = next.end;
            if let Some(there) = self.0.get_mut(first) {
                there.end = there.end.max(reach);
            }
            last += 1;
        }
        self.0.drain(first + 1..last);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Hit> {
        self.0.iter()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Moves every part to where the original has it.
    pub(super) fn moved(&mut self, place: impl Fn(usize, usize) -> (usize, usize)) {
        for hit in &mut self.0 {
            (hit.start, hit.end) = place(hit.start, hit.end);
        }
    }
}

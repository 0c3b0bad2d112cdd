//! What is redacted, and how: the settings, checked and ready to use.

use super::custom::Pattern;

/// What stands for a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// A word such as `[EMAIL]`.
    #[default]
    Label,
    /// `[PII:` and six hexadecimal digits of the SHA-256 of the match.
    Hash,
    /// Nothing.
    Remove,
    /// `[EMAIL:` and twelve hexadecimal digits of a keyed HMAC: equal values stay recognisable
    /// as equal, and only who has the key can test a guess.
    Pseudonym,
}

impl Mode {
    /// The name in options.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Hash => "hash",
            Self::Remove => "remove",
            Self::Pseudonym => "pseudonym",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Label, Self::Hash, Self::Remove, Self::Pseudonym]
            .into_iter()
            .find(|mode| mode.as_str() == name)
    }
}

/// Which built-in patterns are searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a documented switch")]
pub struct Builtins {
    /// E-mail addresses. Default true.
    pub emails: bool,
    /// Telephone numbers of the North American plan. Default true.
    pub phones: bool,
    /// US social security numbers. Default true.
    pub ssns: bool,
    /// Card numbers with a valid checksum. Default true.
    pub credit_cards: bool,
    /// IPv4 and IPv6 addresses. Default true.
    pub ip_addresses: bool,
    /// Telephone numbers with `+` and a country code. Default false.
    pub international_phones: bool,
    /// International bank account numbers with a valid checksum. Default false.
    pub ibans: bool,
}

impl Default for Builtins {
    fn default() -> Self {
        Self {
            emails: true,
            phones: true,
            ssns: true,
            credit_cards: true,
            ip_addresses: true,
            international_phones: false,
            ibans: false,
        }
    }
}

/// In which fields of a body personal data is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fields {
    /// Every field but the [`IDENTIFIERS`], and of those the ones named here.
    Default(Vec<String>),
    /// These and no others.
    Only(Vec<String>),
}

impl Default for Fields {
    fn default() -> Self {
        Self::Default(Vec::new())
    }
}

/// Fields that name things. They are how sessions are found again, so they are redacted only if
/// the list of fields names them.
pub const IDENTIFIERS: [&str; 15] = [
    "name",
    "agentName",
    "userId",
    "convoId",
    "projectId",
    "sessionId",
    "parentSessionId",
    "traceId",
    "spanId",
    "eventType",
    "status",
    "createdAt",
    "variantName",
    "baseSessionId",
    "resultSessionId",
];

/// The fields of the documented default.
pub const DOCUMENTED_FIELDS: [&str; 10] = [
    "user_input",
    "assistant_output",
    "userInput",
    "assistantOutput",
    "tool_input",
    "tool_output",
    "toolInput",
    "toolOutput",
    "metadata",
    "reasoning",
];

impl Fields {
    /// The documented list stands for the default; what it is extended by is redacted as well.
    #[must_use]
    pub fn from_names(names: Option<Vec<String>>) -> Self {
        let Some(names) = names else {
            return Self::default();
        };
        let has = |field: &&str| names.iter().any(|name| name == field);
        if DOCUMENTED_FIELDS.iter().all(has) {
            Self::Default(names)
        } else {
            Self::Only(names)
        }
    }

    fn has(&self, field: &str) -> bool {
        let (names, others) = match self {
            Self::Default(names) => (names, !IDENTIFIERS.contains(&field)),
            Self::Only(names) => (names, false),
        };
        others || names.iter().any(|name| name == field)
    }
}

/// How personal data is redacted.
#[derive(Debug, Clone, Default)]
pub struct Pii {
    /// Where.
    pub fields: Fields,
    /// By what.
    pub mode: Mode,
    /// The key of mode `pseudonym`.
    pub hash_key: Option<HashKey>,
    /// What.
    pub builtins: Builtins,
    /// What else, in this order.
    pub custom: Vec<Pattern>,
}

/// The key of the pseudonyms; it never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct HashKey(pub Vec<u8>);

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(…)")
    }
}

/// Everything about what may leave the process.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Personal data; `None` leaves it alone.
    pub pii: Option<Pii>,
    /// Search for keys, tokens and passwords, and withhold fields that are named for them.
    pub secrets: bool,
    /// Further names of fields whose values are withheld.
    pub deny_fields: Vec<String>,
    /// Leave large binary values as they are.
    pub keep_media: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            pii: None,
            secrets: true,
            deny_fields: Vec::new(),
            keep_media: false,
        }
    }
}

/// What is searched for in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cover {
    pub(super) pii: bool,
    pub(super) secrets: bool,
    /// Numbers are content; elsewhere they are counts, costs and times.
    pub(super) numbers: bool,
}

impl Rules {
    /// What is searched for in a field of a body.
    pub(super) fn cover(&self, field: &str) -> Cover {
        // The server's own ids.
        let own = matches!(
            field,
            "sessionId" | "parentSessionId" | "baseSessionId" | "resultSessionId" | "eventType"
        );
        let pii = self.pii.as_ref().is_some_and(|pii| pii.fields.has(field));
        Cover {
            pii: pii && !own,
            secrets: self.secrets && !own,
            numbers: pii && field != "customMetrics",
        }
    }

    /// What is searched for in a value that is no body.
    pub(super) fn cover_all(&self) -> Cover {
        Cover {
            pii: self.pii.is_some(),
            secrets: self.secrets,
            numbers: self.pii.is_some(),
        }
    }
}

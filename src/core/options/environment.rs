//! Reading environment variables: blank is unset, malformed is one warning.

/// The values that switch something on.
const ON: [&str; 4] = ["1", "true", "yes", "on"];
/// The values that switch something off.
const OFF: [&str; 4] = ["0", "false", "no", "off"];
/// How much of a malformed value a warning shows, in characters.
const SHOWN: usize = 40;

/// Whether a tracking call waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryMode {
    /// Calls return at once; the delivery thread sends.
    Background,
    /// Calls wait for the response.
    Immediate,
}

impl DeliveryMode {
    /// Reads `background` or `immediate`, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "background" => Some(Self::Background),
            "immediate" => Some(Self::Immediate),
            _ => None,
        }
    }
}

/// The environment, behind a function so that tests and the local server can bring their own.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Environment<'a> {
    /// An environment whose variables `get` looks up.
    #[must_use]
    pub const fn new(get: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { get }
    }

    /// The value of a variable without white space around it; `None` if unset or blank.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<String> {
        let value = (self.get)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// `SENTRIAL_DISABLED`: `1`, `true`, `yes` or `on` in any case. It wins over everything.
    #[must_use]
    pub fn disabled(&self, warnings: &mut Vec<String>) -> bool {
        self.switch("SENTRIAL_DISABLED", warnings)
    }

    /// `SENTRIAL_DEBUG`: `1`, `true`, `yes` or `on` in any case; every request is then logged.
    #[must_use]
    pub fn debug(&self, warnings: &mut Vec<String>) -> bool {
        self.switch("SENTRIAL_DEBUG", warnings)
    }

    /// `SENTRIAL_DELIVERY`: `background` or `immediate`; `None` if unset or, with one warning,
    /// malformed.
    #[must_use]
    pub fn delivery(&self, warnings: &mut Vec<String>) -> Option<DeliveryMode> {
        self.choice(
            "SENTRIAL_DELIVERY",
            "background or immediate",
            DeliveryMode::parse,
            warnings,
        )
    }

    /// A variable with a fixed set of values; a malformed one is `None` after one warning.
    pub(super) fn choice<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        warnings: &mut Vec<String>,
    ) -> Option<T> {
        let value = self.var(name)?;
        let parsed = parse(&value);
        if parsed.is_none() {
            warnings.push(malformed(name, &value, expected));
        }
        parsed
    }

    /// An on/off variable; off if unset or, with one warning, malformed.
    pub(super) fn switch(&self, name: &str, warnings: &mut Vec<String>) -> bool {
        let parse = |value: &str| {
            let off = || one_of(value, &OFF).then_some(false);
            one_of(value, &ON).then_some(true).or_else(off)
        };
        self.choice(name, "1 or 0", parse, warnings)
            .unwrap_or(false)
    }
}

/// Whether `value` is one of `words`, in any case.
fn one_of(value: &str, words: &[&str]) -> bool {
    words.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// The one warning about a malformed variable. A value that could be a key is not shown.
pub(super) fn malformed(name: &str, value: &str, expected: &str) -> String {
    let shown: String = if value.to_ascii_lowercase().contains("sentrial_") {
        "…".to_owned()
    } else {
        value.chars().take(SHOWN).collect()
    };
    format!("{name} is ignored: {shown:?}; expected {expected}")
}

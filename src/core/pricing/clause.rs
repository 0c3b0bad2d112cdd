//! Rules by which a name of a model or a provider is recognised.

use fancy_regex::Regex;
use serde_json::Value;

/// A rule, as the data set defines them. Texts are lower case, and so must be what is matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Clause {
    Equals(Box<str>),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Contains(Box<str>),
    /// Compiled when it is asked: a look-up meets a few of them, and its result is kept.
    Regex(Box<str>),
    Any(Box<[Clause]>),
    All(Box<[Clause]>),
}

impl Clause {
    /// Reads a rule: a string after an operator, or a list after `|` or `&`.
    pub(super) fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => {
                let mut rest = text.chars();
                let operator = rest.next()?;
                let text = Box::from(rest.as_str());
                match operator {
                    '=' => Some(Self::Equals(text)),
                    '^' => Some(Self::StartsWith(text)),
                    '$' => Some(Self::EndsWith(text)),
                    '*' => Some(Self::Contains(text)),
                    '~' => Some(Self::Regex(text)),
                    _ => None,
                }
            }
            Value::Array(parts) => {
                let (operator, parts) = parts.split_first()?;
                let parts: Option<Box<[Self]>> = parts.iter().map(Self::read).collect();
                match operator.as_str()? {
                    "|" => parts.map(Self::Any),
                    "&" => parts.map(Self::All),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Does the rule hold for this name, given in lower case?
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Equals(text) => name == &**text,
            Self::StartsWith(text) => name.starts_with(&**text),
            Self::EndsWith(text) => name.ends_with(&**text),
            Self::Contains(text) => name.contains(&**text),
            Self::Regex(text) => {
                name.starts_with(&prefix(text))
                    && Regex::new(text).is_ok_and(|regex| regex.is_match(name).unwrap_or(false))
            }
            Self::Any(parts) => parts.iter().any(|part| part.matches(name)),
            Self::All(parts) => parts.iter().all(|part| part.matches(name)),
        }
    }

    #[cfg(test)]
    pub(super) fn regexes(&self) -> Vec<&str> {
        match self {
            Self::Regex(text) => vec![text],
            Self::Any(parts) | Self::All(parts) => parts.iter().flat_map(Self::regexes).collect(),
            _ => Vec::new(),
        }
    }
}

/// How everything begins that a regular expression matches, as far as that is plain to see. To
/// compile one takes 40 µs, and of the twenty that a look-up may meet at most one fits.
fn prefix(regex: &str) -> String {
    let mut literal = String::new();
    let Some(rest) = regex.strip_prefix('^').filter(|rest| !rest.contains('|')) else {
        return literal;
    };
    let mut rest = rest.chars().peekable();
    while let Some(c) = rest.next() {
        let plain = match c {
            '\\' => rest.next_if(|next| !next.is_alphanumeric()),
            '[' | ']' | '(' | ')' | '{' | '}' | '.' | '*' | '+' | '?' | '$' | '^' => None,
            _ => Some(c),
        };
        let is_optional = matches!(rest.peek(), Some('?' | '*' | '{'));
        match plain.filter(|_| !is_optional) {
            Some(plain) => literal.push(plain),
            None => break,
        }
    }
    literal
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(rule: &Value, name: &str) -> bool {
        Clause::read(rule).unwrap().matches(name)
    }

    #[test]
    fn every_kind_of_rule() {
        for (rule, yes, no) in [
            (json!("=gpt-4"), "gpt-4", "gpt-4o"),
            (json!("^gpt-4"), "gpt-4o", "a gpt-4"),
            (json!("$-fast"), "x-fast", "x-fast-2"),
            (json!("*claude"), "us.claude-3", "gemini"),
            (json!("~^o[134]"), "o3-mini", "o2"),
            (json!("~^(?!.*-tts(?:$|-))"), "gemini-pro", "gemini-tts-1"),
            (json!(["|", "=a", "=b"]), "b", "c"),
            (json!(["&", "^a", ["|", "$y", "$z"]]), "a-z", "a-x"),
        ] {
            assert!(matches(&rule, yes), "{rule} {yes}");
            assert!(!matches(&rule, no), "{rule} {no}");
        }
    }

    #[test]
    fn prefixes_of_regular_expressions() {
        for (regex, expected) in [
            (r"^gpt-5\.4-mini-\d{4}$", "gpt-5.4-mini-"),
            ("^o[134]", "o"),
            ("^(typesafe/)?jev", ""),
            ("^ab?c", "a"),
            ("^ab{2}", "a"),
            ("^a|b", ""),
            ("mini$", ""),
            ("^(?!x)", ""),
        ] {
            assert_eq!(prefix(regex), expected, "{regex}");
        }
    }

    #[test]
    fn what_is_no_rule() {
        for value in [
            json!(""),
            json!("?x"),
            json!(7),
            json!(["+", "=a"]),
            json!([]),
            json!(["|", 1]),
        ] {
            assert_eq!(Clause::read(&value), None, "{value}");
        }
    }
}

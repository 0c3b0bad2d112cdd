//! The organisation's settings, as the server hands them out.

use serde_json::{Map, Value};

use super::{Builtins, Fields, Mode, Pattern, Pii};

/// What the server said.
#[derive(Debug, Clone)]
pub enum Settings {
    /// It has none: the built-in ones apply.
    None,
    /// These.
    Given {
        /// What to redact; `None` if the organisation switched it off.
        pii: Option<Pii>,
        /// The object as it came, for the program to see.
        source: String,
        /// What could not be used, in words.
        problems: Vec<String>,
    },
}

/// Patterns that are used at most.
const MAX_PATTERNS: usize = 200;

/// Reads the body of an answer with status 200; `None` if it is none.
#[must_use]
pub fn read(body: &[u8]) -> Option<Settings> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let config = match answer {
        Value::Null => return Some(Settings::None),
        Value::Object(mut members) => members.remove("config").unwrap_or(Value::Null),
        _ => return None,
    };
    match config {
        Value::Null => Some(Settings::None),
        Value::Object(config) if config.is_empty() => Some(Settings::None),
        Value::Object(config) => Some(given(&config)),
        _ => None,
    }
}

/// What has the wrong type counts as missing, and what is missing as its default: on.
fn given(config: &Map<String, Value>) -> Settings {
    let mut problems = Vec::new();
    let enabled = switch(config, "enabled", true, &mut problems);
    let mode = match config.get("mode") {
        None | Some(Value::Null) => Mode::Label,
        Some(mode) => mode.as_str().and_then(Mode::parse).unwrap_or_else(|| {
            problems.push("mode is unknown; label is used".to_owned());
            Mode::Label
        }),
    };
    let pii = Pii {
        fields: fields(config.get("fields"), &mut problems),
        // The key stays with the program: without one, pseudonyms would be plain hashes.
        mode: if mode == Mode::Pseudonym {
            Mode::Label
        } else {
            mode
        },
        hash_key: None,
        builtins: builtins(config.get("builtinPatterns"), &mut problems),
        custom: patterns(config.get("customPatterns"), &mut problems),
    };
    Settings::Given {
        pii: enabled.then_some(pii),
        source: Value::Object(config.clone()).to_string(),
        problems,
    }
}

fn switch(
    object: &Map<String, Value>,
    name: &str,
    default: bool,
    problems: &mut Vec<String>,
) -> bool {
    match object.get(name) {
        None | Some(Value::Null) => default,
        Some(Value::Bool(on)) => *on,
        Some(_) => {
            problems.push(format!(
                "{name} is neither true nor false; the default is used"
            ));
            default
        }
    }
}

fn fields(value: Option<&Value>, problems: &mut Vec<String>) -> Fields {
    let names = match value {
        None | Some(Value::Null) => None,
        Some(Value::Array(names)) => {
            let texts: Option<Vec<String>> = names
                .iter()
                .map(|name| name.as_str().map(str::to_owned))
                .collect();
            if texts.is_none() {
                problems.push(
                    "fields holds other things than names; all fields are redacted".to_owned(),
                );
            }
            texts
        }
        Some(_) => {
            problems.push("fields is no list; all fields are redacted".to_owned());
            None
        }
    };
    Fields::from_names(names)
}

fn builtins(value: Option<&Value>, problems: &mut Vec<String>) -> Builtins {
    let default = Builtins::default();
    let Some(Value::Object(given)) = value else {
        if value.is_some_and(|value| !value.is_null()) {
            problems.push("builtinPatterns is no object; all are used".to_owned());
        }
        return default;
    };
    let mut switch = |name, default| switch(given, name, default, problems);
    Builtins {
        emails: switch("emails", default.emails),
        phones: switch("phones", default.phones),
        ssns: switch("ssns", default.ssns),
        credit_cards: switch("creditCards", default.credit_cards),
        ip_addresses: switch("ipAddresses", default.ip_addresses),
        international_phones: switch("internationalPhones", default.international_phones),
        ibans: switch("ibans", default.ibans),
    }
}

fn patterns(value: Option<&Value>, problems: &mut Vec<String>) -> Vec<Pattern> {
    let Some(Value::Array(given)) = value else {
        if value.is_some_and(|value| !value.is_null()) {
            problems.push("customPatterns is no list; none is used".to_owned());
        }
        return Vec::new();
    };
    if given.len() > MAX_PATTERNS {
        problems.push(format!(
            "only the first {MAX_PATTERNS} custom patterns are used"
        ));
    }
    let mut patterns = Vec::new();
    for (i, entry) in given.iter().take(MAX_PATTERNS).enumerate() {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let made = match (text("pattern"), text("label")) {
            (Some(pattern), label) => Pattern::new(pattern, label.unwrap_or("REDACTED")),
            (None, _) => Err("has no pattern".to_owned()),
        };
        match made {
            Ok(pattern) => patterns.push(pattern),
            Err(why) => problems.push(format!("custom pattern {} is skipped: {why}", i + 1)),
        }
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_shape_is_read_or_refused() {
        for none in ["null", "{}", "{\"config\":null}", "{\"config\":{}}"] {
            assert!(
                matches!(read(none.as_bytes()), Some(Settings::None)),
                "{none}"
            );
        }
        for refused in [
            "",
            "OK",
            "[]",
            "1",
            "{\"config\":[]}",
            "{\"config\":\"x\"}",
            "{\"config\":1}",
        ] {
            assert!(read(refused.as_bytes()).is_none(), "{refused}");
        }
        let odd = r#"{"config":{"enabled":"yes","mode":7,"fields":{"a":1},"builtinPatterns":[1],
            "customPatterns":[{"pattern":"(","label":"L"},5,{"pattern":"ok"}]}}"#;
        let Some(Settings::Given {
            pii: Some(pii),
            problems,
            ..
        }) = read(odd.as_bytes())
        else {
            panic!("not read");
        };
        assert_eq!(pii.mode, Mode::Label);
        assert_eq!(pii.fields, Fields::default());
        assert_eq!(pii.builtins, Builtins::default());
        assert_eq!(pii.custom.len(), 1);
        assert_eq!(problems.len(), 6);
    }
}

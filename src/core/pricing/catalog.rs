//! The embedded data set: providers, their models, and how names are found in it.
//!
//! It is unpacked when a price is first asked for, and of its providers only those are parsed that
//! are asked about: 0.4 MB of text instead of several of structures.

use std::sync::OnceLock;

use serde_json::Value;

use super::clause::Clause;
use super::rates::Tariff;

/// The data set, written by `scripts/update-prices.py`.
const PACKED: &[u8] = include_bytes!("genai-prices/prices.jsonl.z");
/// Much more than the data set needs; keeps a broken file from filling the memory.
const MAX_TEXT: usize = 64 * 1024 * 1024;

/// A model of the data set.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) id: String,
    clause: Clause,
    pub(super) tariff: Tariff,
}

impl Model {
    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            id: value.get(0)?.as_str()?.to_owned(),
            clause: Clause::read(value.get(1)?)?,
            tariff: Tariff::read(value.get(2)?, value.get(3))?,
        })
    }
}

/// A provider of the data set.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) id: String,
    /// Which models are its own, where no provider is named.
    models: Option<Clause>,
    /// By which other names it goes.
    names: Option<Clause>,
    /// Providers whose models it offers as well.
    fallback: Vec<String>,
    line: String,
    parsed: OnceLock<Vec<Model>>,
}

impl Provider {
    fn read(head: &str, line: &str) -> Option<Self> {
        let head: Value = serde_json::from_str(head).ok()?;
        let fallback = head.get("fallback").and_then(Value::as_array);
        let name = |value: &Value| value.as_str().map(str::to_owned);
        Some(Self {
            id: head.get("id")?.as_str()?.to_owned(),
            models: head.get("models").and_then(Clause::read),
            names: head.get("names").and_then(Clause::read),
            fallback: fallback.into_iter().flatten().filter_map(name).collect(),
            line: line.to_owned(),
            parsed: OnceLock::new(),
        })
    }

    /// The models. No lock is held while they are parsed: a fork must not find one.
    fn all(&self) -> &[Model] {
        if let Some(models) = self.parsed.get() {
            return models;
        }
        let value: Value = serde_json::from_str(&self.line).unwrap_or_default();
        let models = value.as_array().into_iter().flatten();
        let _ = self.parsed.set(models.filter_map(Model::read).collect());
        self.parsed.get().map_or(&[], Vec::as_slice)
    }

    fn own(&self, name: &str) -> Option<&Model> {
        self.all().iter().find(|model| model.clause.matches(name))
    }
}

/// A model, and whether the provider has a price list of its own for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) provider: &'a Provider,
    pub(super) model: &'a Model,
    pub(super) is_own: bool,
}

/// The whole data set.
#[derive(Debug)]
pub(super) struct Catalog {
    providers: Vec<Provider>,
}

impl Catalog {
    /// The embedded data set, unpacked on first use. No lock is held meanwhile: a fork must not
    /// find one.
    pub(super) fn embedded() -> &'static Self {
        static CATALOG: OnceLock<Catalog> = OnceLock::new();
        if CATALOG.get().is_none() {
            let _ = CATALOG.set(Self::unpack(PACKED));
        }
        CATALOG.get_or_init(|| Self::unpack(PACKED))
    }

    fn unpack(packed: &[u8]) -> Self {
        let text = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(packed, MAX_TEXT)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .unwrap_or_default();
        let mut lines = text.lines();
        let pairs = std::iter::from_fn(|| Some((lines.next()?, lines.next()?)));
        let providers = pairs.filter_map(|(head, models)| Provider::read(head, models));
        Self {
            providers: providers.collect(),
        }
    }

    /// A provider by its id or another of its names.
    fn provider(&self, name: &str) -> Option<&Provider> {
        let name = name.trim().to_lowercase();
        let mut by_id = self.providers.iter().filter(|provider| provider.id == name);
        by_id.next().or_else(|| {
            let known = |p: &&Provider| p.names.as_ref().is_some_and(|rule| rule.matches(&name));
            self.providers.iter().find(known)
        })
    }

    /// The model that a name means, at a provider or, without one, at the provider whose own it is.
    pub(super) fn find(&self, provider: Option<&str>, model: &str) -> Option<Found<'_>> {
        let name = model.to_lowercase();
        self.find_name(provider, name.clone()).or_else(|| {
            // Google's resource names end with the model.
            let (_, short) = name.rsplit_once("models/")?;
            self.find_name(provider, short.to_owned())
        })
    }

    fn find_name(&self, provider: Option<&str>, mut name: String) -> Option<Found<'_>> {
        let mut at = provider.map(str::to_owned);
        if at
            .as_deref()
            .is_some_and(|p| p.eq_ignore_ascii_case("litellm"))
        {
            // A proxy: the provider stands before the model, or nowhere.
            at = None;
            if let Some((before, after)) = name.split_once('/')
                && self.provider(before).is_some()
            {
                (at, name) = (Some(before.to_owned()), after.to_owned());
            }
        }
        let provider = match at {
            Some(at) => self.provider(&at)?,
            None => {
                let owns =
                    |p: &&Provider| p.models.as_ref().is_some_and(|rule| rule.matches(&name));
                self.providers.iter().find(owns)?
            }
        };
        self.at(provider, &name)
            .or_else(|| self.at(provider, &dashed(&name)?))
    }

    fn at<'a>(&'a self, provider: &'a Provider, name: &str) -> Option<Found<'a>> {
        if let Some(model) = provider.own(name) {
            return Some(Found {
                provider,
                model,
                is_own: true,
            });
        }
        let offered = provider.fallback.iter().find_map(|id| {
            let other = self.providers.iter().find(|other| other.id == *id)?;
            other.own(name)
        });
        offered.map(|model| Found {
            provider,
            model,
            is_own: false,
        })
    }
}

/// `-20251211` in a name as `-2025-12-11`, which is how the data set writes dates; `None` if there
/// is none.
fn dashed(name: &str) -> Option<String> {
    let parts: Vec<String> = name.split('-').map(dashed_part).collect();
    let dashed = parts.join("-");
    (dashed != name).then_some(dashed)
}

fn dashed_part(part: &str) -> String {
    let (digits, rest) = part.split_at(part.find(':').unwrap_or(part.len()));
    let date = (digits.len() == 8 && digits.starts_with("20"))
        .then(|| jiff::civil::Date::strptime("%Y%m%d", digits).ok())
        .flatten();
    date.map_or_else(|| part.to_owned(), |date| format!("{date}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(provider: Option<&str>, model: &str) -> Option<(String, String)> {
        let found = Catalog::embedded().find(provider, model)?;
        Some((found.provider.id.clone(), found.model.id.clone()))
    }

    #[test]
    fn the_embedded_data_set_is_whole() {
        let catalog = Catalog::embedded();
        assert!(catalog.providers.len() > 40);
        for provider in &catalog.providers {
            let value: Value = serde_json::from_str(&provider.line).unwrap();
            assert_eq!(
                provider.all().len(),
                value.as_array().unwrap().len(),
                "{}",
                provider.id
            );
            let rules = provider.all().iter().map(|model| &model.clause);
            for regex in rules
                .chain(&provider.models)
                .chain(&provider.names)
                .flat_map(Clause::regexes)
            {
                assert!(fancy_regex::Regex::new(regex).is_ok(), "{regex}");
            }
        }
    }

    #[test]
    fn a_broken_file_knows_nothing() {
        for packed in [
            b"".as_slice(),
            b"not compressed",
            &PACKED[..PACKED.len() / 2],
        ] {
            let found = Catalog::unpack(packed);
            assert!(found.find(None, "gpt-4o").is_none());
        }
    }

    #[test]
    fn models_are_found_as_the_data_set_says() {
        for (provider, model, expected) in [
            (
                Some("openai"),
                "gpt-4o-2024-08-06",
                Some(("openai", "gpt-4o")),
            ),
            (Some("OpenAI "), "GPT-4o", Some(("openai", "gpt-4o"))),
            (None, "gpt-4o-mini", Some(("openai", "gpt-4o-mini"))),
            (Some("azure"), "gpt-4o", Some(("azure", "gpt-4o"))),
            (Some("litellm"), "openai/gpt-4o", Some(("openai", "gpt-4o"))),
            (
                Some("google"),
                "publishers/google/models/gemini-2.5-pro",
                Some(("google", "gemini-2.5-pro")),
            ),
            (
                None,
                "models/gemini-2.5-pro",
                Some(("google", "gemini-2.5-pro")),
            ),
            (Some("nobody"), "gpt-4o", None),
            (Some("openai"), "house-model", None),
            (None, "house-model", None),
            (None, "", None),
        ] {
            let expected = expected.map(|(p, m)| (p.to_owned(), m.to_owned()));
            assert_eq!(found(provider, model), expected, "{provider:?} {model}");
        }
        let (provider, _) = found(None, "claude-sonnet-4-5-20250929").unwrap();
        assert_eq!(provider, "anthropic");
    }

    #[test]
    fn compact_dates_are_read() {
        assert_eq!(dashed("gpt-5.2-20251211").unwrap(), "gpt-5.2-2025-12-11");
        assert_eq!(dashed("x-20251211:free").unwrap(), "x-2025-12-11:free");
        for name in [
            "gpt-5.2",
            "x-20251341",
            "x-19991211",
            "x-202512110",
            "20251211x",
        ] {
            assert_eq!(dashed(name), None, "{name}");
        }
    }
}

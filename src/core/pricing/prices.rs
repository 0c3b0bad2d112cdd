//! The price of a model: registered by the program, or in the data set.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;

use super::catalog::{Catalog, Found};
use super::rates::{Rates, Tariff};
use super::usage::Usage;

/// Names whose models are remembered; beyond it all are looked up again.
const REMEMBERED: usize = 512;

/// Whose price is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The provider; `None`: the one whose model it is.
    pub provider: Option<&'a str>,
    /// The model.
    pub model: &'a str,
    /// When, in seconds since 1970.
    pub at: i64,
    /// What kind of request, for example `("service_tier", "flex")`.
    pub context: &'a [(&'a str, &'a str)],
}

/// The prices of a model at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// The provider's id; empty for a registered model of any provider.
    pub provider: String,
    /// The model's id in the data set, or the registered name.
    pub model: String,
    /// Its prices.
    pub rates: Rates,
}

type Key = (Option<Box<str>>, Box<str>);

/// Everything that changes while the process runs. Swapped whole and never locked, so that a fork
/// cannot leave it locked.
#[derive(Default, Clone)]
struct Known {
    registered: HashMap<Key, Arc<Tariff>>,
    found: HashMap<Key, Option<Found<'static>>>,
    told: HashSet<Key>,
}

static KNOWN: LazyLock<ArcSwap<Known>> = LazyLock::new(ArcSwap::default);

fn key(provider: Option<&str>, model: &str) -> Key {
    let lower = |text: &str| text.trim().to_lowercase().into_boxed_str();
    (provider.map(lower), lower(model))
}

fn registered(known: &Known, key: &Key) -> Option<(Arc<Tariff>, Key)> {
    if known.registered.is_empty() {
        return None;
    }
    let anywhere = (None, key.1.clone());
    [key, &anywhere]
        .into_iter()
        .find_map(|key| Some((Arc::clone(known.registered.get(key)?), key.clone())))
}

fn found(known: &Known, key: &Key) -> Option<Found<'static>> {
    if let Some(found) = known.found.get(key) {
        return *found;
    }
    let found = Catalog::embedded().find(key.0.as_deref(), &key.1);
    KNOWN.rcu(|known| {
        let mut next = Known::clone(known);
        if next.found.len() >= REMEMBERED {
            next.found.clear();
        }
        next.found.insert(key.clone(), found);
        next
    });
    found
}

/// Looks a model up, and gives `read` its provider, its id and its prices, which are lent: a copy
/// of them costs more than to add up what a call used. `None` if they are unknown.
fn priced<T>(
    query: &Query<'_>,
    read: impl FnOnce(&str, &str, Cow<'_, Rates>) -> Option<T>,
) -> Option<T> {
    let known = KNOWN.load();
    let key = key(query.provider, query.model);
    if let Some((tariff, (provider, model))) = registered(&known, &key) {
        let rates = tariff.rates(query.at, query.context)?;
        return read(provider.as_deref().unwrap_or_default(), &model, rates);
    }
    let found = found(&known, &key)?;
    // The kinds of request are those of the provider that has the price list.
    let context = if found.is_own { query.context } else { &[] };
    let rates = found.model.tariff.rates(query.at, context)?;
    read(&found.provider.id, &found.model.id, rates)
}

/// The prices of a model; `None` if they are unknown.
#[must_use]
pub fn lookup(query: &Query<'_>) -> Option<Price> {
    priced(query, |provider, model, rates| {
        Some(Price {
            provider: provider.to_owned(),
            model: model.to_owned(),
            rates: rates.into_owned(),
        })
    })
}

/// What a call costs in USD, computed exactly; `None` if the price of the model, or of a part of
/// what was used, is unknown.
#[must_use]
pub fn cost(query: &Query<'_>, usage: &Usage) -> Option<f64> {
    priced(query, |_, _, rates| rates.cost(usage))
}

/// Sets the price of a model that the data set does not know, or knows with another price.
/// `provider` `None`: whoever offers it.
pub fn register(provider: Option<&str>, model: &str, rates: &Rates) {
    let key = key(provider, model);
    let tariff = Arc::new(Tariff::fixed(rates.clone()));
    KNOWN.rcu(|known| {
        let mut next = Known::clone(known);
        next.registered.insert(key.clone(), Arc::clone(&tariff));
        next
    });
}

/// Is it the first time that somebody is told that this model's price is unknown?
#[must_use]
pub fn is_news(provider: Option<&str>, model: &str) -> bool {
    let key = key(provider, model);
    let mut news = false;
    KNOWN.rcu(|known| {
        news = !known.told.contains(&key) && known.told.len() < REMEMBERED;
        if !news {
            return Arc::clone(known);
        }
        let mut next = Known::clone(known);
        next.told.insert(key.clone());
        Arc::new(next)
    });
    news
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::decimal::Rate;
    use super::super::rates::{Tiered, Unit};
    use super::*;

    const NOVEMBER_2026: i64 = 1_795_206_600;

    fn query<'a>(provider: &'a str, model: &'a str) -> Query<'a> {
        Query {
            provider: Some(provider),
            model,
            at: NOVEMBER_2026,
            context: &[],
        }
    }

    #[test]
    fn costs_are_those_of_the_package() {
        let mut compared = 0;
        for line in include_str!("genai-prices/examples.jsonl").lines() {
            let example: Vec<Value> = serde_json::from_str(line).unwrap();
            let count = |nth: usize| example[nth].as_u64().unwrap();
            let usage = Usage {
                input: count(3),
                cache_read: count(4),
                cache_write: count(5),
                output: count(6),
                reasoning: count(7),
                input_audio: count(8),
                output_audio: count(9),
            };
            let query = Query {
                at: example[2].as_i64().unwrap(),
                ..query(example[0].as_str().unwrap(), example[1].as_str().unwrap())
            };
            let expected: f64 = example[10].as_str().unwrap().parse().unwrap();
            let found = cost(&query, &usage).unwrap();
            assert_eq!(found.to_bits(), expected.to_bits(), "{line}: {found}");
            compared += 1;
        }
        assert!(compared > 1000);
    }

    #[test]
    fn an_unknown_model_has_no_cost() {
        let usage = Usage {
            input: 1,
            ..Usage::default()
        };
        assert_eq!(cost(&query("openai", "house-model"), &usage), None);
        assert_eq!(cost(&query("house", "gpt-4o"), &usage), None);
    }

    #[test]
    fn a_registered_price_comes_before_that_of_the_data_set() {
        let mut rates = Rates::default();
        rates.set(Unit::Input, Tiered::flat(Rate::parse("7").unwrap()));
        let usage = Usage {
            input: 1_000_000,
            ..Usage::default()
        };
        register(Some("my-house"), "Private-1", &rates);
        assert_eq!(cost(&query("MY-House", "private-1"), &usage), Some(7.0));
        assert_eq!(cost(&query("openai", "private-1"), &usage), None);
        register(None, "private-2", &rates);
        assert_eq!(cost(&query("openai", "private-2"), &usage), Some(7.0));
        assert_eq!(lookup(&query("openai", "private-2")).unwrap().provider, "");
    }

    #[test]
    fn that_a_model_is_unknown_is_news_once() {
        assert!(is_news(Some("p"), "never-heard-of"));
        assert!(!is_news(Some("P"), "never-heard-OF"));
        assert!(is_news(None, "never-heard-of"));
    }

    #[test]
    fn names_without_end_do_not_fill_the_memory() {
        for nth in 0..2 * REMEMBERED {
            let model = format!("model-{nth}");
            assert!(lookup(&query("openai", &model)).is_none());
        }
        assert!(KNOWN.load().found.len() <= REMEMBERED);
    }
}

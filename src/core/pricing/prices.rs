//! The price of a model: registered by the program, or in the data set.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;

use super::catalog::{Catalog, Found};
use super::rates::{Bill, Rates, Tariff};
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

/// A price list that was found.
struct Listed<'a> {
    provider: &'a str,
    model: &'a str,
    tariff: &'a Tariff,
    /// Whether it is the provider's own, so that it has its kinds of request.
    is_own: bool,
}

/// Looks a model up, and lends `read` its price list. `None` if it is unknown.
fn listed<T>(query: &Query<'_>, read: impl FnOnce(Listed<'_>) -> Option<T>) -> Option<T> {
    let known = KNOWN.load();
    let key = key(query.provider, query.model);
    if let Some((tariff, (provider, model))) = registered(&known, &key) {
        return read(Listed {
            provider: provider.as_deref().unwrap_or_default(),
            model: &model,
            tariff: &tariff,
            is_own: true,
        });
    }
    let found = found(&known, &key)?;
    read(Listed {
        provider: &found.provider.id,
        model: &found.model.id,
        tariff: &found.model.tariff,
        is_own: found.is_own,
    })
}

impl<'a> Listed<'a> {
    fn rates(&self, query: &Query<'_>) -> Option<Cow<'a, Rates>> {
        // The kinds of request are those of the provider that has the price list.
        let context = if self.is_own { query.context } else { &[] };
        self.tariff.rates(query.at, context)
    }

    /// What was asked for that the price list does not know: a service tier without prices.
    fn unknown_kinds(&self, query: &Query<'_>) -> Vec<String> {
        let is_unknown = |kind: &&(&str, &str)| {
            kind.0 != GEOGRAPHY && !(self.is_own && self.tariff.knows(**kind))
        };
        let unknown = query.context.iter().filter(is_unknown);
        unknown
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }
}

/// The member of a context that says where a model ran.
const GEOGRAPHY: &str = "inference_geo";

/// Anthropic charges a tenth more for tokens where a call must stay in the country.
fn has_surcharge(query: &Query<'_>, provider: &str) -> bool {
    provider == "anthropic" && query.context.contains(&(GEOGRAPHY, "us"))
}

/// The prices of a model; `None` if they are unknown.
#[must_use]
pub fn lookup(query: &Query<'_>) -> Option<Price> {
    listed(query, |list| {
        Some(Price {
            rates: list.rates(query)?.into_owned(),
            provider: list.provider.to_owned(),
            model: list.model.to_owned(),
        })
    })
}

/// What a call costs in USD, computed exactly; `None` if the price of the model, or of a part of
/// what was used, is unknown. A kind of request without prices of its own costs what others cost.
#[must_use]
pub fn cost(query: &Query<'_>, usage: &Usage) -> Option<f64> {
    listed(query, |list| {
        let surcharge = has_surcharge(query, list.provider);
        list.rates(query)?.bill(usage, surcharge).usd
    })
}

/// What the provider bills for a call; unknown if a part of it, or its kind of request, has no
/// price. `None` for an unknown model.
#[must_use]
pub fn bill(query: &Query<'_>, usage: &Usage) -> Option<Bill> {
    listed(query, |list| {
        let surcharge = has_surcharge(query, list.provider);
        let mut bill = list.rates(query)?.bill(usage, surcharge);
        let unknown = list.unknown_kinds(query);
        if !unknown.is_empty() {
            bill.usd = None;
            bill.unpriced.extend(unknown);
        }
        Some(bill)
    })
}

/// Whether the program has registered a price for this name.
#[must_use]
pub fn is_registered(provider: Option<&str>, model: &str) -> bool {
    registered(&KNOWN.load(), &key(provider, model)).is_some()
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
                cache_write_1h: count(10),
                web_searches: count(11),
                ..Usage::default()
            };
            let query = Query {
                at: example[2].as_i64().unwrap(),
                ..query(example[0].as_str().unwrap(), example[1].as_str().unwrap())
            };
            let expected: f64 = example[12].as_str().unwrap().parse().unwrap();
            let found = cost(&query, &usage).unwrap();
            assert_eq!(found.to_bits(), expected.to_bits(), "{line}: {found}");
            compared += 1;
        }
        assert!(compared > 1000);
    }

    #[test]
    fn a_bill_needs_a_price_for_the_kind_of_request() {
        let usage = Usage {
            input: 1_000_000,
            ..Usage::default()
        };
        let ask = |model, context| {
            let query = Query {
                context,
                ..query("openai", model)
            };
            bill(&query, &usage).unwrap()
        };
        assert_eq!(ask("gpt-5", &[]).usd, Some(1.25));
        assert_eq!(ask("gpt-5", &[("service_tier", "flex")]).usd, Some(0.625));
        let unknown = ask("gpt-5", &[("service_tier", "scale")]);
        assert_eq!(unknown.usd, None);
        assert_eq!(unknown.unpriced, ["service_tier=scale"]);
    }

    #[test]
    fn a_call_that_stays_in_the_country_costs_a_tenth_more() {
        let usage = Usage {
            input: 1_000_000,
            web_searches: 1,
            ..Usage::default()
        };
        let query = Query {
            context: &[(GEOGRAPHY, "us")],
            ..query("anthropic", "claude-opus-5")
        };
        assert_eq!(bill(&query, &usage).unwrap().usd, Some(5.51));
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

//! Costs: by the documented tables for the static calculators, by the data set for everything else.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::exceptions::{PyAttributeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::core::pricing::documented::{self, Provider};
use crate::core::pricing::{self, Bill, Query, Rate, Rates, Tiered, Unit, Usage};

use super::log;

/// The cost in USD by the documented tables; 0.0 for a model that is not in them.
///
/// # Errors
/// `AttributeError` if the model is no string, as documented.
pub(crate) fn documented_cost(
    provider: &str,
    model: &Bound<'_, PyAny>,
    input_tokens: f64,
    output_tokens: f64,
) -> PyResult<f64> {
    let model = model.cast::<PyString>().map_err(|_| {
        let kind = model
            .get_type()
            .name()
            .map_or_else(|_| String::new(), |n| n.to_string());
        PyAttributeError::new_err(format!("'{kind}' object has no attribute 'startswith'"))
    })?;
    let known = Provider::parse(provider).and_then(|provider| {
        let model = model.to_string_lossy();
        documented::cost(provider, &model, input_tokens, output_tokens)
    });
    Ok(known.unwrap_or(0.0))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// A call of a model, as far as its price depends on it.
pub(crate) struct Priced<'a> {
    pub(crate) provider: Option<&'a str>,
    /// The model that was asked for.
    pub(crate) asked: &'a str,
    /// The model that answered, if the answer names one.
    pub(crate) answered: Option<&'a str>,
    /// When, in seconds since 1970; `None`: now.
    pub(crate) at: Option<i64>,
    /// `service_tier`, `speed` and `inference_geo` as the provider names them.
    pub(crate) terms: Vec<(&'static str, String)>,
}

/// The terms that prices depend on, by the names that metadata have for them.
pub(crate) const TERMS: [&str; 4] = ["service_tier", "speed", "inference_geo", "processing"];
/// What providers call their ordinary terms.
const ORDINARY: [&str; 9] = [
    "",
    "auto",
    "default",
    "standard",
    "standard_only",
    "on_demand",
    "global",
    "not_available",
    "unspecified",
];
/// Prefixes by which Bedrock names the regions in which a model may run.
const REGIONS: [&str; 10] = [
    "us.",
    "eu.",
    "apac.",
    "au.",
    "jp.",
    "in.",
    "ca.",
    "us-gov.",
    "global.",
    "anthropic.",
];

impl Priced<'_> {
    /// The bill, by the model that answered; by the one that was asked for where the answer names
    /// none, or names a version of it that is unknown. A registered price comes before both.
    pub(crate) fn bill(&self, py: Python<'_>, usage: &Usage) -> Bill {
        let asked = self.asked.to_lowercase();
        let is_regional = REGIONS.iter().any(|region| asked.starts_with(region))
            && asked.contains("anthropic.claude");
        let provider = if is_regional {
            Some("bedrock")
        } else {
            self.provider
        };
        let answered = self.answered.filter(|answered| {
            // The name that was asked for says more: where the same model runs.
            !(asked.contains(&answered.to_lowercase()) || pricing::is_registered(provider, &asked))
        });
        let Some(answered) = answered else {
            return self.bill_of(py, provider, self.asked, usage);
        };
        let is_version = answered.to_lowercase().starts_with(&asked);
        let at = self.query(provider, answered, &[]);
        if is_version && pricing::lookup(&at).is_none() {
            return self.bill_of(py, provider, self.asked, usage);
        }
        self.bill_of(py, provider, answered, usage)
    }

    fn query<'q>(
        &self,
        provider: Option<&'q str>,
        model: &'q str,
        context: &'q [(&'q str, &'q str)],
    ) -> Query<'q> {
        Query {
            provider,
            model,
            at: self.at.unwrap_or_else(now),
            context,
        }
    }

    fn bill_of(&self, py: Python<'_>, provider: Option<&str>, model: &str, usage: &Usage) -> Bill {
        let terms = self.terms.iter();
        let context: Vec<(&str, &str)> = terms
            .filter(|(_, value)| !ORDINARY.contains(&&**value))
            .map(|(name, value)| match (*name, &**value) {
                ("service_tier", "batch") => ("processing", "batch"),
                other => other,
            })
            .collect();
        let query = self.query(provider, model, &context);
        let bill = pricing::bill(&query, usage);
        if bill.is_none() {
            told(py, &query, None);
        }
        bill.unwrap_or_default()
    }
}

/// The provider whose model it is, as far as the data set knows.
pub(crate) fn provider_of(model: &str) -> Option<String> {
    let query = Query {
        provider: None,
        model,
        at: now(),
        context: &[],
    };
    let price = pricing::lookup(&query)?;
    Some(price.provider).filter(|provider| !provider.is_empty())
}

fn told(py: Python<'_>, query: &Query<'_>, cost: Option<f64>) -> Option<f64> {
    if cost.is_none() && pricing::is_news(query.provider, query.model) {
        let provider = query.provider.unwrap_or("any provider");
        let text = format!(
            "the price of model {:?} of {provider} is unknown, its calls are recorded without a \
             cost; tell it with sentrial.pricing.register",
            query.model
        );
        log::debug(py, &text);
    }
    cost
}

type Context = Option<BTreeMap<String, String>>;

fn pairs(context: &Context) -> Vec<(&str, &str)> {
    let pairs = context.iter().flatten();
    pairs.map(|(key, value)| (&**key, &**value)).collect()
}

/// See `sentrial.pricing.cost`; `at` in seconds since 1970.
#[pyfunction]
#[pyo3(signature = (provider, model, counts, at, context))]
#[expect(clippy::needless_pass_by_value, reason = "as PyO3 hands it over")]
pub(crate) fn price_cost(
    py: Python<'_>,
    provider: Option<&str>,
    model: &str,
    counts: [u64; 13],
    at: Option<i64>,
    context: Context,
) -> Option<f64> {
    let query = Query {
        provider,
        model,
        at: at.unwrap_or_else(now),
        context: &pairs(&context),
    };
    told(py, &query, pricing::cost(&query, &counts.into()))
}

/// What the provider bills for a call, as `track_llm_call` would record it: USD, or None where that
/// is unknown, and what of it has no price.
#[pyfunction]
#[pyo3(signature = (provider, model, usage, metadata, at=None))]
pub(crate) fn price_call(
    py: Python<'_>,
    provider: Option<&str>,
    model: &str,
    usage: &Bound<'_, PyAny>,
    metadata: &Bound<'_, PyDict>,
    at: Option<i64>,
) -> (Option<f64>, Vec<String>) {
    if let Some(own) = super::llm::own_bill(usage) {
        return (own.extract().ok(), Vec::new());
    }
    let (usage, others) = super::llm::used(usage);
    let bill = super::llm::bill(py, provider, model, Some(metadata), at, (&usage, others));
    (bill.usd, bill.unpriced)
}

/// See `sentrial.pricing.lookup`: provider, model, and USD per million by the data set's keys.
#[pyfunction]
#[pyo3(signature = (provider, model, at, context))]
#[expect(clippy::needless_pass_by_value, reason = "as PyO3 hands it over")]
pub(crate) fn price_lookup<'py>(
    py: Python<'py>,
    provider: Option<&str>,
    model: &str,
    at: Option<i64>,
    context: Context,
) -> PyResult<Option<(String, String, Bound<'py, PyDict>)>> {
    let query = Query {
        provider,
        model,
        at: at.unwrap_or_else(now),
        context: &pairs(&context),
    };
    let Some(price) = pricing::lookup(&query) else {
        return Ok(None);
    };
    let rates = PyDict::new(py);
    for (name, unit) in Unit::ALL {
        if let Some(rate) = price.rates.get(unit) {
            rates.set_item(name, rate.base().usd())?;
        }
    }
    Ok(Some((price.provider, price.model, rates)))
}

/// See `sentrial.pricing.register`: USD per million by the data set's keys, as decimal text.
///
/// # Errors
/// `ValueError` for a price that is no decimal of at most 18 places, or below zero.
#[pyfunction]
#[pyo3(signature = (provider, model, rates))]
#[expect(clippy::needless_pass_by_value, reason = "as PyO3 hands it over")]
pub(crate) fn price_register(
    provider: Option<&str>,
    model: &str,
    rates: BTreeMap<String, String>,
) -> PyResult<()> {
    let mut all = Rates::default();
    for (name, unit) in Unit::ALL {
        let Some(text) = rates.get(name) else {
            continue;
        };
        let rate = Rate::parse(text).ok_or_else(|| {
            PyValueError::new_err(format!("not a price: {text}; give USD per million tokens"))
        })?;
        all.set(unit, Tiered::flat(rate));
    }
    pricing::register(provider, model, &all);
    Ok(())
}

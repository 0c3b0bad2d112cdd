//! Costs: by the documented tables for the static calculators, by the data set for everything else.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::exceptions::{PyAttributeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::core::pricing::documented::{self, Provider};
use crate::core::pricing::{self, Query, Rate, Rates, Tiered, Unit, Usage};

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

/// The cost in USD of a call that is made now; `None` if it is unknown, with one debug line.
pub(crate) fn known_cost(
    py: Python<'_>,
    provider: Option<&str>,
    model: &str,
    usage: &Usage,
) -> Option<f64> {
    let query = Query {
        provider,
        model,
        at: now(),
        context: &[],
    };
    told(py, &query, pricing::cost(&query, usage))
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
    counts: [u64; 7],
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

//! `track_llm_call`: the documented event shape of a call of a language model.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyString};

use super::payload::{finite, merged};
use super::pricing;
use super::sessions::lossy;
use super::track::{Common, Target, ToolCall};

type Arg<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

/// Providers with a price table, asked in this order when the caller names none.
const PROVIDERS: [&str; 3] = ["openai", "anthropic", "google"];

/// The buckets of a usage that say what the two documented counts consist of, and their names in
/// the event.
const DETAILS: [(&str, &str); 5] = [
    ("cache_read_tokens", "cache_read"),
    ("cache_write_tokens", "cache_write"),
    ("reasoning_tokens", "reasoning"),
    ("input_audio_tokens", "input_audio"),
    ("output_audio_tokens", "output_audio"),
];

/// The arguments of `track_llm_call`.
pub(crate) struct Call<'a, 'py> {
    pub(crate) model: &'a Bound<'py, PyAny>,
    pub(crate) messages: Arg<'a, 'py>,
    pub(crate) output: Arg<'a, 'py>,
    pub(crate) provider: Arg<'a, 'py>,
    pub(crate) prompt_tokens: Arg<'a, 'py>,
    pub(crate) completion_tokens: Arg<'a, 'py>,
    pub(crate) usage: Arg<'a, 'py>,
    pub(crate) estimated_cost: Arg<'a, 'py>,
    pub(crate) duration_ms: Arg<'a, 'py>,
    pub(crate) error: Arg<'a, 'py>,
    pub(crate) output_fields: Arg<'a, 'py>,
    pub(crate) common: Common<'a, 'py>,
    /// False for a call around another one that carries the usage.
    pub(crate) with_usage: bool,
}

/// Tokens in disjoint buckets, and the provider's own total.
#[derive(Default)]
struct Usage {
    input: f64,
    cache_read: f64,
    cache_write: f64,
    output: f64,
    reasoning: f64,
    input_audio: f64,
    output_audio: f64,
    total: Option<f64>,
}

impl Usage {
    fn prompt(&self) -> f64 {
        self.input + self.cache_read + self.cache_write + self.input_audio
    }

    fn completion(&self) -> f64 {
        self.output + self.reasoning + self.output_audio
    }

    fn total(&self) -> f64 {
        self.total.unwrap_or(self.prompt() + self.completion())
    }

    /// From a `Usage`, a dict with its names, or anything with such attributes.
    fn of(value: &Bound<'_, PyAny>) -> Self {
        let count = |name: &str| finite(member(value, name).as_ref()).max(0.0);
        Self {
            input: count("input_tokens"),
            cache_read: count("cache_read_tokens"),
            cache_write: count("cache_write_tokens"),
            output: count("output_tokens"),
            reasoning: count("reasoning_tokens"),
            input_audio: count("input_audio_tokens"),
            output_audio: count("output_audio_tokens"),
            total: Some(count("total_tokens")).filter(|total| *total > 0.0),
        }
    }
}

impl<'py> Call<'_, 'py> {
    /// Records the call.
    pub(crate) fn track(&self, target: &Target<'_, 'py>) -> PyResult<Py<PyAny>> {
        let py = target.client.py();
        let model = lossy(self.model);
        let provider = self.provider_name(&model);

        let input = PyDict::new(py);
        input.set_item(intern!(py, "messages"), self.messages)?;
        input.set_item(intern!(py, "model"), self.model)?;
        input.set_item(intern!(py, "provider"), &*provider)?;
        let output = PyDict::new(py);
        output.set_item(intern!(py, "content"), self.output)?;
        if let Some(fields) = self.output_fields.and_then(|f| f.cast::<PyDict>().ok()) {
            output.update(fields.as_mapping())?;
        }
        let metadata = merged(py, self.common.metadata)?;
        metadata.set_item(intern!(py, "provider"), &*provider)?;
        metadata.set_item(intern!(py, "model"), self.model)?;

        let mut cost = None;
        let mut total = None;
        let mut cost_unknown = false;
        if self.with_usage {
            let usage = self.usage();
            let known = self.cost(&provider, &model, &usage);
            cost_unknown = known.is_none();
            let usd = PyFloat::new(py, known.unwrap_or(0.0)).into_any();
            let prompt = whole(py, usage.prompt())?;
            let completion = whole(py, usage.completion())?;
            let all = whole(py, usage.total())?;
            let counts = self.details(py)?;
            counts.set_item(intern!(py, "prompt"), &prompt)?;
            counts.set_item(intern!(py, "completion"), &completion)?;
            counts.set_item(intern!(py, "total"), &all)?;
            output.set_item(intern!(py, "tokens"), counts)?;
            output.set_item(intern!(py, "cost_usd"), &usd)?;
            metadata.set_item(intern!(py, "prompt_tokens"), prompt)?;
            metadata.set_item(intern!(py, "completion_tokens"), completion)?;
            cost = Some(usd);
            total = Some(all);
        }

        target.tool_call(&ToolCall {
            name: PyString::new(py, &format!("llm:{provider}:{model}")).as_any(),
            input: Some(input.as_any()),
            output: Some(output.as_any()),
            reasoning: Some(PyString::new(py, &format!("LLM call to {provider} {model}")).as_any()),
            cost: cost.as_ref(),
            error: self.error,
            tokens: total.as_ref(),
            duration_ms: self.duration_ms,
            status: None,
            cost_unknown,
            common: Common {
                metadata: Some(metadata.as_any()),
                ..self.common
            },
        })
    }

    fn usage(&self) -> Usage {
        match self.usage {
            Some(usage) => Usage::of(usage),
            None => Usage {
                input: finite(self.prompt_tokens),
                output: finite(self.completion_tokens),
                ..Usage::default()
            },
        }
    }

    fn cost(&self, provider: &str, model: &str, usage: &Usage) -> Option<f64> {
        match self.estimated_cost {
            Some(given) => Some(finite(Some(given))),
            None => pricing::known(provider, model, usage.prompt(), usage.completion()),
        }
    }

    /// The buckets beside plain input and output that are not empty.
    fn details(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = PyDict::new(py);
        for (bucket, name) in DETAILS {
            let Some(usage) = self.usage else { break };
            let count = finite(member(usage, bucket).as_ref());
            if count > 0.0 {
                counts.set_item(PyString::intern(py, name), whole(py, count)?)?;
            }
        }
        Ok(counts)
    }

    fn provider_name(&self, model: &str) -> String {
        if let Some(provider) = self.provider {
            return lossy(provider).into_owned();
        }
        let by_table = PROVIDERS
            .iter()
            .find(|p| pricing::known(p, model, 0.0, 0.0).is_some());
        by_table.map_or_else(|| "unknown".to_owned(), |provider| (*provider).to_owned())
    }
}

/// What a dict has under a name, or what an object has as an attribute.
fn member<'py>(value: &Bound<'py, PyAny>, name: &str) -> Option<Bound<'py, PyAny>> {
    let name = PyString::intern(value.py(), name);
    match value.cast::<PyDict>() {
        Ok(dict) => dict.get_item(name).ok().flatten(),
        Err(_) => value.getattr(name).ok(),
    }
}

/// A count as a whole number.
fn whole(py: Python<'_>, count: f64) -> PyResult<Bound<'_, PyAny>> {
    PyFloat::new(py, count).call_method0(intern!(py, "__int__"))
}

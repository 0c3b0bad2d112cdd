//! `track_llm_call`: the documented event shape of a call of a language model.

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyString};

use crate::core::pricing::{PRICES_VERSION, Usage};

use super::payload::{finite, merged};
use super::pricing;
use super::sessions::lossy;
use super::track::{Common, Target, ToolCall};

type Arg<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

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
    pub(crate) common: Common<'a, 'py>,
    pub(crate) output_fields: Arg<'a, 'py>,
    /// False for a call around another one that carries the usage.
    pub(crate) with_usage: bool,
}

/// Tokens in disjoint buckets, and the provider's own total.
#[derive(Default)]
struct Counts {
    buckets: Usage,
    total: Option<u64>,
}

impl Counts {
    fn prompt(&self) -> u64 {
        let Usage {
            input,
            cache_read,
            cache_write,
            input_audio,
            ..
        } = self.buckets;
        sum([input, cache_read, cache_write, input_audio])
    }

    fn completion(&self) -> u64 {
        let Usage {
            output,
            reasoning,
            output_audio,
            ..
        } = self.buckets;
        sum([output, reasoning, output_audio])
    }

    fn total(&self) -> u64 {
        let total = self.total;
        total.unwrap_or_else(|| sum([self.prompt(), self.completion()]))
    }

    /// From a `Usage` of Python's, a dict with its names, or anything with such attributes.
    fn of(value: &Bound<'_, PyAny>) -> Self {
        let py = value.py();
        let count = |name| count(member(value, name).as_ref());
        Self {
            buckets: Usage {
                input: count(intern!(py, "input_tokens")),
                cache_read: count(intern!(py, "cache_read_tokens")),
                cache_write: count(intern!(py, "cache_write_tokens")),
                output: count(intern!(py, "output_tokens")),
                reasoning: count(intern!(py, "reasoning_tokens")),
                input_audio: count(intern!(py, "input_audio_tokens")),
                output_audio: count(intern!(py, "output_audio_tokens")),
            },
            total: Some(count(intern!(py, "total_tokens"))).filter(|total| *total > 0),
        }
    }

    /// The buckets that say what the two documented counts consist of, unless they are empty.
    fn details<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = PyDict::new(py);
        let Usage {
            cache_read,
            cache_write,
            reasoning,
            input_audio,
            output_audio,
            ..
        } = self.buckets;
        for (name, count) in [
            ("cache_read", cache_read),
            ("cache_write", cache_write),
            ("reasoning", reasoning),
            ("input_audio", input_audio),
            ("output_audio", output_audio),
        ] {
            if count > 0 {
                counts.set_item(PyString::intern(py, name), count)?;
            }
        }
        Ok(counts)
    }
}

fn sum<const N: usize>(counts: [u64; N]) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
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
        let provider_name = PyString::new(py, &provider);
        input.set_item(intern!(py, "provider"), &provider_name)?;
        let output = PyDict::new(py);
        output.set_item(intern!(py, "content"), self.output)?;
        if let Some(fields) = self.output_fields.and_then(|f| f.cast::<PyDict>().ok()) {
            output.update(fields.as_mapping())?;
        }
        let metadata = merged(py, self.common.metadata)?;
        metadata.set_item(intern!(py, "provider"), &provider_name)?;
        metadata.set_item(intern!(py, "model"), self.model)?;

        let mut cost = None;
        let mut total = None;
        let mut cost_unknown = false;
        if self.with_usage {
            let counts = self.counts();
            let known = self.cost(py, &provider, &model, &counts.buckets);
            cost_unknown = known.is_none();
            let usd = PyFloat::new(py, known.unwrap_or(0.0)).into_any();
            let tokens = counts.details(py)?;
            tokens.set_item(intern!(py, "prompt"), counts.prompt())?;
            tokens.set_item(intern!(py, "completion"), counts.completion())?;
            tokens.set_item(intern!(py, "total"), counts.total())?;
            output.set_item(intern!(py, "tokens"), tokens)?;
            output.set_item(intern!(py, "cost_usd"), &usd)?;
            metadata.set_item(intern!(py, "prompt_tokens"), counts.prompt())?;
            metadata.set_item(intern!(py, "completion_tokens"), counts.completion())?;
            if self.estimated_cost.is_none() {
                metadata.set_item(intern!(py, "prices_version"), PRICES_VERSION)?;
            }
            cost = Some(usd);
            total = Some(counts.total().into_pyobject(py)?.into_any());
        }
        // What `tool_call` adds to the metadata, added here: it would have to copy them again.
        if let Some(duration) = self.duration_ms {
            metadata.set_item(intern!(py, "duration_ms"), duration)?;
        }
        if cost_unknown {
            metadata.set_item(intern!(py, "cost_unknown"), true)?;
        }

        target.tool_call(&ToolCall {
            name: PyString::new(py, &format!("llm:{provider}:{model}")).as_any(),
            input: Some(input.as_any()),
            output: Some(output.as_any()),
            reasoning: Some(PyString::new(py, &format!("LLM call to {provider} {model}")).as_any()),
            cost: cost.as_ref(),
            error: self.error,
            tokens: total.as_ref(),
            duration_ms: None,
            status: None,
            cost_unknown,
            common: Common {
                metadata: Some(metadata.as_any()),
                ..self.common
            },
        })
    }

    fn counts(&self) -> Counts {
        match self.usage {
            Some(usage) => Counts::of(usage),
            None => Counts {
                buckets: Usage {
                    input: count(self.prompt_tokens),
                    output: count(self.completion_tokens),
                    ..Usage::default()
                },
                total: None,
            },
        }
    }

    /// By the model that was asked for, else by the one that says it answered.
    fn cost(&self, py: Python<'_>, provider: &str, model: &str, usage: &Usage) -> Option<f64> {
        if let Some(given) = self.estimated_cost {
            return Some(finite(Some(given)));
        }
        let known = |model: &str| pricing::known_cost(py, Some(provider), model, usage);
        known(model).or_else(|| {
            let answered = self
                .common
                .metadata
                .and_then(|metadata| member(metadata, intern!(py, "response_model")));
            known(&lossy(&answered?))
        })
    }

    fn provider_name(&self, model: &str) -> String {
        if let Some(provider) = self.provider {
            return lossy(provider).into_owned();
        }
        pricing::provider_of(model).unwrap_or_else(|| "unknown".to_owned())
    }
}

/// What a dict has under a name, or what an object has as an attribute.
fn member<'py>(
    value: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> Option<Bound<'py, PyAny>> {
    match value.cast::<PyDict>() {
        Ok(dict) => dict.get_item(name).ok().flatten(),
        Err(_) => value.getattr(name).ok(),
    }
}

/// A count of tokens; what is none, or less than none, is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, as meant"
)]
fn count(value: Arg<'_, '_>) -> u64 {
    finite(value) as u64
}

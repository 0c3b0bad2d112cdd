//! `track_llm_call`: the documented event shape of a call of a language model.

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
    pub(crate) estimated_cost: Arg<'a, 'py>,
    pub(crate) duration_ms: Arg<'a, 'py>,
    pub(crate) error: Arg<'a, 'py>,
    pub(crate) common: Common<'a, 'py>,
}

impl<'py> Call<'_, 'py> {
    /// Records the call.
    pub(crate) fn track(&self, target: &Target<'_, 'py>) -> PyResult<Py<PyAny>> {
        let py = target.client.py();
        let model = lossy(self.model);
        let (prompt, completion) = (finite(self.prompt_tokens), finite(self.completion_tokens));
        let provider = self.provider_name(&model);
        let known = match self.estimated_cost {
            Some(given) => Some(finite(Some(given))),
            None => {
                let usage = Usage {
                    input: count(prompt),
                    output: count(completion),
                    ..Usage::default()
                };
                pricing::known_cost(py, Some(&provider), &model, &usage)
            }
        };
        let cost = PyFloat::new(py, known.unwrap_or(0.0)).into_any();
        let tokens = whole(py, prompt + completion)?;

        let input = PyDict::new(py);
        input.set_item("messages", self.messages)?;
        input.set_item("model", self.model)?;
        input.set_item("provider", &*provider)?;
        let counts = PyDict::new(py);
        counts.set_item("prompt", whole(py, prompt)?)?;
        counts.set_item("completion", whole(py, completion)?)?;
        counts.set_item("total", &tokens)?;
        let output = PyDict::new(py);
        output.set_item("content", self.output)?;
        output.set_item("tokens", counts)?;
        output.set_item("cost_usd", &cost)?;
        let metadata = merged(py, self.common.metadata)?;
        metadata.set_item("provider", &*provider)?;
        metadata.set_item("model", self.model)?;
        metadata.set_item("prompt_tokens", whole(py, prompt)?)?;
        metadata.set_item("completion_tokens", whole(py, completion)?)?;
        if self.estimated_cost.is_none() {
            metadata.set_item("prices_version", PRICES_VERSION)?;
        }

        target.tool_call(&ToolCall {
            name: PyString::new(py, &format!("llm:{provider}:{model}")).as_any(),
            input: Some(input.as_any()),
            output: Some(output.as_any()),
            reasoning: Some(PyString::new(py, &format!("LLM call to {provider} {model}")).as_any()),
            cost: Some(&cost),
            error: self.error,
            tokens: Some(&tokens),
            duration_ms: self.duration_ms,
            status: None,
            cost_unknown: known.is_none(),
            common: Common {
                metadata: Some(metadata.as_any()),
                ..self.common
            },
        })
    }

    fn provider_name(&self, model: &str) -> String {
        if let Some(provider) = self.provider {
            return lossy(provider).into_owned();
        }
        pricing::provider_of(model).unwrap_or_else(|| "unknown".to_owned())
    }
}

/// A count of tokens to be priced; less than none is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, as meant"
)]
fn count(count: f64) -> u64 {
    count as u64
}

/// A count as a whole number.
fn whole(py: Python<'_>, count: f64) -> PyResult<Bound<'_, PyAny>> {
    PyFloat::new(py, count).call_method0("__int__")
}

//! `track_llm_call`: the documented event shape of a call of a language model.

use std::sync::atomic::Ordering;

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::core::pricing::{PRICES_VERSION, Usage};

use super::json::{Amount, text_of};
use super::payload::{amount, merged};
use super::pricing;
use super::track::{Called, Common, Target};

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
        let read = |name: &Bound<'_, PyString>| count(member(value, name).as_ref());
        let total = read(intern!(py, "total_tokens"));
        Self {
            buckets: Usage {
                input: read(intern!(py, "input_tokens")),
                cache_read: read(intern!(py, "cache_read_tokens")),
                cache_write: read(intern!(py, "cache_write_tokens")),
                output: read(intern!(py, "output_tokens")),
                reasoning: read(intern!(py, "reasoning_tokens")),
                input_audio: read(intern!(py, "input_audio_tokens")),
                output_audio: read(intern!(py, "output_audio_tokens")),
            },
            total: Some(total).filter(|total| *total > 0),
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

/// What a call used and what that costs, if it is known.
struct Priced {
    counts: Counts,
    usd: Option<f64>,
}

impl<'py> Call<'_, 'py> {
    /// Records the call.
    pub(crate) fn track(&self, target: &Target<'_, 'py>) -> PyResult<Py<PyAny>> {
        let py = target.client.py();
        let model = text_of(self.model);
        let provider = self.provider_name(&model);
        let provider_name = PyString::new(py, &provider).into_any();
        let priced = self.with_usage.then(|| {
            let counts = self.counts();
            let usd = self.cost(py, &provider, &model, &counts.buckets);
            Priced { counts, usd }
        });
        let output = self.output(py, priced.as_ref())?;
        let metadata = self.metadata(py, &provider_name, priced.as_ref())?;

        let name = ["llm:", &provider, ":", &model].concat();
        let mut payload = target.payload(b"\"tool_call\"");
        payload.words("toolName", &name)?;
        let member = |name: &Bound<'py, PyString>, value| (name.clone().into_any(), value);
        let messages = self.messages.cloned();
        let messages = messages.unwrap_or_else(|| py.None().into_bound(py));
        let input = vec![
            member(intern!(py, "messages"), messages),
            member(intern!(py, "model"), self.model.clone()),
            member(intern!(py, "provider"), provider_name),
        ];
        payload.members("toolInput", input)?;
        let json = payload.object("toolOutput", Some(output.as_any()), "result")?;
        payload.words(
            "reasoning",
            &["LLM call to ", &provider, " ", &model].concat(),
        )?;

        let totals = &target.record.totals;
        let (mut cost, mut tokens) = (0.0, None);
        if let Some(Priced { counts, usd }) = &priced {
            totals.prompt.add(Amount::of_count(counts.prompt()));
            totals.completion.add(Amount::of_count(counts.completion()));
            totals
                .cost_unknown
                .fetch_or(usd.is_none(), Ordering::Relaxed);
            cost = usd.unwrap_or(0.0);
            tokens = Some(counts.total());
        } else {
            target.tokens_of_output(Some(output.as_any()));
        }
        let called = Called {
            name: &name,
            output: Some(output.as_any()),
            json,
            cost: Amount::of(cost),
            tokens: tokens.map_or_else(Amount::default, Amount::of_count),
            error: self.error,
        };
        target.called(payload, &called, |payload| {
            if let Some(tokens) = tokens {
                payload.count("tokenCount", tokens);
            }
            let common = Common {
                metadata: Some(metadata.as_any()),
                ..self.common
            };
            Target::common(payload, &common, &[])
        })
    }

    /// What goes into `toolOutput`, and into the session's state.
    fn output(&self, py: Python<'py>, priced: Option<&Priced>) -> PyResult<Bound<'py, PyDict>> {
        let output = PyDict::new(py);
        output.set_item(intern!(py, "content"), self.output)?;
        if let Some(fields) = self.output_fields.and_then(|f| f.cast::<PyDict>().ok())
            && !fields.is_empty()
        {
            output.update(fields.as_mapping())?;
        }
        if let Some(Priced { counts, usd }) = priced {
            let tokens = counts.details(py)?;
            tokens.set_item(intern!(py, "prompt"), counts.prompt())?;
            tokens.set_item(intern!(py, "completion"), counts.completion())?;
            tokens.set_item(intern!(py, "total"), counts.total())?;
            output.set_item(intern!(py, "tokens"), tokens)?;
            output.set_item(intern!(py, "cost_usd"), usd.unwrap_or(0.0))?;
        }
        Ok(output)
    }

    /// The user's metadata and ours, all of it here: to add something later would be to copy it again.
    fn metadata(
        &self,
        py: Python<'py>,
        provider: &Bound<'py, PyAny>,
        priced: Option<&Priced>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let metadata = merged(py, self.common.metadata)?;
        metadata.set_item(intern!(py, "provider"), provider)?;
        metadata.set_item(intern!(py, "model"), self.model)?;
        if let Some(Priced { counts, usd }) = priced {
            metadata.set_item(intern!(py, "prompt_tokens"), counts.prompt())?;
            metadata.set_item(intern!(py, "completion_tokens"), counts.completion())?;
            if self.estimated_cost.is_none() {
                let version = intern!(py, PRICES_VERSION);
                metadata.set_item(intern!(py, "prices_version"), version)?;
            }
            if usd.is_none() {
                metadata.set_item(intern!(py, "cost_unknown"), true)?;
            }
        }
        if let Some(duration) = self.duration_ms {
            metadata.set_item(intern!(py, "duration_ms"), duration)?;
        }
        Ok(metadata)
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
            return Some(amount(Some(given)).value);
        }
        let known = |model: &str| pricing::known_cost(py, Some(provider), model, usage);
        known(model).or_else(|| {
            let answered = self
                .common
                .metadata
                .and_then(|metadata| member(metadata, intern!(py, "response_model")));
            known(&text_of(&answered?))
        })
    }

    fn provider_name(&self, model: &str) -> String {
        if let Some(provider) = self.provider {
            return text_of(provider).into_owned();
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
    amount(value).value as u64
}

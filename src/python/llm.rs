//! `track_llm_call`: the documented event shape of a call of a language model.

use std::sync::atomic::Ordering;

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyString};

use crate::core::pricing::{Bill, PRICES_VERSION, Usage};

use super::json::{Amount, text_of};
use super::payload::{amount, merged};
use super::pricing::{self, Priced, TERMS};
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
    /// Tools that the provider ran and that have no price here.
    other_tools: Vec<String>,
}

/// Tools of providers that cost nothing beside their tokens.
const FREE_TOOLS: [&str; 2] = ["web_fetch", "tool_search"];

/// What was used, from a `Usage` of Python's or anything with its names; and the tools that the
/// provider ran and that have no price here.
pub(crate) fn used(value: &Bound<'_, PyAny>) -> (Usage, Vec<String>) {
    let py = value.py();
    let read = |name: &Bound<'_, PyString>| count(member(value, name).as_ref());
    let mut usage = Usage {
        input: read(intern!(py, "input_tokens")),
        cache_read: read(intern!(py, "cache_read_tokens")),
        cache_write: read(intern!(py, "cache_write_tokens")),
        output: read(intern!(py, "output_tokens")),
        reasoning: read(intern!(py, "reasoning_tokens")),
        input_audio: read(intern!(py, "input_audio_tokens")),
        output_audio: read(intern!(py, "output_audio_tokens")),
        cache_write_1h: read(intern!(py, "cache_write_1h_tokens")),
        cached_audio: read(intern!(py, "cached_audio_tokens")),
        input_image: read(intern!(py, "input_image_tokens")),
        output_image: read(intern!(py, "output_image_tokens")),
        web_searches: 0,
        file_searches: 0,
    };
    let mut others = Vec::new();
    let requests = member(value, intern!(py, "tool_requests"));
    if let Some(requests) = requests
        .as_ref()
        .and_then(|found| found.cast::<PyDict>().ok())
    {
        for (name, requests) in requests
            .items()
            .iter()
            .filter_map(|item| item.extract().ok())
        {
            let (name, requests): (String, Bound<'_, PyAny>) = (name, requests);
            let requests = count(Some(&requests));
            match &*name {
                "web_search" => usage.web_searches = requests,
                "file_search" => usage.file_searches = requests,
                other if FREE_TOOLS.contains(&other) || requests == 0 => {}
                _ => others.push(name),
            }
        }
    }
    (usage, others)
}

/// What the provider itself says that the call costs, in USD.
pub(crate) fn own_bill<'py>(usage: &Bound<'py, PyAny>) -> Option<Bound<'py, PyFloat>> {
    let cost = member(usage, intern!(usage.py(), "cost"))?;
    cost.cast_into::<PyFloat>().ok()
}

/// What the provider bills, by the terms and the model that the metadata name.
pub(crate) fn bill(
    py: Python<'_>,
    provider: Option<&str>,
    model: &str,
    metadata: Option<&Bound<'_, PyDict>>,
    at: Option<i64>,
    (usage, other_tools): (&Usage, Vec<String>),
) -> Bill {
    let text = |name: &str| {
        let value = metadata?.get_item(name).ok().flatten()?;
        let value = value.cast::<PyString>().ok()?;
        Some(value.to_string_lossy().into_owned())
    };
    let answered = text("response_model");
    let terms = TERMS.into_iter();
    let priced = Priced {
        provider,
        asked: model,
        answered: answered.as_deref(),
        at,
        terms: terms
            .filter_map(|name| Some((name, text(name)?.to_lowercase())))
            .collect(),
    };
    let mut bill = priced.bill(py, usage);
    if !other_tools.is_empty() {
        bill.usd = None;
        bill.unpriced.extend(other_tools);
    }
    bill
}

impl Counts {
    fn prompt(&self) -> u64 {
        self.buckets.all_input()
    }

    fn completion(&self) -> u64 {
        self.buckets.all_output()
    }

    fn total(&self) -> u64 {
        let total = self.total;
        total.unwrap_or_else(|| self.prompt().saturating_add(self.completion()))
    }

    /// From a `Usage` of Python's, a dict with its names, or anything with such attributes.
    fn of(value: &Bound<'_, PyAny>) -> Self {
        let total = count(member(value, intern!(value.py(), "total_tokens")).as_ref());
        let (buckets, other_tools) = used(value);
        Self {
            buckets,
            total: Some(total).filter(|total| *total > 0),
            other_tools,
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
            cache_write_1h,
            cached_audio,
            input_image,
            output_image,
            web_searches,
            file_searches,
            ..
        } = self.buckets;
        let cache_read = cache_read.saturating_add(cached_audio);
        let all_written = cache_write.saturating_add(cache_write_1h);
        for (name, count) in [
            ("cache_read", cache_read),
            ("cache_write", all_written),
            ("cache_write_1h", cache_write_1h),
            ("reasoning", reasoning),
            ("input_audio", input_audio),
            ("output_audio", output_audio),
            ("input_image", input_image),
            ("output_image", output_image),
            ("web_searches", web_searches),
            ("file_searches", file_searches),
        ] {
            if count > 0 {
                counts.set_item(PyString::intern(py, name), count)?;
            }
        }
        Ok(counts)
    }
}

/// What a call used and what that costs, if it is known.
struct Cost {
    counts: Counts,
    usd: Option<f64>,
    /// What of it has no price.
    unpriced: Vec<String>,
}

impl<'py> Call<'_, 'py> {
    /// Records the call.
    pub(crate) fn track(&self, target: &Target<'_, 'py>) -> PyResult<Py<PyAny>> {
        let py = target.client.py();
        let model = text_of(self.model);
        let provider = self.provider_name(&model);
        let provider_name = PyString::new(py, &provider).into_any();
        let priced = self.with_usage.then(|| {
            let mut counts = self.counts();
            let Bill { usd, unpriced } = self.bill(py, &provider, &model, &mut counts);
            Cost {
                counts,
                usd,
                unpriced,
            }
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
        if let Some(Cost { counts, usd, .. }) = &priced {
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
    fn output(&self, py: Python<'py>, priced: Option<&Cost>) -> PyResult<Bound<'py, PyDict>> {
        let output = PyDict::new(py);
        output.set_item(intern!(py, "content"), self.output)?;
        if let Some(fields) = self.output_fields.and_then(|f| f.cast::<PyDict>().ok())
            && !fields.is_empty()
        {
            output.update(fields.as_mapping())?;
        }
        if let Some(Cost { counts, usd, .. }) = priced {
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
        priced: Option<&Cost>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let metadata = merged(py, self.common.metadata)?;
        metadata.set_item(intern!(py, "provider"), provider)?;
        metadata.set_item(intern!(py, "model"), self.model)?;
        if let Some(Cost {
            counts,
            usd,
            unpriced,
        }) = priced
        {
            metadata.set_item(intern!(py, "prompt_tokens"), counts.prompt())?;
            metadata.set_item(intern!(py, "completion_tokens"), counts.completion())?;
            if self.estimated_cost.is_none() && self.usage.is_some_and(|u| own_bill(u).is_some()) {
                metadata.set_item(intern!(py, "cost_source"), intern!(py, "provider"))?;
            } else if self.estimated_cost.is_none() {
                let version = intern!(py, PRICES_VERSION);
                metadata.set_item(intern!(py, "prices_version"), version)?;
            }
            if usd.is_none() {
                metadata.set_item(intern!(py, "cost_unknown"), true)?;
                if !unpriced.is_empty() {
                    metadata.set_item(intern!(py, "cost_unknown_for"), unpriced)?;
                }
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
                ..Counts::default()
            },
        }
    }

    /// What was given, else what the provider bills.
    fn bill(&self, py: Python<'_>, provider: &str, model: &str, counts: &mut Counts) -> Bill {
        let told = self.estimated_cost.cloned();
        if let Some(given) = told.or_else(|| Some(own_bill(self.usage?)?.into_any())) {
            return Bill {
                usd: Some(amount(Some(&given)).value),
                unpriced: Vec::new(),
            };
        }
        let metadata = self.common.metadata.and_then(|m| m.cast::<PyDict>().ok());
        let others = std::mem::take(&mut counts.other_tools);
        bill(
            py,
            Some(provider),
            model,
            metadata,
            None,
            (&counts.buckets, others),
        )
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

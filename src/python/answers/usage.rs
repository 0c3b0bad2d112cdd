//! How each provider's figures become buckets that do not overlap.
//!
//! Providers count differently: for `OpenAI` and Google, cached tokens are part of the prompt
//! tokens, for Anthropic they come on top; `OpenAI` counts reasoning as part of the output, Google
//! beside it. A count that is no number or less than one is none, one beyond 64 bits is as much as
//! they hold.

use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString, PyTuple};

use super::items;
use super::members::{Members, attribute, member};
use crate::python::json::absorb;
use crate::python::once::{Once, intern};

/// Tokens of one call; no token is in two buckets. The members are those of Python's `Usage`.
#[derive(Default)]
pub(super) struct Counts {
    input: u64,
    cache_read: u64,
    cache_write: u64,
    output: u64,
    reasoning: u64,
    input_audio: u64,
    output_audio: u64,
    total: u64,
}

/// What makes a named tuple without a call of Python code: `tuple.__new__`, and the class.
static USAGE: Once<(Py<PyAny>, Py<PyAny>)> = Once::new();

impl Counts {
    /// As `sentrial.wrappers.Usage`.
    pub(super) fn into_usage(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let counts = [
            self.input,
            self.cache_read,
            self.cache_write,
            self.output,
            self.reasoning,
            self.input_audio,
            self.output_audio,
            self.total,
        ];
        let (new, class) = USAGE.get_or_try_init(|| {
            let class = py.import("sentrial.wrappers._usage")?.getattr("Usage")?;
            let new = py.get_type::<PyTuple>().getattr("__new__")?;
            Ok::<_, PyErr>((new.unbind(), class.unbind()))
        })?;
        new.bind(py)
            .call1((class.bind(py), PyTuple::new(py, counts)?))
    }
}

/// The usage of `OpenAI`'s APIs, or of a server compatible with them; None if there is none.
#[pyfunction]
pub(crate) fn usage_of_openai<'py>(
    usage: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    if usage.is_none() {
        return Ok(None);
    }
    of_openai(usage)?.into_usage(usage.py()).map(Some)
}

/// The usage of Anthropic's API; None if there is none.
#[pyfunction]
pub(crate) fn usage_of_anthropic<'py>(
    usage: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    if usage.is_none() {
        return Ok(None);
    }
    of_anthropic(usage)?.into_usage(usage.py()).map(Some)
}

/// The usage of Gemini; None if there is none, or none of its figures is set.
#[pyfunction]
pub(crate) fn usage_of_google<'py>(
    usage: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    of_google(usage)?
        .map(|counts| counts.into_usage(usage.py()))
        .transpose()
}

/// Cached, written and audio tokens are parts of the prompt; reasoning and audio are parts of the
/// completion. Some compatible servers count reasoning beside the completion: their total says so.
pub(super) fn of_openai(usage: &Bound<'_, PyAny>) -> PyResult<Counts> {
    let py = usage.py();
    let usage = Members::of(usage)?;
    // The names of the chat API, then those of the responses API.
    let into = usage.first([
        intern!(py, "prompt_tokens_details"),
        intern!(py, "input_tokens_details"),
    ])?;
    let into = Members::of_any(into.as_ref())?;
    let out_of = usage.first([
        intern!(py, "completion_tokens_details"),
        intern!(py, "output_tokens_details"),
    ])?;
    let out_of = Members::of_any(out_of.as_ref())?;
    let prompt = usage.count([intern!(py, "prompt_tokens"), intern!(py, "input_tokens")])?;
    let completion = usage.count([
        intern!(py, "completion_tokens"),
        intern!(py, "output_tokens"),
    ])?;
    let total = usage.count([intern!(py, "total_tokens")])?;
    let mut cached = into.count([intern!(py, "cached_tokens")])?;
    if cached == 0 {
        // Servers before the details existed: DeepSeek and Moonshot.
        cached = usage.count([
            intern!(py, "prompt_cache_hit_tokens"),
            intern!(py, "cached_tokens"),
        ])?;
    }
    let written = into.count([intern!(py, "cache_write_tokens")])?;
    let heard = into.count([intern!(py, "audio_tokens")])?;
    let reasoning = out_of.count([intern!(py, "reasoning_tokens")])?;
    let spoken = out_of.count([intern!(py, "audio_tokens")])?;

    let with_reasoning = completion.saturating_add(reasoning);
    let beside = reasoning > 0 && total > 0 && total == prompt.saturating_add(with_reasoning);
    let (input, [cache_read, cache_write, input_audio]) = split(prompt, [cached, written, heard]);
    let whole = if beside { with_reasoning } else { completion };
    let (output, [reasoning, output_audio]) = split(whole, [reasoning, spoken]);
    Ok(Counts {
        input,
        cache_read,
        cache_write,
        output,
        reasoning,
        input_audio,
        output_audio,
        total,
    })
}

/// Cache counts come on top of the input.
fn of_anthropic(usage: &Bound<'_, PyAny>) -> PyResult<Counts> {
    let py = usage.py();
    let usage = Members::of(usage)?;
    let details = usage.below(intern!(py, "output_tokens_details"))?;
    let whole = usage.count([intern!(py, "output_tokens")])?;
    let thinking = details.count([intern!(py, "thinking_tokens")])?;
    let (output, [reasoning]) = split(whole, [thinking]);
    Ok(Counts {
        input: usage.count([intern!(py, "input_tokens")])?,
        cache_read: usage.count([intern!(py, "cache_read_input_tokens")])?,
        cache_write: usage.count([intern!(py, "cache_creation_input_tokens")])?,
        output,
        reasoning,
        ..Counts::default()
    })
}

/// Cached tokens are part of the prompt; thoughts and what tools gave back come beside prompt and
/// candidates. The older package knows no thoughts: they are what its total has beyond its parts.
fn of_google(usage: &Bound<'_, PyAny>) -> PyResult<Option<Counts>> {
    let py = usage.py();
    let usage = Members::of(usage)?;
    let prompt = usage.count([intern!(py, "prompt_token_count")])?;
    let candidates = usage.count([
        intern!(py, "candidates_token_count"),
        intern!(py, "response_token_count"),
    ])?;
    let total = usage.count([intern!(py, "total_token_count")])?;
    if prompt == 0 && candidates == 0 && total == 0 {
        return Ok(None);
    }
    let from_tools = usage.count([intern!(py, "tool_use_prompt_token_count")])?;
    let mut reasoning = usage.count([intern!(py, "thoughts_token_count")])?;
    if reasoning == 0 {
        reasoning = [prompt, candidates, from_tools]
            .into_iter()
            .fold(total, u64::saturating_sub);
    }
    let cached = usage.count([intern!(py, "cached_content_token_count")])?;
    let audio = |name| audio_in(usage.get(name)?.as_ref());
    // Audio that came from the cache is counted as cached.
    let heard = audio(intern!(py, "prompt_tokens_details"))?
        .saturating_sub(audio(intern!(py, "cache_tokens_details"))?);
    let spoken = audio(intern!(py, "candidates_tokens_details"))?;
    let (rest, [cache_read, input_audio]) = split(prompt, [cached, heard]);
    let (output, [output_audio]) = split(candidates, [spoken]);
    Ok(Some(Counts {
        input: rest.saturating_add(from_tools),
        cache_read,
        cache_write: 0,
        output,
        reasoning,
        input_audio,
        output_audio,
        total,
    }))
}

impl<'py> Members<'py> {
    /// The first of several members that is there.
    fn first<const N: usize>(
        &self,
        names: [&Bound<'py, PyString>; N],
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        for name in names {
            if let Some(found) = self.get(name)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The first of several members that is there, as a count.
    fn count<const N: usize>(&self, names: [&Bound<'py, PyString>; N]) -> PyResult<u64> {
        Ok(self.first(names)?.as_ref().map_or(0, count))
    }
}

fn count(value: &Bound<'_, PyAny>) -> u64 {
    if !value.is_exact_instance_of::<PyInt>() {
        return 0;
    }
    value.extract().unwrap_or_else(|_| {
        // Less than zero, or more than there is room for.
        if value.gt(0).unwrap_or(false) {
            u64::MAX
        } else {
            0
        }
    })
}

/// What is left of a whole, and its parts, cut so that the sum is the whole again.
fn split<const N: usize>(whole: u64, parts: [u64; N]) -> (u64, [u64; N]) {
    let mut left = whole;
    let cut = parts.map(|part| {
        let part = part.min(left);
        left -= part;
        part
    });
    (left, cut)
}

/// Tokens of the modality AUDIO in a list of counts per modality.
fn audio_in(details: Option<&Bound<'_, PyAny>>) -> PyResult<u64> {
    let mut sum: u64 = 0;
    for item in details.and_then(items).into_iter().flatten() {
        let py = item.py();
        if let Some(modality) = member(&item, intern!(py, "modality"))?
            && is_audio(&modality)?
        {
            let count = Members::of(&item)?.count([intern!(py, "token_count")])?;
            sum = sum.saturating_add(count);
        }
    }
    Ok(sum)
}

/// A member of an enumeration, or its text.
fn is_audio(modality: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = modality.py();
    let value = attribute(modality, intern!(py, "value"))?;
    let equal = value.as_ref().unwrap_or(modality).eq(intern!(py, "AUDIO"));
    Ok(absorb(py, equal)?.unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::split;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_are_cut_to_the_whole(whole: u64, parts: [u64; 3]) {
            let (left, cut) = split(whole, parts);
            prop_assert_eq!(left + cut.iter().sum::<u64>(), whole);
            prop_assert!(cut.iter().zip(parts).all(|(cut, part)| *cut <= part));
        }
    }
}

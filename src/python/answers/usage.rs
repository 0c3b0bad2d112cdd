//! How each provider's figures become buckets that do not overlap.
//!
//! Providers count differently: for `OpenAI` and Google, cached tokens are part of the prompt
//! tokens, for Anthropic they come on top; `OpenAI` counts reasoning as part of the output, Google
//! beside it. A count that is no number or less than one is none, one beyond 64 bits is as much as
//! they hold.

use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString, PyTuple};

use super::members::{Members, attribute, member};
use super::named::NamedTuple;
use super::{Read, items};
use crate::python::json::absorb;
use crate::python::once::{intern, names};

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

static USAGE: NamedTuple = NamedTuple::new("sentrial.wrappers._usage", "Usage");

impl Counts {
    /// As `sentrial.wrappers.Usage`.
    pub(super) fn into_usage(self, py: Python<'_>) -> Read<Bound<'_, PyAny>> {
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
        USAGE.make(&PyTuple::new(py, counts)?)
    }
}

/// The members of a `sentrial.wrappers.Usage`, in its order; None for anything else.
pub(crate) fn members_of_usage<'a, 'py>(
    value: &'a Bound<'py, PyAny>,
) -> Option<&'a Bound<'py, PyTuple>> {
    USAGE.members(value)
}

/// The usage of `OpenAI`'s APIs, or of a server compatible with them; None if there is none.
#[pyfunction]
pub(crate) fn usage_of_openai<'py>(usage: &Bound<'py, PyAny>) -> Read<Option<Bound<'py, PyAny>>> {
    if usage.is_none() {
        return Ok(None);
    }
    of_openai(usage)?.into_usage(usage.py()).map(Some)
}

/// The usage of Anthropic's API; None if there is none.
#[pyfunction]
pub(crate) fn usage_of_anthropic<'py>(
    usage: &Bound<'py, PyAny>,
) -> Read<Option<Bound<'py, PyAny>>> {
    if usage.is_none() {
        return Ok(None);
    }
    of_anthropic(usage)?.into_usage(usage.py()).map(Some)
}

/// The usage of Gemini; None if there is none, or none of its figures is set.
#[pyfunction]
pub(crate) fn usage_of_google<'py>(usage: &Bound<'py, PyAny>) -> Read<Option<Bound<'py, PyAny>>> {
    of_google(usage)?
        .map(|counts| counts.into_usage(usage.py()))
        .transpose()
}

/// Cached, written and audio tokens are parts of the prompt; reasoning and audio are parts of the
/// completion. Some compatible servers count reasoning beside the completion: their total says so.
pub(super) fn of_openai(usage: &Bound<'_, PyAny>) -> Read<Counts> {
    let py = usage.py();
    let usage = Members::of(usage)?;
    let [prompt, completion, into, out_of] = usage.all_by_either(
        py,
        names!(
            py,
            [
                "prompt_tokens",
                "completion_tokens",
                "prompt_tokens_details",
                "completion_tokens_details",
            ]
        ),
        // The responses API's.
        names!(
            py,
            [
                "input_tokens",
                "output_tokens",
                "input_tokens_details",
                "output_tokens_details",
            ]
        ),
    )?;
    let [prompt, completion] = [prompt, completion].map(count);
    let [total] = usage.counts(py, names!(py, ["total_tokens"]))?;
    let into = Members::of_any(into.as_ref())?;
    let [mut cached, written, heard] = into.counts(
        py,
        names!(py, ["cached_tokens", "cache_write_tokens", "audio_tokens"]),
    )?;
    if cached == 0 {
        // Servers before the details existed: DeepSeek and Moonshot.
        let names = names!(py, ["prompt_cache_hit_tokens"]);
        [cached] = usage
            .all_by_either(py, names, names!(py, ["cached_tokens"]))?
            .map(count);
    }
    let [reasoning, spoken] = Members::of_any(out_of.as_ref())?
        .counts(py, names!(py, ["reasoning_tokens", "audio_tokens"]))?;

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
fn of_anthropic(usage: &Bound<'_, PyAny>) -> Read<Counts> {
    let py = usage.py();
    let usage = Members::of(usage)?;
    let [details] = usage.all(py, names!(py, ["output_tokens_details"]))?;
    let [thinking] =
        Members::of_any(details.as_ref())?.counts(py, names!(py, ["thinking_tokens"]))?;
    let [input, cache_read, cache_write, whole] = usage.counts(
        py,
        names!(
            py,
            [
                "input_tokens",
                "cache_read_input_tokens",
                "cache_creation_input_tokens",
                "output_tokens",
            ]
        ),
    )?;
    let (output, [reasoning]) = split(whole, [thinking]);
    Ok(Counts {
        input,
        cache_read,
        cache_write,
        output,
        reasoning,
        ..Counts::default()
    })
}

/// Cached tokens are part of the prompt; thoughts and what tools gave back come beside prompt and
/// candidates. The older package knows no thoughts: they are what its total has beyond its parts.
fn of_google(usage: &Bound<'_, PyAny>) -> Read<Option<Counts>> {
    let py = usage.py();
    let usage = Members::of(usage)?;
    let [prompt, total, thoughts, from_tools, cached] = usage.counts(
        py,
        names!(
            py,
            [
                "prompt_token_count",
                "total_token_count",
                "thoughts_token_count",
                "tool_use_prompt_token_count",
                "cached_content_token_count",
            ]
        ),
    )?;
    let names = names!(py, ["candidates_token_count"]);
    let [candidates] = usage
        .all_by_either(py, names, names!(py, ["response_token_count"]))?
        .map(count);
    if prompt == 0 && candidates == 0 && total == 0 {
        return Ok(None);
    }
    let reasoning = if thoughts == 0 {
        [prompt, candidates, from_tools]
            .into_iter()
            .fold(total, u64::saturating_sub)
    } else {
        thoughts
    };
    let names = names!(
        py,
        [
            "prompt_tokens_details",
            "cache_tokens_details",
            "candidates_tokens_details",
        ]
    );
    let [into, from_cache, out_of] = usage.all(py, names)?;
    // Audio that came from the cache is counted as cached.
    let heard = audio_in(into.as_ref())?.saturating_sub(audio_in(from_cache.as_ref())?);
    let spoken = audio_in(out_of.as_ref())?;
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
    fn counts<const N: usize>(&self, py: Python<'py>, names: &[Py<PyString>; N]) -> Read<[u64; N]> {
        Ok(self.all(py, names)?.map(count))
    }
}

fn count(value: Option<Bound<'_, PyAny>>) -> u64 {
    let Some(value) = value.filter(PyAnyMethods::is_exact_instance_of::<PyInt>) else {
        return 0;
    };
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
fn audio_in(details: Option<&Bound<'_, PyAny>>) -> Read<u64> {
    let mut sum: u64 = 0;
    for item in details.and_then(items).into_iter().flatten() {
        let py = item.py();
        if let Some(modality) = member(&item, intern!(py, "modality"))?
            && is_audio(&modality)?
        {
            let [count] = Members::of(&item)?.counts(py, names!(py, ["token_count"]))?;
            sum = sum.saturating_add(count);
        }
    }
    Ok(sum)
}

/// A member of an enumeration, or its text.
fn is_audio(modality: &Bound<'_, PyAny>) -> Read<bool> {
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

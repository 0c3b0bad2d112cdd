//! Answers of the chat completions API.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use super::arguments::arguments_of;
use super::identity::identity;
use super::members::{Members, member};
use super::named::NamedTuple;
use super::{Read, items, usage};
use crate::python::once::{intern, names};

type Object<'py> = Bound<'py, PyAny>;

static ANSWER: NamedTuple = NamedTuple::new("sentrial.wrappers._record", "Answer");

/// Reads a `ChatCompletion`, a parsed one, or its JSON; what the model thought only if asked for.
#[pyfunction]
pub(crate) fn chat_answer<'py>(response: &Object<'py>, options: &Object<'py>) -> Read<Object<'py>> {
    let py = response.py();
    let thinking = options.getattr(intern!(py, "thinking"))?.is_truthy()?;
    let members = Members::of(response)?;
    let metadata = identity(&members, response)?;
    let [usage, choices] = members.all(py, names!(py, ["usage", "choices"]))?;
    let usage = match usage {
        Some(usage) => Some(usage::of_openai(&usage)?.into_usage(py)?),
        None => None,
    };
    let mut told = Vec::new();
    for choice in choices.as_ref().and_then(items).into_iter().flatten() {
        told.push(Choice::of(&choice, thinking)?);
    }
    let Some(first) = told.first() else {
        let nothing = PyString::new(py, "").into_any();
        return ANSWER.make(&(nothing, usage, PyDict::new(py), metadata).into_pyobject(py)?);
    };
    if let Some(reason) = &first.finish_reason {
        metadata.set_item(intern!(py, "finish_reason"), reason)?;
    }
    if told.len() > 1 {
        let all = all_of(py, &told)?;
        first.fields.set_item(intern!(py, "choices"), all)?;
    }
    ANSWER.make(&(&first.content, usage, &first.fields, metadata).into_pyobject(py)?)
}

/// One choice of an answer.
struct Choice<'py> {
    content: Object<'py>,
    /// Tool calls, refusal, thinking and the like.
    fields: Bound<'py, PyDict>,
    finish_reason: Option<Object<'py>>,
}

impl<'py> Choice<'py> {
    fn of(choice: &Object<'py>, thinking: bool) -> Read<Self> {
        let py = choice.py();
        let names = names!(py, ["message", "finish_reason"]);
        let [message, finish_reason] = Members::of(choice)?.all(py, names)?;
        let message = Members::of_any(message.as_ref())?;
        let content = message.get(intern!(py, "content"))?;
        Ok(Self {
            content: content.unwrap_or_else(|| PyString::new(py, "").into_any()),
            fields: beside_content(py, &message, thinking)?,
            finish_reason,
        })
    }
}

/// The list of all choices, where there are several.
#[inline(never)]
fn all_of<'py>(py: Python<'py>, told: &[Choice<'py>]) -> Read<Bound<'py, PyList>> {
    let all = PyList::empty(py);
    for (index, choice) in told.iter().enumerate() {
        let one = PyDict::new(py);
        one.set_item(intern!(py, "index"), index)?;
        one.set_item(intern!(py, "content"), &choice.content)?;
        one.set_item(intern!(py, "finish_reason"), &choice.finish_reason)?;
        one.update(choice.fields.as_mapping())?;
        all.append(one)?;
    }
    Ok(all)
}

/// What a message holds beside its content: mostly nothing.
fn beside_content<'py>(
    py: Python<'py>,
    message: &Members<'py>,
    thinking: bool,
) -> Read<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    let names = names!(
        py,
        [
            "tool_calls",
            "function_call",
            "refusal",
            // Where compatible servers put what the model thought.
            "reasoning_content",
            "reasoning",
            "parsed",
            "audio",
        ]
    );
    let found = message.all(py, names)?;
    if found.iter().any(Option::is_some) {
        tell(found, thinking, &fields)?;
    }
    Ok(fields)
}

#[inline(never)]
fn tell<'py>(
    [
        calls,
        legacy,
        refusal,
        reasoning_content,
        reasoning,
        parsed,
        audio,
    ]: [Option<Object<'py>>; 7],
    thinking: bool,
    fields: &Bound<'py, PyDict>,
) -> Read<()> {
    let py = fields.py();
    let thought = reasoning_content.filter(is_text).or(reasoning);
    let told = [
        tool_calls(py, calls.as_ref(), legacy.as_ref())?,
        refusal.filter(is_text),
        thought.filter(|thought| thinking && is_text(thought) && !is_empty(thought)),
        parsed,
        match audio {
            Some(audio) => spoken(&audio)?,
            None => None,
        },
    ];
    let names = names!(py, ["tool_calls", "refusal", "thinking", "parsed", "audio"]);
    for (name, value) in names.iter().zip(told) {
        if let Some(value) = value {
            fields.set_item(name, value)?;
        }
    }
    Ok(())
}

fn is_text(value: &Object<'_>) -> bool {
    value.is_instance_of::<PyString>()
}

fn is_empty(text: &Object<'_>) -> bool {
    text.cast::<PyString>()
        .is_ok_and(|text| text.len().is_ok_and(|length| length == 0))
}

/// The tools that the model asks for, that of the older `function_call` too; None if there is none.
fn tool_calls<'py>(
    py: Python<'py>,
    calls: Option<&Object<'py>>,
    legacy: Option<&Object<'py>>,
) -> Read<Option<Object<'py>>> {
    let told = PyList::empty(py);
    for call in calls.and_then(items).into_iter().flatten() {
        told.append(tool_call(&call)?)?;
    }
    if let Some(legacy) = legacy
        && member(legacy, intern!(py, "name"))?.is_some()
    {
        told.append(function(None, legacy)?)?;
    }
    Ok((!told.is_empty()).then(|| told.into_any()))
}

fn tool_call<'py>(call: &Object<'py>) -> Read<Bound<'py, PyDict>> {
    let py = call.py();
    let id = member(call, intern!(py, "id"))?;
    if let Some(called) = member(call, intern!(py, "function"))? {
        return function(id, &called);
    }
    // A custom tool takes text, not arguments.
    match member(call, intern!(py, "custom"))? {
        Some(custom) => {
            let name = member(&custom, intern!(py, "name"))?;
            described(py, id, name, member(&custom, intern!(py, "input"))?)
        }
        None => described(py, id, None, None),
    }
}

fn function<'py>(id: Option<Object<'py>>, function: &Object<'py>) -> Read<Bound<'py, PyDict>> {
    let py = function.py();
    let arguments = member(function, intern!(py, "arguments"))?;
    let arguments = arguments.as_ref().map(arguments_of).transpose()?;
    described(py, id, member(function, intern!(py, "name"))?, arguments)
}

fn described<'py>(
    py: Python<'py>,
    id: Option<Object<'py>>,
    name: Option<Object<'py>>,
    arguments: Option<Object<'py>>,
) -> Read<Bound<'py, PyDict>> {
    let call = PyDict::new(py);
    let names = names!(py, ["id", "name", "arguments"]);
    for (name, value) in names.iter().zip([id, name, arguments]) {
        call.set_item(name, value)?;
    }
    Ok(call)
}

/// An answer that was spoken, by its text: the sound itself is not recorded.
fn spoken<'py>(audio: &Object<'py>) -> Read<Option<Object<'py>>> {
    let py = audio.py();
    let Some(transcript) = member(audio, intern!(py, "transcript"))? else {
        return Ok(None);
    };
    let told = PyDict::new(py);
    let name = intern!(py, "id");
    told.set_item(name, member(audio, name)?)?;
    told.set_item(intern!(py, "transcript"), transcript)?;
    Ok(Some(told.into_any()))
}

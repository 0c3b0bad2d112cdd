//! Answers of the chat completions API.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use super::arguments::arguments_of;
use super::identity::identity;
use super::items;
use super::members::{Members, member};
use super::usage;
use crate::python::once::intern;

type Object<'py> = Bound<'py, PyAny>;

/// Content, usage, what else belongs to the answer, and metadata.
type Answer<'py> = (
    Object<'py>,
    Option<Object<'py>>,
    Bound<'py, PyDict>,
    Bound<'py, PyDict>,
);

/// Reads a `ChatCompletion`, a parsed one, or its JSON; what the model thought only if asked for.
#[pyfunction]
pub(crate) fn chat_answer<'py>(response: &Object<'py>, thinking: bool) -> PyResult<Answer<'py>> {
    let py = response.py();
    let members = Members::of(response)?;
    let metadata = identity(&members, response)?;
    let usage = match members.get(intern!(py, "usage"))? {
        Some(usage) => Some(usage::of_openai(&usage)?.into_usage(py)?),
        None => None,
    };
    let choices = members.get(intern!(py, "choices"))?;
    let choices = choices.as_ref().and_then(items).unwrap_or_default();
    let told = choices
        .iter()
        .map(|choice| Choice::of(choice, thinking))
        .collect::<PyResult<Vec<_>>>()?;
    let Some(first) = told.first() else {
        let nothing = PyString::new(py, "").into_any();
        return Ok((nothing, usage, PyDict::new(py), metadata));
    };
    if let Some(reason) = &first.finish_reason {
        metadata.set_item(intern!(py, "finish_reason"), reason)?;
    }
    if told.len() > 1 {
        let all = PyList::empty(py);
        for (index, choice) in told.iter().enumerate() {
            all.append(choice.among_others(py, index)?)?;
        }
        first.fields.set_item(intern!(py, "choices"), all)?;
    }
    Ok((first.content.clone(), usage, first.fields.clone(), metadata))
}

/// One choice of an answer.
struct Choice<'py> {
    content: Object<'py>,
    /// Tool calls, refusal, thinking and the like.
    fields: Bound<'py, PyDict>,
    finish_reason: Option<Object<'py>>,
}

impl<'py> Choice<'py> {
    fn of(choice: &Object<'py>, thinking: bool) -> PyResult<Self> {
        let py = choice.py();
        let choice = Members::of(choice)?;
        let message = choice.below(intern!(py, "message"))?;
        let fields = PyDict::new(py);
        if let Some(calls) = tool_calls(py, &message)? {
            fields.set_item(intern!(py, "tool_calls"), calls)?;
        }
        let name = intern!(py, "refusal");
        if let Some(refusal) = message.get(name)?.filter(is_text) {
            fields.set_item(name, refusal)?;
        }
        if thinking && let Some(thought) = thought(py, &message)? {
            fields.set_item(intern!(py, "thinking"), thought)?;
        }
        let name = intern!(py, "parsed");
        if let Some(parsed) = message.get(name)? {
            fields.set_item(name, parsed)?;
        }
        let name = intern!(py, "audio");
        if let Some(audio) = message.get(name)?
            && let Some(spoken) = spoken(&audio)?
        {
            fields.set_item(name, spoken)?;
        }
        let content = message.get(intern!(py, "content"))?;
        Ok(Self {
            content: content.unwrap_or_else(|| PyString::new(py, "").into_any()),
            fields,
            finish_reason: choice.get(intern!(py, "finish_reason"))?,
        })
    }

    /// As it stands in the list of all choices.
    fn among_others(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyDict>> {
        let told = PyDict::new(py);
        told.set_item(intern!(py, "index"), index)?;
        told.set_item(intern!(py, "content"), &self.content)?;
        told.set_item(intern!(py, "finish_reason"), &self.finish_reason)?;
        told.update(self.fields.as_mapping())?;
        Ok(told)
    }
}

fn is_text(value: &Object<'_>) -> bool {
    value.is_instance_of::<PyString>()
}

/// The tools that the model asks for, that of the older `function_call` too; None if there is none.
fn tool_calls<'py>(
    py: Python<'py>,
    message: &Members<'py>,
) -> PyResult<Option<Vec<Bound<'py, PyDict>>>> {
    let calls = message.get(intern!(py, "tool_calls"))?;
    let calls = calls.as_ref().and_then(items).unwrap_or_default();
    let mut told = calls.iter().map(tool_call).collect::<PyResult<Vec<_>>>()?;
    if let Some(legacy) = message.get(intern!(py, "function_call"))?
        && member(&legacy, intern!(py, "name"))?.is_some()
    {
        told.push(function(None, &legacy)?);
    }
    Ok(Some(told).filter(|told| !told.is_empty()))
}

fn tool_call<'py>(call: &Object<'py>) -> PyResult<Bound<'py, PyDict>> {
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

fn function<'py>(id: Option<Object<'py>>, function: &Object<'py>) -> PyResult<Bound<'py, PyDict>> {
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
) -> PyResult<Bound<'py, PyDict>> {
    let call = PyDict::new(py);
    call.set_item(intern!(py, "id"), id)?;
    call.set_item(intern!(py, "name"), name)?;
    call.set_item(intern!(py, "arguments"), arguments)?;
    Ok(call)
}

/// What the model thought, from where compatible servers put it.
fn thought<'py>(py: Python<'py>, message: &Members<'py>) -> PyResult<Option<Object<'py>>> {
    let mut thought = message
        .get(intern!(py, "reasoning_content"))?
        .filter(is_text);
    if thought.is_none() {
        thought = message.get(intern!(py, "reasoning"))?.filter(is_text);
    }
    let Some(thought) = thought else {
        return Ok(None);
    };
    Ok((!thought.is_empty()?).then_some(thought))
}

/// An answer that was spoken, by its text: the sound itself is not recorded.
fn spoken<'py>(audio: &Object<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let py = audio.py();
    let Some(transcript) = member(audio, intern!(py, "transcript"))? else {
        return Ok(None);
    };
    let told = PyDict::new(py);
    let name = intern!(py, "id");
    told.set_item(name, member(audio, name)?)?;
    told.set_item(intern!(py, "transcript"), transcript)?;
    Ok(Some(told))
}

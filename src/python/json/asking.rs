//! What a call asks of an argument besides its JSON: its text, its truth, its number. Only what runs
//! no query, loads nothing and is recorded nowhere is asked.

use std::borrow::Cow;

use crate::python::once::intern;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString, PyTuple, PyType};

use super::classify::{Kind, class_attribute, classify, may_be_asked};
use super::plain::is_small_and_plain;
use super::{Budget, absorb, fields, text, write_value};

/// Bytes of the JSON that stands for the text of what is not asked for it.
const MAX_TEXT: usize = 4096;
/// Arguments of an error that are told.
const MAX_ARGUMENTS: usize = 32;
/// Errors in errors whose messages are told.
const MAX_CAUSES: usize = 8;

/// The text of an argument: what it says if it is one, else its `str()`; of what must not be asked
/// for that, what it looks like as JSON.
pub(crate) fn text_of<'a>(value: &'a Bound<'_, PyAny>) -> Cow<'a, str> {
    if let Ok(text) = value.cast::<PyString>() {
        return text.to_string_lossy();
    }
    if value.is_instance_of::<PyBaseException>() {
        let message = message_of(value).map(|told| told.to_string_lossy().into_owned());
        return Cow::Owned(message.unwrap_or_default());
    }
    let asked = match may_be_text(value) {
        Ok(true) => value.str().ok(),
        _ => return Cow::Owned(json_of(value)),
    };
    match asked {
        Some(text) => Cow::Owned(text.to_string_lossy().into_owned()),
        None => Cow::Owned(text::placeholder(value).unwrap_or_default()),
    }
}

fn may_be_text(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(match classify(value)? {
        Kind::Enum | Kind::Moment | Kind::Duration | Kind::Text | Kind::NumpyScalar => true,
        Kind::Other => {
            is_small_and_plain(value) || value.is_instance_of::<PyType>() || {
                !is_container(value) && may_be_asked(&value.get_type())?
            }
        }
        kind @ (Kind::Dataclass | Kind::Pydantic | Kind::PydanticV1 | Kind::Attrs) => {
            fields::are_plain(value, kind)?
        }
        Kind::NumpyArray => !value
            .getattr(intern!(value.py(), "dtype"))?
            .getattr(intern!(value.py(), "hasobject"))?
            .is_truthy()?,
        _ => false,
    })
}

/// Do `str()` and `bool()` of it ask what it holds?
fn is_container(value: &Bound<'_, PyAny>) -> bool {
    use pyo3::types::{PyDict, PyFrozenSet, PyList, PySet};
    value.is_instance_of::<PyDict>()
        || value.is_instance_of::<PyList>()
        || value.is_instance_of::<PyTuple>()
        || value.is_instance_of::<PySet>()
        || value.is_instance_of::<PyFrozenSet>()
}

fn json_of(value: &Bound<'_, PyAny>) -> String {
    let mut json = Vec::new();
    if write_value(value, &mut json, &mut Budget::new(MAX_TEXT)).is_err() {
        return String::new();
    }
    match serde_json::from_slice::<String>(&json) {
        Ok(text) => text,
        Err(_) => String::from_utf8_lossy(&json).into_owned(),
    }
}

/// What an error says. Its class is asked if that is the program's own text; what the built-in
/// classes make of the arguments is made here if `repr()` of those would run more.
pub(crate) fn message_of<'py>(error: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    message(error, MAX_CAUSES)
}

fn message<'py>(error: &Bound<'py, PyAny>, depth: usize) -> PyResult<Bound<'py, PyString>> {
    let py = error.py();
    let Some(arguments) = absorb(py, silent_arguments(error))?.flatten() else {
        return match absorb(py, error.str())? {
            Some(told) => Ok(told),
            None => Ok(PyString::new(py, &text::placeholder(error)?)),
        };
    };
    let told = |argument: &Bound<'py, PyAny>| match depth.checked_sub(1) {
        Some(depth) if argument.is_instance_of::<PyBaseException>() => message(argument, depth),
        _ => match argument.cast_exact::<PyString>() {
            Ok(text) => Ok(text.clone()),
            Err(_) => Ok(PyString::new(py, &text_of(argument))),
        },
    };
    if let [argument] = arguments.as_slice() {
        return told(argument);
    }
    let mut all = Vec::new();
    for argument in arguments.iter().take(MAX_ARGUMENTS) {
        all.push(told(argument)?.to_string_lossy().into_owned());
    }
    Ok(PyString::new(py, &format!("({})", all.join(", "))))
}

/// The arguments of an error whose text would be made of their `repr()`, if those are no plain
/// values.
fn silent_arguments<'py>(error: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
    let py = error.py();
    let told = class_attribute(&error.get_type(), intern!(py, "__str__"))?;
    let is_builtin = match told {
        Some(told) => told.get_type().name()? == "wrapper_descriptor",
        None => true,
    };
    if !is_builtin {
        return Ok(None);
    }
    let arguments = py
        .get_type::<PyBaseException>()
        .getattr(intern!(py, "args"))?
        .call_method1(intern!(py, "__get__"), (error, error.get_type()))?
        .cast_into::<PyTuple>()?;
    if is_small_and_plain(&arguments) {
        return Ok(None);
    }
    Ok(Some(arguments.iter().collect()))
}

/// Is it true? What must not be asked is.
pub(crate) fn is_true(value: &Bound<'_, PyAny>) -> bool {
    let may = || match classify(value)? {
        Kind::Named | Kind::Loaded | Kind::NumpyArray | Kind::Table | Kind::Tensor => Ok(false),
        Kind::Other => Ok(is_container(value) || may_be_asked(&value.get_type())?),
        _ => PyResult::Ok(true),
    };
    let is_simple = value.is_none()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyInt>();
    if is_simple || may().unwrap_or(false) {
        return value.is_truthy().unwrap_or(false);
    }
    true
}

/// A finite number, and whether it was given as a whole one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Amount {
    pub(crate) value: f64,
    pub(crate) whole: bool,
}

impl Amount {
    /// A number of things.
    #[expect(clippy::cast_precision_loss, reason = "no session counts to 2^53")]
    pub(crate) fn of_count(count: u64) -> Self {
        Self {
            value: count as f64,
            whole: true,
        }
    }

    /// A measure.
    pub(crate) fn of(value: f64) -> Self {
        Self {
            value,
            whole: false,
        }
    }
}

/// An argument as a number: of Python's types, of numpy's, a `Decimal` or a `Fraction`. None if it is
/// something else, or not finite.
pub(crate) fn number(value: &Bound<'_, PyAny>) -> Option<Amount> {
    if value.is_instance_of::<PyBool>() {
        return None;
    }
    let mut whole = value.is_instance_of::<PyInt>();
    if !whole && !value.is_instance_of::<PyFloat>() {
        let py = value.py();
        let class = value.get_type();
        let has = |name| class_attribute(&class, name).is_ok_and(|found| found.is_some());
        let is_number = match classify(value).ok()? {
            Kind::NumpyScalar | Kind::Text => has(intern!(py, "__float__")),
            _ => false,
        };
        if !is_number {
            return None;
        }
        whole = has(intern!(py, "__index__"));
    }
    let value = value.extract::<f64>().ok().filter(|v| v.is_finite())?;
    Some(Amount { value, whole })
}

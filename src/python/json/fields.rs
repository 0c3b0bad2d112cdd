//! Objects made of fields: dataclasses, attrs classes, pydantic models.

use crate::python::once::intern;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyEllipsis, PyString, PyTuple};

use super::classify::{Kind, class_attribute, field, instance_dict};
use super::containers::{Pair, write_pairs};
use super::plain::is_small_and_plain;
use super::{Budget, absorb, exact, text, write_any};

/// Appends the fields of `value` as an object; a placeholder if they cannot be told.
pub(super) fn write_fields(
    value: &Bound<'_, PyAny>,
    kind: Kind,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    if !budget.enter(value.as_ptr() as usize, out) {
        return Ok(());
    }
    let result = write_entered(value, kind, out, budget);
    budget.leave();
    result
}

fn write_entered(
    value: &Bound<'_, PyAny>,
    kind: Kind,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    let py = value.py();
    if kind == Kind::Pydantic
        && let Some(root) = absorb(py, root_of(value))?.flatten()
    {
        return write_any(&root, out, budget);
    }
    match absorb(py, pairs_of(value, kind))? {
        Some(pairs) => write_pairs(pairs, out, budget),
        None => text::write_placeholder(value, out),
    }
}

fn pairs_of<'py>(value: &Bound<'py, PyAny>, kind: Kind) -> PyResult<Vec<Pair<'py>>> {
    match kind {
        Kind::Dataclass => dataclass(value),
        Kind::Attrs => attrs(value),
        Kind::Loaded => loaded(value),
        Kind::Pydantic => pydantic(value),
        _ => pydantic_v1(value),
    }
}

/// Are the fields of a value plain values, whose own text runs no code of the program?
pub(super) fn are_plain(value: &Bound<'_, PyAny>, kind: Kind) -> PyResult<bool> {
    let pairs = pairs_of(value, kind)?;
    Ok(pairs.iter().all(|(_, field)| is_small_and_plain(field)))
}

fn dataclass<'py>(value: &Bound<'py, PyAny>) -> PyResult<Vec<Pair<'py>>> {
    let py = value.py();
    let fields = class_dict(value, intern!(py, "__dataclass_fields__"))?;
    let dict = instance_dict(value)?;
    let mut pairs = Vec::with_capacity(fields.len());
    for (name, field) in fields {
        // Class variables and init-only parameters are listed too.
        let sort = field
            .getattr(intern!(py, "_field_type"))?
            .getattr(intern!(py, "name"))?;
        if sort.cast::<PyString>().is_ok_and(|sort| sort == "_FIELD") {
            push_field(value, dict.as_ref(), name, &mut pairs)?;
        }
    }
    Ok(pairs)
}

fn attrs<'py>(value: &Bound<'py, PyAny>) -> PyResult<Vec<Pair<'py>>> {
    let py = value.py();
    let name = intern!(py, "__attrs_attrs__");
    let fields = class_attribute(&value.get_type(), name)?;
    let dict = instance_dict(value)?;
    let mut pairs = Vec::new();
    for field in fields
        .iter()
        .filter_map(|fields| fields.cast::<PyTuple>().ok())
        .flatten()
    {
        let name = field.getattr(intern!(py, "name"))?;
        push_field(value, dict.as_ref(), name, &mut pairs)?;
    }
    Ok(pairs)
}

/// What `model_dump()` gives without serializers and computed fields, which are user code:
/// the declared fields that are not excluded, then the extra ones.
fn pydantic<'py>(value: &Bound<'py, PyAny>) -> PyResult<Vec<Pair<'py>>> {
    let py = value.py();
    // Before pydantic 2.10 the fields were stored under the public name.
    let fields = class_dict(value, intern!(py, "__pydantic_fields__"))
        .or_else(|_| class_dict(value, intern!(py, "model_fields")))?;
    let values = held(value)?;
    let mut pairs = Vec::with_capacity(fields.len());
    for (name, field) in fields {
        let exclude = field.getattr(intern!(py, "exclude"))?;
        if is_true(&exclude) {
            continue;
        }
        if let Some(value) = values.get_item(&name)? {
            pairs.push((name, value));
        }
    }
    let extra = value.getattr(intern!(py, "__pydantic_extra__"))?;
    if let Some(extra) = exact::<PyDict>(&extra) {
        pairs.extend(extra.iter());
    }
    Ok(pairs)
}

fn pydantic_v1<'py>(value: &Bound<'py, PyAny>) -> PyResult<Vec<Pair<'py>>> {
    let py = value.py();
    let excluded = class_dict(value, intern!(py, "__exclude_fields__")).ok();
    let values = held(value)?;
    let mut pairs = Vec::with_capacity(values.len());
    for (name, value) in values {
        let rule = excluded
            .as_ref()
            .and_then(|rules| rules.get_item(&name).ok().flatten());
        let whole =
            rule.is_some_and(|rule| rule.is_exact_instance_of::<PyEllipsis>() || is_true(&rule));
        if !whole {
            pairs.push((name, value));
        }
    }
    Ok(pairs)
}

/// The one value that a pydantic `RootModel` stands for.
fn root_of<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = value.py();
    let flag = class_attribute(&value.get_type(), intern!(py, "__pydantic_root_model__"))?;
    if !flag.as_ref().is_some_and(is_true) {
        return Ok(None);
    }
    held(value)?.get_item(intern!(py, "root"))
}

fn is_true(value: &Bound<'_, PyAny>) -> bool {
    exact::<PyBool>(value).is_some_and(PyBoolMethods::is_true)
}

/// A dict that the class of `value` defines under `name`, as a list that nothing can change.
fn class_dict<'py>(
    value: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyDict>> {
    let attribute = class_attribute(&value.get_type(), name)?;
    let attribute = attribute.unwrap_or_else(|| value.py().None().into_bound(value.py()));
    // A copy, because reading a field may run code that changes the original.
    attribute.cast_into::<PyDict>()?.copy()
}

/// A field that was deleted, or that only code of the program could give, is left out.
fn push_field<'py>(
    value: &Bound<'py, PyAny>,
    dict: Option<&Bound<'py, PyDict>>,
    name: Bound<'py, PyAny>,
    pairs: &mut Vec<Pair<'py>>,
) -> PyResult<()> {
    let py = value.py();
    let name = name.cast_into::<PyString>()?;
    if let Some(found) = absorb(py, field(value, dict, &name))?.flatten() {
        pairs.push((name.into_any(), found));
    }
    Ok(())
}

/// What is loaded of a row of a database, or what a namespace holds; not what is marked as internal.
fn loaded<'py>(value: &Bound<'py, PyAny>) -> PyResult<Vec<Pair<'py>>> {
    let py = value.py();
    let dict = held(value)?;
    // peewee keeps the columns apart.
    let columns = dict.get_item(intern!(py, "__data__"))?;
    let dict = columns
        .and_then(|columns| columns.cast_into::<PyDict>().ok())
        .unwrap_or(dict);
    let is_internal = |name: &Bound<'_, PyAny>| {
        name.cast::<PyString>()
            .is_ok_and(|name| name.to_string_lossy().starts_with('_'))
    };
    let mut pairs: Vec<_> = dict.iter().collect();
    pairs.retain(|(name, _)| !is_internal(name));
    Ok(pairs)
}

/// The dict of an instance that must have one.
fn held<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let none = || PyTypeError::new_err("no dict");
    instance_dict(value)?.ok_or_else(none)
}

//! Objects made of fields: dataclasses, attrs classes, pydantic models.

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyEllipsis, PyString, PyTuple};

use super::classify::{Kind, class_attribute};
use super::containers::{Pair, write_pairs};
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
    let pairs = match kind {
        Kind::Dataclass => dataclass(value),
        Kind::Attrs => attrs(value),
        Kind::Pydantic => pydantic(value),
        _ => pydantic_v1(value),
    };
    match absorb(py, pairs)? {
        Some(pairs) => write_pairs(pairs, true, out, budget),
        None => text::write_placeholder(value, out),
    }
}

fn dataclass<'py>(value: &Bound<'py, PyAny>) -> PyResult<Vec<Pair<'py>>> {
    let py = value.py();
    let fields = class_dict(value, intern!(py, "__dataclass_fields__"))?;
    let mut pairs = Vec::with_capacity(fields.len());
    for (name, field) in fields {
        // Class variables and init-only parameters are listed too.
        let sort = field
            .getattr(intern!(py, "_field_type"))?
            .getattr(intern!(py, "name"))?;
        if sort.cast::<PyString>().is_ok_and(|sort| sort == "_FIELD") {
            push_attribute(value, name, &mut pairs)?;
        }
    }
    Ok(pairs)
}

fn attrs<'py>(value: &Bound<'py, PyAny>) -> PyResult<Vec<Pair<'py>>> {
    let py = value.py();
    let name = intern!(py, "__attrs_attrs__");
    let fields = class_attribute(&value.get_type(), name)?;
    let mut pairs = Vec::new();
    for field in fields
        .iter()
        .filter_map(|fields| fields.cast::<PyTuple>().ok())
        .flatten()
    {
        push_attribute(value, field.getattr(intern!(py, "name"))?, &mut pairs)?;
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
    let values = value
        .getattr(intern!(py, "__dict__"))?
        .cast_into::<PyDict>()?;
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
    let values = value
        .getattr(intern!(py, "__dict__"))?
        .cast_into::<PyDict>()?;
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
    value
        .getattr(intern!(py, "__dict__"))?
        .cast_into::<PyDict>()?
        .get_item(intern!(py, "root"))
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

/// A field that was deleted is left out; one that cannot be read says so.
fn push_attribute<'py>(
    value: &Bound<'py, PyAny>,
    name: Bound<'py, PyAny>,
    pairs: &mut Vec<Pair<'py>>,
) -> PyResult<()> {
    let py = value.py();
    let name = name.cast_into::<PyString>()?;
    let attribute = match value.getattr(&name) {
        Ok(attribute) => attribute,
        Err(error) if error.is_instance_of::<pyo3::exceptions::PyAttributeError>(py) => {
            return Ok(());
        }
        Err(error) => match absorb(py, Err(error))? {
            Some(never) => never,
            None => intern!(py, "<unreadable>").clone().into_any(),
        },
    };
    pairs.push((name.into_any(), attribute));
    Ok(())
}

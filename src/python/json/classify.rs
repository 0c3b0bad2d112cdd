//! What an object is, without importing a package or asking the object.
//!
//! Classes are recognised by name and module along the method resolution order, and libraries by
//! the marker that they leave in the namespace of the class. Instance attributes, `__class__`,
//! `isinstance` hooks and `__getattr__` of the object or its metaclass play no part: an object
//! that answers to every name (a `Mock`, a lazy proxy) is not mistaken for a model.

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyMappingProxy, PyString, PyTuple, PyType};

use super::absorb;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Enum,
    /// `isoformat()` gives its text.
    Moment,
    Duration,
    /// `str()` gives its text, of any length.
    Text,
    Mapping,
    /// Elements of a built-in container without an exact type of its own here.
    Iterable,
    NumpyScalar,
    NumpyArray,
    /// Only its shape is told.
    Table,
    Tensor,
    Dataclass,
    Pydantic,
    PydanticV1,
    Attrs,
    Other,
}

pub(super) fn classify(value: &Bound<'_, PyAny>) -> PyResult<Kind> {
    let py = value.py();
    Ok(absorb(py, classify_type(&value.get_type()))?.unwrap_or(Kind::Other))
}

fn classify_type(class: &Bound<'_, PyType>) -> PyResult<Kind> {
    let py = class.py();
    let object = py.get_type::<PyAny>();
    let mro = class
        .getattr(intern!(py, "__mro__"))?
        .cast_into::<PyTuple>()?;
    for base in &mro {
        let base = base.cast_into::<PyType>()?;
        if base.is(&object) {
            break;
        }
        if let Some(kind) = known(&base)? {
            return Ok(kind);
        }
        if let Some(kind) = marked(&base)? {
            return Ok(kind);
        }
    }
    Ok(Kind::Other)
}

fn known(class: &Bound<'_, PyType>) -> PyResult<Option<Kind>> {
    let name = class.name()?;
    let (kind, modules): (Kind, &[&str]) = match name.to_str()? {
        "Enum" => (Kind::Enum, &["enum"]),
        "datetime" | "date" | "time" => (Kind::Moment, &["datetime"]),
        "timedelta" => (Kind::Duration, &["datetime"]),
        "UUID" => (Kind::Text, &["uuid"]),
        "Decimal" => (Kind::Text, &["decimal", "_pydecimal"]),
        "Fraction" => (Kind::Text, &["fractions"]),
        "PurePath" => (Kind::Text, &["pathlib", "pathlib._local"]),
        "Mapping" => (Kind::Mapping, &["collections.abc"]),
        "mappingproxy" => (Kind::Mapping, &["builtins"]),
        "dict_keys" | "dict_values" | "dict_items" | "odict_keys" | "odict_values"
        | "odict_items" => (Kind::Iterable, &["builtins"]),
        "deque" => (Kind::Iterable, &["collections"]),
        "generic" => (Kind::NumpyScalar, &["numpy"]),
        "ndarray" => (Kind::NumpyArray, &["numpy"]),
        "DataFrame" | "Series" => (
            Kind::Table,
            &[
                "pandas",
                "pandas.core.frame",
                "pandas.core.series",
                "polars.dataframe.frame",
                "polars.series.series",
            ],
        ),
        "Tensor" => (Kind::Tensor, &["torch"]),
        _ => return Ok(None),
    };
    let module = class
        .getattr(intern!(class.py(), "__module__"))?
        .cast_into::<PyString>()?;
    let module = module.to_str()?;
    Ok(modules.contains(&module).then_some(kind))
}

fn marked(class: &Bound<'_, PyType>) -> PyResult<Option<Kind>> {
    let py = class.py();
    let Some(namespace) = namespace(class)? else {
        return Ok(None);
    };
    let has = |name: &Bound<'_, PyString>| namespace.contains(name);
    // Pydantic's own dataclasses carry both markers and are read like any dataclass.
    Ok(if has(intern!(py, "__dataclass_fields__"))? {
        Some(Kind::Dataclass)
    } else if has(intern!(py, "__pydantic_core_schema__"))? {
        Some(Kind::Pydantic)
    } else if has(intern!(py, "__attrs_attrs__"))? {
        Some(Kind::Attrs)
    } else if has(intern!(py, "__fields__"))? && has(intern!(py, "__validators__"))? {
        Some(Kind::PydanticV1)
    } else {
        None
    })
}

/// The attributes that the class itself defines.
fn namespace<'py>(class: &Bound<'py, PyType>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let namespace = class.getattr(intern!(class.py(), "__dict__"))?;
    Ok(namespace
        .is_exact_instance_of::<PyMappingProxy>()
        .then_some(namespace))
}

/// What the class or one of its bases defines under `name`, unbound.
pub(super) fn class_attribute<'py>(
    class: &Bound<'py, PyType>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let mro = class
        .getattr(intern!(class.py(), "__mro__"))?
        .cast_into::<PyTuple>()?;
    for base in &mro {
        let Some(namespace) = namespace(base.cast::<PyType>()?)? else {
            continue;
        };
        if namespace.contains(name)? {
            return namespace.get_item(name).map(Some);
        }
    }
    Ok(None)
}

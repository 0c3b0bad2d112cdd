//! What an object is, without importing a package or asking the object.
//!
//! Classes are recognised by name and module along the method resolution order, and libraries by
//! the marker that they leave in the namespace of the class. Instance attributes, `__class__`,
//! `isinstance` hooks and `__getattr__` of the object or its metaclass play no part: an object
//! that answers to every name (a `Mock`, a lazy proxy) is not mistaken for a model.

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMappingProxy, PyString, PyTuple, PyType};

use super::absorb;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Enum,
    /// `isoformat()` gives its text.
    Moment,
    Duration,
    /// `str()` gives its text, of any length.
    Text,
    /// `items()` gives what it holds, and only reads.
    Mapping,
    /// A container around another one, which stands under this name in its `__dict__`.
    Wrapper(&'static str),
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
    /// Told by what is in its `__dict__`: a row of a database, whose attributes may run a query.
    Loaded,
    /// Told by its class, because whatever it is asked may be recorded, or make it load something.
    Named,
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
        "UserDict" | "UserList" | "UserString" => (Kind::Wrapper("data"), &["collections"]),
        "ChainMap" => (Kind::Mapping, &["collections"]),
        "mappingproxy" => (Kind::Mapping, &["builtins"]),
        "RowMapping" => (Kind::Mapping, &["sqlalchemy.engine.row"]),
        "_Environ" => (Kind::Mapping, &["os"]),
        "CaseInsensitiveDict" => (Kind::Mapping, &["requests.structures"]),
        "Headers" | "QueryParams" | "ImmutableMultiDict" => {
            (Kind::Mapping, &["httpx", "starlette.datastructures"])
        }
        "Mapping" => (Kind::Named, &["collections.abc"]),
        "SimpleNamespace" => (Kind::Loaded, &["types"]),
        "Namespace" => (Kind::Loaded, &["argparse"]),
        "Model" => (
            Kind::Loaded,
            &["django.db.models.base", "peewee", "tortoise.models"],
        ),
        "Row" => (Kind::Wrapper("_data"), &["sqlalchemy.engine.row"]),
        "Promise" => (Kind::Named, &["django.utils.functional"]),
        "NonCallableMock" => (Kind::Named, &["unittest.mock", "mock.mock", "mock"]),
        "partial" => (Kind::Named, &["functools"]),
        "method" | "weakproxy" | "weakcallableproxy" => (Kind::Named, &["builtins"]),
        "ProxyType" | "CallableProxyType" => (Kind::Named, &["weakref"]),
        "array" => (Kind::Iterable, &["array"]),
        "dict_keys" | "dict_values" | "dict_items" | "odict_keys" | "odict_values"
        | "odict_items" => (Kind::Iterable, &["builtins"]),
        "deque" => (Kind::Iterable, &["collections"]),
        "generic" => (Kind::NumpyScalar, &["numpy"]),
        "ndarray" => (Kind::NumpyArray, &["numpy"]),
        "DataFrame" | "Series" | "Index" => (
            Kind::Table,
            &[
                "pandas",
                "pandas.core.frame",
                "pandas.core.series",
                "pandas.core.indexes.base",
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
    Ok(if has(intern!(py, "_sa_class_manager"))? {
        Some(Kind::Loaded)
    } else if has(intern!(py, "__dataclass_fields__"))? {
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

/// May an object of an unknown class be asked for its text? Not if that is, or may be, the text of
/// something else that has to be made or fetched first: a proxy, a lazy object, a query, a stream.
pub(super) fn may_be_asked(class: &Bound<'_, PyType>) -> PyResult<bool> {
    Ok(absorb(class.py(), asked_nothing(class))?.unwrap_or(true))
}

fn asked_nothing(class: &Bound<'_, PyType>) -> PyResult<bool> {
    let py = class.py();
    let object = py.get_type::<PyAny>();
    let mro = class
        .getattr(intern!(py, "__mro__"))?
        .cast_into::<PyTuple>()?;
    let (mut lies, mut delegates) = (false, false);
    for base in &mro {
        let base = base.cast_into::<PyType>()?;
        if base.is(&object) {
            break;
        }
        let Some(namespace) = namespace(&base)? else {
            continue;
        };
        let has = |name: &Bound<'_, PyString>| namespace.contains(name);
        lies |= has(intern!(py, "__class__"))?;
        delegates |= has(intern!(py, "__getattr__"))? || has(intern!(py, "__getattribute__"))?;
        if (lies && delegates) || is_called_lazy(&base)? {
            return Ok(false);
        }
        let iterates = has(intern!(py, "__iter__"))?
            || has(intern!(py, "__getitem__"))?
            || has(intern!(py, "__await__"))?
            || has(intern!(py, "__aiter__"))?
            || has(intern!(py, "__next__"))?;
        if iterates && !is_of_python(&base)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_called_lazy(class: &Bound<'_, PyType>) -> PyResult<bool> {
    let name = class.name()?.to_string_lossy().to_ascii_lowercase();
    let name = name.trim_matches('_');
    Ok(name.starts_with("lazy") || name.ends_with("proxy"))
}

/// Of a module whose classes tell their text without iterating.
fn is_of_python(class: &Bound<'_, PyType>) -> PyResult<bool> {
    let module = class
        .getattr(intern!(class.py(), "__module__"))?
        .cast_into::<PyString>()?;
    let own = ["builtins", "typing", "types", "ipaddress", "enum"];
    Ok(own.contains(&module.to_str()?))
}

/// Does its class say that it is another one?
pub(super) fn is_disguised(class: &Bound<'_, PyType>) -> PyResult<bool> {
    let py = class.py();
    let name = intern!(py, "__class__");
    let own = class_attribute(class, name)?;
    let object = class_attribute(&py.get_type::<PyAny>(), name)?;
    Ok(match (own, object) {
        (Some(own), Some(object)) => !own.is(&object),
        _ => true,
    })
}

/// The dict of an instance, read as the interpreter keeps it. `None` if it has none, or if the class
/// answers with something else.
pub(super) fn instance_dict<'py>(
    value: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let py = value.py();
    let class = value.get_type();
    let Some(descriptor) = class_attribute(&class, intern!(py, "__dict__"))? else {
        return Ok(None);
    };
    if !is_c_descriptor(&descriptor)? {
        return Ok(None);
    }
    let dict = descriptor.call_method1(intern!(py, "__get__"), (value, class))?;
    Ok(dict.cast_into::<PyDict>().ok())
}

/// A field of the instance, in its dict or in a slot, or the default that the class has for it. A
/// property or another descriptor of the program is not asked: `None`.
pub(super) fn field<'py>(
    value: &Bound<'py, PyAny>,
    dict: Option<&Bound<'py, PyDict>>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = value.py();
    if let Some(dict) = dict
        && let Some(found) = dict.get_item(name)?
    {
        return Ok(Some(found));
    }
    let class = value.get_type();
    let Some(attribute) = class_attribute(&class, name)? else {
        return Ok(None);
    };
    if is_c_descriptor(&attribute)? {
        return attribute
            .call_method1(intern!(py, "__get__"), (value, class))
            .map(Some);
    }
    let asks = class_attribute(&attribute.get_type(), intern!(py, "__get__"))?.is_some();
    Ok((!asks).then_some(attribute))
}

/// What the interpreter makes for `__slots__` and for `__dict__`; reading it runs no other code.
fn is_c_descriptor(attribute: &Bound<'_, PyAny>) -> PyResult<bool> {
    let class = attribute.get_type();
    let name = class.name()?;
    let name = name.to_str()?;
    Ok((name == "member_descriptor" || name == "getset_descriptor")
        && class
            .getattr(intern!(class.py(), "__module__"))?
            .eq("builtins")?)
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
    Ok(class_attributes(class, name)?.next())
}

/// What the class and its bases define under `name`, one after the other.
pub(super) fn class_attributes<'a, 'py>(
    class: &Bound<'py, PyType>,
    name: &'a Bound<'py, PyString>,
) -> PyResult<impl Iterator<Item = Bound<'py, PyAny>> + use<'a, 'py>> {
    let mro = class
        .getattr(intern!(class.py(), "__mro__"))?
        .cast_into::<PyTuple>()?;
    Ok(mro.into_iter().filter_map(move |base| {
        let namespace = namespace(base.cast::<PyType>().ok()?).ok()??;
        let found = namespace.contains(name).ok()?;
        found.then(|| namespace.get_item(name).ok()).flatten()
    }))
}

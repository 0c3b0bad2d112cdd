//! Members of dicts, fields of models, attributes of other objects.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PySet, PyString, PyType};

use super::Read;
use crate::python::json::absorb;
use crate::python::once::{Once, intern};

/// Classes of pydantic's and names that they do not have: to look there takes microseconds.
static ABSENT: Once<Py<PySet>> = Once::new();

/// A member of a dict or an attribute of an object; `default` where there is none.
///
/// Attributes that raise count as absent. Fields are read past `__getattr__`: for a name that is
/// not there, pydantic takes microseconds.
#[pyfunction]
#[pyo3(signature = (value, name, default=None))]
pub(crate) fn read_member<'py>(
    value: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    default: Option<Bound<'py, PyAny>>,
) -> Read<Option<Bound<'py, PyAny>>> {
    Ok(find(value, name)?.or(default))
}

/// A member of a dict or an attribute of an object, if there is one and it is not None.
pub(super) fn member<'py>(
    value: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> Read<Option<Bound<'py, PyAny>>> {
    Ok(find(value, name)?.filter(|found| !found.is_none()))
}

fn find<'py>(
    value: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> Read<Option<Bound<'py, PyAny>>> {
    if let Ok(dict) = value.cast_exact::<PyDict>() {
        return Ok(dict.get_item(name)?);
    }
    if let Some(fields) = fields(value)? {
        if let Some(found) = fields.get_item(name)? {
            return Ok(Some(found));
        }
        if !fields.is_empty()
            && let Some(Extra::Dict(extra)) = extra(value)?
        {
            if let Some(found) = extra.get_item(name)? {
                return Ok(Some(found));
            }
            if is_known_absent(&value.get_type(), name)? {
                return Ok(None);
            }
        }
    }
    look_up(value, name)
}

/// The members of one value, for several of them: faster than to look each up on its own.
///
/// Properties of a model of pydantic's are not seen.
pub(super) enum Members<'py> {
    /// Of None, or of what is not there.
    Nothing,
    /// Of a dict, or of a model without extra fields.
    Dict(Bound<'py, PyDict>),
    /// Of a model: fields, and what the server sent beside them.
    Model(Bound<'py, PyDict>, Bound<'py, PyDict>),
    /// Of any other object.
    Attributes(Bound<'py, PyAny>),
}

impl<'py> Members<'py> {
    pub(super) fn of_any(value: Option<&Bound<'py, PyAny>>) -> Read<Self> {
        value.map_or(Ok(Self::Nothing), Self::of)
    }

    #[inline(never)]
    pub(super) fn of(value: &Bound<'py, PyAny>) -> Read<Self> {
        if let Ok(dict) = value.cast_exact::<PyDict>() {
            return Ok(Self::Dict(dict.clone()));
        }
        if value.is_none() {
            return Ok(Self::Nothing);
        }
        let Some(extra) = extra(value)? else {
            return Ok(Self::Attributes(value.clone()));
        };
        let Some(fields) = fields(value)? else {
            return Ok(Self::Attributes(value.clone()));
        };
        Ok(match extra {
            Extra::Dict(extra) if !extra.is_empty() => Self::Model(fields, extra),
            _ => Self::Dict(fields),
        })
    }

    /// The member of that name, if there is one and it is not None.
    pub(super) fn get(&self, name: &Bound<'py, PyString>) -> Read<Option<Bound<'py, PyAny>>> {
        let found = match self {
            Self::Nothing => None,
            Self::Dict(dict) => dict.get_item(name)?,
            Self::Model(fields, extra) => match extra.get_item(name)? {
                Some(found) => Some(found),
                None => fields.get_item(name)?,
            },
            Self::Attributes(value) => find(value, name)?,
        };
        Ok(found.filter(|found| !found.is_none()))
    }

    /// The members of these names, as [`Members::get`] gives them.
    pub(super) fn all<const N: usize>(
        &self,
        py: Python<'py>,
        names: &[Py<PyString>; N],
    ) -> Read<[Option<Bound<'py, PyAny>>; N]> {
        let mut found = [const { None }; N];
        self.fill(py, names, &mut found)?;
        Ok(found)
    }

    /// The members of these names; each that is not there under its other name.
    pub(super) fn all_by_either<const N: usize>(
        &self,
        py: Python<'py>,
        names: &[Py<PyString>; N],
        others: &[Py<PyString>; N],
    ) -> Read<[Option<Bound<'py, PyAny>>; N]> {
        let mut found = self.all(py, names)?;
        self.fill(py, others, &mut found)?;
        Ok(found)
    }

    /// One loop for all: what is compiled once and short is soon in the caches.
    #[inline(never)]
    fn fill(
        &self,
        py: Python<'py>,
        names: &[Py<PyString>],
        found: &mut [Option<Bound<'py, PyAny>>],
    ) -> Read<()> {
        for (name, found) in names.iter().zip(found) {
            if found.is_none() {
                *found = self.get(name.bind(py))?;
            }
        }
        Ok(())
    }
}

/// What a model of pydantic's holds beside its fields.
enum Extra<'py> {
    /// Its class keeps no such fields.
    No,
    Dict(Bound<'py, PyDict>),
}

/// None for what is no model.
fn extra<'py>(value: &Bound<'py, PyAny>) -> Read<Option<Extra<'py>>> {
    let name = intern!(value.py(), "__pydantic_extra__");
    Ok(attribute(value, name)?.and_then(|extra| {
        if extra.is_none() {
            return Some(Extra::No);
        }
        extra.cast_into_exact().ok().map(Extra::Dict)
    }))
}

/// The `__dict__` of an object; None for one that keeps its attributes elsewhere.
fn fields<'py>(value: &Bound<'py, PyAny>) -> Read<Option<Bound<'py, PyDict>>> {
    let fields = attribute(value, intern!(value.py(), "__dict__"))?;
    Ok(fields.and_then(|fields| fields.cast_into_exact().ok()))
}

/// An attribute; one that raises is absent.
pub(super) fn attribute<'py>(
    value: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> Read<Option<Bound<'py, PyAny>>> {
    Ok(absorb(value.py(), value.getattr_opt(name))?.flatten())
}

#[inline(never)]
fn look_up<'py>(
    value: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> Read<Option<Bound<'py, PyAny>>> {
    let Some(found) = absorb(value.py(), value.getattr_opt(name))? else {
        return Ok(None);
    };
    if found.is_none() {
        note_absent(&value.get_type(), name)?;
    }
    Ok(found)
}

fn absent(py: Python<'_>) -> Read<&Bound<'_, PySet>> {
    let set = ABSENT.get_or_try_init(|| PySet::empty(py).map(Bound::unbind))?;
    Ok(set.bind(py))
}

fn is_known_absent(class: &Bound<'_, PyType>, name: &Bound<'_, PyString>) -> Read<bool> {
    Ok(absent(class.py())?.contains((class, name))?)
}

/// A class of pydantic's has what it has; an object of another may have it next time.
fn note_absent(class: &Bound<'_, PyType>, name: &Bound<'_, PyString>) -> Read<()> {
    let is_model = attribute(class, intern!(class.py(), "__pydantic_fields__"))?.is_some();
    if is_model && attribute(class, name)?.is_none() {
        absent(class.py())?.add((class, name))?;
    }
    Ok(())
}

//! Values whose `repr` runs no code but that of the interpreter.

use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple,
};

/// Values looked at.
const MOST: usize = 10_000;
/// Characters of one text.
const LONGEST: usize = 100_000;
const DEEPEST: usize = 8;

/// Is it made of a few built-in values and of nothing else?
pub(crate) fn is_small_and_plain(value: &Bound<'_, PyAny>) -> bool {
    let mut left = MOST;
    look(value, &mut left, DEEPEST)
}

fn look(value: &Bound<'_, PyAny>, left: &mut usize, depth: usize) -> bool {
    let Some(fewer) = left.checked_sub(1) else {
        return false;
    };
    *left = fewer;
    if let Ok(text) = value.cast_exact::<PyString>() {
        return text.code_point_len().is_ok_and(|chars| chars <= LONGEST);
    }
    if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        return bytes.as_bytes().len() <= LONGEST;
    }
    if let Ok(int) = value.cast_exact::<PyInt>() {
        return int.extract::<i64>().is_ok();
    }
    if value.is_none()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyFloat>()
    {
        return true;
    }
    let Some(deeper) = depth.checked_sub(1) else {
        return false;
    };
    let mut plain = |item: Bound<'_, PyAny>| look(&item, left, deeper);
    if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        tuple.iter().all(plain)
    } else if let Ok(list) = value.cast_exact::<PyList>() {
        list.iter().all(plain)
    } else if let Ok(set) = value.cast_exact::<PyFrozenSet>() {
        set.iter().all(plain)
    } else if let Ok(set) = value.cast_exact::<PySet>() {
        set.iter().all(plain)
    } else if let Ok(dict) = value.cast_exact::<PyDict>() {
        dict.iter().all(|(key, value)| plain(key) && plain(value))
    } else {
        false
    }
}

//! Numbers: shortest round-trip floats, integers of any size.

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};

use super::{Budget, absorb, escape, text};

/// `str()` of an integer is quadratic in its length and, before Python 3.10.7, unlimited; at this
/// size it takes about 10 ms.
const MAX_DECIMAL_BITS: u64 = 100_000;
/// Bits of a large number that count as an element: its digits take a time that is quadratic in their
/// number.
const BITS_PER_ITEM: u64 = 8;
/// Hexadecimal digits kept of an integer too large for decimal.
const HEX_DIGITS: u64 = 64;

/// Appends `value`; NaN and the infinities, which JSON lacks, as strings.
pub(crate) fn write_f64(value: f64, out: &mut Vec<u8>) {
    // Through serde_json for its shortest-float formatter; writing to a Vec cannot fail.
    if value.is_finite() && serde_json::to_writer(&mut *out, &value).is_ok() {
        return;
    }
    out.extend_from_slice(if value.is_nan() {
        b"\"NaN\""
    } else if value > 0.0 {
        b"\"Infinity\""
    } else {
        b"\"-Infinity\""
    });
}

/// Appends `value`.
pub(crate) fn write_i64(value: i64, out: &mut Vec<u8>) {
    write_whole(value, out);
}

/// Appends `value`.
pub(crate) fn write_u64(value: u64, out: &mut Vec<u8>) {
    write_whole(value, out);
}

fn write_whole(value: impl serde::Serialize, out: &mut Vec<u8>) {
    if serde_json::to_writer(&mut *out, &value).is_err() {
        out.extend_from_slice(b"null");
    }
}

/// Appends an `int` or an instance of a subclass, whose own `__str__` is not asked.
#[inline]
pub(super) fn write_int(
    value: &Bound<'_, PyInt>,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> PyResult<()> {
    if try_write_int(value, out) {
        return Ok(());
    }
    write_large(value, out, budget)
}

/// Appends an integer of up to 64 bits; `false` if it is larger.
#[inline]
pub(super) fn try_write_int(value: &Bound<'_, PyInt>, out: &mut Vec<u8>) -> bool {
    let small = value.extract::<i64>();
    if let Ok(small) = small {
        write_i64(small, out);
    }
    small.is_ok()
}

#[cold]
fn write_large(value: &Bound<'_, PyInt>, out: &mut Vec<u8>, budget: &mut Budget) -> PyResult<()> {
    let bits = bit_length(value)?.unwrap_or_default();
    budget.count_items(usize::try_from(bits / BITS_PER_ITEM).unwrap_or(usize::MAX));
    match decimal(value)? {
        Some(digits) if digits.to_str().is_ok_and(|d| d.len() <= budget.room(out)) => {
            out.extend_from_slice(digits.to_str()?.as_bytes());
            Ok(())
        }
        _ => {
            budget.mark_truncated();
            match hexadecimal(value)? {
                Some(digits) => escape::write_str(&digits, out),
                None => return text::write_placeholder(value, out),
            }
            Ok(())
        }
    }
}

/// The decimal digits, `None` where there are too many.
pub(super) fn decimal<'py>(value: &Bound<'py, PyInt>) -> PyResult<Option<Bound<'py, PyString>>> {
    let py = value.py();
    if bit_length(value)?.is_none_or(|bits| bits > MAX_DECIMAL_BITS) {
        return Ok(None);
    }
    let int = py.get_type::<PyInt>();
    let digits = absorb(py, int.call_method1(intern!(py, "__repr__"), (value,)))?;
    Ok(digits.and_then(|digits| digits.cast_into::<PyString>().ok()))
}

/// `0x` and the leading digits of a number too large for decimal.
pub(super) fn hexadecimal(value: &Bound<'_, PyInt>) -> PyResult<Option<String>> {
    let py = value.py();
    let Some(bits) = bit_length(value)? else {
        return Ok(None);
    };
    let int = py.get_type::<PyInt>();
    let all = bits.div_ceil(4);
    let dropped = all.saturating_sub(HEX_DIGITS);
    let head = || -> PyResult<String> {
        let magnitude = int.call_method1(intern!(py, "__abs__"), (value,))?;
        let negative = int
            .call_method1(intern!(py, "__lt__"), (value, 0))?
            .is_truthy()?;
        let sign = if negative { "-" } else { "" };
        let head = int.call_method1(intern!(py, "__rshift__"), (magnitude, dropped * 4))?;
        let digits = int.call_method1(intern!(py, "__format__"), (head, "x"))?;
        let digits = digits.cast_into::<PyString>()?;
        let digits = digits.to_str()?;
        Ok(if dropped == 0 {
            format!("{sign}0x{digits}")
        } else {
            format!("{sign}0x{digits}…[cut {dropped} digits]")
        })
    };
    absorb(py, head())
}

fn bit_length(value: &Bound<'_, PyInt>) -> PyResult<Option<u64>> {
    let py = value.py();
    let int = py.get_type::<PyInt>();
    let bits = int.call_method1(intern!(py, "bit_length"), (value,));
    absorb(py, bits.and_then(|bits| bits.extract()))
}

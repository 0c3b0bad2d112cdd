//! What a client redacts, and what it has redacted.
#![expect(clippy::doc_markdown, reason = "docstrings of Python, shown by help()")]

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{Any, SentrialClient};
use crate::core::redact::Report;
use crate::python::json::{Budget, write_value};
use crate::python::{pending, redaction};

#[pymethods]
impl SentrialClient {
    /// The PII settings: None, False or a `PiiConfig`. With ``pii=True`` those of the organisation
    /// once the server has handed them out.
    #[getter]
    fn pii(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        if let Some(source) = self.inner().core.policy().source() {
            let config = pending::decode_any(py, source.as_bytes())?;
            let make = py.import("sentrial.redact")?.getattr("_from_server")?;
            return Ok(make.call1((config,))?.unbind());
        }
        Ok(self
            .pii
            .get()
            .map_or_else(|| py.None(), |value| value.clone_ref(py)))
    }

    /// Shows what would leave the process for a payload, without sending anything.
    ///
    /// With ``pii=True`` the built-in rules stand for those of the organisation until these are
    /// known.
    ///
    /// Args:
    ///     value: A payload such as ``{"toolInput": {...}}``, or any value.
    ///     kind: ``"event"`` (the default) or ``"session"``: the members of a dict are the fields of
    ///         a request. ``"value"``: all of it is content.
    ///
    /// Returns:
    ///     A plain copy, redacted. The replacements count in `redaction_report`.
    ///
    /// Raises:
    ///     ConfigurationError: The kind is unknown.
    #[pyo3(signature = (value, kind="event"))]
    fn redact<'py>(slf: &Bound<'py, Self>, value: &Any<'py>, kind: &str) -> PyResult<Any<'py>> {
        let py = slf.py();
        let core = &slf.get().inner().core;
        let max = core.settings().options.max_event_bytes;
        let mut json = Vec::with_capacity(1024);
        let budget = max.saturating_mul(redaction::WRITTEN);
        write_value(value, &mut json, &mut Budget::new(budget))?;
        let shape = redaction::shape_of(py, kind, &json)?;
        let mut report = Report::default();
        let rules = core.policy().current();
        let redacted = py.detach(|| rules.redactor.sealed(&json, shape, max, &mut report));
        if !report.is_empty() {
            core.state().note(&report);
        }
        pending::decode_any(py, redacted.as_deref().unwrap_or(&json))
    }

    /// What has been redacted in this process.
    ///
    /// Returns:
    ///     ``{"total": n, "rules": {rule: {field: n}}, "fields": {field: n}}``. The rules are
    ///     ``email``, ``phone`` and so on, ``custom:LABEL``, the kinds of secrets,
    ///     ``denied_field``, ``media``, ``cut`` (too large) and ``withheld`` (could not be checked).
    fn redaction_report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let report = self.inner().core.state().report();
        let (rules, fields) = (PyDict::new(py), PyDict::new(py));
        let mut total = 0;
        for (rule, by_field) in report.counts() {
            let counts = PyDict::new(py);
            for (field, count) in by_field {
                counts.set_item(field, count)?;
                let before = fields.get_item(field)?;
                let before = before.map_or(Ok(0), |count| count.extract::<u64>())?;
                fields.set_item(field, before + count)?;
                total += count;
            }
            rules.set_item(rule, counts)?;
        }
        let shown = PyDict::new(py);
        shown.set_item("total", total)?;
        shown.set_item("rules", rules)?;
        shown.set_item("fields", fields)?;
        Ok(shown)
    }
}

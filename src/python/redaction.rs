//! Redaction as Python sees it: its options, and the rules as an object.

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyList, PyString};

use crate::core::error::ConfigError;
use crate::core::policy::Redaction;
use crate::core::redact::{
    self, Builtins, Fields, Finding, HashKey, Log, Mode, Pattern, Pii, Report, Rules, Shape,
};

use super::errors;

/// What is not written by the call that records it is written to so many times `max_event_bytes`, so
/// that what is large because of one picture can be replaced by what describes it.
pub(crate) const WRITTEN: usize = 12;

/// The arguments of the constructor that are about redaction.
#[derive(Default)]
pub(crate) struct RedactionArgs<'a, 'py> {
    /// `pii`, already made a `PiiConfig`.
    pub(crate) pii: Option<&'a Bound<'py, PyAny>>,
    /// `pii=True`.
    pub(crate) from_server: bool,
    pub(crate) redact_secrets: Option<&'a Bound<'py, PyAny>>,
    pub(crate) deny_fields: Option<&'a Bound<'py, PyAny>>,
    pub(crate) keep_media: Option<&'a Bound<'py, PyAny>>,
}

impl RedactionArgs<'_, '_> {
    /// Checks everything.
    pub(crate) fn resolve(&self) -> Result<Redaction, ConfigError> {
        let pii = match self.pii {
            Some(config) if is_enabled(config)? => Some(pii_of(config, true)?),
            _ => None,
        };
        let deny_fields = match self.deny_fields {
            None => Vec::new(),
            Some(names) => names_of("deny_fields", names)?,
        };
        Ok(Redaction {
            from_server: self.from_server,
            rules: Rules {
                pii,
                secrets: switch("redact_secrets", self.redact_secrets, true)?,
                deny_fields,
                keep_media: switch("keep_media", self.keep_media, false)?,
            },
        })
    }
}

fn switch(
    name: &'static str,
    value: Option<&Bound<'_, PyAny>>,
    default: bool,
) -> Result<bool, ConfigError> {
    match value {
        None => Ok(default),
        Some(value) => value
            .cast::<PyBool>()
            .map(PyBoolMethods::is_true)
            .map_err(|_| ConfigError::new(name, "is neither True nor False; pass one of them")),
    }
}

fn names_of(name: &'static str, value: &Bound<'_, PyAny>) -> Result<Vec<String>, ConfigError> {
    let wrong = || ConfigError::new(name, "is no list of names; pass a list of strings");
    if value.is_instance_of::<PyString>() {
        return Err(wrong());
    }
    value.extract::<Vec<String>>().or_else(|_| {
        let items = value.try_iter().map_err(|_| wrong())?;
        items
            .map(|item| item.and_then(|item| item.extract()).map_err(|_| wrong()))
            .collect()
    })
}

fn is_enabled(config: &Bound<'_, PyAny>) -> Result<bool, ConfigError> {
    if config.is_none() {
        return Ok(false);
    }
    if let Ok(switch) = config.cast::<PyBool>() {
        return Ok(switch.is_true());
    }
    let what = "is neither a bool, a dict nor a PiiConfig; pass PiiConfig(enabled=True)";
    let enabled = config.getattr(intern!(config.py(), "enabled"));
    let enabled = enabled.map_err(|_| ConfigError::new("pii", what))?;
    Ok(enabled.is_truthy().unwrap_or(true))
}

/// Reads a `PiiConfig`. If it is not `strict`, as in the documented functions, an unknown mode is
/// `label`.
fn pii_of(config: &Bound<'_, PyAny>, strict: bool) -> Result<Pii, ConfigError> {
    let py = config.py();
    let field = |name: &str| config.getattr(name).ok().filter(|value| !value.is_none());
    let mode = field("mode").and_then(|mode| mode.extract::<String>().ok());
    let mode = mode.as_deref().and_then(Mode::parse);
    if strict && mode.is_none() {
        let what = "is unknown; pass \"label\", \"hash\", \"remove\" or \"pseudonym\"";
        return Err(ConfigError::new("pii.mode", what));
    }
    let hash_key = field("hash_key").map(|key| hash_key(&key)).transpose()?;
    if mode == Some(Mode::Pseudonym) && hash_key.is_none() {
        let what = "is missing; mode \"pseudonym\" needs a key, text or bytes";
        return Err(ConfigError::new("pii.hash_key", what));
    }
    let fields = match field("fields") {
        Some(names) => Some(names_of("pii.fields", &names)?),
        None => None,
    };
    let builtins = field("builtin_patterns");
    let custom = field("custom_patterns");
    Ok(Pii {
        fields: Fields::from_names(fields),
        mode: mode.unwrap_or_default(),
        hash_key,
        builtins: builtins.map_or_else(|| Ok(Builtins::default()), |each| builtins_of(&each))?,
        custom: custom.map_or_else(|| Ok(Vec::new()), |each| patterns_of(py, &each))?,
    })
}

fn hash_key(key: &Bound<'_, PyAny>) -> Result<HashKey, ConfigError> {
    let bytes = key
        .extract::<String>()
        .map(String::into_bytes)
        .or_else(|_| key.extract::<Vec<u8>>());
    match bytes {
        Ok(bytes) if !bytes.is_empty() => Ok(HashKey(bytes)),
        _ => Err(ConfigError::new(
            "pii.hash_key",
            "is not usable; pass text or bytes that are not empty",
        )),
    }
}

fn builtins_of(given: &Bound<'_, PyAny>) -> Result<Builtins, ConfigError> {
    let default = Builtins::default();
    if !given.hasattr("emails").unwrap_or(false) {
        let what = "is no PiiBuiltinPatterns; pass one, or a dict of switches";
        return Err(ConfigError::new("pii.builtin_patterns", what));
    }
    let on = |name: &str, default: bool| {
        let value = given.getattr(name);
        value.map_or(default, |value| value.is_truthy().unwrap_or(default))
    };
    Ok(Builtins {
        emails: on("emails", default.emails),
        phones: on("phones", default.phones),
        ssns: on("ssns", default.ssns),
        credit_cards: on("credit_cards", default.credit_cards),
        ip_addresses: on("ip_addresses", default.ip_addresses),
        international_phones: on("international_phones", default.international_phones),
        ibans: on("ibans", default.ibans),
    })
}

fn patterns_of(py: Python<'_>, given: &Bound<'_, PyAny>) -> Result<Vec<Pattern>, ConfigError> {
    let parameter = "pii.custom_patterns";
    let wrong = |what: String| ConfigError::new(parameter, what);
    let items = given
        .try_iter()
        .ok()
        .filter(|_| !given.is_instance_of::<PyString>() && !given.is_instance_of::<PyDict>())
        .ok_or_else(|| wrong("is no list; pass a list of PiiCustomPattern".to_owned()))?;
    let check = py
        .import("sentrial.redact")
        .and_then(|module| module.getattr("_compilable"))
        .map_err(|error| wrong(error.to_string()))?;
    let mut patterns = Vec::new();
    for (at, item) in items.enumerate() {
        let item = item.map_err(|error| wrong(error.to_string()))?;
        let member = |name: &str| {
            let value = item.getattr(name);
            let missing = format!("[{at}] has no {name}; pass PiiCustomPattern(pattern, label)");
            value
                .ok()
                .filter(|value| !value.is_none())
                .ok_or_else(|| wrong(missing))
        };
        let (pattern, label) = (member("pattern")?, member("label")?);
        let label: String = label.str().map_or_else(
            |_| "REDACTED".to_owned(),
            |text| text.to_string_lossy().into_owned(),
        );
        let source = check
            .call1((&pattern,))
            .and_then(|source| source.extract::<String>())
            .map_err(|error| wrong(format!("[{at}] {}", error.value(py))))?;
        let made = Pattern::new(&source, &label);
        patterns.push(made.map_err(|why| wrong(format!("[{at}] cannot be used: {why}")))?);
    }
    Ok(patterns)
}

/// Rules made ready: what `sentrial.redact` and `sentrial redact` work with.
#[pyclass(frozen, module = "sentrial._core")]
pub(crate) struct Redactor(redact::Redactor);

/// JSON as it would leave, and rule and path of each replacement.
type Shown<'py> = (Bound<'py, PyBytes>, Vec<(String, String)>);

#[pymethods]
impl Redactor {
    /// Rules as a client would have them.
    #[new]
    #[pyo3(signature = (pii=None, *, redact_secrets=None, deny_fields=None, keep_media=None))]
    fn new(
        py: Python<'_>,
        pii: Option<&Bound<'_, PyAny>>,
        redact_secrets: Option<&Bound<'_, PyAny>>,
        deny_fields: Option<&Bound<'_, PyAny>>,
        keep_media: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let args = RedactionArgs {
            pii,
            from_server: false,
            redact_secrets,
            deny_fields,
            keep_media,
        };
        let redaction = args.resolve();
        let redaction = redaction.map_err(|error| errors::configuration(py, &error))?;
        Ok(Self(redact::Redactor::new(redaction.rules)))
    }

    /// Rules of the documented functions: personal data and nothing else.
    #[staticmethod]
    fn lenient(config: &Bound<'_, PyAny>) -> PyResult<Self> {
        let pii = pii_of(config, false);
        let pii = pii.map_err(|error| errors::configuration(config.py(), &error))?;
        Ok(Self(redact::Redactor::new(Rules {
            pii: Some(pii),
            secrets: false,
            deny_fields: Vec::new(),
            keep_media: true,
        })))
    }

    /// The texts in a value redacted, in lists and the values of dicts.
    fn value<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.changed(value)?.unwrap_or_else(|| value.clone()))
    }

    /// JSON as it would leave, and what was found: ``(rule, path)`` for each replacement.
    #[pyo3(signature = (data, kind="event"))]
    fn json<'py>(&self, py: Python<'py>, data: &[u8], kind: &str) -> PyResult<Shown<'py>> {
        let mut log = Log {
            findings: Some(Vec::new()),
            ..Log::default()
        };
        let shape = shape_of(py, kind, data)?;
        let redacted = self.0.json(data, shape, &mut log).map_err(|_| {
            errors::configuration(
                py,
                &ConfigError::new("data", "is not JSON; pass UTF-8 JSON"),
            )
        })?;
        let found = log.findings.unwrap_or_default();
        let found = found.into_iter().map(|Finding { rule, path }| (rule, path));
        let redacted = redacted.as_deref().unwrap_or(data);
        Ok((PyBytes::new(py, redacted), found.collect()))
    }
}

#[pymethods]
impl Redactor {
    /// The body of an event exactly as delivery makes it: redacted and cut to `max_bytes`.
    #[pyo3(signature = (data, max_bytes=1_048_576))]
    fn seal<'py>(&self, py: Python<'py>, data: &[u8], max_bytes: usize) -> Bound<'py, PyBytes> {
        let mut report = Report::default();
        let sealed = self.0.sealed(data, Shape::Body, max_bytes, &mut report);
        PyBytes::new(py, sealed.as_deref().unwrap_or(data))
    }
}

impl Redactor {
    /// `None` if nothing has to change.
    fn changed<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = value.py();
        if let Ok(text) = value.cast::<PyString>() {
            let redacted = self.0.text(&text.to_string_lossy());
            return Ok(redacted.map(|text| PyString::new(py, &text).into_any()));
        }
        if let Ok(list) = value.cast::<PyList>() {
            let copy = PyList::empty(py);
            for item in list {
                copy.append(self.value_within(&item)?)?;
            }
            return Ok(Some(copy.into_any()));
        }
        if let Ok(dict) = value.cast::<PyDict>() {
            let copy = PyDict::new(py);
            // A snapshot: other threads may change the dict meanwhile.
            for (key, item) in dict.copy()? {
                copy.set_item(key, self.value_within(&item)?)?;
            }
            return Ok(Some(copy.into_any()));
        }
        Ok(None)
    }

    fn value_within<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        // As deep as Python itself would go.
        let _depth = RecursionGuard::enter()?;
        self.value(value)
    }
}

thread_local! {
    static DEPTH: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Deeper values than these raise `RecursionError`, as the documented functions do.
const MAX_DEPTH: usize = 900;

struct RecursionGuard;

impl RecursionGuard {
    fn enter() -> PyResult<Self> {
        let depth = DEPTH.get() + 1;
        if depth > MAX_DEPTH {
            let what = "maximum recursion depth exceeded";
            return Err(pyo3::exceptions::PyRecursionError::new_err(what));
        }
        DEPTH.set(depth);
        Ok(Self)
    }
}

impl Drop for RecursionGuard {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
    }
}

/// `kind` of `redact`: the body of an event or a session has fields, a value has none.
pub(crate) fn shape_of(py: Python<'_>, kind: &str, json: &[u8]) -> PyResult<Shape> {
    match kind {
        "event" | "session" if json.trim_ascii_start().starts_with(b"{") => Ok(Shape::Body),
        "event" | "session" | "value" => Ok(Shape::Value),
        _ => Err(errors::configuration(
            py,
            &ConfigError::new(
                "kind",
                "is unknown; pass \"event\", \"session\" or \"value\"",
            ),
        )),
    }
}

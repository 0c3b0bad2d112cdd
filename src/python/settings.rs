//! From constructor arguments and the environment to a client's settings.

use std::sync::Arc;

use crate::python::once::Once;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict};

use crate::core::api_key::ApiKey;
use crate::core::api_url::ApiUrl;
use crate::core::client::{Client, Mode, Settings};
use crate::core::error::{ConfigError, DeliveryError};
use crate::core::options::{
    BatchArgs, BatchOptions, DEFAULT_API_URL, DeliveryMode, Environment, OptionArgs, Options,
};
use crate::core::policy::Redaction;

use super::before_send::BeforeSend;
use super::inner::{Caller, Inner};
use super::redaction::RedactionArgs;
use super::{errors, log};

/// The arguments of the constructor.
pub(crate) struct Arguments<'a, 'py> {
    pub(crate) api_url: Option<String>,
    pub(crate) api_key: Option<String>,
    pub(crate) fail_silently: bool,
    pub(crate) caller: Caller,
    pub(crate) redaction: RedactionArgs<'a, 'py>,
    pub(crate) before_send: Option<&'a Bound<'py, PyAny>>,
    pub(crate) batching: Option<&'a Bound<'py, PyAny>>,
    pub(crate) options: OptionArgs,
}

/// What `batching=` says.
enum Batching {
    Unset,
    Off,
    On(BatchOptions),
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Checks everything and builds the client. Nothing starts here.
///
/// # Errors
/// `ConfigurationError` naming the parameter; `AuthenticationError` if the client is loud and
/// there is no key.
pub(crate) fn build(py: Python<'_>, mut args: Arguments<'_, '_>) -> PyResult<Inner> {
    let env = Environment::new(&variable);
    let mut warnings = Vec::new();
    // A key given in the place of the address: nobody means that as an address.
    if args.api_key.is_none() && args.api_url.as_deref().is_some_and(looks_like_a_key) {
        args.api_key = args.api_url.take();
    }
    let fail = |error: ConfigError| errors::configuration(py, &error);
    let options = Options::resolve(args.options, &variable, &mut warnings).map_err(fail)?;
    let address = given(args.api_url).or_else(|| env.var("SENTRIAL_API_URL"));
    let address = address.as_deref().unwrap_or(DEFAULT_API_URL);
    let (url, warning) = ApiUrl::parse(address, options.allow_http).map_err(fail)?;
    warnings.extend(warning);
    let disabled = env.disabled(&mut warnings);
    let key = given(args.api_key).or_else(|| env.var("SENTRIAL_API_KEY"));
    let key = match key
        .as_deref()
        .map(ApiKey::parse)
        .transpose()
        .map_err(fail)?
    {
        Some((key, warning)) => {
            warnings.extend(warning);
            Some(key)
        }
        None => None,
    };
    let keyless = key.is_none() && !url.is_loopback();
    if keyless && !disabled {
        if !args.fail_silently {
            return Err(errors::delivery(py, &DeliveryError::NoKey));
        }
        warnings.push(format!("{}; nothing is recorded", DeliveryError::NoKey));
    }
    let redaction = args.redaction.resolve().map_err(fail)?;
    let before_send = args.before_send.map(hook).transpose().map_err(fail)?;
    let batching = batching(args.batching).map_err(|error| match error {
        BatchingError::Config(error) => fail(error),
        BatchingError::Python(error) => error,
    })?;
    let wanted = env.delivery(&mut warnings);
    let (mode, batch) = match batching {
        Batching::On(batch) => (Mode::Background, Some(batch)),
        Batching::Off => (Mode::Immediate, None),
        Batching::Unset if !args.fail_silently => (Mode::Immediate, None),
        Batching::Unset if wanted == Some(DeliveryMode::Immediate) => (Mode::Immediate, None),
        Batching::Unset => (Mode::Background, None),
    };
    let debug = env.debug(&mut warnings);
    let settings = Settings {
        url: Arc::new(url),
        options,
        mode,
        batch,
        // A coroutine that nobody awaits tells nobody: there are lines in the log as well.
        loud: !args.fail_silently && args.caller == Caller::Thread,
        debug,
        redaction,
    };
    for warning in warnings.iter().filter(|_| !disabled) {
        log::warn(py, warning);
    }
    let mut inner = Inner::new(
        Client::new(settings, key),
        args.fail_silently,
        disabled,
        before_send,
    );
    inner.caller = args.caller;
    Ok(inner)
}

/// What a client is before its `__init__` has run: every call is a no-op.
pub(crate) fn idle(py: Python<'_>) -> PyResult<Arc<Inner>> {
    static IDLE: Once<Arc<Inner>> = Once::new();
    let idle = IDLE.get_or_try_init(|| {
        let (url, _) = ApiUrl::parse(DEFAULT_API_URL, false)?;
        let settings = Settings {
            url: Arc::new(url),
            options: Options::default(),
            mode: Mode::Background,
            batch: None,
            loud: false,
            debug: false,
            redaction: Redaction::default(),
        };
        Ok::<_, ConfigError>(Arc::new(Inner::new(
            Client::new(settings, None),
            true,
            true,
            None,
        )))
    });
    idle.cloned()
        .map_err(|error| errors::configuration(py, &error))
}

fn looks_like_a_key(text: &str) -> bool {
    text.trim_start().starts_with("sentrial_")
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

enum BatchingError {
    Config(ConfigError),
    Python(PyErr),
}

impl From<PyErr> for BatchingError {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

fn batching(value: Option<&Bound<'_, PyAny>>) -> Result<Batching, BatchingError> {
    let Some(value) = value else {
        return Ok(Batching::Unset);
    };
    if let Ok(switch) = value.cast::<PyBool>() {
        return Ok(if switch.is_true() {
            Batching::On(BatchOptions::default())
        } else {
            Batching::Off
        });
    }
    let py = value.py();
    let config = if let Ok(dict) = value.cast::<PyDict>() {
        let class = py.import("sentrial.batcher")?.getattr("BatcherConfig")?;
        class.call((), Some(dict)).map_err(|error| {
            let text = format!("{}; see BatcherConfig", error.value(py));
            BatchingError::Config(ConfigError::new("batching", text))
        })?
    } else {
        value.clone()
    };
    let field = |name: &str| config.getattr(name).ok();
    let Some(threshold) = field("flush_threshold") else {
        let text = "is neither a bool, a dict nor a BatcherConfig; pass batching=True";
        return Err(BatchingError::Config(ConfigError::new("batching", text)));
    };
    let active = field("active").or_else(|| field("enabled"));
    if !active.is_none_or(|active| active.is_truthy().unwrap_or(true)) {
        return Ok(Batching::Unset);
    }
    let number = |name: &'static str, value: Option<Bound<'_, PyAny>>| {
        let wrong = || ConfigError::new(name, "is not a number; pass one");
        value
            .ok_or_else(wrong)?
            .extract::<f64>()
            .map_err(|_| wrong())
    };
    let whole = |name: &'static str, value: Option<Bound<'_, PyAny>>| {
        let wrong = || ConfigError::new(name, "is not a whole number; pass one");
        value
            .ok_or_else(wrong)?
            .extract::<i64>()
            .map_err(|_| wrong())
    };
    let resolved = (|| {
        BatchOptions::resolve(&BatchArgs {
            flush_interval: Some(number("batching.flush_interval", field("flush_interval"))?),
            flush_threshold: Some(whole("batching.flush_threshold", Some(threshold.clone()))?),
            max_queue_size: Some(whole("batching.max_queue_size", field("max_queue_size"))?),
        })
    })();
    resolved.map(Batching::On).map_err(BatchingError::Config)
}

fn wrong(py: Python<'_>, name: &'static str, what: &str) -> PyErr {
    errors::configuration(py, &ConfigError::new(name, what))
}

/// A number of seconds.
pub(crate) fn seconds(
    py: Python<'_>,
    name: &'static str,
    value: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<f64>> {
    let Some(value) = value else { return Ok(None) };
    match value.extract::<f64>() {
        Ok(seconds) if !value.is_instance_of::<PyBool>() => Ok(Some(seconds)),
        _ => Err(wrong(
            py,
            name,
            "is not a number; pass seconds, for example 5.0",
        )),
    }
}

/// A whole number.
pub(crate) fn whole(
    py: Python<'_>,
    name: &'static str,
    value: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<i64>> {
    let Some(value) = value else { return Ok(None) };
    match value.extract::<i64>() {
        Ok(number) if !value.is_instance_of::<PyBool>() => Ok(Some(number)),
        _ => Err(wrong(
            py,
            name,
            "is not a whole number; pass one, for example 3",
        )),
    }
}

/// A path, as text or as `os.PathLike`.
pub(crate) fn path(
    py: Python<'_>,
    name: &'static str,
    value: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<String>> {
    let Some(value) = value else { return Ok(None) };
    let path = py.import("os")?.call_method1("fspath", (value,));
    path.and_then(|path| path.extract::<String>())
        .map(Some)
        .map_err(|_| wrong(py, name, "is not a path; pass text or a pathlib.Path"))
}

/// `pii=`: None and False as they are, True and a dict as a `PiiConfig`.
pub(crate) fn pii(py: Python<'_>, value: Option<&Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
    let Some(value) = value else {
        return Ok(py.None());
    };
    let class = || py.import("sentrial.redact")?.getattr("PiiConfig");
    if let Ok(switch) = value.cast::<PyBool>() {
        if !switch.is_true() {
            return Ok(value.clone().unbind());
        }
        let kwargs = PyDict::new(py);
        kwargs.set_item("enabled", true)?;
        return Ok(class()?.call((), Some(&kwargs))?.unbind());
    }
    let Ok(dict) = value.cast::<PyDict>() else {
        return Ok(value.clone().unbind());
    };
    let module = py.import("sentrial.redact")?;
    let made = module.getattr("_from_mapping")?.call1((dict,));
    made.map(Bound::unbind)
        .map_err(|error| wrong(py, "pii", &format!("{}; see PiiConfig", error.value(py))))
}

/// `before_send`: something that can be called.
fn hook(value: &Bound<'_, PyAny>) -> Result<BeforeSend, ConfigError> {
    if value.is_callable() {
        Ok(BeforeSend::new(value.clone().unbind()))
    } else {
        let what = "cannot be called; pass a function that takes a dict";
        Err(ConfigError::new("before_send", what))
    }
}

/// The options a pickled client carries: everything but the key.
pub(crate) fn portable<'py>(
    py: Python<'py>,
    api_url: Option<&str>,
    fail_silently: bool,
    options: &OptionArgs,
) -> PyResult<Bound<'py, PyDict>> {
    let kept = PyDict::new(py);
    kept.set_item("fail_silently", fail_silently)?;
    if let Some(url) = api_url.filter(|url| !looks_like_a_key(url)) {
        kept.set_item("api_url", url)?;
    }
    let numbers = [
        ("timeout", options.timeout),
        ("wait_timeout", options.wait_timeout),
        ("shutdown_timeout", options.shutdown_timeout),
        ("shutdown_max", options.shutdown_max),
    ];
    for (name, value) in numbers {
        if let Some(value) = value {
            kept.set_item(name, value)?;
        }
    }
    let counts = [
        ("max_retries", options.max_retries),
        ("session_concurrency", options.session_concurrency),
        ("max_state_bytes", options.max_state_bytes),
        ("max_event_bytes", options.max_event_bytes),
    ];
    for (name, value) in counts {
        if let Some(value) = value {
            kept.set_item(name, value)?;
        }
    }
    let texts = [
        ("spool", &options.spool),
        ("spool_dir", &options.spool_dir),
        ("ca_file", &options.ca_file),
        ("proxy", &options.proxy),
        ("project_id", &options.project_id),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            kept.set_item(name, value)?;
        }
    }
    if let Some(allow) = options.allow_http {
        kept.set_item("allow_http", allow)?;
    }
    Ok(kept)
}

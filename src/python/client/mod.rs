//! `SentrialClient`: what it is made of; its methods are in the modules below.

mod call;
mod calls;
mod diagnosis;
mod lifecycle;
mod redaction;
mod sessions;

use std::sync::{Arc, OnceLock};

use crate::python::once::intern;
use arc_swap::ArcSwapOption;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyTuple};

use crate::core::api_key::ApiKey;
use crate::core::error::{ConfigError, DeliveryError};
use crate::core::options::OptionArgs;

use super::inner::{CallError, Caller, Inner, empty};
use super::interaction::Interaction;
use super::json::text_of;
use super::mirror::Mirror;
use super::record::SessionRecord;
use super::redaction::RedactionArgs;
use super::track::Target;
use super::{context, errors, settings};

pub(super) use lifecycle::not_picklable;
pub(super) use sessions::parent_of;

type Any<'py> = Bound<'py, PyAny>;

/// Sends what an agent does to the Sentrial API.
///
/// By default every call returns at once and delivery happens in the background; nothing is
/// started before the first call. One client may be shared by all threads and tasks.
#[pyclass(
    frozen,
    dict,
    weakref,
    subclass,
    module = "sentrial.client",
    name = "SentrialClient"
)]
pub(crate) struct SentrialClient {
    inner: OnceLock<Arc<Inner>>,
    /// Serves until `__init__` has run.
    idle: Arc<Inner>,
    langfuse: OnceLock<Py<PyAny>>,
    pii: OnceLock<Py<PyAny>>,
    options: OnceLock<Py<PyDict>>,
    key_text: ArcSwapOption<String>,
    /// Where it is to be called.
    caller: Caller,
}

impl SentrialClient {
    /// A client none of whose calls wait; its `__init__` is still to be called.
    pub(crate) fn deferred(py: Python<'_>) -> PyResult<Self> {
        let mut made = Self::unset(py)?;
        made.caller = Caller::EventLoop;
        Ok(made)
    }

    fn unset(py: Python<'_>) -> PyResult<Self> {
        Ok(Self {
            inner: OnceLock::new(),
            idle: settings::idle(py)?,
            langfuse: OnceLock::new(),
            pii: OnceLock::new(),
            options: OnceLock::new(),
            key_text: ArcSwapOption::empty(),
            caller: Caller::Thread,
        })
    }

    /// The working part. A subclass that never called `__init__` has a client that does nothing.
    pub(crate) fn inner(&self) -> &Arc<Inner> {
        self.inner.get().unwrap_or(&self.idle)
    }

    fn setup(&self, inner: Inner) {
        let key = inner
            .core
            .key()
            .map(|key| Arc::new(key.expose().to_owned()));
        self.key_text.store(key);
        // A second __init__ changes nothing: requests may be on their way.
        let _ = self.inner.set(Arc::new(inner));
    }

    fn call<'py>(
        slf: &Bound<'py, Self>,
        id: Option<&Any<'py>>,
        f: impl FnOnce(Target<'_, 'py>) -> PyResult<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let inner = slf.get().inner();
        if inner.is_off() {
            inner.core.count_disabled();
            return Ok(empty(py));
        }
        inner.guard(
            py,
            || empty(py),
            || {
                let record = named(inner, id)?;
                Ok::<_, CallError>(f(Target {
                    client: slf,
                    record,
                    is_read: true,
                })?)
            },
        )
    }
}

/// The session that an id names, or the interaction itself, whose id may not be known yet.
pub(crate) fn named(
    inner: &Arc<Inner>,
    id: Option<&Any<'_>>,
) -> Result<Arc<SessionRecord>, ConfigError> {
    let Some(Ok(interaction)) = id.map(|id| id.cast::<Interaction>()) else {
        return inner.record(id);
    };
    interaction.get().record_of(inner).ok_or_else(|| {
        let reason = "is an interaction of another client; pass its session_id";
        ConfigError::new("session_id", reason)
    })
}

#[pymethods]
impl SentrialClient {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(api_url=None, api_key=None, fail_silently=True, langfuse=None, pii=None, batching=None, *, timeout=None, max_retries=None, wait_timeout=None, shutdown_timeout=None, shutdown_max=None, session_concurrency=None, max_state_bytes=None, max_event_bytes=None, spool=None, spool_dir=None, ca_file=None, proxy=None, allow_http=None, project_id=None, redact_secrets=True, deny_fields=None, keep_media=False, before_send=None)")]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        Self::unset(py)
    }

    #[pyo3(signature = (
        api_url=None, api_key=None, fail_silently=true, langfuse=None, pii=None, batching=None, *,
        timeout=None, max_retries=None, wait_timeout=None, shutdown_timeout=None,
        shutdown_max=None, session_concurrency=None, max_state_bytes=None, max_event_bytes=None,
        spool=None, spool_dir=None, ca_file=None, proxy=None, allow_http=None, project_id=None,
        redact_secrets=None, deny_fields=None, keep_media=None, before_send=None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "the documented constructor")]
    fn __init__(
        slf: &Bound<'_, Self>,
        api_url: Option<String>,
        api_key: Option<String>,
        fail_silently: bool,
        langfuse: Option<Py<PyAny>>,
        pii: Option<&Any<'_>>,
        batching: Option<&Any<'_>>,
        timeout: Option<Any<'_>>,
        max_retries: Option<Any<'_>>,
        wait_timeout: Option<Any<'_>>,
        shutdown_timeout: Option<Any<'_>>,
        shutdown_max: Option<Any<'_>>,
        session_concurrency: Option<Any<'_>>,
        max_state_bytes: Option<Any<'_>>,
        max_event_bytes: Option<Any<'_>>,
        spool: Option<String>,
        spool_dir: Option<Any<'_>>,
        ca_file: Option<Any<'_>>,
        proxy: Option<String>,
        allow_http: Option<bool>,
        project_id: Option<String>,
        redact_secrets: Option<&Any<'_>>,
        deny_fields: Option<&Any<'_>>,
        keep_media: Option<&Any<'_>>,
        before_send: Option<&Any<'_>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let seconds = |name, value: Option<Any<'_>>| settings::seconds(py, name, value.as_ref());
        let whole = |name, value: Option<Any<'_>>| settings::whole(py, name, value.as_ref());
        let path = |name, value: Option<Any<'_>>| settings::path(py, name, value.as_ref());
        let options = OptionArgs {
            timeout: seconds("timeout", timeout)?,
            max_retries: whole("max_retries", max_retries)?,
            wait_timeout: seconds("wait_timeout", wait_timeout)?,
            shutdown_timeout: seconds("shutdown_timeout", shutdown_timeout)?,
            shutdown_max: seconds("shutdown_max", shutdown_max)?,
            session_concurrency: whole("session_concurrency", session_concurrency)?,
            max_state_bytes: whole("max_state_bytes", max_state_bytes)?,
            max_event_bytes: whole("max_event_bytes", max_event_bytes)?,
            ca_file: path("ca_file", ca_file)?,
            proxy,
            allow_http,
            project_id,
            spool,
            spool_dir: path("spool_dir", spool_dir)?,
        };
        let from_server =
            pii.is_some_and(|pii| pii.cast::<PyBool>().is_ok_and(PyBoolMethods::is_true));
        let pii = settings::pii(py, pii)?;
        let kept = settings::portable(py, api_url.as_deref(), fail_silently, &options)?;
        let arguments = settings::Arguments {
            api_url,
            api_key,
            fail_silently,
            caller: this.caller,
            redaction: RedactionArgs {
                pii: Some(pii.bind(py)),
                from_server,
                redact_secrets,
                deny_fields,
                keep_media,
            },
            before_send,
            batching,
            options,
        };
        if from_server {
            kept.set_item(intern!(py, "pii"), true)?;
        } else if !pii.is_none(py) {
            kept.set_item(intern!(py, "pii"), &pii)?;
        }
        let others = [
            ("redact_secrets", redact_secrets),
            ("deny_fields", deny_fields),
            ("keep_media", keep_media),
            ("before_send", before_send),
        ];
        for (name, value) in others {
            if let Some(value) = value {
                kept.set_item(name, value)?;
            }
        }
        if let Some(batching) = batching {
            kept.set_item(intern!(py, "batching"), batching)?;
        }
        this.setup(settings::build(py, arguments)?);
        if let Some(integration) = &langfuse {
            let options = &this.inner().core.settings().options;
            if let Some(mirror) = Mirror::open(integration.bind(py), options)? {
                let _ = this.inner().mirror.set(mirror);
            }
        }
        let _ = this.pii.set(pii);
        let _ = this.langfuse.set(langfuse.unwrap_or_else(|| py.None()));
        let _ = this.options.set(kept.unbind());
        Ok(())
    }

    /// The API's address, without a trailing slash.
    #[getter]
    fn api_url(&self) -> &str {
        self.inner().core.settings().url.as_str()
    }

    /// The API key, or None. Assigning another one re-keys the client and everything it has
    /// queued; a client paused by 401 resumes at once.
    #[getter]
    fn api_key(&self) -> Option<String> {
        self.key_text.load().as_deref().cloned()
    }

    #[setter]
    fn set_api_key(slf: &Bound<'_, Self>, key: Option<&str>) -> PyResult<()> {
        let parsed = key.map(ApiKey::parse).transpose();
        let parsed = parsed.map_err(|error| errors::configuration(slf.py(), &error))?;
        let this = slf.get();
        if let Some((_, Some(warning))) = &parsed {
            super::log::warn(slf.py(), warning);
        }
        let key = parsed.map(|(key, _)| key);
        if key.is_none() && !this.inner().core.settings().url.is_loopback() {
            super::log::warn(
                slf.py(),
                &format!("{}; nothing is recorded", DeliveryError::NoKey),
            );
        }
        this.key_text
            .store(key.as_ref().map(|key| Arc::new(key.expose().to_owned())));
        this.inner().core.set_key(key);
        Ok(())
    }

    /// Whether failures are kept from the program.
    #[getter]
    fn fail_silently(&self) -> bool {
        self.inner().fail_silently
    }

    /// The Langfuse integration given to the constructor, or None.
    #[getter]
    fn langfuse(&self, py: Python<'_>) -> Py<PyAny> {
        self.langfuse
            .get()
            .map_or_else(|| py.None(), |value| value.clone_ref(py))
    }

    /// Always None: there is no Python HTTP session behind this client.
    #[getter(session)]
    #[expect(clippy::unused_self, reason = "a property of the documented class")]
    fn http_session(&self) -> Option<bool> {
        None
    }

    /// The state of the session that is current in this context; a live dict.
    #[getter]
    fn current_state<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        Ok(context::current_state(slf)?.dict(slf.py()))
    }

    #[setter]
    fn set_current_state<'py>(slf: &Bound<'py, Self>, state: Bound<'py, PyDict>) -> PyResult<()> {
        context::replace_state(slf, state)
    }

    /// Sets one entry of the current session's state; it shows in the events that follow.
    ///
    /// Args:
    ///     key: Name of the entry.
    ///     value: Anything; written as JSON when an event is recorded.
    #[pyo3(signature = (key, value))]
    fn update_state(slf: &Bound<'_, Self>, key: &Any<'_>, value: &Any<'_>) -> PyResult<()> {
        let state = context::current_state(slf)?;
        state.set(key, value).or_else(|_| {
            // What cannot be a key of a dict becomes the key that it would be on the wire.
            let name = pyo3::types::PyString::new(slf.py(), &text_of(key));
            state.set(name.as_any(), value)
        })
    }
}

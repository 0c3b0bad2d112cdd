//! What a client can tell about its way to the server, for `sentrial doctor` and `login`.

use std::time::{Instant, UNIX_EPOCH};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::SentrialClient;
use super::call::{carried_out, prepared};
use crate::core::api_key::ApiKey;
use crate::core::options::Way;
use crate::core::receipt::Outcome;
use crate::python::errors;

#[pymethods]
impl SentrialClient {
    /// Makes one attempt and tells what came of it; private, for the command line.
    ///
    /// Returns:
    ///     ``error``: the exception, or None; ``seconds``: how long it took; ``server_time``: the
    ///     server's clock in seconds since 1970, or None.
    #[pyo3(signature = (path))]
    fn _api_probe<'py>(slf: &Bound<'py, Self>, path: &str) -> PyResult<Bound<'py, PyDict>> {
        let py = slf.py();
        let started = Instant::now();
        let ended = carried_out(py, slf.get().inner(), prepared("GET", path, None, 1)?)?;
        let took = started.elapsed();
        let found = PyDict::new(py);
        match &ended.outcome {
            Outcome::Answer(_) => found.set_item("error", py.None())?,
            Outcome::Failed(error) => {
                found.set_item("error", errors::delivery(py, error).value(py))?;
            }
        }
        let server_time = ended.server_time.and_then(|at| {
            let since = at.duration_since(UNIX_EPOCH).ok()?;
            Some(since.as_secs_f64())
        });
        found.set_item("server_time", server_time)?;
        found.set_item("seconds", took.as_secs_f64())?;
        Ok(found)
    }

    /// The key as it may be shown; private, for the command line.
    #[getter]
    fn _masked_key(&self) -> Option<String> {
        self.inner().core.key().map(|key| key.masked())
    }

    /// What decides how the server is reached; private, for the command line.
    ///
    /// Returns:
    ///     ``usual_key``: whether the key has the documented shape, or there is none; ``disabled``:
    ///     whether the client is switched off; ``proxy``: the proxy that stands before the server,
    ///     without a password, or None; ``passed``: a proxy of the environment that is not used for
    ///     this address and why, as a sentence, or None; ``ca_file``: the only authorities to
    ///     trust, or None.
    fn _route<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let core = &self.inner().core;
        let usual = core
            .key()
            .is_none_or(|key| ApiKey::parse(key.expose()).is_ok_and(|(_, odd)| odd.is_none()));
        let config = core.state().transport_config();
        let (options, url) = (&core.settings().options, &core.settings().url);
        let passed = match options.proxies.way_to(url) {
            _ if options.proxy.is_some() => None,
            Way::Straight | Way::Through(_) => None,
            Way::Loopback(proxy) => Some(format!("{proxy}, but this machine is reached directly")),
            Way::Excepted(proxy) => Some(format!("{proxy}, but NO_PROXY excepts this host")),
        };
        let route = PyDict::new(py);
        route.set_item("usual_key", usual)?;
        route.set_item("disabled", self.inner().is_disabled())?;
        route.set_item("proxy", config.proxy.map(|proxy| proxy.to_string()))?;
        route.set_item("passed", passed)?;
        route.set_item("ca_file", &config.ca_file)?;
        Ok(route)
    }
}

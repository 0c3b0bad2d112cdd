//! Every option of a client: what the caller may give, and what it means.
//!
//! An explicit argument beats the environment, which beats the default. A bad argument is a
//! [`ConfigError`]; a malformed variable is one warning and the default, because a typo in a
//! deployment must not stop the program.

mod batch;
mod environment;
mod no_proxy;
mod numbers;
mod proxies;
mod spool;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

pub use self::batch::{BatchArgs, BatchOptions};
pub use self::environment::{DeliveryMode, Environment};
use self::numbers::Numbers;
pub use self::proxies::{Proxies, Way};
pub use self::spool::SpoolPlaces;
use super::error::ConfigError;

/// The API that is used when neither `api_url` nor `SENTRIAL_API_URL` says otherwise.
pub const DEFAULT_API_URL: &str = "https://api.sentrial.com";

/// The options as the caller gave them; `None` is "not given".
#[derive(Clone, Default)]
pub struct OptionArgs {
    /// Seconds, see [`Options::timeout`].
    pub timeout: Option<f64>,
    /// See [`Options::max_retries`].
    pub max_retries: Option<i64>,
    /// Seconds, see [`Options::wait_timeout`].
    pub wait_timeout: Option<f64>,
    /// Seconds, see [`Options::shutdown_timeout`].
    pub shutdown_timeout: Option<f64>,
    /// Seconds, see [`Options::shutdown_max`].
    pub shutdown_max: Option<f64>,
    /// See [`Options::session_concurrency`].
    pub session_concurrency: Option<i64>,
    /// See [`Options::max_state_bytes`].
    pub max_state_bytes: Option<i64>,
    /// See [`Options::max_event_bytes`].
    pub max_event_bytes: Option<i64>,
    /// See [`Options::ca_file`].
    pub ca_file: Option<String>,
    /// See [`Options::proxy`].
    pub proxy: Option<String>,
    /// See [`Options::allow_http`].
    pub allow_http: Option<bool>,
    /// See [`Options::project_id`].
    pub project_id: Option<String>,
    /// `off`, `spill` or `durable`, see [`Options::spool`].
    pub spool: Option<String>,
    /// See [`Options::spool_dir`].
    pub spool_dir: Option<String>,
}

/// What happens to requests that cannot be delivered now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpoolMode {
    /// Nothing is written to disk.
    Off,
    /// What is left at exit, and what would overflow the queue, goes to disk.
    #[default]
    Spill,
    /// Every request goes to disk before it is sent.
    Durable,
}

impl SpoolMode {
    /// `off`, `spill` or `durable`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Spill => "spill",
            Self::Durable => "durable",
        }
    }

    /// Reads one of the three names, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Off, Self::Spill, Self::Durable]
            .into_iter()
            .find(|mode| text.trim().eq_ignore_ascii_case(mode.as_str()))
    }
}

/// The URL of a proxy. It may hold a password, so it prints itself as scheme and host only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ProxyUrl(Url);

impl ProxyUrl {
    /// The whole URL, for the HTTP client and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    /// Is the proxy itself spoken to by TLS?
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Reads `http://host:port`, `https://…` or plain `host:port`.
    fn parse(text: &str) -> Result<Self, ConfigError> {
        let text = text.trim();
        let full = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        match Url::parse(&full) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Self(url)),
            _ => Err(ConfigError::new(
                "proxy",
                "is not the URL of an HTTP proxy; write it like http://proxy.example:8080",
            )),
        }
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({self})")
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

/// The options a client works with: complete, checked and bounded.
///
/// Lengths of time are at most one year, so that adding one to a clock never overflows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `timeout`: the time one request may take, from connecting to the last byte of the answer.
    /// Default 30 s; `SENTRIAL_TIMEOUT` in seconds. Zero is an error.
    pub timeout: Duration,
    /// `max_retries`: how often a blocking call tries again. Default 3; `SENTRIAL_MAX_RETRIES`.
    /// Zero means one attempt. Background delivery does not count attempts.
    pub max_retries: u32,
    /// `wait_timeout`: how long a call waits for a value that is still on its way (a session id,
    /// a receipt). Default 5 s; `SENTRIAL_WAIT_TIMEOUT` in seconds. Zero means never wait.
    pub wait_timeout: Duration,
    /// `shutdown_timeout`: how long exit and `close()` go on without a successful answer. Default
    /// 2 s; `SENTRIAL_SHUTDOWN_TIMEOUT` in seconds. Zero means do not wait: all goes to the spool.
    pub shutdown_timeout: Duration,
    /// `shutdown_max`: how long exit takes at most while answers keep arriving. Default 15 s, or
    /// `shutdown_timeout` where that is longer; `SENTRIAL_SHUTDOWN_MAX` in seconds. The smaller of
    /// the two wins when both are given. Zero means do not wait.
    pub shutdown_max: Duration,
    /// `session_concurrency`: how many events of one session may be in flight together. Default 1,
    /// which keeps them in call order; no variable. Zero is an error.
    pub session_concurrency: usize,
    /// `max_state_bytes`: the size up to which a state snapshot is sent in full. Default 16 KiB;
    /// no variable. Zero replaces every value by its size.
    pub max_state_bytes: usize,
    /// `max_event_bytes`: the size above which a request body is cut. Default 1 MiB; no variable.
    /// Zero is an error.
    pub max_event_bytes: usize,
    /// `ca_file`: PEM file with the certificate authorities to trust. Default: those of the
    /// system; `SSL_CERT_FILE`, then `REQUESTS_CA_BUNDLE`. Read with the first request. An empty
    /// argument counts as not given.
    pub ca_file: Option<PathBuf>,
    /// `proxy`: URL of the HTTP proxy for every request. Default: none here; the usual proxy
    /// variables apply in the transport. An empty argument counts as not given.
    pub proxy: Option<ProxyUrl>,
    /// The proxies of the environment, used where `proxy` is not given.
    pub proxies: Proxies,
    /// `allow_http`: send the key over plain http to any host. Default false;
    /// `SENTRIAL_ALLOW_HTTP=1`. Loopback and private hosts need no permission.
    pub allow_http: bool,
    /// `project_id` (old): sent with each new session if given. Default none;
    /// `SENTRIAL_PROJECT_ID`. An empty argument counts as not given.
    pub project_id: Option<String>,
    /// `spool`: see [`SpoolMode`]. Default `spill`; `SENTRIAL_SPOOL`.
    pub spool: SpoolMode,
    /// `spool_dir`: where spool files live. Default: `sentrial/spool` in the user's state directory
    /// (`XDG_STATE_HOME`), else `sentrial-<uid>` among the temporary files; `SENTRIAL_SPOOL_DIR`.
    /// An empty argument counts as not given.
    pub spool_places: SpoolPlaces,
    /// The bound of the queue in bytes of bodies, 64 MiB; not configurable.
    pub max_queue_bytes: usize,
    /// The bound of the queue in requests, 100 000; not configurable (batching has its own).
    pub max_queue_items: usize,
    /// Requests in flight at the same time, 64; not configurable.
    pub max_in_flight: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            max_retries: 3,
            wait_timeout: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(2),
            shutdown_max: Duration::from_secs(15),
            session_concurrency: 1,
            max_state_bytes: 16 * 1024,
            max_event_bytes: 1024 * 1024,
            ca_file: None,
            proxy: None,
            proxies: Proxies::default(),
            allow_http: false,
            project_id: None,
            spool: SpoolMode::Spill,
            spool_places: SpoolPlaces::default(),
            max_queue_bytes: 64 * 1024 * 1024,
            max_queue_items: 100_000,
            max_in_flight: 64,
        }
    }
}

impl Options {
    /// Puts arguments, environment and defaults together. `env` looks a variable up; one warning
    /// for each malformed variable is pushed to `warnings`.
    ///
    /// # Errors
    /// An argument outside its range; the error names the parameter.
    pub fn resolve(
        args: OptionArgs,
        env: &dyn Fn(&str) -> Option<String>,
        warnings: &mut Vec<String>,
    ) -> Result<Self, ConfigError> {
        let defaults = Self::default();
        let env = Environment::new(env);
        let mut read = Numbers {
            env: &env,
            warnings,
        };
        let shutdown_timeout = read.seconds(
            "shutdown_timeout",
            args.shutdown_timeout,
            "SENTRIAL_SHUTDOWN_TIMEOUT",
            defaults.shutdown_timeout,
        )?;
        Ok(Self {
            timeout: read.positive_seconds(
                "timeout",
                args.timeout,
                "SENTRIAL_TIMEOUT",
                defaults.timeout,
            )?,
            max_retries: read.retries(args.max_retries, defaults.max_retries)?,
            wait_timeout: read.seconds(
                "wait_timeout",
                args.wait_timeout,
                "SENTRIAL_WAIT_TIMEOUT",
                defaults.wait_timeout,
            )?,
            shutdown_timeout,
            shutdown_max: read.seconds(
                "shutdown_max",
                args.shutdown_max,
                "SENTRIAL_SHUTDOWN_MAX",
                defaults.shutdown_max.max(shutdown_timeout),
            )?,
            session_concurrency: numbers::count(
                "session_concurrency",
                args.session_concurrency,
                1,
            )?
            .unwrap_or(defaults.session_concurrency),
            max_state_bytes: numbers::count("max_state_bytes", args.max_state_bytes, 0)?
                .unwrap_or(defaults.max_state_bytes),
            max_event_bytes: numbers::count("max_event_bytes", args.max_event_bytes, 1)?
                .unwrap_or(defaults.max_event_bytes),
            ca_file: given(args.ca_file)
                .or_else(|| env.var("SSL_CERT_FILE"))
                .or_else(|| env.var("REQUESTS_CA_BUNDLE"))
                .map(PathBuf::from),
            proxies: Proxies::read(&env, read.warnings),
            proxy: given(args.proxy)
                .map(|text| ProxyUrl::parse(&text))
                .transpose()?,
            allow_http: match args.allow_http {
                Some(allow) => allow,
                None => env.switch("SENTRIAL_ALLOW_HTTP", warnings),
            },
            project_id: given(args.project_id).or_else(|| env.var("SENTRIAL_PROJECT_ID")),
            spool: spool_mode(args.spool.as_deref(), &env, warnings)?,
            spool_places: SpoolPlaces::resolve(given(args.spool_dir), &env),
            ..defaults
        })
    }
}

/// A text argument, where a blank one counts as not given.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn spool_mode(
    argument: Option<&str>,
    env: &Environment<'_>,
    warnings: &mut Vec<String>,
) -> Result<SpoolMode, ConfigError> {
    if let Some(text) = argument {
        return SpoolMode::parse(text).ok_or_else(|| {
            ConfigError::new(
                "spool",
                "is not a spool mode; pass \"off\", \"spill\" or \"durable\"",
            )
        });
    }
    Ok(env
        .choice(
            "SENTRIAL_SPOOL",
            "off, spill or durable",
            SpoolMode::parse,
            warnings,
        )
        .unwrap_or_default())
}

//! HTTP. The only file that names reqwest.

use std::error::Error as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Proxy, Response, Url};
use tokio::time::timeout_at;

use super::answer;
use super::api_key::ApiKey;
use super::api_url::ApiUrl;
use super::clock;
use super::options::ProxyUrl;
use super::reply::{Answer, Failure, Reply};
use super::resolver::Resolver;
use super::tls::TlsConfig;
use super::{content_coding, retry, tls};

/// Bytes of an answer that are read; the rest is left and the connection closed. Four times what an
/// event may have by default: a server may repeat what it was sent, in several places.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
/// Redirects with an unchanged method that are followed on the same origin.
const MAX_REDIRECTS: usize = 3;
/// How long connecting may take, TLS included; shared out over the addresses of a name.
const CONNECT: Duration = Duration::from_secs(10);
/// Share of an attempt's time-out within which the body of the answer is read.
const BODY_SHARE: f64 = 0.98;
/// How long an unused connection is kept; shorter than the idle limit of common load balancers.
const POOL_IDLE: Duration = Duration::from_secs(30);
/// An HTTP/2 connection on which nothing has come for so long, although requests wait on it, is asked
/// whether it lives, and has as long to answer.
const PING: Duration = Duration::from_secs(5);

/// What decides whether two clients can share an HTTP client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Config {
    /// PEM file of the only roots to trust, from `ca_file` or the environment.
    pub ca_file: Option<PathBuf>,
    /// The proxy that stands before the server, by option or by the environment.
    pub proxy: Option<ProxyUrl>,
    /// Is TLS needed? Without it no certificates are loaded.
    pub tls: bool,
    /// How long connecting may take.
    pub connect: Duration,
}

impl Config {
    fn tls_config(&self) -> Result<Option<TlsConfig>, String> {
        let needed = self.tls || self.ca_file.is_some();
        needed
            .then(|| tls::config(self.ca_file.as_deref()))
            .transpose()
    }
}

/// How long connecting may take where an attempt may take `timeout`: an answer needs its time, too.
#[must_use]
pub fn connect_timeout(timeout: Duration) -> Duration {
    CONNECT.min(timeout.mul_f64(0.75))
}

/// One attempt to be made.
#[derive(Debug)]
pub struct Attempt {
    /// The API's address.
    pub url: Arc<ApiUrl>,
    /// The key, if there is one.
    pub key: Option<ApiKey>,
    /// HTTP method.
    pub method: &'static str,
    /// Path below the address.
    pub path: String,
    /// JSON body.
    pub body: Bytes,
    /// The same over all attempts of one logical request; empty for a question that is none.
    pub idempotency_key: String,
    /// When the caller made the request.
    pub made_at: SystemTime,
    /// For the whole attempt, the answer included.
    pub timeout: Duration,
}

/// A pool of connections, which all copies share.
#[derive(Debug, Clone)]
pub struct Transport {
    shared: Arc<Shared>,
    pool: Arc<ArcSwap<Pool>>,
}

/// What outlives a pool of connections.
#[derive(Debug)]
struct Shared {
    config: Config,
    names: Names,
    tls: Option<TlsConfig>,
}

#[derive(Debug)]
struct Pool {
    client: Client,
    since: Instant,
}

impl Transport {
    /// Builds the HTTP client: 4–5 ms, so it happens on the delivery thread, once per [`Config`].
    ///
    /// # Errors
    /// In words: the CA file or the proxy cannot be used.
    pub fn build(config: &Config) -> Result<Self, String> {
        let shared = Shared {
            config: config.clone(),
            names: Names::default(),
            tls: config.tls_config()?,
        };
        Ok(Self {
            pool: Arc::new(ArcSwap::from_pointee(Pool::build(&shared)?)),
            shared: Arc::new(shared),
        })
    }

    /// Leaves the connections to the requests that are on them: further ones use new ones.
    pub fn renew(&self) {
        // What could be built once can be built again; if not, the old ones are kept.
        if let Ok(pool) = Pool::build(&self.shared) {
            self.pool.store(Arc::new(pool));
        }
    }

    /// The same, unless the pool is newer than `since`: many requests may meet one dead connection.
    pub fn renew_if_older(&self, since: Instant) {
        if self.pool.load().since <= since {
            self.renew();
        }
    }

    /// Makes one attempt; the time-out covers all of it, redirects and the answer included.
    pub async fn send(self, attempt: Attempt) -> Reply {
        let began = Instant::now();
        let exchange = self.exchange(&attempt);
        if let Ok(reply) = tokio::time::timeout(attempt.timeout, exchange).await {
            return reply;
        }
        self.renew_if_older(began);
        Self::late(&attempt)
    }

    /// The reply where none came in time.
    #[must_use]
    pub fn late(attempt: &Attempt) -> Reply {
        let seconds = attempt.timeout.as_secs_f64();
        Reply::Failed(Failure::Timeout(format!("no answer within {seconds} s")))
    }

    /// Makes one attempt. The caller sees to it that the head of the answer comes in time; the body
    /// ends a little before that, so that the status is not lost with it.
    pub async fn exchange(&self, attempt: &Attempt) -> Reply {
        let until = Instant::now() + attempt.timeout.mul_f64(BODY_SHARE);
        match self.head(attempt).await {
            Ok(response) => {
                self.shared.names.reached(&response);
                Reply::Answer(read(response, until).await)
            }
            Err(failure) => Reply::Failed(failure),
        }
    }

    /// The head of the answer, redirects followed.
    async fn head(&self, attempt: &Attempt) -> Result<Response, Failure> {
        let mut url = Url::parse(&attempt.url.join(&attempt.path))
            .map_err(|_| Failure::Unsendable("the address cannot be built".to_owned()))?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.request(attempt, url).await;
            let response = response.map_err(|error| self.failure(&error))?;
            match redirect_target(&response, &attempt.url) {
                Target::None => return Ok(response),
                Target::Follow(next) => url = next,
                Target::Refuse(why) => return Err(Failure::Redirect(why)),
            }
        }
        Err(Failure::Redirect("too many redirects".to_owned()))
    }

    fn failure(&self, error: &reqwest::Error) -> Failure {
        if error.is_builder() {
            return Failure::Unsendable(in_words(error));
        }
        if error.is_connect() && error.is_timeout() {
            let seconds = self.shared.config.connect.as_secs_f64();
            return Failure::Timeout(format!("no connection within {seconds} s"));
        }
        Failure::Connection(in_words(error))
    }

    async fn request(&self, attempt: &Attempt, url: Url) -> reqwest::Result<Response> {
        let method = match attempt.method {
            "GET" => Method::GET,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => Method::POST,
        };
        // Not by a builder, which puts the headers into another map one by one.
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers(attempt);
        *request.body_mut() = Some(attempt.body.clone().into());
        let pool = self.pool.load_full();
        pool.client.execute(request).await
    }
}

impl Pool {
    fn build(shared: &Shared) -> Result<Self, String> {
        let config = &shared.config;
        tls::install_provider();
        let mut builder = Client::builder()
            .user_agent(concat!(
                "sentrial-python/",
                env!("CARGO_PKG_VERSION"),
                " (rust)"
            ))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .tcp_nodelay(true)
            .dns_resolver(shared.names.clone())
            .default_headers(default_headers())
            .connect_timeout(config.connect)
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PING)
            .pool_idle_timeout(POOL_IDLE);
        // The proxies were read with the options; reqwest would read the environment again, here.
        builder = builder.no_proxy();
        if let Some(proxy) = &config.proxy {
            let proxy = Proxy::all(proxy.expose());
            builder = builder.proxy(proxy.map_err(|_| "proxy: not a usable address".to_owned())?);
        }
        builder = match &shared.tls {
            Some(tls) => builder.tls_backend_preconfigured(tls.clone()),
            None => builder.tls_certs_only([]),
        };
        let client = builder.build();
        let client = client.map_err(|error| format!("HTTP client: {}", in_words(&error)))?;
        let since = Instant::now();
        Ok(Self { client, since })
    }
}

fn default_headers() -> HeaderMap {
    let accepted = HeaderValue::from_static(content_coding::ACCEPTED);
    HeaderMap::from_iter([(ACCEPT_ENCODING, accepted)])
}

/// Lends the connector our resolver.
#[derive(Debug, Default, Clone)]
struct Names(Arc<Resolver>);

impl Names {
    /// Notes which of a name's addresses has answered.
    fn reached(&self, response: &Response) {
        if let Some(address) = response.remote_addr() {
            self.0.reached(address.ip());
        }
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = Arc::clone(&self.0);
        Box::pin(async move {
            let found = resolver.addresses(name.as_str()).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn headers(attempt: &Attempt) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    if !attempt.body.is_empty() {
        headers.insert("content-type", HeaderValue::from_static("application/json"));
    }
    if let Some(key) = &attempt.key
        && let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", key.expose()))
    {
        value.set_sensitive(true);
        headers.insert("authorization", value);
    }
    if !attempt.idempotency_key.is_empty()
        && let Ok(value) = HeaderValue::try_from(attempt.idempotency_key.as_str())
    {
        headers.insert("idempotency-key", value);
    }
    if let Ok(value) = HeaderValue::try_from(clock::rfc3339(attempt.made_at)) {
        headers.insert("x-sentrial-timestamp", value);
    }
    headers
}

enum Target {
    None,
    Follow(Url),
    Refuse(String),
}

fn redirect_target(response: &Response, home: &ApiUrl) -> Target {
    let status = response.status().as_u16();
    if !matches!(status, 300..=308) || status == 304 {
        return Target::None;
    }
    let location = response
        .headers()
        .get("location")
        .and_then(|value| value.to_str().ok());
    let Some(next) = location.and_then(|text| response.url().join(text).ok()) else {
        return Target::Refuse(format!(
            "the server answered {status} without a usable Location"
        ));
    };
    if !home.same_origin(&next) {
        // Not where to: the server chooses that text.
        return Target::Refuse(format!(
            "the server redirects ({status}) to another origin; neither the key nor data go there"
        ));
    }
    if !matches!(status, 307 | 308) {
        return Target::Refuse(format!(
            "the server redirects ({status}) in a way that would turn the request into a GET"
        ));
    }
    Target::Follow(next)
}

/// The answer, once its head is there: the status says what became of the request, whatever befalls
/// the body.
async fn read(mut response: Response, until: Instant) -> Answer {
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok());
    let retry_after =
        header("retry-after").and_then(|text| retry::parse_retry_after(text, SystemTime::now()));
    let request_id = header("x-request-id").map(ToOwned::to_owned);
    let date = header("date").and_then(|text| httpdate::parse_http_date(text).ok());
    let kind = header("content-type").map(ToOwned::to_owned);
    let coding = header("content-encoding").map(ToOwned::to_owned);
    let mut body = BytesMut::new();
    let broken = loop {
        match timeout_at(until.into(), response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let room = ANSWER_LIMIT - body.len();
                body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
                if body.len() >= ANSWER_LIMIT {
                    break None;
                }
            }
            Ok(Ok(None)) => break None,
            Ok(Err(error)) => break Some(in_words(&error)),
            Err(_) => break Some("the answer does not end in time".to_owned()),
        }
    };
    let succeeded = (200..300).contains(&status);
    let body = content_coding::decoded(coding.as_deref(), body.freeze(), ANSWER_LIMIT);
    Answer {
        status,
        retry_after,
        request_id,
        date,
        page: answer::is_page(kind.as_deref(), &body, succeeded),
        broken,
        body,
    }
}

/// The innermost cause: "Connection refused (os error 111)" rather than a chain of wrappers. Never
/// the address, which may hold credentials of a proxy.
fn in_words(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = None;
    while let Some(inner) = cause {
        let ended = || tls::early_end(inner).filter(|_| error.is_connect());
        if let Some(words) = tls::fault(inner).or_else(ended) {
            return words;
        }
        text = Some(inner.to_string());
        cause = inner.source();
    }
    text.unwrap_or_else(|| "the request failed".to_owned())
}

//! HTTP. The only file that names reqwest.

use std::error::Error as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Method, NoProxy, Proxy, Response, Url};

use super::api_key::ApiKey;
use super::api_url::ApiUrl;
use super::clock;
use super::options::{Proxies, ProxyUrl};
use super::reply::{Answer, Failure, Reply};
use super::resolver::Resolver;
use super::retry;

/// Bytes of an answer that are read; the rest is left and the connection closed. Four times what an
/// event may have by default: a server may repeat what it was sent, in several places.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
/// Redirects with an unchanged method that are followed on the same origin.
const MAX_REDIRECTS: usize = 3;
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
    /// Explicit proxy for everything; otherwise the environment's proxies count.
    pub proxy: Option<ProxyUrl>,
    /// The environment's proxies.
    pub proxies: Proxies,
    /// Is TLS needed? Without it no certificates are loaded.
    pub tls: bool,
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
    config: Arc<Config>,
    pool: Arc<ArcSwap<Pool>>,
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
        let pool = Arc::new(ArcSwap::from_pointee(Pool::build(config)?));
        let config = Arc::new(config.clone());
        Ok(Self { config, pool })
    }

    /// Leaves the connections to the requests that are on them: further ones use new ones.
    pub fn renew(&self) {
        // What could be built once fails only if a file has gone; then the old ones are kept.
        if let Ok(pool) = Pool::build(&self.config) {
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

    /// Makes one attempt, without a time-out.
    pub async fn exchange(&self, attempt: &Attempt) -> Reply {
        let url = attempt.url.join(&attempt.path);
        let Ok(mut url) = Url::parse(&url) else {
            return Reply::Failed(Failure::Unsendable(
                "the address cannot be built".to_owned(),
            ));
        };
        for _ in 0..=MAX_REDIRECTS {
            let response = match self.request(attempt, url.clone()).await {
                Ok(response) => response,
                Err(error) => return Reply::Failed(failure(&error)),
            };
            match redirect_target(&response, &attempt.url) {
                Target::None => return read(response).await,
                Target::Follow(next) => url = next,
                Target::Refuse(why) => return Reply::Failed(Failure::Redirect(why)),
            }
        }
        Reply::Failed(Failure::Redirect("too many redirects".to_owned()))
    }

    async fn request(&self, attempt: &Attempt, url: Url) -> reqwest::Result<Response> {
        let method = match attempt.method {
            "GET" => Method::GET,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => Method::POST,
        };
        let pool = self.pool.load_full();
        pool.client
            .request(method, url)
            .headers(headers(attempt))
            .body(attempt.body.clone())
            .send()
            .await
    }
}

impl Pool {
    fn build(config: &Config) -> Result<Self, String> {
        // Fails only if it is installed already, which is what we want.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!(
                "sentrial-python/",
                env!("CARGO_PKG_VERSION"),
                " (rust)"
            ))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .tcp_nodelay(true)
            .dns_resolver(Names::default())
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PING)
            .pool_idle_timeout(POOL_IDLE);
        // The proxies were read with the options; reqwest would read the environment again, here.
        builder = builder.no_proxy();
        for proxy in proxies(config)? {
            builder = builder.proxy(proxy);
        }
        let client = builder.tls_certs_only(roots(config)?).build();
        let client = client.map_err(|error| format!("HTTP client: {}", in_words(&error)))?;
        let since = Instant::now();
        Ok(Self { client, since })
    }
}

/// Lends the connector our resolver.
#[derive(Debug, Default, Clone)]
struct Names(Arc<Resolver>);

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

fn proxies(config: &Config) -> Result<Vec<Proxy>, String> {
    let unusable = |_| "proxy: not a usable address".to_owned();
    if let Some(proxy) = &config.proxy {
        return Ok(vec![Proxy::all(proxy.expose()).map_err(unusable)?]);
    }
    let Proxies {
        http,
        https,
        no_proxy,
    } = &config.proxies;
    let direct = || no_proxy.as_deref().and_then(NoProxy::from_string);
    let mut proxies = Vec::new();
    if let Some(proxy) = http {
        proxies.push(
            Proxy::http(proxy.expose())
                .map_err(unusable)?
                .no_proxy(direct()),
        );
    }
    if let Some(proxy) = https {
        proxies.push(
            Proxy::https(proxy.expose())
                .map_err(unusable)?
                .no_proxy(direct()),
        );
    }
    Ok(proxies)
}

/// The roots to trust: those of `ca_file`, else the system's (`SSL_CERT_FILE` counts), else
/// Mozilla's, because a bare container has none and reqwest refuses to build without any.
fn roots(config: &Config) -> Result<Vec<Certificate>, String> {
    if let Some(file) = &config.ca_file {
        let name = file.display();
        let pem = std::fs::read(file).map_err(|error| format!("ca_file {name}: {error}"))?;
        let certs = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        return if certs.is_empty() {
            Err(format!("ca_file {name}: holds no PEM certificate"))
        } else {
            Ok(certs)
        };
    }
    if !config.tls {
        return Ok(Vec::new());
    }
    let system = rustls_native_certs::load_native_certs().certs;
    let certs: Vec<_> = system
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .collect();
    if !certs.is_empty() {
        return Ok(certs);
    }
    let mozilla = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
    Ok(mozilla
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .collect())
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

async fn read(mut response: Response) -> Reply {
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok());
    let retry_after =
        header("retry-after").and_then(|text| retry::parse_retry_after(text, SystemTime::now()));
    let request_id = header("x-request-id").map(ToOwned::to_owned);
    let date = header("date").and_then(|text| httpdate::parse_http_date(text).ok());
    let html = header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = ANSWER_LIMIT - body.len();
                body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
                if body.len() >= ANSWER_LIMIT {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => return Reply::Failed(failure(&error)),
        }
    }
    Reply::Answer(Answer {
        status,
        retry_after,
        request_id,
        date,
        page: html && is_page(&body),
        body: body.freeze(),
    })
}

/// Does a body declared as HTML look like a page? Some servers declare everything as HTML.
fn is_page(body: &[u8]) -> bool {
    let text = body.trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"].iter().any(|start| {
        text.get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start))
    })
}

fn failure(error: &reqwest::Error) -> Failure {
    if error.is_builder() {
        return Failure::Unsendable(in_words(error));
    }
    Failure::Connection(in_words(error))
}

/// The innermost cause: "Connection refused (os error 111)" rather than a chain of wrappers. Never
/// the address, which may hold credentials of a proxy.
fn in_words(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = None;
    while let Some(inner) = cause {
        text = Some(inner.to_string());
        cause = inner.source();
    }
    text.unwrap_or_else(|| "the request failed".to_owned())
}

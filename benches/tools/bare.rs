//! The least that a program pays for the same requests: a loop around reqwest on one thread.
//!
//! ```text
//! bare http://127.0.0.1:PORT/api/sdk/events --connections 64 --requests 20000 < body.json
//! ```
//!
//! Every request carries the body from standard input and as many headers as the SDK's. Prints the
//! seconds that it took and those of the processor, as JSON.
#![expect(clippy::print_stdout, reason = "the figures are what it prints")]

use std::cell::Cell;
use std::io::Read as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::try_join_all;
use reqwest::Client;
use reqwest::header::{HeaderMap, HeaderValue};
use tokio::runtime::Builder;

type Failure = Box<dyn std::error::Error>;

struct Load {
    client: Client,
    url: String,
    body: Bytes,
    left: Cell<u64>,
}

fn main() -> Result<(), Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (mut url, mut connections, mut requests) = (String::new(), 64, 20_000);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--connections" => connections = arguments.next().unwrap_or_default().parse()?,
            "--requests" => requests = arguments.next().unwrap_or_default().parse()?,
            _ => url = name,
        }
    }
    let mut body = Vec::new();
    std::io::stdin().read_to_end(&mut body)?;
    let client = Client::builder()
        .user_agent("bare")
        .tcp_nodelay(true)
        .no_proxy()
        .tls_certs_only([])
        .build()?;
    let load = Load {
        client,
        url,
        body: body.into(),
        left: Cell::new(requests),
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let started = Instant::now();
    runtime.block_on(try_join_all((0..connections).map(|_| load.send_all())))?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu = processor_time()?.as_secs_f64();
    println!("{}", serde_json::json!({"seconds": seconds, "cpu": cpu}));
    Ok(())
}

impl Load {
    /// One connection's part: a request after the other until none is left.
    async fn send_all(&self) -> Result<(), Failure> {
        while self.left.get() > 0 {
            let number = self.left.get();
            self.left.set(number - 1);
            let answer = self
                .client
                .post(&self.url)
                .headers(headers(number)?)
                .body(self.body.clone())
                .send()
                .await?
                .error_for_status()?;
            answer.bytes().await?;
        }
        Ok(())
    }
}

fn headers(number: u64) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert(
        "authorization",
        HeaderValue::from_static("Bearer sentrial_test_0123456789abcdef0123456789abcdef"),
    );
    let key = format!("0123456789abcdef0123456789abcdef-{number:x}");
    headers.insert("idempotency-key", HeaderValue::try_from(key)?);
    headers.insert(
        "x-sentrial-timestamp",
        HeaderValue::from_static("2026-11-30T12:00:00.000Z"),
    );
    Ok(headers)
}

/// What this thread, the only one that works, has had of the processor.
fn processor_time() -> Result<Duration, Failure> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(Duration::from_nanos(nanos))
}

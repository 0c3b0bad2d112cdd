//! Transport, thread and client together, over real sockets on loopback.

mod calls;
mod life;
mod outages;
mod server;
mod traffic;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::api_key::ApiKey;
use super::api_url::ApiUrl;
use super::client::{Client, Mode, Settings};
use super::notices::Notice;
use super::options::Options;
use super::policy::Redaction;
use super::process::Process;
use super::receipt::{Outcome, Receipt};
use super::request::{Body, Kind};
use super::session::Session;
use super::stats::Counters;

const KEY: &str = "sentrial_test_0123456789abcdefghij";
/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process state of its own, so that tests do not share a delivery thread.
fn process() -> Arc<Process> {
    Arc::new(Process::new(std::process::id()))
}

fn settings(url: &str) -> Settings {
    Settings {
        url: Arc::new(ApiUrl::parse(url, false).unwrap().0),
        options: Options::default(),
        mode: Mode::Background,
        batch: None,
        loud: false,
        debug: false,
        redaction: Redaction::default(),
    }
}

fn key() -> ApiKey {
    ApiKey::parse(KEY).unwrap().0
}

fn client(process: &Arc<Process>, url: &str) -> Client {
    Client::in_process(Arc::clone(process), settings(url), Some(key()))
}

/// A client whose calls end after `attempts` attempts of at most `timeout` each.
fn impatient(url: &str, timeout: Duration, attempts: u32) -> Client {
    let mut settings = settings(url);
    settings.mode = Mode::Immediate;
    settings.options.timeout = timeout;
    settings.options.max_retries = attempts - 1;
    Client::in_process(process(), settings, Some(key()))
}

fn body() -> Body {
    Body::Ready(bytes::Bytes::from_static(b"{\"eventType\":\"tool_call\"}"))
}

/// An event whose body carries a number, for the order.
fn event_of(client: &Client, session: &Arc<Session>, number: u32) {
    let tail = format!(",\"number\":{number}}}").into_bytes();
    let body = Body::Led {
        field: "sessionId",
        session: Arc::clone(session),
        tail,
    };
    let _ = client.submit(Kind::Event, Arc::clone(session), body, false);
}

/// Submits an event of a session of its own and waits for its outcome.
fn send(client: &Client) -> Outcome {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let id = format!("sess_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let receipt = client.submit(Kind::Event, Session::known(&id), body(), true);
    outcome(client, &receipt.unwrap())
}

fn outcome(client: &Client, receipt: &Receipt) -> Outcome {
    wait(client, "an outcome", || receipt.outcome().cloned())
}

/// Waits as the bindings do.
fn wait<T>(client: &Client, what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let state = client.state();
    let waiting = state.process().waiting();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let generation = waiting.generation();
        if let Some(value) = ready() {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "{what} did not happen: {:?}",
            state.queue().counters()
        );
        waiting.wait(generation, Duration::from_millis(50));
    }
}

fn flush(client: &Client) {
    let state = client.state();
    let mark = state.begin_flush();
    wait(client, "a flush", || state.is_settled(mark).then_some(()));
}

/// Polls for what no notification announces.
fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !ready() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn counters(client: &Client) -> Counters {
    client.state().queue().counters().clone()
}

fn balanced(counters: &Counters) -> bool {
    let Counters {
        accepted,
        delivered,
        pending,
        spooled,
        ..
    } = counters;
    *accepted == delivered + pending + spooled + counters.dropped_total()
}

fn lines(process: &Process) -> Vec<Notice> {
    process.notices().drain()
}

fn answered(outcome: &Outcome) -> &[u8] {
    match outcome {
        Outcome::Answer(body) => body,
        Outcome::Failed(error) => panic!("failed: {error}"),
    }
}

fn failed(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answer(body) => panic!("delivered: {body:?}"),
        Outcome::Failed(error) => error.to_string(),
    }
}

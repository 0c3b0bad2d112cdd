//! Calls outside the ledger.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::server::{Act, Server};
use super::{KEY, client, counters, lines, process, settings, until, wait};
use crate::core::call::{Call, Ended};
use crate::core::client::Client;
use crate::core::receipt::Outcome;

fn call(method: &'static str, attempts: u32) -> Call {
    Call {
        method,
        path: "/api/experiments/e/runs".to_owned(),
        body: Bytes::from_static(if method == "POST" {
            b"{\"a\":\"secret\"}"
        } else {
            b""
        }),
        attempts,
    }
}

fn made(client: &Client, call: Call) -> Ended {
    let calling = client.call(call);
    wait(client, "the end of a call", || calling.ended().cloned())
}

#[test]
fn it_is_retried_under_one_key_and_not_counted() {
    let server = Server::start(|seen| match seen.nth {
        0 => Act::status(503),
        _ => Act::Answer(
            200,
            vec![("Date", "Sun, 06 Nov 1994 08:49:37 GMT".to_owned())],
            b"{}".to_vec(),
        ),
    });
    let client = client(&process(), &server.url());
    let ended = made(&client, call("POST", 2));
    assert!(matches!(ended.outcome, Outcome::Answer(_)), "{ended:?}");
    let since = ended
        .server_time
        .unwrap()
        .duration_since(std::time::UNIX_EPOCH);
    assert_eq!(since.unwrap().as_secs(), 784_111_777);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        seen[0].header("idempotency-key"),
        seen[1].header("idempotency-key")
    );
    assert_eq!(counters(&client).accepted, 0);
}

#[test]
fn attempts_are_bounded_and_refusals_final() {
    let server = Server::start(|seen| Act::status(if seen.method == "GET" { 503 } else { 404 }));
    let client = client(&process(), &server.url());
    for method in ["GET", "DELETE"] {
        let attempts = if method == "GET" { 1 } else { 5 };
        let ended = made(&client, call(method, attempts));
        assert!(matches!(ended.outcome, Outcome::Failed(_)), "{ended:?}");
    }
    let seen = server.seen();
    let methods: Vec<_> = seen.iter().map(|request| request.method.as_str()).collect();
    assert_eq!(methods, ["GET", "DELETE"]);
    assert!(
        seen.iter()
            .all(|request| request.header("content-type").is_none())
    );
}

#[test]
fn nobody_waits_for_a_call_that_was_given_up() {
    let server = Server::start(|_| Act::status(503));
    let client = client(&process(), &server.url());
    drop(client.call(call("POST", 100)));
    until("an attempt", || server.seen().len() == 1);
    // The pause before a second attempt would be below one second.
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_crash_of_the_thread_ends_a_call() {
    let server = Server::start(|_| Act::Hang);
    let process = process();
    let client = client(&process, &server.url());
    let calling = client.call(call("POST", 1));
    until("the request", || server.seen().len() == 1);
    process.sabotage.store(true, Ordering::SeqCst);
    client.ring();
    let ended = wait(&client, "the end", || calling.ended().cloned());
    assert!(matches!(ended.outcome, Outcome::Failed(_)), "{ended:?}");
}

#[test]
fn debug_shows_the_shape_of_a_body_and_the_end_of_the_key() {
    let server = Server::start(|_| Act::ok());
    let process = process();
    let mut settings = settings(&server.url());
    settings.debug = true;
    let client = Client::in_process(Arc::clone(&process), settings, Some(super::key()));
    made(&client, call("POST", 1));
    let said = lines(&process);
    let text = &said[0].text;
    assert!(text.contains("POST /api/experiments/e/runs"), "{text}");
    assert!(
        text.contains("key sentrial_test_…ghij, 14 bytes, {a: string}"),
        "{text}"
    );
    assert!(!text.contains("secret") && !text.contains(KEY), "{text}");
}

#[test]
fn the_wait_covers_all_attempts_and_the_pauses_between() {
    let timeout = Duration::from_secs(30);
    let longest = call("GET", 4).longest(timeout);
    assert!(
        longest >= timeout * 4 + Duration::from_secs(24),
        "{longest:?}"
    );
    assert!(call("GET", 1).longest(timeout) < Duration::from_secs(60));
}

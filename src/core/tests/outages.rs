//! Servers that go away and come back.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use super::server::{Act, Server};
use super::{
    KEY, body, client, counters, event_of, flush, key, lines, process, settings, until, wait,
};
use crate::core::api_key::ApiKey;
use crate::core::client::Client;
use crate::core::error::DropReason;
use crate::core::health::State;
use crate::core::notices::Level;
use crate::core::request::Kind;
use crate::core::session::Session;

#[test]
fn a_server_that_refuses_and_comes_back_is_two_lines() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let process = process();
    let client = client(&process, &format!("http://{address}"));
    let session = Session::pending();
    let _ = client.submit(Kind::Create, Arc::clone(&session), body(), false);
    for number in 0..50 {
        event_of(&client, &session, number);
    }
    wait(&client, "an outage", || {
        client.state().is_broken().then_some(())
    });
    assert_eq!(client.state().health(), State::Down);
    assert_eq!(counters(&client).pending, 51);
    let server = Server::on(TcpListener::bind(address).unwrap(), |_| Act::ok());
    flush(&client);
    let lines = lines(&process);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.level == Level::Warning));
    assert!(lines[0].text.contains("delivery broke") && lines[0].text.contains("refused"));
    assert!(lines[1].text.contains("recovered"), "{lines:?}");
    assert_eq!(counters(&client).delivered, 51);
    let numbers: Vec<_> = server.seen()[1..]
        .iter()
        .map(|seen| seen.json()["number"].as_u64())
        .collect();
    assert_eq!(numbers, (0..50).map(Some).collect::<Vec<_>>());
}

#[test]
fn while_the_server_is_down_there_is_one_probe_at_a_time() {
    let server = Server::start(|seen| {
        if seen.nth < 3 {
            Act::status(503)
        } else {
            Act::ok()
        }
    });
    let mut settings = settings(&server.url());
    settings.options.max_in_flight = 1;
    let client = Client::in_process(process(), settings, Some(key()));
    for n in 0..20 {
        event_of(&client, &Session::known(&format!("s{n}")), n);
    }
    flush(&client);
    let seen = server.seen();
    assert_eq!(
        seen.len(),
        23,
        "every failure is one request, not one per lane"
    );
    for pair in seen[..4].windows(2) {
        assert!((pair[1].at - pair[0].at).as_millis() >= 370, "back-off");
    }
}

#[test]
fn a_new_key_resumes_at_once_what_the_old_one_stopped() {
    let good = "sentrial_test_zyxwvutsrqponmlkjihg";
    let server = Server::start(move |seen| {
        let bearer = format!("Bearer {good}");
        if seen.header("authorization") == Some(bearer.as_str()) {
            Act::ok()
        } else {
            Act::Answer(
                401,
                Vec::new(),
                br#"{"error": "Unauthorized", "message": "Invalid or missing API key"}"#.to_vec(),
            )
        }
    });
    let process = process();
    let client = client(&process, &server.url());
    for n in 0..200 {
        event_of(&client, &Session::known(&format!("s{n}")), n);
    }
    wait(&client, "a pause", || {
        (client.state().health() == State::Paused).then_some(())
    });
    client.set_key(Some(ApiKey::parse(good).unwrap().0));
    flush(&client);
    let lines = lines(&process);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0].level, Level::Error);
    assert!(
        lines[0].text.contains("Invalid or missing API key"),
        "{lines:?}"
    );
    assert!(lines.iter().all(|line| !line.text.contains(KEY)));
    assert_eq!(counters(&client).delivered, 200);
}

#[test]
fn one_bad_request_is_dropped_and_the_others_of_its_session_go_on() {
    let server = Server::start(|seen| {
        let number = seen.json()["number"].as_u64();
        if number == Some(3) {
            Act::status(404)
        } else {
            Act::ok()
        }
    });
    let client = client(&process(), &server.url());
    let session = Session::known("s");
    for number in 0..6 {
        event_of(&client, &session, number);
    }
    flush(&client);
    let counters = counters(&client);
    assert_eq!(counters.delivered, 5);
    assert_eq!(counters.dropped[DropReason::Rejected404.index()], 1);
}

#[test]
fn a_limit_pauses_one_client_and_not_its_neighbour() {
    let status = Arc::new(AtomicU16::new(429));
    let mine = Arc::clone(&status);
    let limited = Server::start(move |_| match mine.load(Ordering::SeqCst) {
        200 => Act::ok(),
        _ => Act::Answer(429, vec![("Retry-After", "1".to_owned())], Vec::new()),
    });
    let free = Server::start(|_| Act::ok());
    let process = process();
    let (one, other) = (
        client(&process, &limited.url()),
        client(&process, &free.url()),
    );
    for n in 0..10 {
        event_of(&one, &Session::known(&format!("s{n}")), n);
        event_of(&other, &Session::known(&format!("s{n}")), n);
    }
    flush(&other);
    wait(&one, "a limit", || {
        (one.state().health() == State::Limited).then_some(())
    });
    status.store(200, Ordering::SeqCst);
    flush(&one);
    let seen = limited.seen();
    let pauses = seen.windows(2).map(|pair| pair[1].at - pair[0].at);
    assert!(pauses.max() >= Some(Duration::from_millis(990)));
    until("the lines", || process.notices().any());
}

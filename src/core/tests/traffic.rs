//! Many requests at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::server::{Act, Server};
use super::{balanced, body, client, counters, event_of, flush, key, process, settings, until};
use crate::core::client::Client;
use crate::core::options::BatchOptions;
use crate::core::request::Kind;
use crate::core::session::Session;

#[test]
fn sessions_are_delivered_in_parallel_up_to_the_limit_which_grows() {
    // An unoptimised build on a busy machine needs more time for each request itself.
    const LATENCY: Duration = Duration::from_millis(if cfg!(debug_assertions) { 200 } else { 50 });
    let server = Server::start(|_| {
        std::thread::sleep(LATENCY);
        Act::ok()
    });
    let client = client(&process(), &server.url());
    let sessions: Vec<_> = (0..500).map(|n| Session::known(&format!("s{n}"))).collect();
    let ideal = 64.0 / LATENCY.as_secs_f64();
    let round = |number| {
        let started = Instant::now();
        for session in &sessions {
            event_of(&client, session, number);
        }
        flush(&client);
        500.0 / started.elapsed().as_secs_f64()
    };
    // The first round opens the connections; a later one may be disturbed by other tests.
    let reached = (0..5).map(round).any(|rate| rate >= 0.8 * ideal);
    assert!(
        (64..=256).contains(&server.most_busy()),
        "{}",
        server.most_busy()
    );
    assert!(reached, "of {ideal:.0} requests per second, never 0.8");
}

#[test]
fn eight_threads_and_a_thousand_events_each_leave_an_exact_ledger() {
    let server = Server::start(|_| Act::ok());
    let client = client(&process(), &server.url());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let client = &client;
            scope.spawn(move || {
                let sessions: Vec<_> = (0..10)
                    .map(|n| Session::known(&format!("s{thread}-{n}")))
                    .collect();
                for number in 0..100 {
                    for session in &sessions {
                        event_of(client, session, number);
                        assert!(balanced(&counters(client)));
                    }
                }
            });
        }
    });
    flush(&client);
    let counters = counters(&client);
    assert!(balanced(&counters));
    assert_eq!(
        (counters.accepted, counters.delivered, counters.pending),
        (8000, 8000, 0)
    );
    let mut order: HashMap<String, Vec<u64>> = HashMap::new();
    let mut keys = HashSet::new();
    for seen in server.seen() {
        let json = seen.json();
        let session = json["sessionId"].as_str().unwrap().to_owned();
        let number = json["number"].as_u64().unwrap();
        order.entry(session).or_default().push(number);
        keys.insert(seen.header("idempotency-key").unwrap().to_owned());
    }
    assert_eq!((order.len(), keys.len()), (80, 8000));
    for (session, numbers) in order {
        assert!(numbers.iter().copied().eq(0..100), "{session}: {numbers:?}");
    }
}

#[test]
fn a_flush_waits_for_what_came_before_it_and_for_nothing_else() {
    let server = Server::start(|seen| {
        if seen.json()["number"] == 7 {
            Act::Hang
        } else {
            Act::ok()
        }
    });
    let client = client(&process(), &server.url());
    let state = client.state();
    assert!(state.is_settled(state.begin_flush()), "nothing to wait for");
    event_of(&client, &Session::known("a"), 1);
    let before = state.begin_flush();
    event_of(&client, &Session::known("b"), 7);
    let after = state.begin_flush();
    super::wait(&client, "the first event", || {
        state.is_settled(before).then_some(())
    });
    until("the second one is out", || server.count() == 2);
    assert!(!state.is_settled(after));
    assert!(state.is_settled(before));
}

#[test]
fn held_events_go_with_a_flush_that_does_not_wait() {
    let server = Server::start(|_| Act::ok());
    let mut settings = settings(&server.url());
    settings.batch = Some(BatchOptions {
        flush_interval: Duration::from_secs(3600),
        flush_threshold: 1000,
        max_queue_size: 1000,
    });
    let client = Client::in_process(process(), settings, Some(key()));
    for number in 0..5 {
        event_of(&client, &Session::known("s"), number);
    }
    // Long enough for the thread to fall asleep.
    let asleep = Instant::now() + Duration::from_millis(400);
    until("the thread sleeps", || Instant::now() > asleep);
    assert_eq!(server.count(), 0);
    let _ = client.state().begin_flush();
    until("delivery", || server.count() == 5);
    for number in 5..8 {
        event_of(&client, &Session::known("s"), number);
    }
    drop(client);
    until("what a dropped client held", || server.count() == 8);
}

#[test]
fn the_last_handle_may_be_dropped_before_anything_is_sent() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(2));
        Act::ok()
    });
    let process = process();
    let client = client(&process, &server.url());
    let session = Session::pending();
    let _ = client.submit(Kind::Create, Arc::clone(&session), body(), false);
    for number in 0..100 {
        event_of(&client, &session, number);
    }
    drop(client);
    until("delivery", || process.counters().delivered == 101);
    assert_eq!(server.count(), 101);
    // The next event lets the thread look; then the client is gone, its counts are not.
    let other = super::client(&process, &server.url());
    event_of(&other, &Session::known("s"), 0);
    flush(&other);
    until("the client is let go", || {
        process.with_clients(|clients| clients.len()) == 1
    });
    assert_eq!(process.counters().delivered, 102);
    assert!(balanced(&process.counters()));
}

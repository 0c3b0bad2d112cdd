//! The delivery thread: parked, forked away from, and dying.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::server::{Act, Server};
use super::{
    answered, balanced, body, client, counters, event_of, flush, key, lines, outcome, process,
    send, settings, until,
};
use crate::core::client::Client;
use crate::core::error::DropReason;
use crate::core::process::Process;
use crate::core::receipt::Receipt;
use crate::core::request::Kind;
use crate::core::session::Session;

#[test]
fn nothing_starts_before_the_first_event() {
    let process = process();
    let client = client(&process, "http://127.0.0.1:9");
    assert!(client.state().is_settled(client.state().begin_flush()));
    client.count_disabled();
    client.reject(DropReason::Invalid);
    assert!(!process.has_thread());
    assert_eq!(process.counters().accepted, 1);
}

#[test]
fn callers_do_not_wait_for_whoever_is_at_the_queue() {
    let server = Server::start(|_| Act::ok());
    let process = process();
    let client = client(&process, &server.url());
    let session = Session::known("s");
    event_of(&client, &session, 0);
    let state = client.state();
    let busy = state.queue();
    std::thread::scope(|threads| {
        let caller = threads.spawn(|| {
            for number in 1..100 {
                event_of(&client, &session, number);
            }
        });
        until("the calls return", || caller.is_finished());
    });
    drop(busy);
    flush(&client);
    assert_eq!(counters(&client).delivered, 100);
    let seen = server.seen();
    let numbers: Vec<_> = seen
        .iter()
        .filter_map(|seen| seen.json()["number"].as_u64())
        .collect();
    assert_eq!(numbers, (0..100).collect::<Vec<u64>>());
}

#[test]
fn clients_that_only_count_do_not_pile_up() {
    let process = process();
    for _ in 0..1000 {
        client(&process, "http://127.0.0.1:9").count_disabled();
    }
    assert!(process.with_clients(|clients| clients.len()) < 100);
    assert_eq!(process.counters().disabled, 1000);
}

#[test]
fn a_panic_of_the_thread_is_survived_without_loss() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(20));
        Act::ok()
    });
    let process = process();
    let client = client(&process, &server.url());
    let session = Session::pending();
    let _ = client.submit(Kind::Create, Arc::clone(&session), body(), false);
    for number in 0..50 {
        event_of(&client, &session, number);
        event_of(&client, &Session::known(&format!("s{number}")), number);
    }
    until("something is in flight", || server.count() > 20);
    process.sabotage.store(true, Ordering::SeqCst);
    flush(&client);
    assert!(!process.sabotage.load(Ordering::SeqCst));
    let counters = counters(&client);
    assert!(balanced(&counters));
    assert_eq!(counters.delivered, 101, "{counters:?}");
    let lines = lines(&process);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0]
            .text
            .contains("internal error in the delivery thread at src/core/worker.rs"),
        "{lines:?}"
    );
    let mut numbers: Vec<_> = server
        .seen()
        .iter()
        .filter(|seen| seen.body.starts_with(br#"{"sessionId":"sess_1""#))
        .map(|seen| seen.json()["number"].as_u64().unwrap())
        .collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    numbers.dedup();
    assert!(numbers.into_iter().eq(0..50));
}

#[test]
fn a_thread_that_panics_again_and_again_starts_with_the_next_event() {
    let server = Server::start(|_| Act::ok());
    let process = process();
    let client = client(&process, &server.url());
    answered(&send(&client));
    let mut panics = 0;
    while process.has_thread() {
        assert!(panics < 4);
        process.sabotage.store(true, Ordering::SeqCst);
        process.signal.ring();
        until("the panic", || !process.sabotage.load(Ordering::SeqCst));
        until("the line", || process.notices().any());
        panics += lines(&process).len();
        // The thread that ends says so last.
        if panics == 3 {
            until("the end of the thread", || !process.has_thread());
        }
    }
    answered(&send(&client));
    assert!(process.has_thread());
}

/// Ends the other threads of a test also when it fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn forks_stop_and_resume_the_thread_without_loss() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(1));
        Act::ok()
    });
    let process = process();
    let client = client(&process, &server.url());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = Stop(&done);
        let producers: Vec<_> = (0..3)
            .map(|thread| {
                let client = &client;
                scope.spawn(move || {
                    for number in 0..300 {
                        let session = Session::known(&format!("s{thread}-{}", number % 30));
                        event_of(client, &session, number);
                        if number % 10 == 0 {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            // Two threads may fork at the same time.
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    process.park();
                    resume(&process);
                }
            });
        }
        for producer in producers {
            producer.join().unwrap();
        }
        flush(&client);
    });
    let counters = counters(&client);
    assert!(balanced(&counters));
    assert_eq!(counters.delivered, 900);
    assert_eq!(server.count(), 900, "nothing twice");
    answered(&send(&client));
    assert_eq!(lines(&process), []);
}

/// What the hook after a fork does in the parent.
fn resume(process: &Arc<Process>) {
    let _ = process.stand_by();
    process.go_on();
}

#[test]
fn a_parked_thread_keeps_what_is_in_flight() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(100));
        Act::ok()
    });
    let process = process();
    let client = client(&process, &server.url());
    let receipt = client.submit(Kind::Event, Session::known("s"), body(), true);
    until("the request is out", || server.count() == 1);
    process.park();
    process.park();
    resume(&process);
    answered(&outcome(&client, &receipt.unwrap()));
    assert_eq!(server.count(), 1);
}

/// A process whose thread has left for a fork with one request in flight.
fn parked_in_flight(server: &Server, process: &Arc<Process>) -> (Client, Arc<Receipt>) {
    let client = client(process, &server.url());
    let receipt = client.submit(Kind::Event, Session::known("s"), body(), true);
    until("the request is out", || server.count() == 1);
    process.park();
    (client, receipt.unwrap())
}

fn slow_server() -> Server {
    Server::start(|_| {
        std::thread::sleep(Duration::from_millis(100));
        Act::ok()
    })
}

#[test]
fn threads_that_stand_by_go_on_when_they_are_told() {
    let (server, process) = (slow_server(), process());
    let (client, receipt) = parked_in_flight(&server, &process);
    assert!(process.stand_by(), "there is something to do");
    assert!(!process.has_thread());
    process.park();
    assert!(process.stand_by(), "another fork changes nothing");
    assert!(!process.has_thread());
    process.go_on();
    assert!(process.has_thread());
    process.go_on();
    until("the answer", || receipt.outcome().is_some());
    answered(&outcome(&client, &receipt));
    process.park();
    assert!(!process.stand_by(), "there is nothing to do");
    process.go_on();
    assert!(!process.has_thread());
}

#[test]
fn the_next_event_starts_what_stands_by() {
    let (server, process) = (slow_server(), process());
    let (client, receipt) = parked_in_flight(&server, &process);
    assert!(process.stand_by());
    event_of(&client, &Session::known("t"), 1);
    until("the answer", || receipt.outcome().is_some());
    process.go_on();
    until("both", || counters(&client).delivered == 2);
    assert_eq!(server.count(), 2);
}

#[test]
fn whoever_waits_starts_what_stands_by() {
    let (server, process) = (slow_server(), process());
    let (client, receipt) = parked_in_flight(&server, &process);
    assert!(process.stand_by());
    answered(&outcome(&client, &receipt));
    assert_eq!(server.count(), 1);
}

#[test]
fn nothing_starts_between_the_hooks_of_a_fork() {
    let (server, process) = (slow_server(), process());
    let client = client(&process, &server.url());
    answered(&send(&client));
    process.park();
    assert!(!process.stand_by());
    process.park();
    // Another thread of the program records and waits meanwhile.
    event_of(&client, &Session::known("t"), 1);
    drop(process.waiting());
    assert!(process.stand_by(), "it has not started");
    process.go_on();
    until("both", || counters(&client).delivered == 2);
}

#[test]
fn a_thread_that_is_held_up_does_not_hold_up_every_fork() {
    let server = Server::start(|_| Act::ok());
    let process = process();
    let client = client(&process, &server.url());
    answered(&send(&client));
    let state = client.state();
    let queue = state.queue();
    let parking = || {
        let started = Instant::now();
        process.park();
        let took = started.elapsed();
        let _ = process.stand_by();
        took
    };
    let first = parking();
    let others: Duration = (0..5).map(|_| parking()).sum();
    drop(queue);
    assert!(first >= Duration::from_millis(100), "{first:?}");
    assert!(others < 3 * first, "{others:?} for five, {first:?} for one");
    answered(&send(&client));
}

#[test]
fn a_forked_child_takes_no_inherited_lock_and_starts_empty() {
    let server = Server::start(|_| Act::ok());
    // The state as a child finds it: stamped with another process, its locks held for ever.
    let parent = Arc::new(Process::new(std::process::id().wrapping_add(1)));
    let client = Client::in_process(Arc::clone(&parent), settings(&server.url()), Some(key()));
    let inherited = client.inherited();
    let queue = inherited.queue();
    parent.with_clients(|_| {
        answered(&send(&client));
        assert_eq!(counters(&client).accepted, 1);
        let lost = client.submit(Kind::Event, Session::inherited(), body(), true);
        assert!(lost.is_none());
        let counters = counters(&client);
        assert_eq!(counters.dropped[DropReason::UnresolvedAtFork.index()], 1);
        assert!(balanced(&counters));
    });
    drop(queue);
    drop(client);
    assert!(Arc::strong_count(&inherited) > 1, "leaked, not dropped");
}

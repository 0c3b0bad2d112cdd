//! Lanes, bounds and sessions: one test per rule; most of them were broken once.

use std::sync::Arc;
use std::time::Duration;

use super::{Bench, created, dropped, limits, refused, status, status_after};
use crate::core::error::DropReason;
use crate::core::queue::Limits;
use crate::core::receipt::Outcome;
use crate::core::request::{Body, Kind};
use crate::core::session::{Identity, Session};

fn led(field: &'static str, session: &Arc<Session>) -> Body {
    Body::Led {
        field,
        session: Arc::clone(session),
        tail: b",\"name\":\"n\"}".to_vec(),
    }
}

#[test]
fn bytes_return_to_zero_although_the_id_makes_the_body_longer() {
    let mut bench = Bench::new();
    let session = Session::pending();
    bench.push(Kind::Create, &session);
    for _ in 0..3 {
        bench.push_body(Kind::Event, &session, led("sessionId", &session));
    }
    bench.answer(created("a-rather-long-session-id"));
    let before = bench.queue.bytes();
    bench.answer(refused());
    assert_eq!(bench.queue.bytes(), before);
    bench.drain();
    assert_eq!(bench.queue.bytes(), 0);
}

#[test]
fn what_is_older_than_seven_days_is_given_up_and_counted_as_too_old() {
    let mut bench = Bench::new();
    bench.push(Kind::Event, &Session::known("old"));
    bench.pass(4 * 86_400);
    bench.push(Kind::Event, &Session::known("young"));
    let create = Session::pending();
    bench.push(Kind::Create, &create);
    bench.pass(4 * 86_400);
    let request = bench.take().expect("the young one");
    assert_eq!(request.number, 2);
    bench.settle(request, refused());
    let counters = bench.queue.counters();
    assert_eq!(dropped(&bench, DropReason::TooOld), 1);
    assert_eq!((counters.accepted, counters.pending), (3, 2));
    bench.push(Kind::Event, &create);
    bench.pass(4 * 86_400);
    assert!(bench.take().is_none(), "its creation is too old");
    assert_eq!(create.identity(), Identity::Dead);
    assert_eq!(dropped(&bench, DropReason::TooOld), 4);
    assert_eq!(
        (bench.queue.counters().pending, bench.queue.bytes()),
        (0, 0)
    );
}

#[test]
fn whoever_waits_for_an_answer_is_not_told_that_it_is_too_old() {
    let mut bench = Bench::with(Limits {
        immediate: true,
        ..limits()
    });
    bench.push(Kind::Event, &Session::known("s"));
    bench.pass(8 * 86_400);
    bench.answer(status(200));
    assert_eq!(dropped(&bench, DropReason::TooOld), 0);
}

#[test]
fn delivered_bytes_are_those_of_the_bodies() {
    let mut bench = Bench::new();
    bench.push(Kind::Event, &Session::known("s"));
    bench.drain();
    assert_eq!(bench.queue.counters().bytes, 2);
}

#[test]
fn a_new_session_with_the_id_of_a_known_one_shares_its_lane() {
    let mut bench = Bench::new();
    let (known, new) = (Session::known("s"), Session::pending());
    bench.push(Kind::Create, &new);
    bench.push(Kind::Event, &new);
    let create = bench.take().unwrap();
    bench.push(Kind::Event, &known);
    let event = bench.take().unwrap();
    assert_eq!(event.number, 3);
    bench.settle(create, created("s"));
    bench.push(Kind::Event, &new);
    assert!(bench.take().is_none(), "one at a time for the session");
    bench.settle(event, status(200));
    assert_eq!(bench.answer(status(200)), 2, "call order");
    assert_eq!(bench.answer(status(200)), 4);
    assert!(bench.queue.lanes.is_empty());
}

#[test]
fn a_session_goes_out_without_its_parent_when_that_is_withdrawn() {
    let mut bench = Bench::new();
    let (parent, child) = (Session::pending(), Session::pending());
    bench.push(Kind::Create, &parent);
    bench.push_body(Kind::Create, &child, led("parentSessionId", &parent));
    let now = bench.now;
    bench.queue.withdraw(&parent, now);
    let mut create = bench.take().unwrap();
    assert_eq!(create.number, 2);
    assert_eq!(create.body.wire(), &b"{\"name\":\"n\"}"[..]);
    assert!(bench.queue.waiting_for.is_empty());
}

#[test]
fn a_child_waits_for_a_parent_of_another_client() {
    let (mut one, mut other) = (Bench::new(), Bench::new());
    let (parent, child) = (Session::pending(), Session::pending());
    one.push(Kind::Create, &parent);
    other.push_body(Kind::Create, &child, led("parentSessionId", &parent));
    other.push(Kind::Event, &parent);
    assert!(other.take().is_none());
    one.answer(created("s"));
    let mut create = other.take().unwrap();
    assert_eq!(
        create.body.wire(),
        &b"{\"parentSessionId\":\"s\",\"name\":\"n\"}"[..]
    );
    assert_eq!(other.take().unwrap().path(), "/api/sdk/events");
}

#[test]
fn a_parent_whose_id_only_the_parent_process_learns_is_left_out() {
    let mut bench = Bench::new();
    let (parent, child) = (Session::inherited(), Session::pending());
    bench.push_body(Kind::Create, &child, led("parentSessionId", &parent));
    let mut create = bench.take().expect("does not wait for ever");
    assert_eq!(create.body.wire(), &b"{\"name\":\"n\"}"[..]);
}

#[test]
fn a_full_queue_is_one_line_also_when_bytes_are_what_fills_it() {
    let mut bench = Bench::with(Limits {
        max_bytes: 3000,
        ..limits()
    });
    for n in 0..500 {
        bench.push(Kind::Event, &Session::known(&format!("s{}", n % 7)));
        assert!(bench.queue.bytes() <= 3000);
    }
    assert_eq!(bench.lines().len(), 1);
    bench.drain();
    assert!(dropped(&bench, DropReason::QueueFull) > 400);
}

#[test]
fn a_full_queue_spares_the_creation_of_sessions_and_what_is_in_flight() {
    let mut bench = Bench::with(Limits {
        max_items: 4,
        ..limits()
    });
    let session = Session::pending();
    let create = bench.push(Kind::Create, &session);
    let flying = bench.take().unwrap();
    let events: Vec<_> = (0..10).map(|_| bench.push(Kind::Event, &session)).collect();
    let kept: Vec<_> = events.iter().map(|r| r.outcome().is_none()).collect();
    assert_eq!(kept.iter().filter(|kept| **kept).count(), 3);
    assert_eq!(kept[7..], [true; 3], "the oldest ones went");
    bench.settle(flying, created("s"));
    bench.drain();
    assert!(matches!(create.outcome(), Some(Outcome::Answer(_))));
}

#[test]
fn a_full_queue_gives_up_the_oldest_events_of_all_sessions_and_no_session() {
    let mut bench = Bench::with(Limits {
        max_items: 12,
        ..limits()
    });
    let sessions: Vec<_> = (0..4).map(|_| Session::pending()).collect();
    let creations: Vec<_> = sessions
        .iter()
        .map(|session| bench.push(Kind::Create, session))
        .collect();
    let events: Vec<_> = (0..40)
        .map(|n| bench.push(Kind::Event, &sessions[n % 4]))
        .collect();
    let kept: Vec<_> = events.iter().map(|r| r.outcome().is_none()).collect();
    assert_eq!(kept[..32], [false; 32]);
    assert_eq!(kept[32..], [true; 8]);
    assert!(creations.iter().all(|receipt| receipt.outcome().is_none()));
    assert!(sessions.iter().all(|session| session.is_pending()));
}

#[test]
fn an_abandoned_queue_is_empty_and_its_unborn_sessions_are_dead() {
    let mut bench = Bench::new();
    let (unborn, flying) = (Session::pending(), Session::pending());
    bench.push(Kind::Create, &flying);
    bench.push(Kind::Create, &unborn);
    let receipt = bench.push(Kind::Event, &unborn);
    let request = bench.take().unwrap();
    let now = bench.now;
    let left = bench.queue.evacuate(now);
    assert_eq!(left.requests.len(), 0, "there is no spool");
    assert_eq!(bench.queue.counters().pending, 0);
    assert_eq!(unborn.identity(), Identity::Dead);
    assert!(receipt.outcome().is_some());
    bench.push(Kind::Event, &unborn);
    bench.push(Kind::Event, &flying);
    bench.settle(request, created("s"));
    bench.drain();
    let counters = bench.queue.counters();
    assert_eq!(
        (counters.delivered, counters.dropped_total()),
        (0, 5),
        "an answer that comes too late changes nothing"
    );
    assert!(bench.queue.is_settled(bench.queue.mark()));
    assert!(bench.queue.lanes.is_empty());
}

#[test]
fn at_the_end_every_delay_is_over() {
    let mut bench = Bench::new();
    bench.push(Kind::Event, &Session::known("s"));
    bench.answer(status_after(500, Some(600)));
    assert!(bench.take().is_none());
    let now = bench.now;
    bench.queue.hurry(now);
    bench.answer(status(200));
    bench.push(Kind::Event, &Session::known("s"));
    bench.answer(status_after(503, Some(600)));
    assert!(bench.take().is_none());
    bench.queue.hurry(now);
    assert!(bench.take().is_some());
}

#[test]
fn an_event_or_a_completion_answered_404_is_dropped_alone() {
    let mut bench = Bench::new();
    let session = Session::known("s");
    for kind in [Kind::Event, Kind::Event, Kind::Complete, Kind::Event] {
        bench.push(kind, &session);
    }
    bench.answer(status(404));
    bench.answer(status(200));
    bench.answer(status(404));
    bench.answer(status(200));
    assert!(bench.queue.is_drained());
    assert_eq!(dropped(&bench, DropReason::Rejected404), 2);
    assert_eq!(bench.queue.counters().delivered, 2);
}

#[test]
fn a_refused_create_ends_its_session_and_nothing_else() {
    for code in [400, 403, 404, 413, 422] {
        let mut bench = Bench::new();
        let (session, other) = (Session::pending(), Session::known("other"));
        bench.push(Kind::Create, &session);
        bench.push(Kind::Event, &session);
        bench.push(Kind::Event, &other);
        bench.answer(status(code));
        bench.push(Kind::Complete, &session);
        assert_eq!(session.identity(), Identity::Dead);
        bench.drain();
        assert_eq!(dropped(&bench, DropReason::SessionRejected), 3);
        assert_eq!(bench.queue.counters().delivered, 1);
        assert_eq!(bench.lines().len(), 1);
    }
}

#[test]
fn events_of_a_session_overlap_up_to_its_concurrency_create_and_complete_never() {
    let mut bench = Bench::with(Limits {
        session_concurrency: 3,
        ..limits()
    });
    let session = Session::pending();
    bench.push(Kind::Create, &session);
    for _ in 0..5 {
        bench.push(Kind::Event, &session);
    }
    bench.push(Kind::Complete, &session);
    bench.push(Kind::Event, &session);
    let create = bench.take().unwrap();
    assert!(bench.take().is_none());
    bench.settle(create, created("s"));
    let events: Vec<_> = std::iter::from_fn(|| bench.take()).collect();
    assert_eq!(events.len(), 3);
    let mut events = events.into_iter();
    bench.settle(events.next().unwrap(), status(500));
    assert!(bench.take().is_none(), "the lane pauses");
    for event in events {
        bench.settle(event, status(200));
    }
    bench.pass(1);
    let events: Vec<_> = std::iter::from_fn(|| bench.take()).collect();
    let numbers: Vec<_> = events.iter().map(|r| r.number).collect();
    assert_eq!(numbers, [2, 5, 6]);
    for event in events {
        assert!(bench.take().is_none(), "completion waits for all of them");
        bench.settle(event, status(200));
    }
    let complete = bench.take().unwrap();
    assert_eq!(complete.kind, Kind::Complete);
    assert!(bench.take().is_none());
    bench.settle(complete, status(200));
    bench.drain();
}

#[test]
fn a_crash_loses_only_what_was_in_hand_and_leaves_no_lane_waiting() {
    let mut bench = Bench::new();
    let (lost, kept) = (Session::pending(), Session::pending());
    for session in [&lost, &kept] {
        bench.push(Kind::Create, session);
        bench.push(Kind::Event, session);
    }
    let in_hand = bench.take().unwrap();
    bench.now += Duration::from_millis(20);
    let in_flight = bench.take().unwrap();
    let now = bench.now;
    bench.queue.returned(in_flight, now);
    drop(in_hand);
    bench.queue.crashed();
    assert_eq!(lost.identity(), Identity::Dead);
    let counters = bench.queue.counters().clone();
    assert_eq!(counters.pending, 2);
    assert_eq!(dropped(&bench, DropReason::GaveUp), 1);
    assert_eq!(dropped(&bench, DropReason::SessionRejected), 1);
    bench.drain();
    assert_eq!(bench.queue.counters().delivered, 2);
    assert_eq!(bench.queue.bytes(), 0);
}

#[test]
fn held_events_go_at_the_threshold_the_interval_a_flush_and_a_completion() {
    let batch = || {
        Bench::with(Limits {
            batch: Some((3, Duration::from_secs(10))),
            ..limits()
        })
    };
    let session = Session::known("s");
    let mut bench = batch();
    for _ in 0..2 {
        bench.push(Kind::Event, &session);
        assert!(bench.take().is_none());
    }
    bench.push(Kind::Event, &session);
    bench.drain();

    let mut bench = batch();
    bench.push(Kind::Event, &session);
    assert_eq!(
        bench.queue.next_deadline(),
        Some(bench.now + Duration::from_secs(10))
    );
    bench.pass(10);
    assert!(bench.take().is_some());

    let mut bench = batch();
    bench.push(Kind::Event, &session);
    let now = bench.now;
    bench.queue.release(now);
    bench.push(Kind::Event, &session);
    bench.answer(status(200));
    assert!(bench.take().is_none(), "came after the flush");
    bench.push(Kind::Complete, &session);
    bench.answer(status(200));
    bench.answer(status(200));
    assert!(bench.queue.is_drained());
}

#[test]
fn a_withdrawn_session_is_not_created_if_its_attempt_fails() {
    let mut bench = Bench::new();
    let session = Session::pending();
    let receipt = bench.push(Kind::Create, &session);
    let create = bench.take().unwrap();
    let now = bench.now;
    bench.queue.withdraw(&session, now);
    bench.settle(create, refused());
    assert!(matches!(receipt.outcome(), Some(Outcome::Failed(_))));
    assert_eq!(dropped(&bench, DropReason::CreateAbandoned), 1);
    assert!(bench.queue.lanes.is_empty());
}

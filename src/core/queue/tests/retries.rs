//! Failures, back-offs and probes: one test per rule; most of them were broken once.

use std::time::Duration;

use super::{Bench, dropped, limits, refused, status, status_after};
use crate::core::error::DropReason;
use crate::core::health::State;
use crate::core::queue::Limits;
use crate::core::receipt::Outcome;
use crate::core::request::Kind;
use crate::core::session::{Identity, Session};

#[test]
fn a_long_outage_does_not_count_as_answers_500() {
    let mut bench = Bench::new();
    let session = Session::known("s");
    bench.push(Kind::Event, &session);
    for _ in 0..12 {
        bench.answer(refused());
        bench.pass(31);
    }
    for n in 1..=7 {
        assert_eq!(bench.answer(status(500)), 1, "{n}");
        bench.push(Kind::Event, &Session::known("other"));
        bench.answer(status(200));
        if n == 1 {
            let soon = bench.queue.next_deadline().unwrap() - bench.now;
            assert!(
                soon < Duration::from_secs(1),
                "the first of its own back-off"
            );
        }
        bench.pass(31);
    }
    assert_eq!(dropped(&bench, DropReason::Rejected500), 0);
    bench.answer(status(500));
    assert_eq!(dropped(&bench, DropReason::Rejected500), 1);
}

#[test]
fn a_request_answered_500_is_kept_while_nothing_else_succeeds() {
    let mut bench = Bench::new();
    bench.push(Kind::Event, &Session::known("s"));
    for _ in 0..20 {
        bench.answer(status(500));
        bench.pass(31);
    }
    assert_eq!(bench.queue.counters().pending, 1);
    bench.drain();
}

#[test]
fn an_answer_without_id_after_an_outage_is_tried_again() {
    let mut bench = Bench::new();
    let session = Session::pending();
    let receipt = bench.push(Kind::Create, &session);
    for _ in 0..6 {
        bench.answer(refused());
        bench.pass(31);
    }
    for _ in 0..=3 {
        assert!(receipt.outcome().is_none());
        bench.answer(status(200));
        bench.pass(31);
    }
    assert_eq!(session.identity(), Identity::Dead);
    assert_eq!(dropped(&bench, DropReason::BadAnswer), 1);
}

#[test]
fn a_request_that_breaks_every_connection_does_not_stop_the_others() {
    let mut bench = Bench::new();
    let poison = Session::known("poison");
    bench.push(Kind::Event, &poison);
    for n in 0..200 {
        bench.push(Kind::Event, &Session::known(&format!("s{n}")));
    }
    let start = bench.now;
    for _ in 0..2000 {
        if bench.queue.counters().delivered == 200 {
            break;
        }
        match bench.take() {
            Some(request) if request.number == 1 => bench.settle(request, refused()),
            Some(request) => bench.settle(request, status(200)),
            None => bench.now = bench.queue.next_deadline().unwrap(),
        }
    }
    assert_eq!(bench.queue.counters().delivered, 200);
    assert!(
        bench.now - start < Duration::from_secs(5),
        "{:?}",
        bench.now - start
    );
    assert_eq!(bench.lines(), [], "one bad request is no broken delivery");
    assert_eq!(bench.queue.counters().pending, 1);
}

#[test]
fn an_answer_to_the_old_key_does_not_pause_the_new_one() {
    let mut bench = Bench::new();
    for n in 0..3 {
        bench.push(Kind::Event, &Session::known(&format!("s{n}")));
    }
    let (first, second) = (bench.take().unwrap(), bench.take().unwrap());
    bench.settle(first, status(401));
    assert_eq!(bench.queue.health().state(), State::Paused);
    let now = bench.now;
    bench.queue.rekeyed(now, true);
    bench.settle(second, status(401));
    assert_eq!(bench.queue.health().state(), State::Up);
    bench.drain();
    let lines = bench.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].text.contains("recovered"), "{lines:?}");
}

#[test]
fn a_refused_key_is_tried_with_one_request_every_five_minutes() {
    let mut bench = Bench::new();
    for n in 0..3 {
        bench.push(Kind::Event, &Session::known(&format!("s{n}")));
    }
    bench.answer(status(401));
    bench.pass(299);
    assert!(bench.take().is_none());
    bench.pass(1);
    let probe = bench.take().unwrap();
    assert!(bench.take().is_none());
    bench.settle(probe, status(401));
    bench.pass(299);
    assert!(bench.take().is_none());
    bench.pass(1);
    bench.answer(status(200));
    bench.drain();
}

#[test]
fn nothing_spins_while_only_an_answer_makes_room() {
    let mut bench = Bench::with(Limits {
        immediate: true,
        max_in_flight: 1,
        ..limits()
    });
    for n in 0..3 {
        bench.push(Kind::Event, &Session::known(&format!("s{n}")));
    }
    for _ in 0..2 {
        bench.answer(refused());
    }
    bench.pass(60);
    let _flying = bench.take().unwrap();
    assert!(bench.take().is_none());
    assert_eq!(bench.queue.next_deadline(), None);
}

#[test]
fn a_failing_request_delays_its_own_lane_only() {
    for code in [408, 425, 500, 520] {
        let mut bench = Bench::new();
        let session = Session::known("s");
        bench.push(Kind::Event, &session);
        bench.push(Kind::Event, &session);
        assert_eq!(bench.answer(status(code)), 1);
        for n in 3..6 {
            bench.push(Kind::Event, &Session::known("other"));
            assert_eq!(bench.answer(status(200)), n, "others go on");
        }
        let wait = bench.queue.next_deadline().unwrap() - bench.now;
        assert_eq!(wait, Duration::from_millis(500));
        bench.now += wait;
        assert_eq!(bench.answer(status(200)), 1);
        assert_eq!(bench.answer(status(200)), 2);
    }
}

#[test]
fn the_back_off_of_a_lane_doubles_up_to_30_seconds() {
    let mut bench = Bench::new();
    bench.push(Kind::Event, &Session::known("s"));
    let mut waits = Vec::new();
    for _ in 0..8 {
        bench.answer(status(500));
        let at = bench.queue.next_deadline().unwrap();
        waits.push((at - bench.now).as_millis());
        bench.now = at;
    }
    assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    bench.answer(status_after(500, Some(90)));
    bench.pass(89);
    assert!(bench.take().is_none());
    bench.pass(1);
    assert!(bench.take().is_some());
}

#[test]
fn retry_after_of_a_503_is_the_least_the_probe_waits() {
    let mut bench = Bench::new();
    for n in 0..3 {
        bench.push(Kind::Event, &Session::known(&format!("s{n}")));
    }
    let (first, second) = (bench.take().unwrap(), bench.take().unwrap());
    bench.settle(first, refused());
    bench.settle(second, status_after(503, Some(20)));
    bench.pass(19);
    assert!(bench.take().is_none());
    bench.pass(1);
    assert!(bench.take().is_some());
}

#[test]
fn a_429_pauses_the_client_although_answers_to_earlier_requests_arrive() {
    let mut bench = Bench::new();
    for n in 0..4 {
        bench.push(Kind::Event, &Session::known(&format!("s{n}")));
    }
    let (first, second) = (bench.take().unwrap(), bench.take().unwrap());
    bench.settle(first, status_after(429, Some(10)));
    bench.settle(second, status(200));
    bench.pass(9);
    assert!(bench.take().is_none());
    bench.pass(1);
    let probe = bench.take().unwrap();
    assert!(bench.take().is_none(), "one probe");
    bench.settle(probe, status(200));
    assert!(bench.take().is_some());
}

#[test]
fn a_probe_answered_500_opens_the_gate_and_the_next_success_is_the_recovery() {
    let mut bench = Bench::new();
    for n in 0..4 {
        bench.push(Kind::Event, &Session::known(&format!("s{n}")));
    }
    bench.answer(refused());
    bench.pass(1);
    bench.answer(refused());
    assert_eq!(bench.queue.health().state(), State::Down);
    bench.pass(2);
    bench.answer(status(500));
    assert_eq!(bench.queue.health().state(), State::Up);
    assert_eq!(bench.lines().len(), 1, "broke; nothing is delivered yet");
    bench.answer(status(200));
    let lines = bench.lines();
    assert!(lines[0].text.contains("recovered"), "{lines:?}");
    bench.drain();
    assert_eq!(bench.lines(), []);
}

#[test]
fn a_refused_request_is_one_line_until_delivery_has_broken_and_recovered() {
    let mut bench = Bench::new();
    let session = Session::known("s");
    for _ in 0..3 {
        bench.push(Kind::Event, &session);
        bench.answer(status(404));
        bench.push(Kind::Event, &session);
        bench.answer(status(200));
    }
    assert_eq!(bench.lines().len(), 1, "not one per event");
    bench.push(Kind::Event, &session);
    for _ in 0..2 {
        bench.answer(refused());
        bench.pass(31);
    }
    bench.answer(status(404));
    let lines = bench.lines();
    assert_eq!(lines.len(), 3, "broke, recovered, refused: {lines:?}");
}

#[test]
fn retries_count_attempts_beyond_the_first_and_nothing_else() {
    let mut bench = Bench::new();
    bench.push(Kind::Event, &Session::known("s"));
    bench.answer(status(500));
    assert_eq!(bench.queue.counters().retries, 0, "not sent again yet");
    bench.drain();
    assert_eq!(bench.queue.counters().retries, 1);
}

#[test]
fn a_blocking_request_ends_after_its_attempts() {
    let mut bench = Bench::with(Limits {
        immediate: true,
        ..limits()
    });
    let receipt = bench.push(Kind::Event, &Session::known("s"));
    for reply in [refused(), status(500), status(429), status(503)] {
        assert!(receipt.outcome().is_none());
        bench.answer(reply);
        bench.pass(9);
    }
    assert!(matches!(receipt.outcome(), Some(Outcome::Failed(_))));
    assert_eq!(dropped(&bench, DropReason::GaveUp), 1);
}

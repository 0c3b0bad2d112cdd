//! One line per change of state, one probe at a time.

use super::*;

fn wait() -> Wait {
    Wait {
        jitter: 0.5,
        ..Wait::default()
    }
}

#[test]
fn one_failure_is_silent_a_failed_probe_is_one_line_and_recovery_is_one_line() {
    let now = Instant::now();
    let mut health = Health::default();
    assert!(
        health
            .outage(now, false, "refused", wait(), Totals::default())
            .is_none()
    );
    assert!(!health.is_broken());
    assert_eq!(health.gate(now), Gate::Closed);
    let later = now + Duration::from_secs(1);
    assert_eq!(health.gate(later), Gate::Probe);
    health.probe_started(1);
    assert_eq!(health.gate(later), Gate::Closed, "one probe at a time");
    assert!(health.probe_landed(1));
    assert!(
        health
            .outage(later, true, "refused", wait(), Totals::default())
            .is_some()
    );
    assert!(health.is_broken());
    for n in 2..10 {
        let at = now + Duration::from_secs(60 * n);
        health.probe_started(n);
        assert!(health.probe_landed(n));
        assert!(
            health
                .outage(at, true, "refused", wait(), Totals::default())
                .is_none()
        );
    }
    assert!(
        health
            .success(now + Duration::from_secs(900), true, Totals::default())
            .is_some()
    );
    assert_eq!(health.gate(now), Gate::Open);
}

#[test]
fn requests_sent_before_the_break_do_not_push_the_probe_away() {
    let now = Instant::now();
    let mut health = Health::default();
    let _ = health.outage(now, false, "refused", wait(), Totals::default());
    let due = health.next_probe();
    for _ in 0..64 {
        let _ = health.outage(now, false, "refused", wait(), Totals::default());
    }
    assert_eq!(health.next_probe(), due);
}

#[test]
fn a_new_key_resumes_at_once() {
    let now = Instant::now();
    let mut health = Health::default();
    assert!(
        health
            .unauthorized(now, "no", "…", Totals::default())
            .is_some()
    );
    assert!(health.is_broken());
    assert_eq!(health.gate(now + Duration::from_secs(200)), Gate::Closed);
    health.rekeyed(now);
    assert_eq!(health.gate(now), Gate::Open);
}

#[test]
fn retry_after_is_a_minimum() {
    let now = Instant::now();
    let mut health = Health::default();
    let wait = Wait {
        retry_after: Some(Duration::from_secs(20)),
        jitter: 0.0,
        ..wait()
    };
    assert!(
        health
            .limited(now, false, wait, Totals::default())
            .is_some()
    );
    assert_eq!(health.gate(now + Duration::from_secs(19)), Gate::Closed);
    assert_eq!(health.gate(now + Duration::from_secs(41)), Gate::Probe);
}

#[test]
fn a_500_ends_an_outage_without_a_word_and_the_first_success_says_the_line() {
    let now = Instant::now();
    let mut health = Health::default();
    let _ = health.outage(now, false, "refused", wait(), Totals::default());
    assert!(
        health
            .outage(now, true, "refused", wait(), Totals::default())
            .is_some()
    );
    let _ = health.faulty(now, true, false, "500", wait(), Totals::default());
    assert_eq!((health.state(), health.gate(now)), (State::Up, Gate::Open));
    assert!(
        health
            .outage(now, false, "refused", wait(), Totals::default())
            .is_none(),
        "nothing has changed since the first line"
    );
    assert!(health.is_broken());
    let _ = health.faulty(now, true, false, "500", wait(), Totals::default());
    assert!(health.success(now, false, Totals::default()).is_some());
    assert!(health.success(now, false, Totals::default()).is_none());
}

#[test]
fn a_late_success_neither_ends_a_pause_asked_for_nor_one_for_the_key() {
    let now = Instant::now();
    let mut health = Health::default();
    let asked = Wait {
        retry_after: Some(Duration::from_secs(20)),
        jitter: 0.5,
        ..wait()
    };
    let _ = health.limited(now, false, asked, Totals::default());
    assert!(health.success(now, false, Totals::default()).is_none());
    assert_eq!(health.gate(now), Gate::Closed);
    assert!(health.success(now, true, Totals::default()).is_none());
    assert_eq!(health.gate(now), Gate::Open, "said after a minute of calm");
    assert!(health.calm(now, Totals::default()).is_none());
    let minute = now + Duration::from_secs(60);
    assert_eq!(health.calm_at(), Some(minute));
    assert!(health.calm(minute, Totals::default()).is_some());
    let _ = health.unauthorized(now, "no", "…", Totals::default());
    assert!(health.success(now, false, Totals::default()).is_none());
    assert_eq!(health.state(), State::Paused);
}

#[test]
fn a_later_retry_after_moves_the_probe_back_only() {
    let now = Instant::now();
    let mut health = Health::default();
    let asked = |seconds| Wait {
        retry_after: Some(Duration::from_secs(seconds)),
        jitter: 0.5,
        ..wait()
    };
    let _ = health.outage(now, false, "503", asked(20), Totals::default());
    assert_eq!(health.next_probe(), Some(now + Duration::from_secs(20)));
    let _ = health.outage(now, false, "503", asked(5), Totals::default());
    assert_eq!(health.next_probe(), Some(now + Duration::from_secs(20)));
    let _ = health.outage(now, false, "503", asked(40), Totals::default());
    assert_eq!(health.next_probe(), Some(now + Duration::from_secs(40)));
}

#[test]
fn a_pause_for_the_key_outlasts_outages_and_500_of_its_probes() {
    let now = Instant::now();
    let mut health = Health::default();
    let _ = health.unauthorized(now, "no", "…", Totals::default());
    assert!(
        health
            .outage(now, true, "refused", wait(), Totals::default())
            .is_none()
    );
    let _ = health.faulty(now, true, false, "500", wait(), Totals::default());
    assert_eq!(health.state(), State::Paused);
    assert_eq!(health.gate(now), Gate::Closed);
    assert_eq!(health.gate(now + Duration::from_secs(31)), Gate::Probe);
}

#[test]
fn a_probe_of_an_earlier_outage_is_not_the_current_one() {
    let now = Instant::now();
    let mut health = Health::default();
    let _ = health.outage(now, false, "refused", wait(), Totals::default());
    health.probe_started(7);
    let _ = health.success(now, false, Totals::default());
    let now = now + Duration::from_secs(1);
    let _ = health.outage(now, false, "refused", wait(), Totals::default());
    health.probe_started(9);
    assert!(!health.probe_landed(7));
    assert_eq!(health.gate(now + Duration::from_secs(60)), Gate::Closed);
    assert!(health.probe_landed(9));
}

#[test]
fn answers_such_as_500_are_told_when_nothing_else_comes_any_more() {
    let now = Instant::now();
    let mut health = Health::default();
    let fault = |health: &mut Health, again| {
        health.faulty(now, false, again, "500", wait(), Totals::default())
    };
    for _ in 0..64 {
        assert!(fault(&mut health, false).is_none(), "a short trouble");
    }
    assert!(fault(&mut health, true).is_some());
    assert!(fault(&mut health, true).is_none(), "once");
    assert_eq!(health.gate(now), Gate::Open, "other requests go on");
    assert!(health.success(now, false, Totals::default()).is_some());
    assert!(fault(&mut health, true).is_none(), "one of them alone");
    assert!(fault(&mut health, true).is_none());
    assert!(health.success(now, false, Totals::default()).is_none());
    assert!(fault(&mut health, true).is_none());
}

#[test]
fn a_failure_among_successes_stops_nothing() {
    let start = Instant::now();
    let mut health = Health::default();
    for n in 0..10_000_u32 {
        let now = start + Duration::from_millis(1) * n;
        let _ = health.success(now, false, Totals::default());
        if n % 3 == 0 {
            let line = health.outage(now, false, "502", wait(), Totals::default());
            assert!(line.is_none());
        }
        assert_eq!(health.gate(now), Gate::Open);
    }
}

#[test]
fn refusals_among_successes_are_one_line_and_no_pause() {
    let start = Instant::now();
    let mut health = Health::default();
    let mut said = 0;
    for n in 0..10_000_u32 {
        let now = start + Duration::from_millis(2) * n;
        let _ = health.success(now, false, Totals::default());
        if n % 33 == 0 {
            let line = health.limited(now, false, wait(), Totals::default());
            said += u32::from(line.is_some());
        }
        assert_eq!(health.gate(now), Gate::Open);
    }
    assert_eq!(said, 1);
}

#[test]
fn refusals_that_are_the_rule_pause_the_client_although_some_succeed() {
    let now = Instant::now();
    let mut health = Health::default();
    for _ in 0..32 {
        let _ = health.success(now, false, Totals::default());
        let _ = health.limited(now, false, wait(), Totals::default());
        let _ = health.limited(now, false, wait(), Totals::default());
    }
    assert_eq!(health.state(), State::Limited);
    assert_eq!(health.gate(now), Gate::Closed);
}

#[test]
fn many_failures_are_no_outage_while_something_succeeds() {
    let start = Instant::now();
    let mut health = Health::default();
    let mut suspected = false;
    for n in 0..1000_u32 {
        let now = start + Duration::from_millis(1) * n;
        let _ = health.success(now, false, Totals::default());
        for _ in 0..9 {
            let _ = health.outage(now, false, "502", wait(), Totals::default());
            suspected |= health.gate(now) == Gate::Closed;
            assert!(!health.is_broken());
        }
    }
    assert!(suspected, "one at a time until the next success");
}

#[test]
fn silence_is_an_outage_said_once_whose_probe_is_the_request_that_asks_again() {
    let now = Instant::now();
    let mut health = Health::default();
    let _ = health.success(now, false, Totals::default());
    let said = |health: &mut Health| health.silent(now, 7, "no answer", Totals::default());
    assert!(said(&mut health).is_some());
    assert!(said(&mut health).is_none());
    assert!(health.is_broken());
    assert_eq!(health.gate(now), Gate::Closed, "the probe is on its way");
    assert!(health.probe_landed(7));
    assert!(health.success(now, true, Totals::default()).is_some());
}

#[test]
fn a_probe_that_hangs_is_followed_by_the_next_one() {
    let now = Instant::now();
    let mut health = Health::default();
    let hung = Wait {
        hung: true,
        ..wait()
    };
    for number in 0..20 {
        let _ = health.outage(now, true, "no answer within 30 s", hung, Totals::default());
        assert_eq!(health.next_probe(), Some(now + Duration::from_millis(500)));
        health.probe_started(number);
        assert!(health.probe_landed(number));
    }
}

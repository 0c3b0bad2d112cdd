//! What is said about changes of state.

use std::time::Duration;

use super::Totals;
use crate::core::notices::{Level, Notice};

pub(super) fn recovered(lasted: Duration, dropped_before: u64, totals: Totals) -> Notice {
    let dropped = totals.dropped.saturating_sub(dropped_before);
    Notice::new(
        Level::Warning,
        format!(
            "delivery recovered after {:.1} s: {} requests wait, {dropped} were dropped meanwhile",
            lasted.as_secs_f64(),
            totals.pending
        ),
    )
}

pub(super) fn broke(reason: &str, totals: Totals) -> Notice {
    Notice::new(
        Level::Warning,
        format!(
            "delivery broke: {reason}; {} requests wait and are retried in the background",
            totals.pending
        ),
    )
}

pub(super) fn calm(lasted: Duration, dropped_before: u64, totals: Totals) -> Notice {
    let dropped = totals.dropped.saturating_sub(dropped_before);
    Notice::new(
        Level::Warning,
        format!(
            "delivery recovered its pace after {:.1} s, without a 429 for a minute: {} requests wait, {dropped} were dropped meanwhile",
            lasted.as_secs_f64(),
            totals.pending
        ),
    )
}

pub(super) fn slowed(pause: Option<Duration>, totals: Totals) -> Notice {
    let pause = pause.map(|pause| format!("; pausing {:.1} s", pause.as_secs_f64()));
    Notice::new(
        Level::Warning,
        format!(
            "delivery slowed down: the server answered 429 Too Many Requests{}, {} requests wait",
            pause.unwrap_or_default(),
            totals.pending
        ),
    )
}

pub(super) fn paused(message: &str, masked_key: &str, totals: Totals) -> Notice {
    Notice::new(
        Level::Error,
        format!(
            "delivery paused: 401 Unauthorized: {message} (key {masked_key}); {} requests are kept; set client.api_key or call configure(api_key=...) to resume",
            totals.pending
        ),
    )
}

pub(super) fn stopped(message: &str, totals: Totals) -> Notice {
    Notice::new(
        Level::Error,
        format!(
            "delivery stopped: {message}; {} requests are kept and nothing is sent; use a key that may read the PII settings, or pass pii=PiiConfig(enabled=True)",
            totals.pending
        ),
    )
}

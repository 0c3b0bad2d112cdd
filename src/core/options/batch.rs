//! The options of `batching`.

use std::time::Duration;

use super::numbers;
use crate::core::error::ConfigError;

/// A `BatcherConfig` as the caller gave it; `None` is "not given".
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BatchArgs {
    /// Seconds, see [`BatchOptions::flush_interval`].
    pub flush_interval: Option<f64>,
    /// See [`BatchOptions::flush_threshold`].
    pub flush_threshold: Option<i64>,
    /// See [`BatchOptions::max_queue_size`].
    pub max_queue_size: Option<i64>,
}

/// How long events are held back when batching is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOptions {
    /// The longest time an event is held. Default 1 s; no variable. Zero is an error.
    pub flush_interval: Duration,
    /// The number of held events at which they are sent. Default 10; no variable. Zero is an error.
    pub flush_threshold: usize,
    /// The number of events this client may hold; the oldest makes room and is counted. Default
    /// 1000; no variable. Zero is an error.
    pub max_queue_size: usize,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            flush_interval: Duration::from_secs(1),
            flush_threshold: 10,
            max_queue_size: 1000,
        }
    }
}

impl BatchOptions {
    /// Checks the caller's values and fills in the defaults.
    ///
    /// # Errors
    /// A value outside its range; the error names it as `batching.<field>`.
    pub fn resolve(args: &BatchArgs) -> Result<Self, ConfigError> {
        let defaults = Self::default();
        let flush_interval = args
            .flush_interval
            .map(|value| numbers::seconds("batching.flush_interval", value, false))
            .transpose()?;
        Ok(Self {
            flush_interval: flush_interval.unwrap_or(defaults.flush_interval),
            flush_threshold: numbers::count("batching.flush_threshold", args.flush_threshold, 1)?
                .unwrap_or(defaults.flush_threshold),
            max_queue_size: numbers::count("batching.max_queue_size", args.max_queue_size, 1)?
                .unwrap_or(defaults.max_queue_size),
        })
    }
}

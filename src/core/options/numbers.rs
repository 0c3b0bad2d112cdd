//! Numbers as options: finite, in range, and small enough to compute with.

use std::time::Duration;

use super::Environment;
use super::environment::malformed;
use crate::core::error::ConfigError;

/// The longest time an option can ask for: one year. Longer ones are cut to it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads numbers from an argument, else from a variable, else takes the default.
pub(super) struct Numbers<'a> {
    pub(super) env: &'a Environment<'a>,
    pub(super) warnings: &'a mut Vec<String>,
}

impl Numbers<'_> {
    /// A length of time in seconds, 0 or more.
    pub(super) fn seconds(
        &mut self,
        parameter: &'static str,
        argument: Option<f64>,
        variable: &str,
        default: Duration,
    ) -> Result<Duration, ConfigError> {
        self.time(parameter, argument, variable, default, true)
    }

    /// A length of time in seconds, above 0.
    pub(super) fn positive_seconds(
        &mut self,
        parameter: &'static str,
        argument: Option<f64>,
        variable: &str,
        default: Duration,
    ) -> Result<Duration, ConfigError> {
        self.time(parameter, argument, variable, default, false)
    }

    /// `max_retries`: a whole number, 0 or more.
    pub(super) fn retries(
        &mut self,
        argument: Option<i64>,
        default: u32,
    ) -> Result<u32, ConfigError> {
        const VARIABLE: &str = "SENTRIAL_MAX_RETRIES";
        let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        if let Some(count) = count("max_retries", argument, 0)? {
            return Ok(narrow(count));
        }
        let parse = |text: &str| text.parse::<usize>().ok();
        let found = self
            .env
            .choice(VARIABLE, "a whole number, 0 or more", parse, self.warnings);
        Ok(found.map_or(default, narrow))
    }

    fn time(
        &mut self,
        parameter: &'static str,
        argument: Option<f64>,
        variable: &str,
        default: Duration,
        zero_allowed: bool,
    ) -> Result<Duration, ConfigError> {
        let expected = expected_seconds(zero_allowed);
        if let Some(value) = argument {
            return seconds(parameter, value, zero_allowed);
        }
        let Some(text) = self.env.var(variable) else {
            return Ok(default);
        };
        let value = text
            .parse()
            .ok()
            .and_then(|value| duration(value, zero_allowed));
        Ok(value.unwrap_or_else(|| {
            self.warnings.push(malformed(variable, &text, expected));
            default
        }))
    }
}

/// A length of time given as an argument.
pub(super) fn seconds(
    parameter: &'static str,
    value: f64,
    zero_allowed: bool,
) -> Result<Duration, ConfigError> {
    duration(value, zero_allowed).ok_or_else(|| {
        let expected = expected_seconds(zero_allowed);
        ConfigError::new(parameter, format!("cannot be {value}; pass {expected}"))
    })
}

/// A count given as an argument, at least `least`.
pub(super) fn count(
    parameter: &'static str,
    argument: Option<i64>,
    least: i64,
) -> Result<Option<usize>, ConfigError> {
    match argument {
        Some(value) if value < least => Err(ConfigError::new(
            parameter,
            format!("cannot be {value}; pass a whole number, {least} or more"),
        )),
        // Out of range only where addresses have 32 bits, and then as good as unbounded.
        Some(value) => Ok(Some(usize::try_from(value).unwrap_or(usize::MAX))),
        None => Ok(None),
    }
}

fn duration(value: f64, zero_allowed: bool) -> Option<Duration> {
    let usable = value.is_finite() && (value > 0.0 || (zero_allowed && value == 0.0));
    // A positive time below the clock's resolution must not turn into the special zero.
    let least = if value > 0.0 {
        Duration::from_nanos(1)
    } else {
        Duration::ZERO
    };
    usable.then(|| Duration::from_secs_f64(value.min(LONGEST.as_secs_f64())).max(least))
}

fn expected_seconds(zero_allowed: bool) -> &'static str {
    if zero_allowed {
        "a finite number of seconds, 0 or more"
    } else {
        "a finite number of seconds above 0"
    }
}

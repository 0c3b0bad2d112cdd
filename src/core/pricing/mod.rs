//! What a model call costs.
//!
//! ```text
//! prices          a call → its cost          documented   the static calculators' old tables
//!    │
//! catalog         names → models, from the embedded data set genai-prices (MIT)
//!    │
//! clause, rates   match rules; prices by size of input, by time, by kind of request
//!    │
//! decimal, usage  exact amounts; what a call used
//! ```
//!
//! A model that is not known has no cost here: an unknown price is reported as unknown, never
//! replaced by that of another model.

mod catalog;
mod clause;
mod decimal;
pub mod documented;
mod prices;
mod rates;
mod usage;

pub use decimal::Rate;
pub use prices::{Price, Query, bill, cost, is_news, is_registered, lookup, register};
pub use rates::{Bill, Rates, Tiered, Unit};
pub use usage::Usage;

const VERSION_FILE: &str = include_str!("genai-prices/VERSION");

/// The version of the embedded data set.
pub const PRICES_VERSION: &str = VERSION_FILE.trim_ascii_end();

//! The documented price tables, by which the static calculators of the client reckon.
//!
//! Their rates are part of the documented interface; events are priced by the data set.

/// The provider whose table applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// `OpenAI`.
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Google.
    Google,
}

impl Provider {
    /// Reads `openai`, `anthropic` or `google`, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "openai" => Some(Self::OpenAi),
            "anthropic" => Some(Self::Anthropic),
            "google" => Some(Self::Google),
            _ => None,
        }
    }

    const fn table(self) -> &'static [(&'static str, Rates)] {
        match self {
            Self::OpenAi => OPENAI,
            Self::Anthropic => ANTHROPIC,
            Self::Google => GOOGLE,
        }
    }
}

/// The prices of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// USD per million input tokens.
    pub input: f64,
    /// USD per million output tokens.
    pub output: f64,
}

/// The prices of `model`: those of the longest name in the table that `model` starts with, so
/// that dated and suffixed names are found. Case matters. `None` if no name matches.
#[must_use]
pub fn rates(provider: Provider, model: &str) -> Option<Rates> {
    let matching = provider
        .table()
        .iter()
        .filter(|(name, _)| model.starts_with(name));
    matching
        .max_by_key(|(name, _)| name.len())
        .map(|&(_, rates)| rates)
}

/// The cost in USD of a call, not rounded; `None` if the price of `model` is unknown.
#[must_use]
pub fn cost(provider: Provider, model: &str, input_tokens: f64, output_tokens: f64) -> Option<f64> {
    const MILLION: f64 = 1_000_000.0;
    let rates = rates(provider, model)?;
    // Divided first and added unfused: to the last bit what the documented calculators return.
    Some(input_tokens / MILLION * rates.input + output_tokens / MILLION * rates.output)
}

const fn per_million(input: f64, output: f64) -> Rates {
    Rates { input, output }
}

const OPENAI: &[(&str, Rates)] = &[
    ("gpt-5.2", per_million(5.0, 15.0)),
    ("gpt-5", per_million(4.0, 12.0)),
    ("gpt-4.1", per_million(2.0, 8.0)),
    ("gpt-4.1-mini", per_million(0.4, 1.6)),
    ("gpt-4.1-nano", per_million(0.1, 0.4)),
    ("gpt-4o", per_million(2.5, 10.0)),
    ("gpt-4o-mini", per_million(0.15, 0.6)),
    ("gpt-4-turbo", per_million(10.0, 30.0)),
    ("gpt-4", per_million(30.0, 60.0)),
    ("gpt-3.5-turbo", per_million(0.5, 1.5)),
    ("o4-mini", per_million(1.1, 4.4)),
    ("o3", per_million(10.0, 40.0)),
    ("o3-mini", per_million(1.1, 4.4)),
    ("o3-pro", per_million(20.0, 80.0)),
    ("o1", per_million(15.0, 60.0)),
    ("o1-preview", per_million(15.0, 60.0)),
    ("o1-mini", per_million(3.0, 12.0)),
];

const ANTHROPIC: &[(&str, Rates)] = &[
    ("claude-opus-4", per_million(15.0, 75.0)),
    ("claude-sonnet-4", per_million(3.0, 15.0)),
    ("claude-4.5-opus", per_million(20.0, 100.0)),
    ("claude-4.5-sonnet", per_million(4.0, 20.0)),
    ("claude-4-opus", per_million(18.0, 90.0)),
    ("claude-4-sonnet", per_million(3.5, 17.5)),
    ("claude-3-7-sonnet", per_million(3.0, 15.0)),
    ("claude-3-5-sonnet", per_million(3.0, 15.0)),
    ("claude-3-5-haiku", per_million(0.8, 4.0)),
    ("claude-3-opus", per_million(15.0, 75.0)),
    ("claude-3-sonnet", per_million(3.0, 15.0)),
    ("claude-3-haiku", per_million(0.25, 1.25)),
];

const GOOGLE: &[(&str, Rates)] = &[
    ("gemini-3-pro", per_million(2.0, 12.0)),
    ("gemini-3-flash", per_million(0.5, 3.0)),
    ("gemini-2.5-pro", per_million(1.25, 5.0)),
    ("gemini-2.5-flash", per_million(0.15, 0.6)),
    ("gemini-2.0-flash", per_million(0.1, 0.4)),
    ("gemini-2.0-flash-lite", per_million(0.075, 0.3)),
    ("gemini-1.5-pro", per_million(1.25, 5.0)),
    ("gemini-1.5-flash", per_million(0.075, 0.3)),
    ("gemini-1.0-pro", per_million(0.5, 1.5)),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Cost of a million tokens each way, of 1234 in, of 567 out.
    type Recorded = (&'static str, f64, f64, f64);

    fn check(provider: Provider, recorded: &[Recorded]) {
        for &(model, both, input, output) in recorded {
            for (tokens, expected) in [
                ((1e6, 1e6), both),
                ((1234.0, 0.0), input),
                ((0.0, 567.0), output),
            ] {
                let found = cost(provider, model, tokens.0, tokens.1).unwrap();
                assert!(
                    (found - expected).abs() <= expected * 1e-9,
                    "{model}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn costs_equal_the_recorded_ones() {
        check(
            Provider::OpenAi,
            &[
                ("gpt-5.2-turbo", 20.0, 0.00617, 0.008_505),
                ("gpt-5-mini", 16.0, 0.004_936, 0.006_804),
                ("gpt-4.1", 10.0, 0.002_468, 0.004_536),
                ("gpt-4.1-mini-2025", 2.0, 0.000_493_6, 0.000_907_2),
                ("gpt-4.1-nano", 0.5, 0.000_123_4, 0.000_226_8),
                ("gpt-4o-2024-08-06", 12.5, 0.003_085, 0.005_67),
                ("gpt-4o-mini", 0.75, 0.000_185_1, 0.000_340_2),
                ("gpt-4-turbo-preview", 40.0, 0.01234, 0.01701),
                ("gpt-4-32k", 90.0, 0.03702, 0.03402),
                ("gpt-3.5-turbo-16k", 2.0, 0.000_617, 0.000_850_5),
                ("o3-mini-high", 5.5, 0.001_357_4, 0.002_494_8),
                ("o3-pro", 100.0, 0.02468, 0.04536),
                ("o3", 50.0, 0.01234, 0.02268),
                ("o1-pro", 75.0, 0.01851, 0.03402),
                ("o1-mini", 15.0, 0.003_702, 0.006_804),
            ],
        );
        check(
            Provider::Anthropic,
            &[
                ("claude-opus-4-20250514", 90.0, 0.01851, 0.042_525),
                ("claude-sonnet-4-5", 18.0, 0.003_702, 0.008_505),
                ("claude-4.5-opus", 120.0, 0.02468, 0.0567),
                ("claude-4-sonnet", 21.0, 0.004_319, 0.009_922_5),
                ("claude-3-5-haiku-latest", 4.8, 0.000_987_2, 0.002_268),
                ("claude-3-haiku", 1.5, 0.000_308_5, 0.000_708_75),
            ],
        );
        check(
            Provider::Google,
            &[
                ("gemini-3-pro-preview", 14.0, 0.002_468, 0.006_804),
                ("gemini-2.5-flash-lite", 0.75, 0.000_185_1, 0.000_340_2),
                ("gemini-2.0-flash-lite", 0.375, 0.000_092_55, 0.000_170_1),
                ("gemini-2.0-flash-001", 0.5, 0.000_123_4, 0.000_226_8),
                ("gemini-1.5-pro", 6.25, 0.001_542_5, 0.002_835),
            ],
        );
    }

    #[test]
    fn an_unknown_model_has_no_cost() {
        for (provider, models) in [
            (
                Provider::OpenAi,
                ["", " gpt-4o", "GPT-4o", "openai/gpt-4o", "gpt-3.5"].as_slice(),
            ),
            (
                Provider::Anthropic,
                &["", "claude-2.1", "Claude-3-opus", "claude-haiku-4-5"],
            ),
            (
                Provider::Google,
                &["", "gemini-pro", "models/gemini-2.5-pro", "gpt-4o"],
            ),
        ] {
            for model in models {
                assert_eq!(cost(provider, model, 1.0, 1.0), None, "{model}");
            }
        }
    }

    #[test]
    fn odd_counts_are_computed_as_given() {
        let odd = cost(Provider::OpenAi, "gpt-5.2", -1000.0, 5.0).unwrap();
        assert!((odd + 0.004_925).abs() < 1e-12);
        assert_eq!(cost(Provider::Google, "gemini-3-pro", 0.0, 0.0), Some(0.0));
    }

    #[test]
    fn providers_by_name() {
        assert_eq!(Provider::parse("OpenAI"), Some(Provider::OpenAi));
        assert_eq!(Provider::parse("google"), Some(Provider::Google));
        assert_eq!(Provider::parse("anthropic"), Some(Provider::Anthropic));
        assert_eq!(Provider::parse("gemini"), None);
    }
}

//! The prices of a model: per kind of token, by size of the input and by time.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::decimal::{Amount, Rate};
use super::usage::Usage;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A price that may depend on how large the input is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiered {
    base: Rate,
    /// (threshold, rate), thresholds ascending: above it, all tokens cost this.
    tiers: Box<[(u64, Rate)]>,
}

impl Tiered {
    /// A price that is always the same.
    #[must_use]
    pub fn flat(rate: Rate) -> Self {
        Self {
            base: rate,
            tiers: Box::default(),
        }
    }

    /// The price below the first threshold.
    #[must_use]
    pub fn base(&self) -> Rate {
        self.base
    }

    fn read(value: &Value) -> Option<Self> {
        if let Some(text) = value.as_str() {
            return Rate::parse(text).map(Self::flat);
        }
        let (base, tiers) = value.as_array()?.split_first()?;
        let tier = |tier: &Value| {
            let start = tier.get(0)?.as_u64()?;
            Some((start, Rate::parse(tier.get(1)?.as_str()?)?))
        };
        Some(Self {
            base: Rate::parse(base.as_str()?)?,
            tiers: tiers.iter().map(tier).collect::<Option<_>>()?,
        })
    }

    fn at(&self, all_input: u64) -> Rate {
        let reached = self.tiers.iter().rev().find(|tier| all_input > tier.0);
        reached.map_or(self.base, |tier| tier.1)
    }
}

/// What is priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// Input tokens.
    Input,
    /// Input tokens read from a cache.
    CacheRead,
    /// Input tokens written to a cache.
    CacheWrite,
    /// Output tokens.
    Output,
    /// Output tokens of reasoning.
    Reasoning,
    /// Input tokens of audio.
    InputAudio,
    /// Output tokens of audio.
    OutputAudio,
    /// Input tokens written to a cache that keeps them for an hour.
    CacheWrite1h,
    /// Input tokens of audio read from a cache.
    CachedAudio,
    /// Input tokens of images.
    InputImage,
    /// Output tokens of images.
    OutputImage,
    /// A search of the web by the provider; per thousand.
    WebSearch,
    /// A search of stored files by the provider; per thousand.
    FileSearch,
    /// The request itself, whatever it uses; per thousand.
    Request,
}

impl Unit {
    /// Every unit with its key in the data set.
    pub const ALL: [(&'static str, Self); 14] = [
        ("input_mtok", Self::Input),
        ("cache_read_mtok", Self::CacheRead),
        ("cache_write_mtok", Self::CacheWrite),
        ("output_mtok", Self::Output),
        ("output_reasoning_mtok", Self::Reasoning),
        ("input_audio_mtok", Self::InputAudio),
        ("output_audio_mtok", Self::OutputAudio),
        ("cache_write_1h_mtok", Self::CacheWrite1h),
        ("cache_audio_read_mtok", Self::CachedAudio),
        ("input_image_mtok", Self::InputImage),
        ("output_image_mtok", Self::OutputImage),
        ("web_searches_kcount", Self::WebSearch),
        ("storage_searches_kcount", Self::FileSearch),
        ("requests_kcount", Self::Request),
    ];

    /// The unit of whose tokens these are a part: where they have no price of their own they cost
    /// what the others cost.
    fn general(self) -> Option<Self> {
        match self {
            Self::CacheRead
            | Self::CacheWrite
            | Self::CacheWrite1h
            | Self::InputAudio
            | Self::InputImage => Some(Self::Input),
            Self::CachedAudio => Some(Self::CacheRead),
            Self::Reasoning | Self::OutputAudio | Self::OutputImage => Some(Self::Output),
            Self::Input | Self::Output | Self::WebSearch | Self::FileSearch | Self::Request => None,
        }
    }
}

/// The prices of a model at one time. None at all: it costs nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates(BTreeMap<Unit, Tiered>);

impl Rates {
    /// Sets what a unit costs.
    pub fn set(&mut self, unit: Unit, price: Tiered) {
        self.0.insert(unit, price);
    }

    /// What is set for exactly this unit.
    #[must_use]
    pub fn get(&self, unit: Unit) -> Option<&Tiered> {
        self.0.get(&unit)
    }

    fn read(value: &Value) -> Option<Self> {
        let mut rates = Self::default();
        for (key, price) in value.as_object()? {
            if let Some((_, unit)) = Unit::ALL.iter().find(|(name, _)| name == key) {
                rates.set(*unit, Tiered::read(price)?);
            }
        }
        Some(rates)
    }

    /// What a token or a search of this unit costs, with an input of this size; per million.
    fn rate(&self, unit: Unit, all_input: u64) -> Option<Rate> {
        if let Some(price) = self.get(unit) {
            let rate = price.at(all_input);
            let is_counted = matches!(unit, Unit::WebSearch | Unit::FileSearch | Unit::Request);
            return if is_counted {
                rate.per_thousand()
            } else {
                Some(rate)
            };
        }
        let general = self.rate(unit.general()?, all_input)?;
        // Where a provider keeps what is written for an hour, it costs twice the input.
        if unit == Unit::CacheWrite1h {
            general.doubled()
        } else {
            Some(general)
        }
    }

    /// What a call costs in USD, and what of it has no price; each token costs a tenth more with
    /// `surcharge`.
    pub(super) fn bill(&self, usage: &Usage, surcharge: bool) -> Bill {
        if self.0.is_empty() {
            return Bill {
                usd: Some(0.0),
                unpriced: Vec::new(),
            };
        }
        let all_input = usage.all_input();
        let tokens = [
            ("input", Unit::Input, usage.input),
            ("cache_read", Unit::CacheRead, usage.cache_read),
            ("cache_write", Unit::CacheWrite, usage.cache_write),
            ("cache_write_1h", Unit::CacheWrite1h, usage.cache_write_1h),
            ("output", Unit::Output, usage.output),
            ("reasoning", Unit::Reasoning, usage.reasoning),
            ("input_audio", Unit::InputAudio, usage.input_audio),
            ("cached_audio", Unit::CachedAudio, usage.cached_audio),
            ("output_audio", Unit::OutputAudio, usage.output_audio),
            ("input_image", Unit::InputImage, usage.input_image),
            ("output_image", Unit::OutputImage, usage.output_image),
        ];
        let searches = [
            ("web_search", Unit::WebSearch, usage.web_searches),
            ("file_search", Unit::FileSearch, usage.file_searches),
        ];
        let mut unpriced = Vec::new();
        let mut add = |sum: Option<Amount>, (name, unit, count): (&str, Unit, u64)| {
            if count == 0 {
                return sum;
            }
            let Some(rate) = self.rate(unit, all_input) else {
                unpriced.push(name.to_owned());
                return sum;
            };
            sum?.plus(rate, count)
        };
        let mut sum = tokens.into_iter().fold(Some(Amount::default()), &mut add);
        if surcharge {
            sum = sum.and_then(Amount::and_a_tenth);
        }
        sum = searches.into_iter().fold(sum, &mut add);
        if self.get(Unit::Request).is_some() {
            sum = add(sum, ("request", Unit::Request, 1));
        }
        let usd = sum.filter(|_| unpriced.is_empty()).map(Amount::usd);
        Bill { usd, unpriced }
    }

    /// What a call costs in USD; `None` if some of what it used has no price, or the sum cannot be
    /// held.
    #[cfg(test)]
    fn cost(&self, usage: &Usage) -> Option<f64> {
        self.bill(usage, false).usd
    }
}

/// What a call costs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bill {
    /// In USD; `None` if it is unknown.
    pub usd: Option<f64>,
    /// What was used and has no price; empty where the model is not known at all.
    pub unpriced: Vec<String>,
}

/// When a price applies, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    /// From this day on; days since 1970.
    From(i64),
    /// Each day between two seconds of the day; over midnight if the second is the smaller one.
    Daily(i64, i64),
}

impl When {
    fn read(value: &Value) -> Option<Self> {
        if value.is_null() {
            return Some(Self::Always);
        }
        let number = |nth: usize| value.get(nth).and_then(Value::as_i64);
        match value.get(0)?.as_str()? {
            "from" => Some(Self::From(number(1)?)),
            "daily" => Some(Self::Daily(number(1)?, number(2)?)),
            _ => None,
        }
    }

    fn holds(self, at: i64) -> bool {
        match self {
            Self::Always => true,
            Self::From(day) => at.div_euclid(DAY) >= day,
            Self::Daily(start, end) => {
                let now = at.rem_euclid(DAY);
                if end < start {
                    now >= start || now < end
                } else {
                    start <= now && now < end
                }
            }
        }
    }
}

/// Prices for requests of a certain kind, for example of a service tier.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Variant {
    context: Vec<(String, String)>,
    when: When,
    rates: Rates,
}

/// Everything the data set says about the price of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tariff {
    /// `None` where the model is priced in other units than tokens.
    dated: Vec<(When, Option<Rates>)>,
    variants: Vec<Variant>,
}

impl Tariff {
    /// A price that never changes.
    pub(super) fn fixed(rates: Rates) -> Self {
        Self {
            dated: vec![(When::Always, Some(rates))],
            variants: Vec::new(),
        }
    }

    /// Reads the dated prices and the variants of a model.
    pub(super) fn read(dated: &Value, variants: Option<&Value>) -> Option<Self> {
        let mut all = Vec::new();
        for item in dated.as_array()? {
            let rates = item.get(1)?;
            let rates = if rates.is_null() {
                None
            } else {
                Some(Rates::read(rates)?)
            };
            all.push((When::read(item.get(0)?)?, rates));
        }
        let variants = variants.and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            dated: all,
            variants: variants.map(Self::variant).collect::<Option<_>>()?,
        })
    }

    fn variant(item: &Value) -> Option<Variant> {
        let context = item.get(0)?.as_object()?;
        let pair =
            |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
        Some(Variant {
            context: context.iter().map(pair).collect::<Option<_>>()?,
            when: When::read(item.get(1)?)?,
            rates: Rates::read(item.get(2)?)?,
        })
    }

    /// Whether there are prices for requests of this kind.
    pub(super) fn knows(&self, kind: (&str, &str)) -> bool {
        let is_it = |pair: &(String, String)| (&*pair.0, &*pair.1) == kind;
        self.variants
            .iter()
            .any(|variant| variant.context.iter().any(is_it))
    }

    /// The prices at a time, in seconds since 1970, for a request of this kind. The last that
    /// applies counts; where none does, the first.
    pub(super) fn rates(&self, at: i64, context: &[(&str, &str)]) -> Option<Cow<'_, Rates>> {
        let last = self.dated.iter().rev().find(|(when, _)| when.holds(at));
        let (_, standard) = last.or(self.dated.first())?;
        let mut rates = Cow::Borrowed(standard.as_ref()?);
        let fits = |variant: &&Variant| {
            let given = |pair: &(String, String)| context.contains(&(&*pair.0, &*pair.1));
            variant.when.holds(at) && variant.context.iter().all(given)
        };
        // Of several that fit, the first counts for each unit.
        let chosen: Vec<_> = self.variants.iter().filter(fits).collect();
        for variant in chosen.iter().rev() {
            for (unit, price) in &variant.rates.0 {
                rates.to_mut().set(*unit, price.clone());
            }
        }
        Some(rates)
    }
}

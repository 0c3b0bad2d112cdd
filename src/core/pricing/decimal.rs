//! Exact decimals: amounts of money as whole numbers of a tiny unit.

/// Decimal places that a price may have. The data set uses up to 18.
const PLACES: u32 = 18;
/// Places that the product of a price and a count gains: prices are per million.
const PER_MILLION: u32 = 6;

/// A price in USD per million units, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(i128);

impl Rate {
    /// Reads a decimal that is zero or more, for example `0.075`. `None` for anything else, and for
    /// more places than can be held.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = [whole, fraction].concat();
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let missing = PLACES.checked_sub(u32::try_from(fraction.len()).ok()?)?;
        if !is_number {
            return None;
        }
        let value: i128 = digits.parse().ok()?;
        value.checked_mul(10_i128.checked_pow(missing)?).map(Self)
    }

    /// A rate per thousand as one per million.
    pub(super) fn per_thousand(self) -> Option<Self> {
        self.0.checked_mul(1000).map(Self)
    }

    /// Twice the rate.
    pub(super) fn doubled(self) -> Option<Self> {
        self.0.checked_mul(2).map(Self)
    }

    /// USD per million, as the nearest double.
    #[must_use]
    pub fn usd(self) -> f64 {
        nearest(self.0, PLACES)
    }
}

/// A sum of prices times counts, exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount(i128);

impl Amount {
    /// Adds what `count` units cost; `None` if the sum cannot be held.
    pub(super) fn plus(self, rate: Rate, count: u64) -> Option<Self> {
        let part = rate.0.checked_mul(i128::from(count))?;
        self.0.checked_add(part).map(Self)
    }

    /// The sum and a tenth of it.
    pub(super) fn and_a_tenth(self) -> Option<Self> {
        self.0.checked_add(self.0 / 10).map(Self)
    }

    /// USD, as the nearest double.
    pub(super) fn usd(self) -> f64 {
        nearest(self.0, PLACES + PER_MILLION)
    }
}

/// The double nearest to `value` / 10^`places`: what reading the decimal gives.
fn nearest(value: i128, places: u32) -> f64 {
    divided(value, places)
        .unwrap_or_else(|| format!("{value}e-{places}").parse().unwrap_or(f64::NAN))
}

/// The same as a division, which is right where both sides are doubles without rounding: all
/// amounts that prices of some decimals come to. It spares them the way over text.
fn divided(value: i128, places: u32) -> Option<f64> {
    /// Zeros that sums of usual prices end with.
    const ZEROS: u32 = 12;
    /// All whole numbers below are doubles.
    const EXACT: u64 = 1 << 53;
    let scale = 10_i128.pow(ZEROS);
    let left = places.checked_sub(ZEROS)?;
    if left > ZEROS || value % scale != 0 {
        return None;
    }
    let whole = u64::try_from(value / scale).ok().filter(|n| *n < EXACT)?;
    #[expect(clippy::cast_precision_loss, reason = "both are below 2^53")]
    let (whole, power) = (whole as f64, 10_u64.pow(left) as f64);
    Some(whole / power)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        for (text, usd) in [
            ("0", 0.0),
            ("2.5", 2.5),
            ("15", 15.0),
            ("0.075", 0.075),
            ("0.000000000000000001", 1e-18),
        ] {
            let rate = Rate::parse(text).unwrap();
            assert!((rate.usd() - usd).abs() <= usd * 1e-15, "{text}");
        }
        for text in [
            "",
            ".",
            "-1",
            "1e3",
            "x",
            "1.2.3",
            " 1",
            "0.0000000000000000001",
        ] {
            assert_eq!(Rate::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_sum_of_tenths_is_not_a_sum_of_doubles() {
        let rate = Rate::parse("0.1").unwrap();
        let sum = (0..3).fold(Amount::default(), |sum, _| {
            sum.plus(rate, 1_000_000).unwrap()
        });
        assert_eq!(sum.usd().to_bits(), 0.3_f64.to_bits());
    }

    #[test]
    fn what_cannot_be_held_is_none() {
        let rate = Rate::parse("99999999999999999999").unwrap();
        assert_eq!(Amount::default().plus(rate, u64::MAX), None);
        assert_eq!(Rate::parse(&"9".repeat(60)), None);
    }

    proptest! {
        #[test]
        fn a_division_gives_what_reading_the_decimal_gives(
            value in 0_i128..1 << 54,
            zeros in 8_u32..16,
            places in prop::sample::select(vec![PLACES, PLACES + PER_MILLION]),
        ) {
            let value = value * 10_i128.pow(zeros);
            let expected: f64 = format!("{value}e-{places}").parse().unwrap();
            prop_assert_eq!(nearest(value, places).to_bits(), expected.to_bits());
            if let Some(found) = divided(value, places) {
                prop_assert_eq!(found.to_bits(), expected.to_bits());
            }
        }

        #[test]
        fn sums_are_those_of_whole_numbers(parts in prop::collection::vec((0_u32..100_000, 0_u64..1_000_000), 0..8)) {
            let mut sum = Amount::default();
            let mut expected: i128 = 0;
            for (thousandths, count) in parts {
                let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
                sum = sum.plus(Rate::parse(&text).unwrap(), count).unwrap();
                expected += i128::from(thousandths) * i128::from(count);
            }
            let expected: f64 = format!("{expected}e-9").parse().unwrap();
            prop_assert_eq!(sum.usd().to_bits(), expected.to_bits());
        }
    }
}

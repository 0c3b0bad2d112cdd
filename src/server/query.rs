//! The parameters of a query string: each failure is a 400 that names the parameter.

use http::Uri;

use super::answer::ApiError;
use super::timestamp::Timestamp;

/// Names that differ in at most so many letters are taken for one another.
const NEAR: usize = 2;

/// The parameters that are given; a blank value stands for none, except where it is refused.
pub(crate) fn parameters(uri: &Uri) -> impl Iterator<Item = (String, String)> {
    url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .filter(|(name, value)| !value.is_empty() || name == "since")
}

/// A whole number from `least` to `most`.
pub(crate) fn number(name: &str, value: &str, least: u32, most: u32) -> Result<u32, ApiError> {
    match value.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(ApiError::bad_request(format!(
            "{name} must be a whole number from {least} to {most}"
        ))),
    }
}

/// A date and time.
pub(crate) fn moment(name: &str, value: &str) -> Result<Timestamp, ApiError> {
    Timestamp::parse(value).ok_or_else(|| {
        // In a query a plus sign is a space.
        let hint =
            if value.contains(' ') && Timestamp::parse(&value.replacen(' ', "+", 1)).is_some() {
                ": write + as %2B"
            } else {
                ""
            };
        ApiError::bad_request(format!("{name} must be an RFC 3339 date and time{hint}"))
    })
}

/// What to say about a parameter that does not exist.
pub(crate) fn unknown(name: &str, known: &[&str]) -> ApiError {
    let shown: String = name.chars().take(64).collect();
    let nearest = known
        .iter()
        .map(|known| (distance(name, known), *known))
        .min()
        .filter(|(distance, _)| *distance <= NEAR);
    ApiError::bad_request(match nearest {
        Some((_, nearest)) => format!("unknown parameter {shown}; did you mean {nearest}?"),
        None => format!("unknown parameter {shown}; there are {}", known.join(", ")),
    })
}

/// How many letters must be changed, added or left out to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    // Names of parameters are short; a long one is near to none of them.
    if from.len() > to.len() + NEAR {
        return usize::MAX;
    }
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut next = vec![index + 1];
        for ((other, above), diagonal) in to.iter().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or_default();
            let replaced = diagonal + usize::from(letter != *other);
            next.push(replaced.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, moment, unknown};

    #[test]
    fn the_nearest_name_is_named() {
        let known = ["agent", "user", "limit"];
        assert_eq!(
            unknown("limt", &known).message,
            "unknown parameter limt; did you mean limit?"
        );
        assert_eq!(
            unknown("colour", &known).message,
            "unknown parameter colour; there are agent, user, limit"
        );
        assert!(unknown(&"x".repeat(100_000), &known).message.len() < 150);
    }

    #[test]
    fn letters_are_counted() {
        for (from, to, expected) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("limt", "limit", 1),
            ("usre", "user", 2),
            ("agents", "agent", 1),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn a_plus_that_became_a_space_is_explained() {
        assert!(moment("since", "2026-01-01T00:00:00+00:00").is_ok());
        let refused = moment("since", "2026-01-01T00:00:00 00:00").unwrap_err();
        assert!(refused.message.ends_with("write + as %2B"));
        assert!(!moment("since", "").unwrap_err().message.contains("%2B"));
    }
}

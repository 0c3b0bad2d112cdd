//! Patterns of the user: Python's syntax, in linear time where the pattern allows it, else with a
//! budget.

use std::fmt;
use std::time::{Duration, Instant};

use super::python_regex;

/// Backtracking steps times bytes of text that one search may take: about a second at worst.
const BUDGET: usize = 1 << 30;
/// Steps of one search at most.
const MAX_STEPS: usize = 1_000_000;
/// Matches of one pattern in one text at most, for engines that backtrack.
const MAX_MATCHES: usize = 10_000;

/// A pattern and the word that stands for its matches.
#[derive(Clone)]
pub struct Pattern {
    source: String,
    label: String,
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Linear(regex::Regex),
    /// Compiled once for each power of two of the text's length: the limit is part of it.
    Backtracking(String),
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?} as {:?})", self.source, self.label)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.label == other.label
    }
}

/// The search was given up: the text may hold a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverBudget;

/// How long the patterns that backtrack may still search in one body. Steps bound one search only:
/// a body of many texts, each of which just exceeds them, would hold up delivery for hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience(Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(Duration::from_secs(2))
    }
}

impl Patience {
    /// Searches, if there is time left for it.
    fn search<T>(
        &mut self,
        search: impl FnOnce() -> fancy_regex::Result<T>,
    ) -> Result<T, OverBudget> {
        if self.0.is_zero() {
            return Err(OverBudget);
        }
        let started = Instant::now();
        let found = search();
        self.0 = self.0.saturating_sub(started.elapsed());
        found.map_err(|_| OverBudget)
    }
}

impl Pattern {
    /// Compiles a pattern in the syntax of Python's `re`.
    ///
    /// # Errors
    /// In words, with the position where there is one.
    pub fn new(source: &str, label: &str) -> Result<Self, String> {
        let translated = python_regex::translate(source)?;
        let engine = match regex::RegexBuilder::new(&translated).build() {
            Ok(regex) => Engine::Linear(regex),
            Err(regex::Error::CompiledTooBig(_)) => return Err("is too large".to_owned()),
            Err(_) => {
                backtracking(&translated, MAX_STEPS).map_err(|error| reason(&error))?;
                Engine::Backtracking(translated)
            }
        };
        Ok(Self {
            source: source.to_owned(),
            label: label.to_owned(),
            engine,
        })
    }

    /// The word that stands for a match.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Does the pattern match all of a text?
    pub(super) fn matches_all(
        &self,
        text: &str,
        patience: &mut Patience,
    ) -> Result<bool, OverBudget> {
        let mut all = false;
        self.each(text, patience, |start, end| {
            all |= start == 0 && end == text.len() && !text.is_empty();
        })?;
        Ok(all)
    }

    /// Calls `found` for every match, in order and apart, as Python's `re.sub` does: an empty match
    /// counts, also one that follows another match.
    pub(super) fn each(
        &self,
        text: &str,
        patience: &mut Patience,
        mut found: impl FnMut(usize, usize),
    ) -> Result<(), OverBudget> {
        let limited;
        let search: &mut dyn FnMut(usize) -> Result<Option<(usize, usize)>, OverBudget> =
            match &self.engine {
                Engine::Linear(regex) => &mut |from| {
                    Ok(regex
                        .find_at(text, from)
                        .map(|found| (found.start(), found.end())))
                },
                Engine::Backtracking(source) => {
                    let steps = (BUDGET / text.len().max(1)).min(MAX_STEPS);
                    limited = patience.search(|| backtracking(source, steps))?;
                    let mut left = MAX_MATCHES;
                    &mut move |from| {
                        left = left.checked_sub(1).ok_or(OverBudget)?;
                        let found = patience.search(|| limited.find_from_pos(text, from))?;
                        Ok(found.map(|found| (found.start(), found.end())))
                    }
                }
            };
        let mut from = 0;
        while from <= text.len() {
            let Some((start, end)) = search(from)? else {
                break;
            };
            found(start, end);
            from = if end > start {
                end
            } else {
                let next = text.get(end..).and_then(|rest| rest.chars().next());
                end + next.map_or(1, char::len_utf8)
            };
        }
        Ok(())
    }
}

fn backtracking(source: &str, steps: usize) -> fancy_regex::Result<fancy_regex::Regex> {
    fancy_regex::RegexBuilder::new(source)
        .backtrack_limit(steps)
        .build()
}

fn reason(error: &fancy_regex::Error) -> String {
    match error {
        fancy_regex::Error::ParseError(position, error) => {
            format!("{error} at position {position}")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(pattern: &str, text: &str) -> String {
        let pattern = Pattern::new(pattern, "X").unwrap();
        let (mut out, mut last) = (String::new(), 0);
        pattern
            .each(text, &mut Patience::default(), |start, end| {
                out.push_str(&text[last..start]);
                out.push('-');
                last = end;
            })
            .unwrap();
        out + &text[last..]
    }

    #[test]
    fn replaces_what_python_replaces() {
        assert_eq!(replaced("x*", "abxd"), "-a-b--d-");
        assert_eq!(replaced(r"(?<=a)\d+(?!z)", "a12 b12 a3z"), "a- b12 a3z");
        assert_eq!(replaced(r"(\w)\1", "aa bb ab"), "- - ab");
        assert_eq!(replaced("a++", "aaa"), "-");
        assert_eq!(replaced("(?>a+)b", "aaab"), "-");
        assert_eq!(replaced(r"(?P<q>['x])a(?P=q)", "xax 'a'"), "- -");
        assert_eq!(replaced("[[a]+", "[a"), "-");
        assert_eq!(replaced("x{,2}y", "xxxy"), "x-");
    }

    #[test]
    fn a_pattern_that_explodes_is_given_up() {
        let pattern = Pattern::new(r"(?=(a+)+$)\1b", "X").unwrap();
        let text = format!("{}!", "a".repeat(60));
        let started = std::time::Instant::now();
        let over = pattern.each(&text, &mut Patience::default(), |_, _| {});
        assert!(started.elapsed().as_secs() < 20);
        assert!(over == Err(OverBudget) || over == Ok(()));
    }

    #[test]
    fn many_texts_have_one_budget_together() {
        let pattern = Pattern::new(r"(?:a|a)*(?=c)b", "X").unwrap();
        let mut patience = Patience(Duration::from_millis(100));
        let text = "a".repeat(40);
        let started = Instant::now();
        for _ in 0..10_000 {
            assert_eq!(pattern.matches_all(&text, &mut patience), Err(OverBudget));
        }
        assert_eq!(patience, Patience(Duration::ZERO));
        assert!(started.elapsed().as_secs() < 20);
        let linear = Pattern::new("a+", "X").unwrap();
        assert_eq!(linear.matches_all(&text, &mut patience), Ok(true));
    }

    #[test]
    fn what_is_no_pattern_is_refused_in_words() {
        for source in ["(", "[a", "*a", "a{2", r"\Q"] {
            let made = Pattern::new(source, "X");
            if source == "a{2" {
                assert!(made.is_ok(), "literal in Python");
            } else {
                assert!(made.is_err(), "{source}");
            }
        }
    }
}

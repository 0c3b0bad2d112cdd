//! How often which rule did something, and where.

use std::collections::BTreeMap;

use super::hit::Rule;

/// Names of fields that are told apart; what a program invents beyond that counts as `…`.
const MAX_FIELDS: usize = 256;

/// Counts by rule and top-level field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    counts: BTreeMap<String, BTreeMap<String, u64>>,
    fields: usize,
}

impl Report {
    /// Counts one replacement.
    pub fn count(&mut self, rule: &Rule, field: &str) {
        let name = rule.name();
        let counted = self.counts.get_mut(name.as_ref());
        if let Some(count) = counted.and_then(|by_field| by_field.get_mut(field)) {
            *count += 1;
            return;
        }
        let by_field = self.counts.entry(name.into_owned()).or_default();
        self.fields += 1;
        let known = self.fields <= MAX_FIELDS;
        *by_field
            .entry(if known { field } else { "…" }.to_owned())
            .or_default() += 1;
    }

    /// Adds another report.
    pub fn add(&mut self, other: &Self) {
        for (rule, by_field) in &other.counts {
            let mine = self.counts.entry(rule.clone()).or_default();
            for (field, count) in by_field {
                *mine.entry(field.clone()).or_default() += count;
            }
        }
    }

    /// Counts by rule, then by field.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<String, BTreeMap<String, u64>> {
        &self.counts
    }

    /// Was anything replaced?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

/// One replacement and where it was, as `sentrial redact` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The name of the rule.
    pub rule: String,
    /// Where, for example `toolInput.users[2].email`.
    pub path: String,
}

//! Values that stand in one body more than once.
//!
//! A state before and after a call holds what earlier calls recorded, and the output of this one: two
//! thirds of a usual event are bytes that the pass has already seen. Bytes in which nothing was found
//! need not be looked at again: to compare them costs a hundredth of that.

use super::rules::Cover;

/// Depths at which values repeat: the fields of a body, and the members of these.
const DEPTHS: usize = 2;
/// A shorter value is looked at again.
const LEAST: usize = 256;
/// Values kept. Each further one would be compared with every value that comes.
const MOST: usize = 32;

/// The longer values of a body in which nothing was found.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    clean: Vec<(usize, usize, Cover)>,
    /// For each depth the beginning of the container that is open there, and how much was changed
    /// before it.
    open: [(usize, usize); DEPTHS],
}

impl Repeats {
    /// The end of the value at `at`, if nothing is to be found in it.
    #[inline]
    pub(super) fn end(&self, json: &[u8], depth: usize, at: usize, cover: Cover) -> Option<usize> {
        if self.clean.is_empty() || !(1..=DEPTHS).contains(&depth) {
            return None;
        }
        let rest = json.get(at..)?;
        self.clean.iter().find_map(|(start, end, with)| {
            let known = json.get(*start..*end)?;
            (*with == cover && rest.starts_with(known)).then_some(at + known.len())
        })
    }

    /// A container begins.
    #[inline]
    pub(super) fn opens(&mut self, depth: usize, at: usize, changed: usize) {
        let slot = depth.checked_sub(1).and_then(|at| self.open.get_mut(at));
        if let Some(slot) = slot {
            *slot = (at, changed);
        }
    }

    /// A container ends; it is clean if nothing was changed since it began.
    #[inline]
    pub(super) fn closes(&mut self, depth: usize, end: usize, changed: usize, cover: Cover) {
        let slot = depth.checked_sub(1).and_then(|at| self.open.get(at));
        if let Some((start, before)) = slot.copied()
            && before == changed
        {
            self.keep(start, end, cover);
        }
    }

    /// Nothing was found in a value that is open at `depth`.
    #[inline]
    pub(super) fn clean(&mut self, depth: usize, start: usize, end: usize, cover: Cover) {
        if (1..=DEPTHS).contains(&depth) {
            self.keep(start, end, cover);
        }
    }

    fn keep(&mut self, start: usize, end: usize, cover: Cover) {
        if end >= start + LEAST && self.clean.len() < MOST {
            self.clean.push((start, end, cover));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::core::redact::{Log, Pii, Redactor, Rules, Shape};

    fn redactor() -> Redactor {
        Redactor::new(Rules {
            pii: Some(Pii::default()),
            ..Rules::default()
        })
    }

    fn redacted(body: &Value) -> (Value, usize) {
        let mut log = Log {
            findings: Some(Vec::new()),
            ..Log::default()
        };
        let text = body.to_string();
        let new = redactor().json(text.as_bytes(), Shape::Body, &mut log);
        let new = new.unwrap().unwrap_or_else(|| text.into_bytes());
        (
            serde_json::from_slice(&new).unwrap(),
            log.findings.unwrap().len(),
        )
    }

    fn filler() -> String {
        "nothing to see ".repeat(40)
    }

    #[test]
    fn what_is_found_in_a_value_is_found_in_each_copy_of_it() {
        for value in [
            json!({"text": filler(), "mail": "bob@example.com"}),
            json!([filler(), {"password": "hunter2"}]),
            json!(format!("{} bob@example.com", filler())),
            json!({"text": filler(), "n": 4_111_111_111_111_111_u64}),
        ] {
            let (new, found) = redacted(&json!({
                "toolOutput": value, "stateBefore": {"a": value}, "stateAfter": {"a": value, "b": value},
            }));
            assert_eq!(found, 4, "{new}");
            for copy in [
                &new["toolOutput"],
                &new["stateBefore"]["a"],
                &new["stateAfter"]["a"],
                &new["stateAfter"]["b"],
            ] {
                assert_ne!(copy, &value);
                assert_eq!(copy, &new["toolOutput"]);
            }
        }
    }

    #[test]
    fn a_clean_value_is_withheld_under_a_denied_name_and_looked_at_where_more_is_looked_for() {
        let (new, _) = redacted(&json!({
            "toolOutput": {"text": filler()}, "stateAfter": {"password": {"text": filler()}},
        }));
        assert_eq!(new["stateAfter"]["password"], "[REDACTED]");
        // The API's own ids are not looked at for personal data.
        let with_mail = json!([filler(), "bob@example.com"]);
        let (new, found) = redacted(&json!({"sessionId": with_mail, "toolOutput": with_mail}));
        assert_ne!(new["toolOutput"], with_mail, "{found}");
    }

    proptest! {
        /// Each copy becomes what it would become alone.
        #[test]
        fn a_copy_becomes_what_it_becomes_alone(
            parts in prop::collection::vec("[a-z ]{100,200}|bob@example.com|sk_live_[a-z0-9]{24}|[\\[{\"\\\\]", 1..4),
            deny in any::<bool>(),
        ) {
            let mut text = String::new();
            for part in &parts {
                let _ = write!(text, "{part} ");
            }
            let name = if deny { "password" } else { "name" };
            let value = json!({"parts": parts, "text": text, name: text});
            let (all, _) = redacted(&json!({
                "toolInput": value, "toolOutput": {"x": value}, "stateBefore": {"x": value, "y": text},
            }));
            let (alone, _) = redacted(&json!({"toolInput": value}));
            let (text_alone, _) = redacted(&json!({"stateBefore": {"y": text}}));
            prop_assert_eq!(&all["toolInput"], &alone["toolInput"]);
            prop_assert_eq!(&all["toolOutput"]["x"], &alone["toolInput"]);
            prop_assert_eq!(&all["stateBefore"]["x"], &alone["toolInput"]);
            prop_assert_eq!(&all["stateBefore"]["y"], &text_alone["stateBefore"]["y"]);
        }
    }
}

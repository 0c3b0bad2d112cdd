//! Where in a JSON document a pass is: the objects and lists around it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Redactor;
use super::escape::unescape;
use super::hit::Hits;
use super::text;
use super::traits::Traits;

/// An object or a list that is not over yet.
#[derive(Debug, Default)]
struct Frame {
    object: bool,
    /// Where the name of the member is.
    key: (usize, usize),
    index: usize,
    /// What names were redacted to and how often, to keep equal ones apart.
    redacted: BTreeMap<Vec<u8>, usize>,
}

/// All of them, the outermost first.
pub(super) struct Frames<'a> {
    json: &'a [u8],
    frames: Vec<Frame>,
}

impl<'a> Frames<'a> {
    pub(super) fn of(json: &'a [u8]) -> Self {
        Self {
            json,
            frames: Vec::with_capacity(8),
        }
    }

    pub(super) fn push(&mut self, object: bool) {
        self.frames.push(Frame {
            object,
            ..Frame::default()
        });
    }

    pub(super) fn pop(&mut self) {
        self.frames.pop();
    }

    pub(super) fn depth(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn in_object(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.object)
    }

    /// Behind a comma.
    pub(super) fn next_member(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.index += 1;
        }
    }

    pub(super) fn set_key(&mut self, start: usize, end: usize) {
        if let Some(frame) = self.frames.last_mut() {
            frame.key = (start, end);
        }
    }

    /// Numbers a redacted name if the object has it already.
    pub(super) fn tell_apart(&mut self, key: &mut Vec<u8>) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let same = frame.redacted.entry(key.clone()).or_default();
        *same += 1;
        if *same > 1 {
            key.extend_from_slice(format!(" ({same})").as_bytes());
        }
    }

    /// Where the pass is, in words. A name that was redacted itself is left out.
    pub(super) fn path(&self, redactor: &Redactor, outer: &str) -> String {
        let mut path = outer.to_owned();
        for frame in &self.frames {
            if frame.object {
                let (start, end) = frame.key;
                let key = self.json.get(start..end).unwrap_or_default();
                if !path.is_empty() {
                    path.push('.');
                }
                if is_clean(redactor, &unescape(key).unwrap_or_default()) {
                    path.push_str(&String::from_utf8_lossy(key));
                } else {
                    path.push('…');
                }
            } else {
                let _ = write!(path, "[{}]", frame.index);
            }
        }
        path
    }
}

/// Could a name be shown in a report?
fn is_clean(redactor: &Redactor, key: &[u8]) -> bool {
    let rules = &redactor.rules;
    let mut hits = Hits::default();
    text::find(
        key,
        Traits::of_text(key),
        redactor,
        rules.cover_all(),
        &mut hits,
    );
    hits.is_empty()
}

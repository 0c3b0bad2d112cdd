//! One pass over JSON bytes: strings, keys and numbers are looked at, what needs no change is copied
//! as it is.

use std::borrow::Cow;

use super::Redactor;
use super::custom::Patience;
use super::escape::unescape;
use super::frames::Frames;
use super::hit::Rule;
use super::repeats::Repeats;
use super::report::{Finding, Report};
use super::rewrite::Rewrite;
use super::rules::Cover;
use super::syntax::{looks_like_json, number_length};
use super::text::{self, WITHHELD};
use super::traits::Traits;
use super::{json_number, own};

/// Texts that hold JSON that holds texts that hold JSON: so deep is looked.
const MAX_NESTING: usize = 6;

/// What the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The body of a request: an object whose members are the fields.
    Body,
    /// The rest of such a body from a comma or its closing brace on.
    Tail,
    /// Any value, all of it content.
    Value,
}

/// The bytes are not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// What a pass did.
#[derive(Debug, Default)]
pub struct Log {
    /// Counts.
    pub report: Report,
    /// Every single replacement, if asked for.
    pub findings: Option<Vec<Finding>>,
    /// What is left of the time for patterns that backtrack.
    pub patience: Patience,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    FirstValue,
    Key,
    FirstKey,
    Comma,
    End,
}

/// Where a pass is.
pub(super) struct Walk<'a> {
    redactor: &'a Redactor,
    json: &'a [u8],
    shape: Shape,
    at: usize,
    frames: Frames<'a>,
    /// What is looked for where the pass is.
    cover: Cover,
    field: &'a str,
    /// The next value belongs to a denied name.
    denied: bool,
    /// Beginning and depth of a container whose name is denied.
    muted: Option<(usize, usize)>,
    nesting: usize,
    outer_path: &'a str,
    out: Rewrite<'a>,
    repeats: Repeats,
    log: &'a mut Log,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        redactor: &'a Redactor,
        json: &'a [u8],
        shape: Shape,
        log: &'a mut Log,
    ) -> Self {
        Self {
            redactor,
            json,
            shape,
            at: 0,
            frames: Frames::of(json),
            cover: redactor.rules.cover_all(),
            field: "value",
            denied: false,
            muted: None,
            nesting: 0,
            outer_path: "",
            out: Rewrite::of(json),
            repeats: Repeats::default(),
            log,
        }
    }

    /// Goes through all of it. `None` if nothing had to be changed.
    pub(super) fn run(mut self) -> Result<Option<Vec<u8>>, Malformed> {
        let mut expect = Expect::Value;
        if self.shape == Shape::Tail {
            self.frames.push(true);
            expect = Expect::Comma;
        }
        while let Some(byte) = self.next_byte() {
            expect = match (expect, byte) {
                (Expect::Key | Expect::FirstKey, b'"') => self.key()?,
                (Expect::FirstKey, b'}') | (Expect::FirstValue, b']') => self.close(),
                (Expect::Comma, b'}') if self.frames.in_object() => self.close(),
                (Expect::Comma, b']') if !self.frames.in_object() => self.close(),
                (Expect::Comma, b',') => self.comma(),
                (Expect::Value | Expect::FirstValue, _) => self.value(byte)?,
                _ => return Err(Malformed),
            };
        }
        if expect != Expect::End {
            return Err(Malformed);
        }
        Ok(self.out.finish())
    }

    fn next_byte(&mut self) -> Option<u8> {
        loop {
            let byte = *self.json.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn comma(&mut self) -> Expect {
        self.at += 1;
        self.frames.next_member();
        if self.frames.in_object() {
            Expect::Key
        } else {
            Expect::Value
        }
    }

    fn after_value(&self) -> Expect {
        if self.frames.depth() == 0 {
            Expect::End
        } else {
            Expect::Comma
        }
    }

    fn open(&mut self, object: bool) -> Expect {
        if std::mem::take(&mut self.denied) && self.muted.is_none() {
            self.muted = Some((self.at, self.frames.depth()));
        }
        let changed = self.out.changed();
        self.repeats.opens(self.frames.depth(), self.at, changed);
        self.at += 1;
        self.frames.push(object);
        if object {
            Expect::FirstKey
        } else {
            Expect::FirstValue
        }
    }

    fn close(&mut self) -> Expect {
        self.at += 1;
        self.frames.pop();
        if let Some((start, depth)) = self.muted
            && self.frames.depth() == depth
        {
            self.muted = None;
            self.put_value(start, self.at, &Rule::Field);
        }
        if self.muted.is_none() {
            let (depth, changed) = (self.frames.depth(), self.out.changed());
            self.repeats.closes(depth, self.at, changed, self.cover);
        }
        self.after_value()
    }

    fn value(&mut self, byte: u8) -> Result<Expect, Malformed> {
        if let Some(end) = self.repeat(byte) {
            self.at = end;
            return Ok(self.after_value());
        }
        match byte {
            b'{' => return Ok(self.open(true)),
            b'[' => return Ok(self.open(false)),
            b'"' => self.string()?,
            b't' => self.literal(b"true")?,
            b'f' => self.literal(b"false")?,
            b'n' => self.literal(b"null")?,
            // Python writes these; a body has none.
            b'N' if self.nesting > 0 => self.literal(b"NaN")?,
            b'I' if self.nesting > 0 => self.literal(b"Infinity")?,
            b'-' if self.nesting > 0 && self.json.get(self.at + 1) == Some(&b'I') => {
                self.literal(b"-Infinity")?;
            }
            _ => self.number()?,
        }
        Ok(self.after_value())
    }

    /// The end of the value that begins here, if the pass has found nothing in the same one before.
    fn repeat(&self, byte: u8) -> Option<usize> {
        if !matches!(byte, b'{' | b'[' | b'"') || self.denied || self.muted.is_some() {
            return None;
        }
        let depth = self.frames.depth();
        self.repeats.end(self.json, depth, self.at, self.cover)
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Malformed> {
        self.denied = false;
        let rest = self.json.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    /// Is the pass at a member of the body itself?
    fn is_top(&self) -> bool {
        self.frames.depth() == 1 && self.shape != Shape::Value
    }

    fn key(&mut self) -> Result<Expect, Malformed> {
        let start = self.at + 1;
        let (traits, end) = Traits::of_json(self.json, start).ok_or(Malformed)?;
        self.at = end + 1;
        self.frames.set_key(start, end);
        let raw = self.json.get(start..end).ok_or(Malformed)?;
        let (name, traits) = decoded(raw, traits)?;
        if self.is_top() {
            self.field = std::str::from_utf8(raw).map_err(|_| Malformed)?;
            self.cover = self.redactor.rules.cover(self.field);
        }
        if self.muted.is_none() {
            self.denied = self.redactor.deny.has(&name);
            self.redact_key(start, end, &name, traits);
        }
        if self.next_byte() != Some(b':') {
            return Err(Malformed);
        }
        self.at += 1;
        Ok(Expect::Value)
    }

    /// Keys are content like values; only the names of the fields themselves hold no personal data.
    fn redact_key(&mut self, start: usize, end: usize, name: &[u8], traits: Traits) {
        let cover = Cover {
            pii: self.cover.pii && !self.is_top(),
            ..self.cover
        };
        let Some(mut key) = self.redacted(name, traits, cover, false) else {
            return;
        };
        // What is left of the name may be a denied one: a second pass would see only that.
        self.denied |= self.redactor.deny.has(&key);
        self.frames.tell_apart(&mut key);
        self.out.put(start, end, &key);
    }

    fn string(&mut self) -> Result<(), Malformed> {
        let start = self.at + 1;
        let (traits, end) = Traits::of_json(self.json, start).ok_or(Malformed)?;
        let opening = self.at;
        self.at = end + 1;
        let raw = self.json.get(start..end).ok_or(Malformed)?;
        let denied = std::mem::take(&mut self.denied);
        let (text, traits) = decoded(raw, traits)?;
        if self.muted.is_some() {
            return Ok(());
        }
        if denied && !raw.is_empty() && raw != WITHHELD {
            self.put_value(opening, self.at, &Rule::Field);
            return Ok(());
        }
        if let Some(text) = self.redacted(&text, traits, self.cover, true) {
            self.out.put(start, end, &text);
        } else {
            let depth = self.frames.depth();
            self.repeats.clean(depth, opening, self.at, self.cover);
        }
        Ok(())
    }

    /// A text as it may leave; `None` if it may as it is.
    fn redacted(
        &mut self,
        text: &[u8],
        traits: Traits,
        cover: Cover,
        nested: bool,
    ) -> Option<Vec<u8>> {
        let redactor = self.redactor;
        let pii = redactor.rules.pii.as_ref();
        let mut result = None;
        if nested && self.nesting < MAX_NESTING && looks_like_json(text) {
            result = self.nested(text, cover);
        }
        if result.is_none() {
            let count = &mut |rule: &Rule| self.note(rule);
            result = text::built_in(text, traits, redactor, cover, count);
        }
        let Some(pii) = pii.filter(|pii| cover.pii && !pii.custom.is_empty()) else {
            return result;
        };
        let current = result.as_deref().unwrap_or(text);
        let mut found = Vec::new();
        let patience = &mut self.log.patience;
        let custom = text::customised(current, pii, patience, &mut |rule| {
            found.push(rule.clone());
        });
        match custom {
            Ok(custom) => {
                for rule in &found {
                    self.note(rule);
                }
                custom.or(result)
            }
            Err(_) => {
                self.note(&Rule::Withheld);
                Some(WITHHELD.to_vec())
            }
        }
    }

    /// A text that is JSON itself: its names and values are looked at as such. `None` if nothing was
    /// found; then the text is looked at as a text.
    fn nested(&mut self, text: &[u8], cover: Cover) -> Option<Vec<u8>> {
        let path = self
            .log
            .findings
            .is_some()
            .then(|| self.frames.path(self.redactor, self.outer_path));
        let mut log = Log {
            report: Report::default(),
            findings: self.log.findings.is_some().then(Vec::new),
            patience: self.log.patience,
        };
        let inner = Walk {
            cover,
            field: self.field,
            nesting: self.nesting + 1,
            outer_path: path.as_deref().unwrap_or(""),
            ..Walk::new(self.redactor, text, Shape::Value, &mut log)
        };
        let result = std::str::from_utf8(text)
            .ok()
            .and_then(|_| inner.run().ok());
        self.log.patience = log.patience;
        let result = result?;
        self.log.report.add(&log.report);
        if let (Some(all), Some(new)) = (&mut self.log.findings, log.findings) {
            all.extend(new);
        }
        result
    }

    fn number(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        let rest = self.json.get(start..).unwrap_or_default();
        let length = number_length(rest).ok_or(Malformed)?;
        self.at += length;
        let denied = std::mem::take(&mut self.denied);
        if self.muted.is_some() {
            return Ok(());
        }
        if denied {
            self.put_value(start, self.at, &Rule::Field);
            return Ok(());
        }
        let digits = rest.get(..length).unwrap_or_default();
        let content = self.cover.numbers && !self.is_top();
        let pii = self.redactor.rules.pii.as_ref().filter(|_| content);
        let own = self.redactor.own.stand_in(digits).then_some(own::RULE);
        let patience = &mut self.log.patience;
        if let Some(rule) = own.or_else(|| json_number::find(digits, pii?, patience)) {
            let mut stand_in = Vec::new();
            text::stand_in(&rule, digits, pii, &mut stand_in);
            self.note(&rule);
            self.out.put_quoted(start, self.at, &stand_in);
        }
        Ok(())
    }

    fn put_value(&mut self, start: usize, end: usize, rule: &Rule) {
        self.note(rule);
        self.out.put_quoted(start, end, WITHHELD);
    }

    fn note(&mut self, rule: &Rule) {
        self.log.report.count(rule, self.field);
        if self.log.findings.is_some() {
            let path = self.frames.path(self.redactor, self.outer_path);
            if let Some(findings) = &mut self.log.findings {
                findings.push(Finding {
                    rule: rule.name().into_owned(),
                    path,
                });
            }
        }
    }
}

/// The text of the inside of a JSON string, and what is in it. Escapes hide what the text holds.
fn decoded(raw: &[u8], traits: Traits) -> Result<(Cow<'_, [u8]>, Traits), Malformed> {
    if !traits.escaped() {
        return Ok((Cow::Borrowed(raw), traits));
    }
    let text = unescape(raw).ok_or(Malformed)?;
    let traits = Traits::of_text(&text);
    Ok((Cow::Owned(text), traits))
}

//! One pass over JSON bytes: strings, keys and numbers are looked at, what needs no change is copied
//! as it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Redactor;
use super::custom::{OverBudget, Patience};
use super::deny::DenyList;
use super::escape::{escape, unescape};
use super::hit::{Hits, Rule};
use super::number;
use super::report::{Finding, Report};
use super::rules::{Cover, Pii};
use super::text::{self, Traits, WITHHELD};

/// Texts that hold JSON that holds texts that hold JSON: so deep is looked.
const MAX_NESTING: usize = 4;

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

#[derive(Debug, Default)]
struct Frame {
    object: bool,
    key: (usize, usize),
    index: usize,
    /// What keys were redacted to and how often, to keep equal ones apart.
    redacted: BTreeMap<Vec<u8>, usize>,
}

/// Where a pass is.
pub(super) struct Walk<'a> {
    redactor: &'a Redactor,
    json: &'a [u8],
    shape: Shape,
    at: usize,
    frames: Vec<Frame>,
    /// What is looked for where the pass is.
    cover: Cover,
    field: &'a str,
    /// The next value belongs to a denied name.
    denied: bool,
    /// Beginning and depth of a container whose name is denied.
    muted: Option<(usize, usize)>,
    nesting: usize,
    outer_path: &'a str,
    out: Vec<u8>,
    copied: usize,
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
            frames: Vec::with_capacity(8),
            cover: redactor.rules.cover_all(),
            field: "value",
            denied: false,
            muted: None,
            nesting: 0,
            outer_path: "",
            out: Vec::new(),
            copied: 0,
            log,
        }
    }

    /// Goes through all of it. `None` if nothing had to be changed.
    pub(super) fn run(mut self) -> Result<Option<Vec<u8>>, Malformed> {
        let mut expect = Expect::Value;
        if self.shape == Shape::Tail {
            self.frames.push(Frame {
                object: true,
                ..Frame::default()
            });
            expect = Expect::Comma;
        }
        while let Some(byte) = self.next_byte() {
            expect = match (expect, byte) {
                (Expect::Key | Expect::FirstKey, b'"') => self.key()?,
                (Expect::FirstKey, b'}') | (Expect::FirstValue, b']') => self.close(),
                (Expect::Comma, b'}') if self.in_object() => self.close(),
                (Expect::Comma, b']') if !self.in_object() => self.close(),
                (Expect::Comma, b',') => self.comma(),
                (Expect::Value | Expect::FirstValue, _) => self.value(byte)?,
                _ => return Err(Malformed),
            };
        }
        if expect != Expect::End {
            return Err(Malformed);
        }
        if self.copied == 0 {
            return Ok(None);
        }
        self.copy_to(self.json.len());
        Ok(Some(self.out))
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

    fn in_object(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.object)
    }

    fn comma(&mut self) -> Expect {
        self.at += 1;
        match self.frames.last_mut() {
            Some(frame) if frame.object => Expect::Key,
            Some(frame) => {
                frame.index += 1;
                Expect::Value
            }
            None => Expect::End,
        }
    }

    fn after_value(&self) -> Expect {
        if self.frames.is_empty() {
            Expect::End
        } else {
            Expect::Comma
        }
    }

    fn open(&mut self, object: bool) -> Expect {
        if std::mem::take(&mut self.denied) && self.muted.is_none() {
            self.muted = Some((self.at, self.frames.len()));
        }
        self.at += 1;
        self.frames.push(Frame {
            object,
            ..Frame::default()
        });
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
            && self.frames.len() == depth
        {
            self.muted = None;
            self.put_value(start, self.at, &Rule::Field);
        }
        self.after_value()
    }

    fn value(&mut self, byte: u8) -> Result<Expect, Malformed> {
        match byte {
            b'{' => return Ok(self.open(true)),
            b'[' => return Ok(self.open(false)),
            b'"' => self.string()?,
            b't' => self.literal(b"true")?,
            b'f' => self.literal(b"false")?,
            b'n' => self.literal(b"null")?,
            _ => self.number()?,
        }
        Ok(self.after_value())
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
        self.frames.len() == 1 && self.shape != Shape::Value
    }

    fn key(&mut self) -> Result<Expect, Malformed> {
        let start = self.at + 1;
        let (traits, end) = Traits::of_json(self.json, start).ok_or(Malformed)?;
        self.at = end + 1;
        if let Some(frame) = self.frames.last_mut() {
            frame.key = (start, end);
        }
        let raw = self.json.get(start..end).ok_or(Malformed)?;
        let decoded = decoded(raw, traits)?;
        let name = decoded.as_deref().unwrap_or(raw);
        if self.is_top() {
            self.field = std::str::from_utf8(raw).map_err(|_| Malformed)?;
            self.cover = self.redactor.rules.cover(self.field);
        }
        if self.muted.is_none() {
            self.denied = self.redactor.deny.has(name);
            self.redact_key(start, end, name, traits);
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
        if let Some(frame) = self.frames.last_mut() {
            let same = frame.redacted.entry(key.clone()).or_default();
            *same += 1;
            if *same > 1 {
                key.extend_from_slice(format!(" ({same})").as_bytes());
            }
        }
        self.put(start, end, &key);
    }

    fn string(&mut self) -> Result<(), Malformed> {
        let start = self.at + 1;
        let (traits, end) = Traits::of_json(self.json, start).ok_or(Malformed)?;
        let opening = self.at;
        self.at = end + 1;
        let raw = self.json.get(start..end).ok_or(Malformed)?;
        let denied = std::mem::take(&mut self.denied);
        let decoded = decoded(raw, traits)?;
        if self.muted.is_some() {
            return Ok(());
        }
        if denied && !raw.is_empty() && raw != WITHHELD {
            self.put_value(opening, self.at, &Rule::Field);
            return Ok(());
        }
        let text = decoded.as_deref().unwrap_or(raw);
        if let Some(text) = self.redacted(text, traits, self.cover, true) {
            self.put(start, end, &text);
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
            result = text::built_in(text, traits, &redactor.rules, cover, count);
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
        let path = self.log.findings.is_some().then(|| self.path());
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
        let Some(pii) = self.redactor.rules.pii.as_ref().filter(|_| content) else {
            return Ok(());
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return Ok(());
        }
        let rule = number::whole(digits, pii.builtins)
            .or_else(|| customised_number(digits, pii, &mut self.log.patience));
        if let Some(rule) = rule {
            let mut stand_in = Vec::new();
            text::stand_in(&rule, digits, Some(pii), &mut stand_in);
            self.note(&rule);
            self.put_quoted(start, self.at, &stand_in);
        }
        Ok(())
    }

    fn put_value(&mut self, start: usize, end: usize, rule: &Rule) {
        self.note(rule);
        self.put_quoted(start, end, WITHHELD);
    }

    fn put_quoted(&mut self, start: usize, end: usize, text: &[u8]) {
        self.copy_to(start);
        self.out.push(b'"');
        escape(text, &mut self.out);
        self.out.push(b'"');
        self.copied = end;
    }

    /// Puts a text in the place of the inside of a string.
    fn put(&mut self, start: usize, end: usize, text: &[u8]) {
        self.copy_to(start);
        escape(text, &mut self.out);
        self.copied = end;
    }

    fn copy_to(&mut self, end: usize) {
        if self.out.capacity() == 0 {
            self.out.reserve(self.json.len());
        }
        let part = self.json.get(self.copied..end).unwrap_or_default();
        self.out.extend_from_slice(part);
        self.copied = end;
    }

    fn note(&mut self, rule: &Rule) {
        self.log.report.count(rule, self.field);
        if self.log.findings.is_some() {
            let path = self.path();
            if let Some(findings) = &mut self.log.findings {
                findings.push(Finding {
                    rule: rule.name().into_owned(),
                    path,
                });
            }
        }
    }

    /// Where the pass is, in words. A name that was redacted itself is left out.
    fn path(&self) -> String {
        let mut path = self.outer_path.to_owned();
        for frame in &self.frames {
            if frame.object {
                let (start, end) = frame.key;
                let key = self.json.get(start..end).unwrap_or_default();
                let name = String::from_utf8_lossy(key);
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(if self.redactor.is_clean(key) {
                    &name
                } else {
                    "…"
                });
            } else {
                let _ = write!(path, "[{}]", frame.index);
            }
        }
        path
    }
}

fn decoded(raw: &[u8], traits: Traits) -> Result<Option<Vec<u8>>, Malformed> {
    if traits.escaped {
        unescape(raw).map(Some).ok_or(Malformed)
    } else {
        Ok(None)
    }
}

fn looks_like_json(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let ends = text.first().zip(text.last());
    text.len() >= 7 && matches!(ends, Some((b'{', b'}') | (b'[', b']')))
}

/// The length of the JSON number that begins here.
fn number_length(rest: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = rest.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = usize::from(rest.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && rest.get(at) == Some(&b'0')) {
        return None;
    }
    at += whole;
    if rest.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if matches!(rest.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}

/// The custom pattern that all of a number matches.
fn customised_number(digits: &[u8], pii: &Pii, patience: &mut Patience) -> Option<Rule> {
    let text = std::str::from_utf8(digits).ok()?;
    pii.custom.iter().find_map(|pattern| {
        let rule = || Rule::Custom(pattern.label().to_owned());
        match pattern.matches_all(text, patience) {
            Ok(matches) => matches.then(rule),
            Err(OverBudget) => Some(Rule::Withheld),
        }
    })
}

impl Redactor {
    /// Could a name be shown in a report?
    fn is_clean(&self, key: &[u8]) -> bool {
        let mut hits = Hits::default();
        let cover = self.rules.cover_all();
        text::find(key, Traits::of_text(key), &self.rules, cover, &mut hits);
        hits.is_empty()
    }

    pub(super) fn deny_list(rules: &super::Rules) -> DenyList {
        DenyList::new(rules.secrets, &rules.deny_fields)
    }
}

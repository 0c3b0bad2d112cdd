//! JSON bytes with some of their parts replaced, in order.

use super::escape::escape;

/// What is left as it is gets copied when something behind it is replaced, and never if nothing is.
pub(super) struct Rewrite<'a> {
    json: &'a [u8],
    out: Vec<u8>,
    copied: usize,
}

impl<'a> Rewrite<'a> {
    pub(super) fn of(json: &'a [u8]) -> Self {
        Self {
            json,
            out: Vec::new(),
            copied: 0,
        }
    }

    /// Grows with everything that is replaced.
    pub(super) fn changed(&self) -> usize {
        self.copied
    }

    /// Puts a string in the place of a value.
    pub(super) fn put_quoted(&mut self, start: usize, end: usize, text: &[u8]) {
        self.copy_to(start);
        self.out.push(b'"');
        escape(text, &mut self.out);
        self.out.push(b'"');
        self.copied = end;
    }

    /// Puts a text in the place of the inside of a string.
    pub(super) fn put(&mut self, start: usize, end: usize, text: &[u8]) {
        self.copy_to(start);
        escape(text, &mut self.out);
        self.copied = end;
    }

    /// All of it; `None` if nothing was replaced.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        (self.copied > 0).then(|| {
            self.copy_to(self.json.len());
            self.out
        })
    }

    fn copy_to(&mut self, end: usize) {
        if self.out.capacity() == 0 {
            self.out.reserve(self.json.len());
        }
        let part = self.json.get(self.copied..end).unwrap_or_default();
        self.out.extend_from_slice(part);
        self.copied = end;
    }
}

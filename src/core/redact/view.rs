//! A text in another form, and where the parts of it come from.

/// The text in its other form, and the places of the original that its bytes stand for.
pub(super) struct View {
    pub(super) text: Vec<u8>,
    runs: Vec<Run>,
}

/// Bytes of the other form that each stand for so many bytes of the original, without a gap. One
/// entry for all of them: places byte by byte would be sixteen times as large as the text.
struct Run {
    at: usize,
    original: usize,
    width: usize,
}

impl View {
    /// Nothing yet, of an original of so many bytes.
    pub(super) fn with_capacity(length: usize) -> Self {
        Self {
            text: Vec::with_capacity(length),
            runs: Vec::new(),
        }
    }

    /// The part of the original that the bytes `start..end` stand for.
    pub(super) fn original(&self, start: usize, end: usize) -> (usize, usize) {
        let last = end.saturating_sub(1).max(start);
        (self.begin(start), self.begin(last) + self.width(last))
    }

    /// The end of the piece of the original in the middle of which the place `at` is.
    pub(super) fn piece_around(&self, at: usize) -> Option<usize> {
        let after = self.runs.partition_point(|run| run.original <= at);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let past = (at - run.original) % run.width;
        (past > 0).then_some(at - past + run.width)
    }

    fn run(&self, at: usize) -> Option<&Run> {
        let after = self.runs.partition_point(|run| run.at <= at);
        self.runs.get(after.checked_sub(1)?)
    }

    fn begin(&self, at: usize) -> usize {
        let run = self.run(at);
        run.map_or(0, |run| run.original + (at - run.at) * run.width)
    }

    fn width(&self, at: usize) -> usize {
        self.run(at).map_or(0, |run| run.width)
    }

    /// Appends bytes that stand for `width` bytes each of the original from `from` on.
    pub(super) fn push(&mut self, bytes: &[u8], from: usize, width: usize) {
        let at = self.text.len();
        let goes_on =
            |run: &Run| run.width == width && run.original + (at - run.at) * width == from;
        if !self.runs.last().is_some_and(goes_on) {
            self.runs.push(Run {
                at,
                original: from,
                width,
            });
        }
        self.text.extend_from_slice(bytes);
    }

    /// Appends a character all of whose bytes stand for the same `width` bytes of the original.
    pub(super) fn push_char(&mut self, c: char, from: usize, width: usize) {
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            self.push(&[byte], from, width);
        }
    }
}

//! The bounds of one walk: bytes, items, depth, and the containers on the current path.

/// Nesting beyond this becomes `"<max depth>"`.
const MAX_DEPTH: usize = 64;
/// Array elements and object members written in one budget.
const MAX_ITEMS: usize = 100_000;
/// Those written for one field of a request: about as many as take two milliseconds.
const FIELD_ITEMS: usize = 50_000;
/// As many of those as one object counts as.
const OBJECT_COST: usize = 4;
/// Binary values may take so many times the bytes of everything else.
const MEDIA: usize = 4;

/// Kept free for the code of an object that is asked for its text, and for what a call does after
/// its values are written. Threads with stacks of 32 KiB exist.
const STACK_RESERVE: usize = 12 * 1024;

/// A level takes about a kilobyte.
fn too_little_stack() -> bool {
    stacker::remaining_stack().is_some_and(|left| left < STACK_RESERVE)
}

/// What may still be written. One budget can serve several values; it counts on.
pub(crate) struct Budget {
    bytes: usize,
    /// Length of the output at which the bytes are used up: while a value is being written the
    /// length of the output is the only counter, so no write has to report its size.
    limit: usize,
    items: usize,
    /// Elements that an object counts as.
    object: usize,
    /// Bytes of binary values that may be written beyond the limit.
    media: usize,
    depth: usize,
    /// Addresses of the containers being written, innermost last.
    path: [usize; MAX_DEPTH],
    truncated: bool,
}

impl Budget {
    /// A budget of `max_bytes`, exceeded by at most the markers and closing brackets.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            bytes: max_bytes,
            limit: 0,
            items: MAX_ITEMS,
            object: 1,
            media: 0,
            depth: 0,
            path: [0; MAX_DEPTH],
            truncated: false,
        }
    }

    /// A budget of `max_bytes`, not counting large binary values: each is replaced by a few words
    /// that tell its size and digest before it is sent.
    pub(crate) fn of_field(max_bytes: usize) -> Self {
        Self {
            media: max_bytes.saturating_mul(MEDIA),
            items: FIELD_ITEMS,
            object: OBJECT_COST,
            ..Self::new(max_bytes)
        }
    }

    pub(super) fn media(&self) -> usize {
        self.media
    }

    /// Whether a binary value of so many bytes may be written; it is not counted then.
    pub(super) fn take_media(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.media;
        if fits {
            self.media -= bytes;
            self.limit = self.limit.saturating_add(bytes);
        }
        fits
    }

    /// Whether anything was left out: by size, count, depth or as circular.
    #[allow(dead_code, reason = "for the client's bindings")]
    pub(crate) fn truncated(&self) -> bool {
        self.truncated
    }

    pub(super) fn begin(&mut self, written: usize) {
        self.limit = written.saturating_add(self.bytes);
        // An exception that stopped the walk before left its path behind.
        self.depth = 0;
    }

    pub(super) fn end(&mut self, written: usize) {
        self.bytes = self.limit.saturating_sub(written);
    }

    /// Bytes left when `out` has been written so far.
    #[inline]
    pub(super) fn room(&self, out: &[u8]) -> usize {
        self.limit.saturating_sub(out.len())
    }

    /// Whether no further element may be written.
    #[inline]
    pub(super) fn exhausted(&self, out: &[u8]) -> bool {
        self.items == 0 || out.len() >= self.limit
    }

    #[inline]
    pub(super) fn count_items(&mut self, written: usize) {
        self.items = self.items.saturating_sub(written);
    }

    /// An object counts as more than the one element it is: what it is has to be found out.
    pub(super) fn count_object(&mut self) {
        self.count_items(self.object - 1);
    }

    pub(super) fn items_left(&self) -> usize {
        self.items
    }

    pub(super) fn mark_truncated(&mut self) {
        self.truncated = true;
    }

    pub(super) fn is_nested(&self) -> bool {
        self.depth > 0
    }

    /// Enters the container at `address`; `false` means that a placeholder stands in `out` for
    /// it. A linear search: at most 64 comparisons.
    pub(super) fn enter(&mut self, address: usize, out: &mut Vec<u8>) -> bool {
        let placeholder: &[u8] = if too_little_stack() {
            b"\"<max depth>\""
        } else if self.path.iter().take(self.depth).any(|&a| a == address) {
            b"\"<circular>\""
        } else if let Some(slot) = self.path.get_mut(self.depth) {
            *slot = address;
            self.depth += 1;
            return true;
        } else {
            b"\"<max depth>\""
        };
        self.truncated = true;
        out.extend_from_slice(placeholder);
        false
    }

    pub(super) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

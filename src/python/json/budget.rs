//! The bounds of one walk: bytes, items, depth, and the containers on the current path.

/// Nesting beyond this becomes `"<max depth>"`.
const MAX_DEPTH: usize = 64;
/// Array elements and object members written in one budget.
const MAX_ITEMS: usize = 100_000;

/// What may still be written. One budget can serve several values; it counts on.
pub(crate) struct Budget {
    bytes: usize,
    /// Length of the output at which the bytes are used up: while a value is being written the
    /// length of the output is the only counter, so no write has to report its size.
    limit: usize,
    items: usize,
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
            depth: 0,
            path: [0; MAX_DEPTH],
            truncated: false,
        }
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
        let placeholder: &[u8] = if self.path.iter().take(self.depth).any(|&a| a == address) {
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

//! Where callers put requests that nobody has put into their lanes yet.
//!
//! A lane and its indexes are in no cache of a program that works, and making them costs several
//! allocations. So a caller only lays its request down; whoever looks at the queue next, most often
//! the delivery thread, puts all of them into their lanes first.

use std::time::Instant;

use crate::core::queue::Queue;
use crate::core::request::Request;

/// Requests after which a caller puts them into their lanes: what one of them pays for the others
/// stays far below the time a call may take.
const MOST: usize = 16;
/// Bytes after which he does: here they do not count against the bounds of the queue.
const MOST_BYTES: usize = 64 * 1024;

/// Requests in call order, with the time of each.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    requests: Vec<(Request, Instant)>,
    bytes: usize,
}

impl Inbox {
    /// Takes a request; true if the caller should look at the queue.
    pub(super) fn put(&mut self, request: Request, now: Instant) -> bool {
        self.bytes += request.body.len();
        self.requests.push((request, now));
        self.requests.len() >= MOST || self.bytes >= MOST_BYTES
    }

    /// Puts everything into its lane.
    pub(super) fn empty_into(&mut self, queue: &mut Queue) {
        self.bytes = 0;
        for (request, now) in self.requests.drain(..) {
            queue.push(request, now);
        }
    }
}

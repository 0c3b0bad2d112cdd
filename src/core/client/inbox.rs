//! Where callers put requests that nobody has put into their lanes yet.
//!
//! A lane and its indexes are in no cache of a program that works, and making them costs several
//! allocations. So a caller only lays its request down; whoever looks at the queue next, most often
//! the delivery thread, puts all of them into their lanes first.

use std::mem;
use std::time::Instant;

use crate::core::request::Request;

/// Requests after which a caller puts them into their lanes, unless somebody is at the queue: what
/// one pays for the others stays far below the time a call may take.
const MANY: usize = 16;
/// Bytes after which he does.
const MANY_BYTES: usize = 64 * 1024;
/// So many times that, he waits for the queue: here nothing counts against its bounds.
const FULL: usize = 64;

/// What a caller does once his request is in the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Go,
    EmptyIfFree,
    Empty,
}

/// Requests in call order, with the time of each.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    requests: Vec<(Request, Instant)>,
    bytes: usize,
    /// Kept for its memory.
    spare: Vec<(Request, Instant)>,
}

impl Inbox {
    /// Takes a request.
    pub(super) fn put(&mut self, request: Request, now: Instant) -> Then {
        self.bytes += request.body.len();
        self.requests.push((request, now));
        let count = self.requests.len();
        if count < MANY && self.bytes < MANY_BYTES {
            Then::Go
        } else if count < FULL * MANY && self.bytes < FULL * MANY_BYTES {
            Then::EmptyIfFree
        } else {
            Then::Empty
        }
    }

    /// Gives everything out; to be given back when it is empty.
    pub(super) fn take(&mut self) -> Vec<(Request, Instant)> {
        self.bytes = 0;
        mem::replace(&mut self.requests, mem::take(&mut self.spare))
    }

    pub(super) fn give_back(&mut self, empty: Vec<(Request, Instant)>) {
        self.spare = empty;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::core::request::{Body, Kind, Patience};
    use crate::core::session::Session;

    fn request(number: usize, bytes: usize) -> Request {
        let body = Body::Ready(Bytes::from(vec![b'x'; bytes]));
        let session = Session::known("s");
        let mut request = Request::new(Kind::Event, session, body, Patience::Background);
        request.number = number as u64;
        request
    }

    fn numbers(requests: &[(Request, Instant)]) -> Vec<u64> {
        requests.iter().map(|(request, _)| request.number).collect()
    }

    #[test]
    fn requests_come_out_as_they_went_in_and_once() {
        let mut inbox = Inbox::default();
        assert!(inbox.is_empty());
        for number in 0..3 {
            inbox.put(request(number, 1), Instant::now());
        }
        let mut taken = inbox.take();
        assert_eq!(numbers(&taken), [0, 1, 2]);
        assert!(inbox.is_empty());
        // Somebody else's comes in before it is given back.
        inbox.put(request(3, 1), Instant::now());
        taken.clear();
        inbox.give_back(taken);
        assert_eq!(numbers(&inbox.take()), [3]);
    }

    #[test]
    fn many_are_put_into_their_lanes_and_too_many_are_waited_for() {
        let then = |count: usize, bytes: usize| {
            let mut inbox = Inbox::default();
            let mut last = Then::Go;
            for number in 0..count {
                last = inbox.put(request(number, bytes), Instant::now());
            }
            last
        };
        assert_eq!(then(MANY - 1, 1), Then::Go);
        assert_eq!(then(MANY, 1), Then::EmptyIfFree);
        assert_eq!(then(1, MANY_BYTES), Then::EmptyIfFree);
        assert_eq!(then(FULL * MANY - 1, 1), Then::EmptyIfFree);
        assert_eq!(then(FULL * MANY, 1), Then::Empty);
        assert_eq!(then(1, FULL * MANY_BYTES), Then::Empty);
    }

    #[test]
    fn what_was_taken_counts_no_more() {
        let mut inbox = Inbox::default();
        inbox.put(request(0, MANY_BYTES), Instant::now());
        let taken = inbox.take();
        assert_eq!(taken.len(), 1);
        assert_eq!(inbox.put(request(1, 1), Instant::now()), Then::Go);
    }
}

//! The queue by itself, with a clock that the test moves.

mod disk;
mod model;
mod retries;
mod rules;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Limits, Queue};
use crate::core::error::DropReason;
use crate::core::notices::Notice;
use crate::core::options::SpoolMode;
use crate::core::receipt::Receipt;
use crate::core::reply::{Answer, Failure, Reply};
use crate::core::request::{Body, Kind, Patience, Request};
use crate::core::session::Session;
use crate::core::settle::Moment;

fn limits() -> Limits {
    Limits {
        max_bytes: 1 << 20,
        max_items: 1000,
        max_in_flight: 8,
        session_concurrency: 1,
        max_retries: 3,
        immediate: false,
        told: false,
        batch: None,
        spool: SpoolMode::Off,
    }
}

/// A queue with a clock.
struct Bench {
    queue: Queue,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self::with(limits())
    }

    fn with(limits: Limits) -> Self {
        Self {
            queue: Queue::new(limits),
            now: Instant::now(),
        }
    }

    fn push(&mut self, kind: Kind, session: &Arc<Session>) -> Arc<Receipt> {
        self.push_body(kind, session, Body::Ready(Bytes::from_static(b"{}")))
    }

    fn push_body(&mut self, kind: Kind, session: &Arc<Session>, body: Body) -> Arc<Receipt> {
        let patience = if self.queue.limits.immediate {
            Patience::Blocking { attempts: 4 }
        } else {
            Patience::Background
        };
        let mut request = Request::new(kind, Arc::clone(session), body, patience);
        let receipt = Receipt::new(std::process::id());
        request.receipt = Some(Arc::clone(&receipt));
        request.number = self.queue.next_seq;
        self.queue.push(request, self.now);
        receipt
    }

    /// Takes the next request and builds its body as the wire would.
    fn take(&mut self) -> Option<Request> {
        let mut request = self.queue.take(self.now)?;
        let _ = request.body.wire();
        Some(request)
    }

    fn settle(&mut self, request: Request, reply: Reply) {
        let at = Moment {
            now: self.now,
            jitter: 0.5,
            key: None,
        };
        self.queue.settle(request, reply, at);
    }

    /// Takes one request, which must exist, and settles it.
    fn answer(&mut self, reply: Reply) -> u64 {
        let request = self.take().expect("a request may be sent");
        let number = request.number;
        self.settle(request, reply);
        number
    }

    /// Answers everything with success, moving the clock when nothing may be sent.
    fn drain(&mut self) {
        for _ in 0..10_000 {
            if self.queue.is_drained() {
                return;
            }
            if let Some(request) = self.take() {
                let number = request.number;
                self.settle(request, created(&format!("sess_{number}")));
            } else {
                let at = self.queue.next_deadline();
                self.now = at.expect("something is to happen").max(self.now);
            }
        }
        panic!("the queue does not drain: {:?}", self.queue);
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn lines(&mut self) -> Vec<Notice> {
        self.queue.take_notices()
    }
}

fn created(id: &str) -> Reply {
    Reply::Answer(Answer {
        status: 200,
        body: Bytes::from(format!("{{\"id\": \"{id}\"}}")),
        ..Answer::default()
    })
}

fn status(status: u16) -> Reply {
    status_after(status, None)
}

fn status_after(status: u16, seconds: Option<u64>) -> Reply {
    Reply::Answer(Answer {
        status,
        retry_after: seconds.map(Duration::from_secs),
        ..Answer::default()
    })
}

fn refused() -> Reply {
    Reply::Failed(Failure::Connection("refused".to_owned()))
}

fn dropped(bench: &Bench, reason: DropReason) -> u64 {
    bench.queue.counters().dropped[reason.index()]
}

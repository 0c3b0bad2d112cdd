//! What left the delivery thread and comes back: requests with their answers, and the rules.

use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::core::api_key::ApiKey;
use crate::core::client::ClientState;
use crate::core::clock;
use crate::core::error::{DeliveryError, DropReason};
use crate::core::lookup::Question;
use crate::core::process::Process;
use crate::core::receipt::{Outcome, Receipt};
use crate::core::reply::{Failure, Reply};
use crate::core::request::Request;
use crate::core::settle::Moment;

/// A request that has left its lane. If the thread dies it goes back there: sent again with the
/// same `Idempotency-Key` it does no harm, lost it would.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) client: Arc<ClientState>,
    pub(super) request: Option<Request>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            self.client.queue().returned(request, Instant::now());
        }
    }
}

/// The question for the organisation's rules. If the thread dies it is asked again.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) client: Arc<ClientState>,
    pub(super) question: Option<Question>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(question) = self.question.take() {
            let lost = Reply::Failed(Failure::Internal("the question was lost".to_owned()));
            self.client.answered(&question, &lost);
        }
    }
}

/// What comes back.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all of them are the large one"
)]
pub(super) enum Arrival {
    Landed(Landed),
    Rules(Asking, Reply),
}

/// An attempt that ended.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) flight: Flight,
    pub(super) reply: Reply,
    pub(super) key: Option<ApiKey>,
    /// When the attempt that ended had begun.
    pub(super) sent: Instant,
}

pub(super) fn arrive(process: &Process, arrival: Arrival) {
    match arrival {
        Arrival::Landed(landed) => settle_one(process, landed),
        Arrival::Rules(mut asking, reply) => {
            if let Some(question) = asking.question.take() {
                asking.client.answered(&question, &reply);
                asking.client.publish();
            }
        }
    }
}

/// Stands by while a request is settled: should that panic, whoever waits for it learns so.
struct Witness(Option<Weak<Receipt>>);

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(receipt) = self.0.take().and_then(|receipt| receipt.upgrade())
        {
            let error = DeliveryError::Dropped(DropReason::GaveUp);
            receipt.settle(Outcome::Failed(error));
        }
    }
}

fn settle_one(process: &Process, landed: Landed) {
    let Landed {
        mut flight,
        reply,
        key,
        sent,
    } = landed;
    let client = Arc::clone(&flight.client);
    let Some(mut request) = flight.request.take() else {
        return;
    };
    request.sent_at = Some(sent);
    let _witness = Witness(request.receipt.as_ref().map(Arc::downgrade));
    if client.is_debug() {
        let (method, path) = (request.kind.method(), request.path());
        let took = sent.elapsed();
        let line = reply.debug_line(method, &path, &request.body.sent(), took, key.as_ref());
        process.notices.park(client.sign(&line));
    }
    // With the key it was sent with: that is the one the answer may repeat.
    let moment = Moment {
        now: Instant::now(),
        jitter: clock::jitter(),
        key: key.as_ref(),
    };
    let mut queue = client.queue();
    let before = queue.counters().successes();
    queue.settle(request, reply, moment);
    if queue.counters().successes() > before {
        process.note_success();
    }
    let notices = queue.take_notices();
    drop(queue);
    for notice in notices {
        process.notices.park(client.sign(&notice));
    }
}

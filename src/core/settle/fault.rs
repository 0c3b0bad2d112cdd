//! Answers that put the fault on one request, not on the server.

use std::sync::Arc;

use super::Moment;
use crate::core::concurrency::Attempted;
use crate::core::error::{DeliveryError, DropReason};
use crate::core::queue::Queue;
use crate::core::reply::{Answer, Failure};
use crate::core::request::{Patience, Request};

/// A request answered 500, or with a page that refuses it, this often while others succeed is at
/// fault itself; so is a session whose answer breaks off this often.
const MAX_REFUSALS: u32 = 8;

impl Queue {
    /// A session was created but its id cannot be read. If the answer broke off, the connection is
    /// at fault, as long as that is not the rule.
    pub(super) fn without_id(&mut self, mut request: Request, answer: &Answer, at: Moment<'_>) {
        if let Some(why) = &answer.broken
            && request.breaks < MAX_REFUSALS
        {
            request.breaks += 1;
            let failure = Failure::Connection(format!("half an answer: {why}"));
            return self.failed(request, &failure, at);
        }
        let error = DeliveryError::BadAnswer {
            message: format!("the answer {} to a session has no usable id", answer.status),
        };
        self.works(&request, at);
        request.attempts += 1;
        request.faults += 1;
        if request.faults <= self.limits.max_retries && answer.broken.is_none() {
            self.last_error = Some(error.to_string());
            return self.again(request, answer.retry_after, at);
        }
        self.report(request.kind, answer.status, &error.to_string());
        let session = Arc::clone(&request.session);
        self.forget(request, DropReason::BadAnswer, Some(error.clone()));
        self.bury(&session, DropReason::BadAnswer, Some(&error), at.now);
    }

    /// A page instead of an answer is an outage. If only one request meets with it, again and
    /// again, a firewall before the server takes offence at that request.
    pub(super) fn page(
        &mut self,
        mut request: Request,
        answer: &Answer,
        failure: &Failure,
        at: Moment<'_>,
    ) {
        let refused = answer.status >= 400 && request.patience == Patience::Background;
        if !refused || !self.is_at_fault(&mut request) {
            return self.failed(request, failure, at);
        }
        let message = at.scrubbed(failure.message());
        self.report(request.kind, answer.status, &message);
        let reason = DropReason::from_status(answer.status);
        self.refuse(request, reason, DeliveryError::Connection { message }, at);
    }

    /// Has this request been refused too often while others succeeded? Counts one more refusal.
    fn is_at_fault(&mut self, request: &mut Request) -> bool {
        let delivered = self.counters.successes();
        request.refusals += 1;
        if request.refusals == 1 {
            request.delivered_before = Some(delivered);
        }
        let others_succeed = request
            .delivered_before
            .is_some_and(|then| delivered > then);
        request.refusals >= MAX_REFUSALS && others_succeed
    }

    /// 408, 425, 500 and the like: this request is tried again, the others go on.
    pub(super) fn failing(&mut self, mut request: Request, answer: &Answer, at: Moment<'_>) {
        let (status, retry_after) = (answer.status, answer.retry_after);
        self.attempted(&request, Attempted::Answered, at);
        request.attempts += 1;
        request.faults += 1;
        let error = at.error(answer);
        self.last_error = Some(error.to_string());
        let totals = self.totals();
        let (again, reason) = (request.faults > 1, error.to_string());
        let line = self
            .health
            .faulty(at.now, request.probe, again, &reason, at.wait(None), totals);
        self.say_if(line);
        if let Patience::Blocking { .. } = request.patience {
            return self.once_more(request, DeliveryError::from(error), retry_after, at);
        }
        if status == 500 && self.is_at_fault(&mut request) {
            self.report(request.kind, status, &error.to_string());
            return self.refuse(
                request,
                DropReason::Rejected500,
                DeliveryError::from(error),
                at,
            );
        }
        // What fails with a 500 would meet another at once.
        if status != 500 && self.health.works(at.now) {
            return self.alone(request, retry_after, at);
        }
        self.again(request, retry_after, at);
    }
}

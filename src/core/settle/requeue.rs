//! Back into the lane, and when it is tried again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Moment;
use crate::core::error::{DeliveryError, DropReason};
use crate::core::queue::Queue;
use crate::core::request::{Kind, Patience, Request};
use crate::core::retry::{self, Kind as Pace};

impl Queue {
    /// Others get through: this request waits alone.
    pub(super) fn alone(
        &mut self,
        request: Request,
        retry_after: Option<Duration>,
        at: Moment<'_>,
    ) {
        let pause = retry::next_delay_alone(request.attempts, retry_after, at.jitter);
        self.delay(request, pause, at.now);
    }

    /// A blocking request failed: another attempt after a pause, or the end.
    pub(super) fn once_more(
        &mut self,
        request: Request,
        error: DeliveryError,
        retry_after: Option<Duration>,
        at: Moment<'_>,
    ) {
        let Patience::Blocking { attempts } = request.patience else {
            return self.put_back(request, at.now);
        };
        if request.attempts >= attempts {
            return self.gave_up(request, error, at);
        }
        let pause = retry::next_delay(request.attempts, Pace::Blocking, retry_after, at.jitter);
        self.delay(request, pause, at.now);
    }

    pub(super) fn gave_up(&mut self, request: Request, error: DeliveryError, at: Moment<'_>) {
        if request.kind == Kind::Create {
            let session = Arc::clone(&request.session);
            self.forget(request, DropReason::GaveUp, Some(error.clone()));
            self.bury(&session, DropReason::SessionRejected, Some(&error), at.now);
        } else {
            self.forget(request, DropReason::GaveUp, Some(error));
        }
    }

    /// Back into the lane, which pauses by itself.
    pub(super) fn again(
        &mut self,
        request: Request,
        retry_after: Option<Duration>,
        at: Moment<'_>,
    ) {
        let pace = match request.patience {
            Patience::Blocking { .. } => Pace::Blocking,
            Patience::Background => Pace::Background,
        };
        let pause = retry::next_delay(request.faults, pace, retry_after, at.jitter);
        self.delay(request, pause, at.now);
    }

    pub(super) fn delay(&mut self, request: Request, pause: Duration, now: Instant) {
        let key = request.lane;
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.not_before = Some(now + pause);
        }
        self.put_back(request, now);
    }

    /// Back into the lane; the client's health decides when it goes out again.
    pub(in crate::core) fn put_back(&mut self, request: Request, now: Instant) {
        let key = request.lane;
        match self.lanes.get_mut(&key) {
            Some(lane) if lane.abandoned && lane.session.id().is_none() => {
                let session = Arc::clone(&lane.session);
                self.forget(request, DropReason::CreateAbandoned, None);
                self.bury(&session, DropReason::CreateAbandoned, None, now);
            }
            Some(lane) => lane.put_back(Box::new(request)),
            None => self.forget(request, DropReason::SessionRejected, None),
        }
    }
}

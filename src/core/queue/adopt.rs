//! Requests of dead processes: taken in little by little, behind everything of this process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Queue;
use super::keep::Backlog;
use crate::core::health::State;
use crate::core::lane::Lane;
use crate::core::request::Request;
use crate::core::session::Identity;

/// Adopted requests in memory below which more are read.
const LOW: usize = 512;
/// How often to look whether another process has died meanwhile.
const LOOK: Duration = Duration::from_secs(30);

impl Queue {
    /// Is it time to look for files of dead processes, or to read on in one? Not before the
    /// server has accepted something: what would be read could not go anywhere.
    pub(super) fn wants_adoption(&mut self, now: Instant) -> bool {
        let room =
            self.items <= self.limits.max_items / 2 && self.bytes <= self.limits.max_bytes / 2;
        if !room || !self.can_adopt() || self.health.state() != State::Up {
            return false;
        }
        let wanted = match self.keep.backlog {
            Backlog::Unseen(None) => true,
            Backlog::Unseen(Some(at)) => now.saturating_duration_since(at) >= LOOK,
            Backlog::Asked => false,
            Backlog::More(None) => self.keep.adopted < LOW,
            Backlog::More(Some(settled)) => self.keep.adopted_settled > settled,
        };
        if wanted {
            self.keep.backlog = Backlog::Asked;
        }
        wanted
    }

    fn can_adopt(&self) -> bool {
        self.keep.is_on() && (self.keep.eager || self.counters.successes() > 0)
    }

    /// Is there, or may there be, something that dead processes have left for this client?
    pub(super) fn has_backlog(&self) -> bool {
        match self.keep.backlog {
            Backlog::Unseen(at) => {
                at.is_none() && self.can_adopt() && self.health.state() == State::Up
            }
            Backlog::Asked | Backlog::More(_) => true,
        }
    }

    /// Look at once, whether or not the server has accepted anything yet.
    pub(in crate::core) fn adopt_now(&mut self) {
        self.keep.eager = true;
        self.look_again();
    }

    /// Look again at once: another key may find other rows.
    pub(super) fn look_again(&mut self) {
        if !matches!(self.keep.backlog, Backlog::Asked) {
            self.keep.backlog = Backlog::Unseen(None);
        }
    }

    /// Requests of dead processes, in call order; is there more?
    pub(in crate::core) fn adopt(&mut self, requests: Vec<Request>, more: bool, now: Instant) {
        self.keep.backlog = match (more, requests.is_empty()) {
            (true, false) => Backlog::More(None),
            // Files are open whose requests are all in memory: not before some are settled.
            (true, true) => Backlog::More(Some(self.keep.adopted_settled)),
            (false, _) => Backlog::Unseen(Some(now)),
        };
        for mut request in requests {
            request.seq = self.keep.next_adopted;
            self.keep.next_adopted += 1;
            request.date(now);
            request.charged = request.weight();
            self.counters.adopted += 1;
            self.keep.adopted += 1;
            self.items += 1;
            self.bytes += request.charged;
            if request.session.identity() == Identity::Dead {
                self.forget(
                    request,
                    crate::core::error::DropReason::SessionRejected,
                    None,
                );
                continue;
            }
            let key = self.lane_of(&request.session);
            request.lane = key;
            let kind = request.kind;
            let lane = self
                .lanes
                .entry(key)
                .or_insert_with(|| Lane::new(Arc::clone(&request.session)));
            lane.creates |= kind == crate::core::request::Kind::Create;
            let front = lane.waiting.is_empty() || lane.listed.event.is_none();
            lane.waiting.push_back(Box::new(request));
            if front {
                self.reindex(key, now);
            }
        }
    }
}

//! Which lane can do what: the indexes over the lanes, kept up to date lane by lane.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::{Dependants, Queue};
use crate::core::lane::{Lane, Listed, Next};
use crate::core::session::{self, Session};

impl Queue {
    /// Brings the indexes up to date with a lane that changed.
    pub(in crate::core) fn reindex(&mut self, key: u64, now: Instant) {
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        let next = lane.next(now, self.released, self.limits.session_concurrency);
        let wanted = Listed {
            oldest: lane.oldest(),
            front: lane.waiting.front().map(|r| r.seq),
            event: lane.first_event(),
            ready: match next {
                Next::Ready(seq) => Some(seq),
                _ => None,
            },
            delayed: match next {
                Next::Delayed(at) => Some(at),
                _ => None,
            },
            held: matches!(next, Next::Held),
            waits: match &next {
                Next::Waits(session) => Some(session.key()),
                _ => None,
            },
            on_disk: match next {
                Next::OnDisk(seq) => Some(seq),
                _ => None,
            },
        };
        let idle = lane.is_idle();
        self.list(key, wanted);
        if let Next::Waits(session) = next {
            self.waiting_for
                .entry(session.key())
                .or_insert_with(|| Dependants::of(session))
                .lanes
                .insert(key);
        }
        if idle {
            self.remove(key);
        }
    }

    /// Moves a lane's index entries from where it was listed to where it belongs.
    fn list(&mut self, key: u64, wanted: Listed) {
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        let was = std::mem::replace(&mut lane.listed, wanted);
        let now = &lane.listed;
        relist(&mut self.oldest, was.oldest, now.oldest, key);
        relist(&mut self.fronts, was.front, now.front, key);
        relist(&mut self.events, was.event, now.event, key);
        relist(&mut self.on_disk, was.on_disk, now.on_disk, key);
        if was.ready != now.ready {
            if let Some(seq) = was.ready {
                self.ready.remove(seq);
            }
            if let (Some(seq), Some(front)) = (now.ready, lane.waiting.front()) {
                self.ready.insert(seq, key, front.kind);
            }
        }
        if was.delayed != now.delayed {
            if let Some(at) = was.delayed {
                self.delayed.remove(&(at, key));
            }
            if let Some(at) = now.delayed {
                self.delayed.insert((at, key));
            }
        }
        if was.held && !now.held {
            self.held.remove(&key);
        } else if now.held && !was.held {
            self.held.insert(key);
        }
        if was.waits != now.waits
            && let Some(session) = was.waits
            && let Some(dependants) = self.waiting_for.get_mut(&session)
        {
            dependants.lanes.remove(&key);
            if dependants.lanes.is_empty() {
                self.waiting_for.remove(&session);
            }
        }
    }

    fn remove(&mut self, key: u64) {
        if let Some(lane) = self.lanes.remove(&key)
            && let Some(id) = lane.session.id()
            && self.by_id.get(id) == Some(&key)
        {
            self.by_id.remove(id);
        }
    }

    /// The session got its id, or never will: its own lane and those that need its id go on.
    pub(in crate::core) fn identified(&mut self, session: &Arc<Session>, now: Instant) {
        if let Some(id) = session.id()
            && self.lanes.contains_key(&session.key())
        {
            let lane = *self
                .by_id
                .entry(Arc::clone(id))
                .or_insert_with(|| session.key());
            if lane != session.key() {
                self.merge(session.key(), lane, now);
            }
        }
        if let Some(dependants) = self.waiting_for.remove(&session.key()) {
            for key in dependants.lanes {
                if let Some(lane) = self.lanes.get_mut(&key) {
                    lane.listed.waits = None;
                }
                self.reindex(key, now);
            }
        }
        self.reindex(session.key(), now);
    }

    /// The server gave a new session an id that has a lane already: one session, one lane, or
    /// the next request would overtake what waits here.
    fn merge(&mut self, from: u64, to: u64, now: Instant) {
        let idle = |lane: &Lane| lane.flying.is_empty();
        if !self.lanes.contains_key(&to) || !self.lanes.get(&from).is_some_and(idle) {
            return;
        }
        // Rows are found by their lane: what is on disk stays where it is.
        if self
            .lanes
            .get(&from)
            .is_some_and(|lane| lane.spooled.is_some())
        {
            return;
        }
        self.list(from, Listed::default());
        let Some(lane) = self.lanes.remove(&from) else {
            return;
        };
        let mut requests = lane.waiting;
        for request in &mut requests {
            request.lane = to;
            if self.keep.every && request.row.is_none() {
                self.note_unsaved(to, request.seq, now);
            }
        }
        if let Some(lane) = self.lanes.get_mut(&to) {
            lane.absorb(requests);
        }
        self.reindex(to, now);
    }

    /// Sessions of other clients of this process may have been identified meanwhile.
    pub(super) fn wake_dependants(&mut self, now: Instant) {
        let changes = session::changes();
        if changes == self.heard {
            return;
        }
        self.heard = changes;
        let settled: Vec<_> = self
            .waiting_for
            .values()
            .filter(|dependants| !dependants.session.is_pending())
            .map(|dependants| Arc::clone(&dependants.session))
            .collect();
        for session in settled {
            self.identified(&session, now);
        }
    }

    /// Makes every index anew from the lanes, trusting none of them.
    pub(super) fn rebuild(&mut self, now: Instant) {
        self.oldest.clear();
        self.fronts.clear();
        self.events.clear();
        self.ready.clear();
        self.delayed.clear();
        self.held.clear();
        self.waiting_for.clear();
        self.on_disk.clear();
        for key in self.lanes.keys().copied().collect::<Vec<_>>() {
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.listed = Listed::default();
            }
            self.reindex(key, now);
        }
    }
}

impl Dependants {
    fn of(session: Arc<Session>) -> Self {
        Self {
            session,
            lanes: BTreeSet::new(),
        }
    }
}

/// Replaces one entry of an index of lanes by number.
fn relist(index: &mut BTreeSet<(u64, u64)>, was: Option<u64>, now: Option<u64>, lane: u64) {
    if was == now {
        return;
    }
    if let Some(number) = was {
        index.remove(&(number, lane));
    }
    if let Some(number) = now {
        index.insert((number, lane));
    }
}

//! The ledger: every logical request is in exactly one place.

use super::error::DropReason;

/// Counts of requests by the reason they were dropped for.
pub type Dropped = [u64; DropReason::COUNT];

/// Counters of one client, or the sum over several.
///
/// `accepted = delivered + pending + spooled + sum of dropped` at every moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Logical requests (create, event, complete) the program handed in.
    pub accepted: u64,
    /// Answered with success.
    pub delivered: u64,
    /// Waiting or in flight.
    pub pending: u64,
    /// Left on disk for a later process.
    pub spooled: u64,
    /// Found in files of dead processes and taken over; not in the equation.
    pub adopted: u64,
    /// Those of them that were delivered.
    pub replayed: u64,
    /// Given up, by reason.
    pub dropped: Dropped,
    /// Calls on a client that is switched off or has no key; not accepted.
    pub disabled: u64,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Body bytes of delivered requests.
    pub bytes: u64,
    /// Interactions that were collected without `finish()`.
    pub abandoned: u64,
}

impl Counters {
    /// Counts a dropped request.
    pub fn drop_one(&mut self, reason: DropReason) {
        if let Some(count) = self.dropped.get_mut(reason.index()) {
            *count += 1;
        }
    }

    /// Requests the server has accepted, whoever made them.
    #[must_use]
    pub fn successes(&self) -> u64 {
        self.delivered + self.replayed
    }

    /// Sum over all reasons.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Adds another client's counters.
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.pending += other.pending;
        self.spooled += other.spooled;
        self.adopted += other.adopted;
        self.replayed += other.replayed;
        self.disabled += other.disabled;
        self.retries += other.retries;
        self.bytes += other.bytes;
        self.abandoned += other.abandoned;
        for (mine, theirs) in self.dropped.iter_mut().zip(other.dropped) {
            *mine += theirs;
        }
    }
}

//! The indexes of a queue say what its lanes say.

use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

use crate::core::lane::{Lane, Next};
use crate::core::queue::Queue;
use crate::core::request::Request;

pub(super) fn check_indexes(queue: &Queue, now: Instant, flying: &[&Request], carried: usize) {
    let (mut items, mut bytes) = (0, 0);
    let listed = |f: fn(&Lane) -> Option<u64>| -> Vec<(u64, u64)> {
        let mut all: Vec<_> = queue
            .lanes
            .iter()
            .filter_map(|(key, lane)| f(lane).map(|seq| (seq, *key)))
            .collect();
        all.sort_unstable();
        all
    };
    let pairs = |index: &BTreeSet<(u64, u64)>| -> Vec<_> { index.iter().copied().collect() };
    assert_eq!(queue.ready.pairs(), listed(|lane| lane.listed.ready));
    assert_eq!(pairs(&queue.oldest), listed(|lane| lane.listed.oldest));
    assert_eq!(pairs(&queue.fronts), listed(|lane| lane.listed.front));
    assert_eq!(pairs(&queue.events), listed(|lane| lane.listed.event));
    assert_eq!(pairs(&queue.on_disk), listed(|lane| lane.listed.on_disk));
    for (key, lane) in &queue.lanes {
        assert!(!lane.is_idle());
        assert!(lane.waiting.iter().is_sorted_by_key(|r| r.seq));
        assert!(lane.waiting.iter().all(|r| r.lane == *key));
        assert_eq!(lane.listed.oldest, lane.oldest());
        assert_eq!(lane.listed.front, lane.waiting.front().map(|r| r.seq));
        assert_eq!(lane.listed.event, lane.first_event());
        let mine = flying.iter().filter(|r| r.lane == *key);
        let mine: BTreeSet<_> = mine.map(|r| r.seq).collect();
        let known: BTreeSet<_> = lane.flying.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(mine, known);
        items += lane.waiting.len() + lane.flying.len();
        bytes += lane.waiting.iter().map(|r| r.charged).sum::<usize>();
        let next = lane.next(now, queue.released, queue.limits.session_concurrency);
        let entry = &lane.listed;
        // A delay that has just ended is noticed by the next look.
        let due = entry.delayed.is_some_and(|at| at <= now);
        let right = match next {
            Next::Nothing => entry.ready.is_none() && entry.delayed.is_none() && !entry.held,
            Next::Ready(seq) => entry.ready == Some(seq) || due,
            Next::Delayed(at) => entry.delayed == Some(at),
            Next::Held => entry.held || due,
            Next::Waits(session) => entry.waits == Some(session.key()) || due,
            Next::OnDisk(seq) => entry.on_disk == Some(seq) || due,
        };
        assert!(right, "{lane:?}");
        let places = [
            entry.ready.is_some(),
            entry.delayed.is_some(),
            entry.held,
            entry.waits.is_some(),
        ];
        assert!(places.iter().filter(|listed| **listed).count() <= 1);
        if let Some(session) = entry.waits {
            assert!(queue.waiting_for[&session].lanes.contains(key));
        }
    }
    bytes += carried;
    assert_eq!((queue.items, queue.bytes), (items, bytes));
    let held: HashSet<u64> = queue
        .lanes
        .iter()
        .filter(|(_, lane)| lane.listed.held)
        .map(|(key, _)| *key)
        .collect();
    assert_eq!(queue.held, held);
    let delayed: BTreeSet<_> = queue
        .lanes
        .iter()
        .filter_map(|(key, lane)| lane.listed.delayed.map(|at| (at, *key)))
        .collect();
    assert_eq!(queue.delayed, delayed);
    for (session, dependants) in &queue.waiting_for {
        assert!(!dependants.lanes.is_empty());
        for key in &dependants.lanes {
            assert_eq!(queue.lanes[key].listed.waits, Some(*session));
        }
    }
    for (id, key) in &queue.by_id {
        assert_eq!(queue.lanes[key].session.id(), Some(id));
    }
}

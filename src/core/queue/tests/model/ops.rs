//! What can happen to a queue, at random.

use std::time::Duration;

use proptest::prelude::*;

use super::super::limits;
use crate::core::options::SpoolMode;
use crate::core::queue::Limits;
use crate::core::request::Kind;

#[derive(Debug, Clone)]
pub(super) enum Op {
    Begin {
        parent: Option<usize>,
    },
    Known {
        name: u8,
    },
    Call {
        session: usize,
        kind: Kind,
    },
    Take {
        count: usize,
    },
    Settle {
        which: usize,
        act: Act,
    },
    Pass {
        millis: u64,
    },
    Flush,
    Withdraw {
        session: usize,
    },
    Rekey,
    Hurry,
    Crash {
        lost: usize,
    },
    Abandon,
    /// The delivery thread does its chores.
    Chores,
    /// The spool thread does some work.
    Disk {
        tasks: usize,
        full: bool,
    },
}

/// What the server, or the net before it, does with one attempt.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Accept,
    /// Accepts a new session under a name that may exist already.
    AcceptAs(u8),
    /// Accepts, but the answer does not come through.
    AcceptUnheard,
    Nameless,
    Answer(u16, Option<u64>),
    Refuse,
    Hang,
    /// Something on the way answers with its own page.
    Portal,
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let session = 0..8_usize;
    let kind = prop_oneof![
        6 => Just(Kind::Event),
        2 => Just(Kind::Complete),
        1 => Just(Kind::Update),
    ];
    prop_oneof![
        6 => proptest::option::weighted(0.3, session.clone()).prop_map(|parent| Op::Begin { parent }),
        2 => (0..3_u8).prop_map(|name| Op::Known { name }),
        20 => (session.clone(), kind).prop_map(|(session, kind)| Op::Call { session, kind }),
        15 => (1..6_usize).prop_map(|count| Op::Take { count }),
        25 => (0..16_usize, act()).prop_map(|(which, act)| Op::Settle { which, act }),
        10 => (0..40_000_u64).prop_map(|millis| Op::Pass { millis }),
        2 => Just(Op::Flush),
        2 => session.prop_map(|session| Op::Withdraw { session }),
        1 => Just(Op::Rekey),
        1 => Just(Op::Hurry),
        1 => (0..4_usize).prop_map(|lost| Op::Crash { lost }),
        1 => Just(Op::Abandon),
        10 => Just(Op::Chores),
        10 => (1..4_usize, proptest::bool::weighted(0.05)).prop_map(|(tasks, full)| Op::Disk { tasks, full }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let bad = proptest::sample::select(vec![
        302_u16, 400, 401, 403, 404, 407, 408, 409, 413, 425, 429, 500, 500, 501, 502, 503, 511,
        520,
    ]);
    prop_oneof![
        20 => Just(Act::Accept),
        2 => (0..3_u8).prop_map(Act::AcceptAs),
        3 => Just(Act::AcceptUnheard),
        1 => Just(Act::Nameless),
        10 => (bad, proptest::option::weighted(0.3, 0..60_u64)).prop_map(|(code, after)| Act::Answer(code, after)),
        4 => Just(Act::Refuse),
        2 => Just(Act::Hang),
        2 => Just(Act::Portal),
    ]
}

pub(super) fn any_limits() -> impl Strategy<Value = Limits> {
    let batch =
        proptest::option::weighted(0.3, (1..6_usize, (1..20_u64).prop_map(Duration::from_secs)));
    let spool =
        proptest::sample::select(vec![SpoolMode::Off, SpoolMode::Spill, SpoolMode::Durable]);
    (
        1..6_usize,
        12..60_usize,
        1..4_usize,
        batch,
        any::<bool>(),
        spool,
    )
        .prop_map(
            |(in_flight, items, concurrency, batch, immediate, spool)| Limits {
                max_bytes: 300 * items,
                max_items: items,
                max_in_flight: in_flight,
                session_concurrency: concurrency,
                immediate: immediate && batch.is_none() && spool == SpoolMode::Off,
                batch,
                spool,
                ..limits()
            },
        )
}

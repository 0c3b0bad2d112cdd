//! A minute in which a third of the attempts fails: eight threads record interleaved sessions, and
//! what the server has done in the end is what was recorded, once each and in order.

use std::time::Instant;

use proptest::prelude::*;

use super::*;

const MINUTE: u64 = 60_000;
const THREADS: usize = 8;

/// What a thread does next, and after how many milliseconds.
#[derive(Debug, Clone)]
enum Step {
    Begin,
    Event,
    Complete,
}

/// What becomes of an attempt, and how long it takes.
fn fate() -> impl Strategy<Value = (Act, u64)> {
    let later =
        proptest::sample::select(vec![302_u16, 407, 408, 425, 429, 500, 502, 503, 504, 511]);
    let act = prop_oneof![
        70 => Just(Act::Accept),
        5 => Just(Act::AcceptUnheard),
        15 => (later, proptest::option::weighted(0.3, 0..5_u64)).prop_map(|(code, after)| Act::Answer(code, after)),
        5 => Just(Act::Refuse),
        2 => Just(Act::Hang),
        3 => Just(Act::Portal),
    ];
    (act, 1..400_u64)
}

fn steps() -> impl Strategy<Value = Vec<(Step, u64)>> {
    let step = prop_oneof![
        1 => Just(Step::Begin),
        4 => Just(Step::Event),
        1 => Just(Step::Complete),
    ];
    proptest::collection::vec((step, 0..3_000_u64), 1..30)
}

/// The world with a clock that runs by itself.
struct Minute {
    world: World,
    /// The newest session of each thread.
    current: Vec<Option<usize>>,
    landings: Vec<(Instant, usize, Act)>,
    fates: std::iter::Cycle<std::vec::IntoIter<(Act, u64)>>,
    lines: Vec<String>,
}

impl Minute {
    /// Everything that may be sent leaves, with its fate.
    fn launch(&mut self) {
        while self.world.take() {
            let request = &self.world.flying.last().expect("just taken").0;
            let (act, takes) = self.fates.next().expect("a cycle never ends");
            let at = self.world.bench.now + Duration::from_millis(takes);
            self.landings.push((at, number(request), act));
        }
    }

    fn land(&mut self) {
        let now = self.world.bench.now;
        self.landings.sort_by_key(|landing| landing.0);
        while self
            .landings
            .first()
            .is_some_and(|landing| landing.0 <= now)
        {
            let (_, nth, act) = self.landings.remove(0);
            let place = |(request, _): &(Request, Option<u32>)| number(request) == nth;
            let at = self.world.flying.iter().position(place).expect("in flight");
            let (request, _) = self.world.flying.swap_remove(at);
            let reply = self.world.serve(&request, &act);
            let was = self.world.queue().health().state();
            self.world.bench.settle(request, reply);
            if was != State::Up && self.world.queue().health().state() == State::Up {
                self.world.episode += 1;
            }
        }
        let said = self.world.bench.lines().into_iter();
        self.lines.extend(said.map(|notice| notice.text));
        self.world.check();
    }

    /// Lets time pass until `at`.
    fn run(&mut self, at: Instant) {
        loop {
            self.launch();
            let landing = self.landings.iter().map(|landing| landing.0).min();
            let due = [landing, self.world.queue().next_deadline()];
            let next = due.into_iter().flatten().min().filter(|next| *next < at);
            self.world.bench.now = next.map_or(at, |next| next.max(self.world.bench.now));
            self.land();
            if next.is_none() {
                return;
            }
        }
    }

    fn record(&mut self, thread: usize, step: &Step) {
        let led = |world: &World, nth: usize| led("sessionId", Arc::clone(&world.sessions[nth]));
        match (step, self.current[thread]) {
            (Step::Begin, _) | (_, None) => {
                self.world.apply(Op::Begin { parent: None });
                self.current[thread] = Some(self.world.sessions.len() - 1);
            }
            (Step::Event, Some(nth)) => {
                let body = led(&self.world, nth);
                self.world.call(nth, Kind::Event, body);
            }
            (Step::Complete, Some(nth)) => {
                let body = led(&self.world, nth);
                self.world.call(nth, Kind::Complete, body);
                self.current[thread] = None;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_minute_of_random_faults_loses_doubles_and_reorders_nothing(
        threads in proptest::collection::vec(steps(), THREADS),
        fates in proptest::collection::vec(fate(), 200..400),
    ) {
        let mut minute = Minute {
            world: World::new(limits()),
            current: vec![None; THREADS],
            landings: Vec::new(),
            fates: fates.into_iter().cycle(),
            lines: Vec::new(),
        };
        let begin = minute.world.bench.now;
        let mut plan = Vec::new();
        for (thread, steps) in threads.into_iter().enumerate() {
            let mut at = 0;
            for (step, pause) in steps {
                at = (at + pause).min(MINUTE);
                plan.push((at, thread, step));
            }
        }
        plan.sort_by_key(|(at, thread, _)| (*at, *thread));
        for (at, thread, step) in plan {
            minute.run(begin + Duration::from_millis(at));
            minute.record(thread, &step);
        }
        minute.run(begin + Duration::from_millis(MINUTE));
        let recorded = minute.world.calls.len();
        prop_assert_eq!(minute.world.queue().counters().dropped_total(), 0);
        let slow = |line: &&String| line.contains("slowed") || line.contains("its pace");
        let (slow, broken): (Vec<_>, Vec<_>) = minute.lines.iter().partition(slow);
        for lines in [slow, broken] {
            for (nth, line) in lines.iter().enumerate() {
                prop_assert_eq!(line.contains("recovered"), nth % 2 == 1, "{:?}", minute.lines);
            }
        }
        // What is in flight lands as it must; from then on the server works.
        for (_, nth, act) in std::mem::take(&mut minute.landings) {
            let place = |(request, _): &(Request, Option<u32>)| number(request) == nth;
            let at = minute.world.flying.iter().position(place).expect("in flight");
            let (request, _) = minute.world.flying.swap_remove(at);
            let reply = minute.world.serve(&request, &act);
            minute.world.bench.settle(request, reply);
        }
        let (done, delivered) = minute.world.finish();
        prop_assert_eq!((done, delivered), (recorded, recorded as u64));
    }
}

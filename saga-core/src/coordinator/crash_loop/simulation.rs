//! Simulations of the rule: processes that are killed from outside, and sagas that kill their process. Logs are
//! written as the machine writes them, and read by the functions that recovery uses.

use std::time::Duration;

use super::evidence::{CrashState, WATCHES, crash_loop, evidence};
use super::schedule::{RandomNumbers, schedule};
use crate::log::{Entry, EntryKind, NodeEntry, Payload, SagaEntry, SagaId, Timestamp};
use crate::store::{SagaRecord, WorkerId};

const LIMIT: u32 = 3;
const NEVER: f64 = f64::INFINITY;

/// How a simulated saga behaves.
#[derive(Clone, Copy)]
enum Behavior {
    /// Its calls take so many seconds each, and there is always one more.
    Works(f64),
    /// Its call kills the process after so many seconds.
    Kills(f64),
    /// It waits for a time that never comes.
    Sleeps,
}

struct SimulatedSaga {
    kind: Behavior,
    record: SagaRecord,
    log: Vec<Entry>,
    parked: bool,
}

impl SimulatedSaga {
    fn new(kind: Behavior) -> Self {
        let (id, owner) = (SagaId::generate(), WorkerId::from("w"));
        let record = SagaRecord::new(id, "Saga", owner, Timestamp(0));
        Self { kind, record, log: Vec::new(), parked: false }
    }

    fn write(&mut self, kind: EntryKind) {
        self.record.attempts = if kind.is_progress() { 1 } else { self.record.attempts };
        // recovery looks only at what came after the last outcome
        if kind.is_progress() {
            self.log.clear();
        }
        let (seq, epoch) = (self.log.len() as u64 + 1, self.record.epoch);
        self.log.push(Entry { seq, epoch, at: Timestamp(0), kind });
    }
}

struct World {
    sagas: Vec<SimulatedSaga>,
    random: RandomNumbers,
    crashes: u32,
    /// The longest time that a saga with short calls was held back.
    held: f64,
}

impl World {
    fn new(seed: u64, kinds: impl IntoIterator<Item = Behavior>) -> Self {
        let sagas = kinds.into_iter().map(SimulatedSaga::new).collect();
        Self { sagas, random: RandomNumbers::new(seed), crashes: 0, held: 0.0 }
    }

    /// One run of the process, which ends when a saga kills it or when it is killed from outside.
    fn run_process(&mut self, killed: f64) {
        let mut suspects = Vec::new();
        for (i, saga) in self.sagas.iter_mut().enumerate().filter(|(_, saga)| !saga.parked) {
            if self.crashes > 0 {
                saga.record.claim(&WorkerId::from("w"));
            }
            saga.parked = crash_loop(&saga.record, &saga.log, LIMIT).is_some();
            let found = evidence(&saga.record, &saga.log).filter(|_| !saga.parked);
            suspects.extend(found.map(|found| (i, found)));
        }
        let found = suspects.iter().map(|(_, found)| *found).collect::<Vec<_>>();
        let mut places = vec![(0.0, None); self.sagas.len()];
        for ((i, found), place) in suspects.iter().zip(schedule(&found, &mut self.random)) {
            let after = place.after.as_secs_f64();
            if found.level < 3 && found.last != CrashState::Watched {
                self.held = self.held.max(after);
            }
            places[*i] = (after, place.watch);
        }
        // the log is read, and an append is made, before the first call goes out
        let begins = places.iter().map(|(after, _)| after + 0.002 + 0.01 * self.random.next_unit());
        let begins = begins.collect::<Vec<_>>();
        let mut dies = killed;
        for (saga, begins) in self.sagas.iter().zip(&begins) {
            if let (Behavior::Kills(after), false) = (saga.kind, saga.parked) {
                dies = dies.min(begins + after);
            }
        }
        if dies == NEVER {
            return;
        }
        for ((saga, begins), (_, watch)) in self.sagas.iter_mut().zip(begins).zip(places) {
            if saga.parked || begins > dies {
                continue;
            }
            if let Some(watch) = watch {
                let (crashes, alone) = (watch.crashes, watch.alone);
                saga.write(SagaEntry::Suspected { crashes, alone }.into());
            }
            saga.write(NodeEntry::Started.about("a", 1));
            let takes = match saga.kind {
                Behavior::Works(takes) => takes,
                Behavior::Kills(_) => NEVER,
                Behavior::Sleeps => 0.0,
            };
            let cleared = watch.map(|watch| begins + watch.window.as_secs_f64() + 0.005);
            if cleared.is_some_and(|at| at < dies && at < begins + takes) {
                saga.write(SagaEntry::Cleared.into());
            }
            if begins + takes < dies {
                saga.write(NodeEntry::Succeeded(Payload::default()).about("a", 1));
                if matches!(saga.kind, Behavior::Works(_)) {
                    saga.write(NodeEntry::Started.about("a", 1));
                }
            }
        }
        self.crashes += 1;
    }

    fn parked(&self) -> (usize, usize) {
        let parked = self.sagas.iter().filter(|saga| saga.parked);
        let (killers, others): (Vec<_>, Vec<_>) =
            parked.partition(|saga| matches!(saga.kind, Behavior::Kills(_)));
        (killers.len(), others.len())
    }
}

/// The sagas of a busy process: some calls end at once, some take longer than the process ever lives.
fn others(n: usize) -> impl Iterator<Item = Behavior> {
    let kinds = [
        Behavior::Works(0.01),
        Behavior::Works(0.3),
        Behavior::Works(2.0),
        Behavior::Works(NEVER),
        Behavior::Sleeps,
    ];
    kinds.into_iter().cycle().take(n)
}

#[test]
fn kills_from_outside_park_nobody() {
    type Kill = fn(&mut RandomNumbers) -> f64;
    let kills: [(&str, Kill); 6] = [
        ("at any moment of a second", |random| random.next_unit()),
        ("without memory", |random| -0.5 * (1.0 - random.next_unit()).ln()),
        ("like a clock", |_| 0.5),
        ("like a fast clock", |_| 0.3),
        ("within ten seconds", |random| 10.0 * random.next_unit()),
        ("every five seconds", |_| 5.0),
    ];
    for (when, kill) in kills {
        for worlds in [
            vec![Behavior::Works(NEVER); 1],
            vec![Behavior::Works(NEVER); 30],
            others(300).collect(),
        ] {
            for seed in 0..10 {
                let mut world = World::new(seed, worlds.iter().copied());
                for _ in 0..60 {
                    let killed = kill(&mut world.random);
                    world.run_process(killed);
                }
                let parked = world.parked();
                assert_eq!(parked, (0, 0), "killed {when}, {} sagas, seed {seed}", worlds.len());
            }
        }
    }
}

#[test]
fn a_saga_that_kills_its_process_is_parked_and_no_other() {
    // after how long they kill, among how many others, and how many crashes it may take to find them
    let cases: [(&[f64], usize, u32); 12] = [
        (&[0.0], 0, 5),
        (&[0.0], 6, 8),
        (&[0.0], 300, 9),
        (&[0.015], 300, 9),
        (&[0.0, 0.0], 300, 18),
        (&[0.0; 5], 300, 45),
        (&[0.1], 0, 13),
        (&[0.1], 300, 30),
        (&[0.0, 0.1], 300, 60),
        (&[1.0], 0, 21),
        (&[1.0], 300, 40),
        (&[4.0], 30, 60),
    ];
    for (killers, n, limit) in cases {
        for seed in 0..5 {
            let kinds = others(n).chain(killers.iter().map(|after| Behavior::Kills(*after)));
            let mut world = World::new(seed, kinds);
            while world.parked().0 < killers.len() {
                world.run_process(NEVER);
                let crashes = world.crashes;
                assert!(crashes <= limit, "{killers:?} among {n}, seed {seed}: {crashes} crashes");
            }
            assert_eq!(world.parked(), (killers.len(), 0), "{killers:?} among {n}, seed {seed}");
            assert!(world.held < 1.0, "{killers:?} among {n}, seed {seed}: held {}", world.held);
        }
    }
}

#[test]
fn one_time_budget_holds_for_all_suspects() {
    let mut random = RandomNumbers::new(7);
    for n in [1, 5, 50, 5_000] {
        for level in 0..WATCHES.len() {
            for last in [
                CrashState::Unwatched,
                CrashState::Watched,
                CrashState::Cleared,
                CrashState::Absent,
            ] {
                let one = super::Evidence { last, crashes: 1, level };
                let places = schedule(&vec![one; n], &mut random);
                let longest = places.iter().map(|place| place.after).max().unwrap();
                let budget = Duration::from_secs(if level < 3 { 1 } else { 10 });
                assert!(longest <= budget, "{n} at level {level}: {longest:?}");
            }
        }
    }
}

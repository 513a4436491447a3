//! Recovering a saga from a whole log. The input is a plan, followed by one entry per line. A log that can be
//! recovered is continued until the saga ends.

use std::sync::Arc;

use saga_core::Probe;
use saga_core::Retry;
use saga_core::action::{Policy, UndoContract};
use saga_core::dag::{NodeName, Plan, PlanKind, PlanNode};
use saga_core::log::{Entry, Failure, FailureKind, NodeEntry, Payload, Timestamp, Uuid};
use saga_core::machine::{ActionResult, Config, Effect, Event, Finish, Machine, SagaState};
use saga_core::operator::Command;
use serde::{Deserialize, Serialize};

use crate::{Rng, name_of};

/// The largest number of instances of a `for` in a log. The machine's own limit is about memory, which is not
/// tested here.
const WIDTH: u64 = 300;

#[derive(Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PlanJson {
    pub(crate) nodes: Vec<KindJson>,
    pub(crate) edges: Vec<(u32, u32)>,
    pub(crate) pivot: Option<u32>,
}

impl Default for PlanJson {
    fn default() -> Self {
        Self { nodes: vec![KindJson::Value], edges: Vec::new(), pivot: None }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KindJson {
    Action {
        undo: UndoContract,
        #[serde(default)]
        undo_on_failure: bool,
        retry: Retry,
    },
    Value,
    Subsaga(PlanJson),
    ForEach {
        body: PlanJson,
        concurrency: Option<u32>,
    },
    Choose(Vec<PlanJson>),
    /// The body, and the `else` if there is one.
    Try(PlanJson, Option<PlanJson>),
}

impl PlanJson {
    /// Creates a plan of nodes `n0`, `n1`, ... that a builder could have made: it has no cycles, and every node
    /// comes before or after the pivot.
    fn plan(self, outer: bool) -> Plan {
        let n = u32::try_from(self.nodes.len()).unwrap_or_default();
        let pivot = self.pivot.filter(|_| outer && n > 0).map(|pivot| pivot % n);
        let action = |v: u32| matches!(self.nodes.get(v as usize), Some(KindJson::Action { .. }));
        let pivot = pivot.filter(|pivot| action(*pivot));
        let edges = self.edges.iter().filter(|_| n > 0).map(|(a, b)| (a % n, b % n));
        let mut edges = edges.map(|(a, b)| (a.min(b), a.max(b))).collect::<Vec<_>>();
        edges.extend(
            pivot
                .into_iter()
                .flat_map(|p| (0..n).map(move |v| if v < p { (v, p) } else { (p, v) })),
        );
        edges.retain(|(a, b)| a != b);
        edges.sort_unstable();
        edges.dedup();
        let nodes = self.nodes.into_iter().enumerate();
        let nodes = nodes.map(|(i, kind)| PlanNode {
            name: NodeName::new(format!("n{i}")).expect("a name"),
            kind: kind.kind(),
        });
        let plan = Plan::new(nodes.collect(), &edges);
        match pivot {
            Some(pivot) => plan.with_pivot(pivot),
            None => plan,
        }
    }

    fn body(self) -> Arc<Plan> {
        let plan = self.plan(false);
        Arc::new(match plan.nodes() {
            [only] => Plan::inline(only.clone()),
            _ => plan,
        })
    }
}

impl KindJson {
    fn kind(self) -> PlanKind {
        match self {
            Self::Action { undo, undo_on_failure, retry } => PlanKind::Action(Policy {
                undo_on_failure,
                retry,
                undo_retry: retry,
                ..Policy::new(undo)
            }),
            Self::Value => PlanKind::Value,
            Self::Subsaga(plan) => PlanKind::Subsaga(Arc::new(plan.plan(false))),
            Self::ForEach { body, concurrency } => {
                PlanKind::ForEach { body: body.body(), concurrency }
            }
            Self::Choose(arms) => PlanKind::Choose(arms.into_iter().map(Self::arm).collect()),
            Self::Try(body, otherwise) => {
                PlanKind::Try { body: body.body(), otherwise: otherwise.map(PlanJson::body) }
            }
        }
    }

    fn arm(plan: PlanJson) -> Arc<Plan> {
        plan.body()
    }
}

pub(super) fn run(input: &[u8]) -> String {
    let mut lines = input.split(|b| *b == b'\n');
    let Some(Ok(plan)) = lines.next().map(serde_json::from_slice::<PlanJson>) else {
        return "no plan".to_string();
    };
    let entries = lines.filter(|line| !line.is_empty()).map(serde_json::from_slice::<Entry>);
    let entries = entries.collect::<Result<Vec<_>, _>>();
    let Ok(entries) = entries else { return "no entries".to_string() };
    let wide = |e: &Entry| matches!(e.node_entry(), Some(NodeEntry::Chosen(n)) if *n > WIDTH && *n <= 1 << 20);
    if entries.iter().any(wide) {
        return "too wide".to_string();
    }
    let plan = Arc::new(plan.plan(true));
    super::outcome(SagaState::fold(plan.clone(), &entries), |state| {
        drop((state.nodes(), format!("{state:?}")));
        if state.run_key().is_none() {
            return "nothing".to_string();
        }
        let mut rng = Rng::new(u64::from_str_radix(&name_of(input), 16).unwrap_or_default());
        let config = Config { max_concurrency: Some(1 + rng.below(4)), ..Config::default() };
        let machine = Machine::recover(plan, config, 9, &entries).expect("it folded");
        drive(machine, Event::Recovered, &mut rng, &mut Vec::new())
    })
}

/// Creates an input: a plan, and the log of a run.
pub(crate) fn example(plan: &PlanJson, seed: u64) -> Result<Vec<u8>, serde_json::Error> {
    let mut lines = vec![serde_json::to_vec(plan)?];
    let again = serde_json::from_slice::<PlanJson>(&serde_json::to_vec(plan)?)?;
    let machine = Machine::new(Arc::new(again.plan(true)), Config::default(), 1);
    let (mut log, run_key) = (Vec::new(), Uuid::from_u128(1));
    drive(machine, Event::Created { run_key }, &mut Rng::new(seed), &mut log);
    for entry in &log {
        lines.push(serde_json::to_vec(entry)?);
    }
    Ok(lines.join(&b'\n'))
}

/// Runs the saga with some failing calls, later ones succeeding, and returns how it ends.
fn drive(machine: Machine, first: Event, rng: &mut Rng, log: &mut Vec<Entry>) -> String {
    let mut world = World { machine, now: Timestamp(1), wake: None, calls: Vec::new(), rng };
    let (mut events, mut appending, mut finish) = (vec![first], false, None);
    for tries in 0..200_000u32 {
        for event in std::mem::take(&mut events) {
            let mut effects = std::collections::VecDeque::from(world.step(event));
            while let Some(effect) = effects.pop_front() {
                match effect {
                    Effect::Append { entries, .. } => {
                        assert!(!appending && !entries.is_empty(), "one append at a time");
                        appending = true;
                        log.extend(entries);
                    }
                    Effect::RunAction(call) => world.calls.push((call.vertex, false)),
                    Effect::RunUndo(call) => world.calls.push((call.vertex, true)),
                    Effect::DropCall(v) => world.calls.retain(|call| call.0 != v),
                    Effect::Choose(vertex) => {
                        let choice = Ok(world.rng.below(3) as u64);
                        effects.extend(world.step(Event::Chosen { vertex, choice }));
                    }
                    Effect::Compute(vertex) => {
                        let value = Ok(Payload::from(&b"1"[..]));
                        effects.extend(world.step(Event::Computed { vertex, value }));
                    }
                    // no plan has probes yet
                    Effect::Probe(call) => {
                        let (vertex, answer) = (call.vertex, Probe::Unknown);
                        effects.extend(world.step(Event::Probed { vertex, answer }));
                    }
                    // no plan has waits yet
                    Effect::Times(vertex) => {
                        let times = Ok(Vec::new());
                        effects.extend(world.step(Event::TimesKnown { vertex, times }));
                    }
                    Effect::WakeAt(time) => world.wake = Some(time),
                    Effect::Finish(how) => finish = Some(how),
                    Effect::Answer(..)
                    | Effect::RequestPermit(_)
                    | Effect::ReleasePermit(_)
                    | Effect::SignalCancel
                    | Effect::SignalCancelOf(_)
                    | Effect::Overdue => {}
                }
            }
        }
        match finish {
            Some(Finish::Broken(why)) => panic!("the machine broke its own rules: {why}"),
            Some(Finish::Failed) => panic!("no append failed"),
            Some(Finish::Settled) => panic!("nobody told it to settle"),
            Some(how @ (Finish::Ended(_) | Finish::Parked { .. } | Finish::Drained)) => {
                return format!("{how:?}");
            }
            None => {}
        }
        events.push(match appending {
            true if world.calls.is_empty() || world.rng.one_in(2) => {
                appending = false;
                Event::Appended
            }
            _ => match world.next(tries) {
                Some(event) => event,
                None => return "it waits for an operator".to_string(),
            },
        });
    }
    panic!("it does not end");
}

struct World<'a> {
    machine: Machine,
    now: Timestamp,
    wake: Option<Timestamp>,
    calls: Vec<(u32, bool)>,
    rng: &'a mut Rng,
}

impl World<'_> {
    fn step(&mut self, event: Event) -> Vec<Effect> {
        self.machine.step(self.now, event)
    }

    /// Returns the next event; `None` if the saga waits for an operator.
    fn next(&mut self, tries: u32) -> Option<Event> {
        if self.calls.is_empty() {
            return self.wait(tries);
        }
        let (vertex, undo) = self.calls.swap_remove(self.rng.below(self.calls.len()));
        let dice = if tries < 60 { self.rng.below(6) } else { 0 };
        let failure = Failure::new(FailureKind::Failed, "no");
        Some(match (undo, dice) {
            (true, 1 | 2) => Event::UndoDone { vertex, result: Err(failure) },
            (true, _) => Event::UndoDone { vertex, result: Ok(()) },
            (false, 1) => Event::ActionDone { vertex, result: ActionResult::Failed(failure) },
            (false, 2) => Event::ActionDone { vertex, result: ActionResult::InDoubt(failure) },
            (false, 3) => Event::ActionDone { vertex, result: ActionResult::Unstorable(failure) },
            (false, _) => {
                let result = ActionResult::Ok(Payload::from(&b"1"[..]));
                Event::ActionDone { vertex, result }
            }
        })
    }

    fn wait(&mut self, tries: u32) -> Option<Event> {
        if let Some(wake) = self.wake.take() {
            self.now = self.now.max(wake);
            return Some(Event::Tick);
        }
        let state = self.machine.state();
        if state.is_paused() && state.parked().is_none() {
            let id = Uuid::from_u128(u128::from(tries) + 1);
            return Some(Event::Operator { id, by: "bob".into(), command: Command::Resume });
        }
        assert!(state.parked().is_some(), "it stands still: {state:?}");
        None
    }
}

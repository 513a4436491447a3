//! A test: what is said about random pairs of versions is what the machine does with random sagas of the older one.
//!
//! `CHANGES_SEED=n` begins with this pair, and `CHANGES_PAIRS=1` tries no other.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::dag::options::NodeOptions;
use crate::log::{Entry, Failure, FailureKind, NodeEntry, Payload, Timestamp, Uuid};
use crate::machine::{ActionResult, Config, Effect, Event, Fate, Machine, Mapping, SagaState};
use crate::names::{ActionName, NodeName, SagaName};
use crate::plan::{Plan, PlanKind, PlanNode};
use crate::policy::{Policy, Retry, UndoContract};

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.roll(n) == 0
    }
}

fn dag(nodes: Vec<NodeJson>) -> DagJson {
    DagJson { name: SagaName::new("Random").unwrap(), version: 1, nodes, output: None }
}

fn node(name: &str, kind: KindJson, after: Vec<NodeName>) -> NodeJson {
    NodeJson {
        name: NodeName::new(name).unwrap(),
        kind,
        pivot: false,
        inputs: Vec::new(),
        after,
        options: NodeOptions::default(),
        notes: BTreeMap::new(),
    }
}

/// Each node has an action of its own, so that none seems to have been renamed.
fn call(name: &str, rev: u32, dice: &mut Dice) -> KindJson {
    let undo = match dice.one_in(3) {
        true => UndoContract::None,
        false => UndoContract::InputsOnly,
    };
    let action = ActionName::new(name).unwrap();
    let (transaction, fresh_key) = (None, false);
    KindJson::Action { action, rev, undo, undo_on_failure: false, transaction, fresh_key }
}

fn kind(name: &str, dice: &mut Dice) -> KindJson {
    let rev = dice.roll(8) as u32 / 7;
    match dice.roll(8) {
        0 => KindJson::Computed,
        1 => {
            let inner = node("inner", call("inner", rev, dice), Vec::new());
            KindJson::Subsaga { params: None, dag: dag(vec![inner]) }
        }
        _ => call(name, rev, dice),
    }
}

fn after(earlier: &[NodeJson], dice: &mut Dice) -> Vec<NodeName> {
    let mut after = earlier.iter().map(|node| node.name.clone()).collect::<Vec<_>>();
    after.retain(|_| dice.one_in(3));
    after
}

fn first(dice: &mut Dice) -> DagJson {
    let mut nodes = Vec::new();
    for i in 0..1 + dice.roll(6) {
        let name = format!("n{i}");
        let (kind, after) = (kind(&name, dice), after(&nodes, dice));
        nodes.push(node(&name, kind, after));
    }
    dag(nodes)
}

/// Most nodes stay as they are.
fn second(then: &DagJson, dice: &mut Dice) -> DagJson {
    let mut nodes = Vec::<NodeJson>::new();
    for old in &then.nodes {
        if dice.one_in(8) {
            let name = format!("x{}", nodes.len());
            let (kind, after) = (kind(&name, dice), after(&nodes, dice));
            nodes.push(node(&name, kind, after));
        }
        if dice.one_in(8) {
            continue;
        }
        let kind = match dice.one_in(8) {
            true => kind(old.name.as_str(), dice),
            false => old.kind.clone(),
        };
        let mut after = match dice.one_in(4) {
            true => after(&nodes, dice),
            false => old.after.clone(),
        };
        after.extend(nodes.iter().rev().take(1).map(|n| n.name.clone()).filter(|_| dice.one_in(3)));
        after.retain(|name| nodes.iter().any(|node| node.name == *name));
        after.sort();
        after.dedup();
        nodes.push(node(old.name.as_str(), kind, after));
    }
    if nodes.is_empty() {
        nodes.push(node("x", kind("x", dice), Vec::new()));
    }
    dag(nodes)
}

fn plan(dag: &DagJson) -> Arc<Plan> {
    let nodes = dag.nodes.iter().map(|node| {
        let kind = match &node.kind {
            KindJson::Action { undo, .. } => {
                let retry = Retry::up_to(9);
                PlanKind::Action(Policy { retry, ..Policy::new(*undo) })
            }
            KindJson::Subsaga { dag, .. } => PlanKind::Subsaga(plan(dag)),
            _ => PlanKind::Value,
        };
        PlanNode { name: node.name.clone(), kind }
    });
    let place = |name: &NodeName| dag.nodes.iter().position(|node| node.name == *name).unwrap();
    let edges =
        dag.nodes.iter().enumerate().flat_map(|(i, node)| {
            node.after.iter().map(move |name| (place(name) as u32, i as u32))
        });
    Arc::new(Plan::new(nodes.collect(), &edges.collect::<Vec<_>>()))
}

/// The log of a saga that was stopped somewhere, with no call in flight.
fn some_log(plan: &Arc<Plan>, dice: &mut Dice) -> Vec<Entry> {
    let max_concurrency = dice.one_in(3).then_some(1);
    let config = Config { max_concurrency, ..Config::default() };
    let mut machine = Machine::new(plan.clone(), config, 1);
    let (mut log, mut calls) = (Vec::new(), Vec::new());
    let mut events = vec![Event::Created { run_key: Uuid::from_u128(1) }];
    let (mut left, mut drains, mut now) = (dice.roll(12), false, 1_000);
    loop {
        let Some(event) = events.pop() else {
            if calls.is_empty() {
                return log;
            }
            if left == 0 && !drains {
                drains = true;
                events.push(Event::Drain);
                continue;
            }
            left = left.saturating_sub(1);
            let vertex = calls.swap_remove(dice.roll(calls.len() as u64) as usize);
            let result = match dice.one_in(4) {
                true => ActionResult::Failed(Failure::new(FailureKind::Failed, "not yet")),
                false => ActionResult::Ok(Payload::from(b"1".as_slice())),
            };
            events.push(Event::ActionDone { vertex, result });
            continue;
        };
        now += 1;
        for effect in machine.step(Timestamp(now), event) {
            match effect {
                Effect::Append { entries, .. } => {
                    log.extend(entries);
                    events.push(Event::Appended);
                }
                Effect::RunAction(call) => calls.push(call.vertex),
                Effect::Compute(vertex) => {
                    let value = Ok(Payload::from(b"1".as_slice()));
                    events.push(Event::Computed { vertex, value });
                }
                _ => {}
            }
        }
    }
}

fn outermost(entry: &Entry) -> Option<&str> {
    entry.node()?.as_str().split('/').next()
}

fn has_begun(log: &[Entry], name: &str) -> bool {
    log.iter().any(|entry| outermost(entry) == Some(name))
}

/// What `changes` says about the saga with this log. `None` if a node has not begun that begins as soon as a saga is started:
/// the bound on calls in flight has held it back, and nothing is said about such a saga.
fn is_eligible(changes: &[Change], log: &[Entry]) -> Option<bool> {
    let begun = |name: &String| has_begun(log, name);
    let held_back = |change: &Change| match &change.consequence {
        Consequence::AlwaysBegun(node) => !begun(node),
        _ => false,
    };
    if changes.iter().any(held_back) {
        return None;
    }
    let completed = |name: &String| {
        let done = |entry: &&Entry| matches!(entry.node_entry(), Some(NodeEntry::Succeeded(_)));
        log.iter().filter(done).any(|entry| outermost(entry) == Some(name))
    };
    Some(changes.iter().all(|change| match &change.consequence {
        Consequence::Nothing
        | Consequence::MustBeReadable
        | Consequence::NewVersion
        | Consequence::Converted(_)
        | Consequence::UndoAccepted(_) => true,
        Consequence::AlwaysBegun(_) => false,
        Consequence::Dropped(node) => !begun(node),
        Consequence::NotBegun(nodes) => !nodes.iter().any(begun),
        Consequence::NotBegunBefore { begun: nodes, completed: before } => {
            !nodes.iter().any(begun) || before.iter().all(completed)
        }
        Consequence::Renamed { .. } | Consequence::OtherSaga => unreachable!(),
    }))
}

/// What the machine says, if the migration maps what it can, and drops the rest where it has not begun.
fn is_migrated(then: &DagJson, now: &DagJson, log: &[Entry]) -> Result<(), String> {
    let fates = then.nodes.iter().map(|old| {
        let place = now.nodes.iter().position(|new| new.name == old.name);
        let new = place.map(|place| (place as u32, &now.nodes[place]));
        match new.filter(|(_, new)| class(old) == class(new)) {
            Some((node, new)) => {
                let told = |dag: &DagJson| serde_json::to_string(dag).unwrap();
                let same_parts = match (&old.kind, &new.kind) {
                    (KindJson::Subsaga { dag: then, .. }, KindJson::Subsaga { dag: now, .. }) => {
                        told(then) == told(now)
                    }
                    _ => true,
                };
                Fate::Becomes { node, same_parts }
            }
            None if has_undo(old) => Fate::Dropped,
            None => Fate::Forgotten,
        }
    });
    let (fates, plan_now) = (fates.collect::<Vec<_>>(), plan(now));
    let state = SagaState::fold(plan(then), log).unwrap();
    let convert = |_, output: &Payload| Ok(output.clone());
    let to =
        Mapping { plan: &plan_now, fates: &fates, versions: (1, 2, "then"), convert: &convert };
    state.migrate(log, &to).map(drop).map_err(|why| why.to_string())
}

#[test]
fn the_machine_does_what_is_said() {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().unwrap());
    let seed = number("CHANGES_SEED").unwrap_or(1);
    let (mut eligible, mut not, mut ended) = (0, 0, 0);
    for seed in seed..seed + number("CHANGES_PAIRS").unwrap_or(3_000) {
        let mut dice = Dice(seed);
        let then = first(&mut dice);
        let now = second(&then, &mut dice);
        let changes = changes(&Described(then.clone()), &Described(now.clone()));
        for _ in 0..9 {
            let log = some_log(&plan(&then), &mut dice);
            if SagaState::fold(plan(&then), &log).unwrap().status().is_ended() {
                ended += 1;
                continue;
            }
            let Some(said) = is_eligible(&changes, &log) else { continue };
            let done = is_migrated(&then, &now, &log);
            let shown = || {
                let lines = |dag: &DagJson| Described(dag.clone()).lines().join("\n");
                let changes = changes.iter().map(|c| format!("{:?}: {}", c.consequence, c.what));
                let log = log.iter().map(|entry| format!("{:?}", entry.kind)).collect::<Vec<_>>();
                format!(
                    "CHANGES_SEED={seed}: said {said}, done {done:?}\n{}\n--\n{}\n--\n{}\n--\n{}",
                    lines(&then),
                    lines(&now),
                    changes.collect::<Vec<_>>().join("\n"),
                    log.join("\n")
                )
            };
            assert_eq!(said, done.is_ok(), "{}", shown());
            *(if said { &mut eligible } else { &mut not }) += 1;
        }
    }
    println!("{eligible} sagas were eligible, {not} were not, {ended} had ended");
    assert!(eligible > 500 && not > 500 || number("CHANGES_PAIRS").is_some());
}

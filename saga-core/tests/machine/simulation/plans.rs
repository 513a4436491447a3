//! Plans: a few builders, and a strategy for random ones.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use saga_core::Retry;
use saga_core::action::{Policy, UndoContract};
use saga_core::dag::{Alternative, EventType, NodeName, Plan, PlanKind, PlanNode};
use saga_core::store::DatabaseKind;

pub(crate) fn node(name: &str, kind: PlanKind) -> PlanNode {
    PlanNode { name: NodeName::new(name).unwrap(), kind }
}

pub(crate) fn action(name: &str, undo: UndoContract) -> PlanNode {
    node(name, PlanKind::Action(policy(undo, 1, 3)))
}

pub(crate) fn policy(undo: UndoContract, tries: u32, undo_tries: u32) -> Policy {
    let wait = |retry: Retry| retry.base(Duration::from_millis(100));
    let (retry, undo_retry) = (wait(Retry::up_to(tries)), wait(Retry::up_to(undo_tries)));
    Policy { retry, undo_retry, ..Policy::new(undo) }
}

pub(crate) fn tried(name: &str, undo: UndoContract, tries: u32, undo_tries: u32) -> PlanNode {
    node(name, PlanKind::Action(policy(undo, tries, undo_tries)))
}

/// The same node with a fresh key after each definite failure.
pub(crate) fn fresh_key(mut node: PlanNode) -> PlanNode {
    if let PlanKind::Action(policy) = &mut node.kind {
        policy.fresh_key = true;
    }
    node
}

/// The same node, which can be asked whether it took effect.
pub(crate) fn probe(mut node: PlanNode) -> PlanNode {
    if let PlanKind::Action(policy) = &mut node.kind {
        policy.probe = true;
    }
    node
}

/// The same node, whose undo also cleans up after failures.
pub(crate) fn undo_on_failure(mut node: PlanNode) -> PlanNode {
    if let PlanKind::Action(policy) = &mut node.kind {
        policy.undo_on_failure = true;
    }
    node
}

/// The same node as a transaction of the database that keeps the log.
pub(crate) fn transaction(mut node: PlanNode) -> PlanNode {
    if let PlanKind::Action(policy) = &mut node.kind {
        policy.transaction = Some(DatabaseKind::Sqlite);
    }
    node
}

pub(crate) fn event(name: &str) -> EventType {
    EventType::new(name, 0).unwrap()
}

pub(crate) fn for_event(name: &str) -> Alternative {
    Alternative::Event(event(name))
}

pub(crate) fn wait(name: &str, alternatives: &[Alternative]) -> PlanNode {
    node(name, PlanKind::Wait(alternatives.to_vec()))
}

pub(crate) fn plan(nodes: Vec<PlanNode>, edges: &[(u32, u32)]) -> Arc<Plan> {
    Arc::new(Plan::new(nodes, edges))
}

/// Each node behind the one before it.
pub(crate) fn chain(nodes: Vec<PlanNode>) -> Arc<Plan> {
    let edges = (1..nodes.len() as u32).map(|i| (i - 1, i)).collect::<Vec<_>>();
    plan(nodes, &edges)
}

pub(crate) fn actions(n: u32, undo: UndoContract) -> Vec<PlanNode> {
    (0..n).map(|i| action(&format!("n{i}"), undo)).collect()
}

pub(crate) fn inline(kind: PlanKind) -> Arc<Plan> {
    Arc::new(Plan::inline(node("it", kind)))
}

pub(crate) fn inline_action(undo: UndoContract) -> Arc<Plan> {
    inline(PlanKind::Action(policy(undo, 1, 3)))
}

/// A `for` over this body, as many instances at once as there are.
pub(crate) fn each(body: Arc<Plan>) -> PlanKind {
    PlanKind::ForEach { body, concurrency: None }
}

/// Up to `max` nodes, `depth` levels of nodes that hold others.
pub(crate) fn any_plan(depth: u32, max: usize) -> BoxedStrategy<Arc<Plan>> {
    (prop::collection::vec(any_kind(depth), 1..=max), any_shape())
        .prop_map(|(kinds, shape)| {
            let edges = shape.edges(kinds.len() as u32);
            let nodes = kinds.into_iter().enumerate();
            plan(nodes.map(|(i, kind)| node(&format!("n{i}"), kind)).collect(), &edges)
        })
        .boxed()
}

/// A plan with a point of no return: every other node is before or behind it.
pub(crate) fn any_pivotal_plan(depth: u32, max: usize) -> BoxedStrategy<Arc<Plan>> {
    let part = move || (prop::collection::vec(any_kind(depth), 0..=max / 2), any_shape());
    (part(), any_policy(), part())
        .prop_map(|((before, first), policy, (behind, then))| {
            let (pivot, n) = (before.len() as u32, behind.len() as u32);
            let mut edges = first.edges(pivot);
            edges.extend((0..pivot).map(|v| (v, pivot)));
            edges.extend((0..n).map(|v| (pivot, pivot + 1 + v)));
            edges.extend(then.edges(n).iter().map(|(a, b)| (pivot + 1 + a, pivot + 1 + b)));
            let kinds = before.into_iter().chain([PlanKind::Action(policy)]).chain(behind);
            let nodes = kinds.enumerate().map(|(i, kind)| node(&format!("n{i}"), kind));
            Arc::new(Plan::new(nodes.collect(), &edges).with_pivot(pivot))
        })
        .boxed()
}

fn any_body(depth: u32) -> BoxedStrategy<Arc<Plan>> {
    prop_oneof![
        2 => any_kind(depth).prop_map(inline),
        1 => any_plan(depth, 4),
    ]
    .boxed()
}

fn any_kind(depth: u32) -> BoxedStrategy<PlanKind> {
    let leaf = prop_oneof![
        8 => any_policy().prop_map(PlanKind::Action),
        1 => Just(PlanKind::Value),
        1 => any_wait(),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let arms = prop::collection::vec(any_body(depth - 1), 0..=2);
    prop_oneof![
        6 => leaf,
        1 => any_plan(depth - 1, 4).prop_map(PlanKind::Subsaga),
        1 => any_body(depth - 1).prop_map(each),
        1 => (any_body(depth - 1), 0..3u32)
            .prop_map(|(body, n)| PlanKind::ForEach { body, concurrency: Some(n) }),
        1 => arms.prop_map(PlanKind::Choose),
        2 => (any_body(depth - 1), prop::option::of(any_body(depth - 1)))
            .prop_map(|(body, otherwise)| PlanKind::Try { body, otherwise }),
    ]
    .boxed()
}

fn any_wait() -> impl Strategy<Value = PlanKind> {
    let all = vec![for_event("A"), for_event("B"), Alternative::Sleep, Alternative::SleepUntil];
    prop::sample::subsequence(all, 1..=3).prop_map(PlanKind::Wait)
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let undo = prop_oneof![
        3 => Just(UndoContract::Output),
        2 => Just(UndoContract::MaybeOutput),
        2 => Just(UndoContract::InputsOnly),
        2 => Just(UndoContract::None),
    ];
    let database = prop_oneof![5 => Just(None), 1 => Just(Some(DatabaseKind::Sqlite))];
    let said = (any::<bool>(), prop::bool::weighted(0.3), prop::bool::weighted(0.3));
    let tries = (1..=3u32, 1..=3u32);
    (undo, said, database, tries).prop_map(|(undo, said, transaction, tries)| {
        let ((on_failure, fresh_key, probe), policy) = (said, policy(undo, tries.0, tries.1));
        let without = matches!(undo, UndoContract::MaybeOutput | UndoContract::InputsOnly);
        let undo_on_failure = on_failure && without;
        Policy { undo_on_failure, transaction, fresh_key, probe, ..policy }
    })
}

#[derive(Debug, Clone)]
enum Shape {
    Chain,
    Parallel,
    Diamond,
    /// Layers of this width, each behind all of the one before it.
    Layers(u32),
    Random(Vec<(u32, u32)>),
}

fn any_shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Chain),
        Just(Shape::Parallel),
        Just(Shape::Diamond),
        (2..4u32).prop_map(Shape::Layers),
        prop::collection::vec((0..12u32, 0..12u32), 0..20).prop_map(Shape::Random),
    ]
}

impl Shape {
    fn edges(&self, n: u32) -> Vec<(u32, u32)> {
        match self {
            _ if n == 0 => Vec::new(),
            Self::Chain => (1..n).map(|i| (i - 1, i)).collect(),
            Self::Parallel => Vec::new(),
            Self::Diamond => (1..n.saturating_sub(1)).flat_map(|i| [(0, i), (i, n - 1)]).collect(),
            Self::Layers(width) => (*width..n)
                .flat_map(|b| {
                    let first = (b / width - 1) * width;
                    (first..first + width).map(move |a| (a, b))
                })
                .collect(),
            Self::Random(pairs) => {
                let mut edges = pairs
                    .iter()
                    .map(|(a, b)| (a % n, b % n))
                    .filter(|(a, b)| a != b)
                    .map(|(a, b)| (a.min(b), a.max(b)))
                    .collect::<Vec<_>>();
                edges.sort_unstable();
                edges.dedup();
                edges
            }
        }
    }
}

//! Simulated operators: what they request, at which moment, and the answers they got.

use saga_core::dag::{Alternative, Plan, PlanKind};
use saga_core::log::{NodePath, Payload, Uuid};
use saga_core::machine::{Event, SagaState};
use saga_core::operator::{Answer, Command, Decision, Fault};
use saga_core::{ActionState, SagaStatus};

use super::plans::event;
use super::tape::Tape;
use super::world::World;

#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) id: Uuid,
    pub(crate) command: Command,
    pub(crate) answer: Option<Answer>,
    /// True while it is sent again although it has been answered.
    pub(crate) again: bool,
    /// How long the log was when it was answered.
    pub(crate) seen: u64,
}

impl Asked {
    pub(crate) fn new(number: usize, command: Command) -> Self {
        Self {
            id: Uuid::from_u128(100 + number as u128),
            command,
            answer: None,
            again: false,
            seen: 0,
        }
    }

    pub(crate) fn event(&self) -> Event {
        Event::Operator { id: self.id, by: "me".into(), command: self.command.clone() }
    }
}

/// A node that is there, or was never heard of.
fn some_node(state: &SagaState, tape: &mut Tape) -> NodePath {
    let nodes = state.nodes();
    match tape.pick(nodes.len() + 2) {
        i if i < nodes.len() => nodes[i].path.clone(),
        i if i == nodes.len() => "nope".into(),
        _ => format!("{}[1]", nodes[0].path).into(),
    }
}

/// What somebody finds out who looks.
pub(crate) fn decide(node: NodePath, world: &World) -> Command {
    // the pivot stands in no other node, so its path is its name
    let happened = world.would_have_effect(node.as_str());
    let output = Decision::Succeeded(serde_json::json!("found out"));
    let decision = if happened { output } else { Decision::Failed };
    Command::Decide { node, decision, note: "looked".into() }
}

/// What somebody asks who looks at the saga first.
fn something_fitting(state: &SagaState, world: &World, tape: &mut Tape) -> Option<Command> {
    let nodes = state.nodes();
    let is = |what| nodes.iter().find(|n| n.state == what).map(|n| n.path.clone());
    if let Some(node) = is(ActionState::UndoFailed) {
        return Some(match tape.pick(3) {
            0 => Command::RetryUndo { node },
            1 => Command::Resolve { node, note: "by hand".into() },
            _ => Command::RetryAll,
        });
    }
    if state.is_paused() {
        return Some(if tape.chance(180) { Command::Step } else { Command::Resume });
    }
    if let Some(node) = nodes.iter().find(|n| n.in_doubt)
        && tape.chance(100)
    {
        return Some(decide(node.path.clone(), world));
    }
    is(ActionState::Running).map(|_| Command::Cancel { reason: "because".into() })
}

/// An event of which plans are made, or one for which no saga waits.
pub(crate) fn signal(names: &[&str], tape: &mut Tape) -> Command {
    let name = names[tape.pick(names.len())];
    let id = tape.byte() % 4;
    signal_of(name, &format!("e{id}"))
}

pub(crate) fn signal_of(name: &str, id: &str) -> Command {
    let payload = Payload::from(format!("{name} {id}").as_bytes());
    Command::Signal { event: event(name), event_id: id.into(), payload }
}

/// Something happens for which a saga waits.
pub(crate) fn when_waiting(state: &SagaState) -> Command {
    let first = state.waits().iter().find_map(|v| match state.kind(*v) {
        Some(PlanKind::Wait(all)) => all.iter().find_map(|what| match what {
            Alternative::Event(event) => Some(event.name.to_string()),
            Alternative::Sleep | Alternative::SleepUntil => None,
        }),
        _ => None,
    });
    // an id that no other event has
    signal_of(&first.expect("an event"), &format!("at {}", state.next_seq()))
}

/// True if there are waits in a plan.
fn has_waits(plan: &Plan) -> bool {
    plan.nodes().iter().any(|node| match &node.kind {
        PlanKind::Wait(_) => true,
        PlanKind::Action(_) | PlanKind::Value => false,
        PlanKind::Subsaga(body) | PlanKind::ForEach { body, .. } => has_waits(body),
        PlanKind::Choose(arms) => arms.iter().any(|arm| has_waits(arm)),
        PlanKind::Try { body, otherwise } => {
            [body].into_iter().chain(otherwise).any(|part| has_waits(part))
        }
    })
}

pub(crate) fn anything(state: &SagaState, world: &World, tape: &mut Tape) -> Option<Command> {
    if has_waits(&state.frames()[0].plan) && tape.chance(80) {
        let explored = matches!(tape, Tape::Script { .. });
        return Some(signal(if explored { &["A"] } else { &["A", "A", "B", "B", "C"] }, tape));
    }
    if tape.chance(128) {
        return something_fitting(state, world, tape);
    }
    let node = some_node(state, tape);
    let reason = || "because".to_string();
    Some(match tape.pick(16) {
        0 => Command::Cancel { reason: reason() },
        1 | 2 => Command::Pause,
        3 => Command::Resume,
        4 | 5 => Command::Step,
        6 => Command::RetryUndo { node },
        7 => Command::RetryAll,
        8 => Command::Resolve { node, note: reason() },
        9 => Command::Rollback { reason: reason() },
        10 => Command::Retry { node },
        11 => decide(node, world),
        12 => Command::Unpark,
        13 => Command::Inject { node, fault: Fault::Error },
        14 => Command::Inject { node, fault: Fault::UndoError },
        _ => Command::Inject { node, fault: Fault::Repeat(tape.pick(4) as u32) },
    })
}

/// Somebody is not content with how it ended.
pub(crate) fn after_the_end(state: &SagaState, _: &World, tape: &mut Tape) -> Option<Command> {
    let mut nodes = state.nodes();
    let back = state.cause().is_some();
    nodes.retain(|n| n.state == if back { ActionState::UndoFailed } else { ActionState::Failed });
    let node = nodes.get(tape.pick(nodes.len())).map(|n| n.path.clone());
    let node = node.unwrap_or_else(|| "nope".into());
    Some(match (state.status(), tape.pick(4)) {
        (SagaStatus::Stuck, 3) if back => Command::RetryAll,
        (SagaStatus::Stuck, 0) if back => Command::RetryUndo { node },
        (SagaStatus::Stuck, _) if back => Command::Resolve { node, note: "by hand".into() },
        (SagaStatus::Stuck, _) => Command::Retry { node },
        (_, 3) => Command::Cancel { reason: "too late".into() },
        _ => Command::Rollback { reason: "torn down".into() },
    })
}

/// A saga that is parked goes on only when somebody says so.
pub(crate) fn when_parked(state: &SagaState, world: &mut World, tape: &mut Tape) -> Command {
    // a decision about another node is refused
    let in_doubt = state.nodes().into_iter().find(|n| n.in_doubt && n.pivot);
    let gave_up =
        state.parked().is_some_and(|why| why.starts_with("nobody knows whether the pivot"));
    match (in_doubt, tape.pick(4)) {
        // to call it again is of no use
        (Some(node), _) if gave_up && world.refuses(node.path.as_str()) => decide(node.path, world),
        (Some(node), 1) if state.cause().is_none() => {
            while world.deliver_late(tape) {}
            decide(node.path, world)
        }
        (_, 2) => Command::Cancel { reason: "enough".into() },
        _ => Command::Unpark,
    }
}

pub(crate) fn when_paused(_: &SagaState, _: &mut World, tape: &mut Tape) -> Command {
    if tape.chance(100) { Command::Step } else { Command::Resume }
}

//! What is known about each node of a saga, for somebody who looks at the services that it has called.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::ExecutionRecord;
use crate::builtin::PROVIDED;
use crate::context::{KeyOf, idempotency_key};
use crate::dag::{AnyDag, StoredActions};
use crate::log::utc::{serialize as utc, serialize_some as maybe_utc};
use crate::log::{ActionState, NodePath, Timestamp, Uuid};
use crate::machine::{NodeState, SagaState, WaitState};
use crate::names::{ActionName, EventType, NodeName};

/// What is known about one node of a saga.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NodeFacts {
    /// The node's path.
    pub node: NodePath,
    /// The action that it runs; `None` for a node that runs none.
    pub action: Option<ActionName>,
    /// Its state.
    pub state: ActionState,
    /// True if its action declares an undo.
    pub has_undo: bool,
    /// True if it is the pivot.
    pub pivot: bool,
    /// Why its action declares `no_undo`, if this program knows the saga's definition and that says why.
    pub no_undo: Option<String>,
    /// True if its action may have taken effect without an output being recorded: an attempt was cut off, or has ended without
    /// anybody knowing how. One that is in flight is [no doubt](Self::call) by itself.
    pub in_doubt: bool,
    /// True if the only effect of its action is a transaction of the database that keeps the log: it has happened exactly if
    /// the log says that the action succeeded, so the node is never in doubt.
    pub transaction: bool,
    /// How often its action was started.
    pub attempts: u32,
    /// How often its undo was started.
    pub undo_attempts: u32,
    /// The key under which its action calls a service, as [`ActionContext::idempotency_key`] gives it to the last attempt.
    ///
    /// [`ActionContext::idempotency_key`]: crate::ActionContext::idempotency_key
    pub action_key: Uuid,
    /// The keys of attempts before that one, the oldest first: an action that declares `retry(.., fresh_key)` has a new key
    /// after each definite failure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier_action_keys: Vec<Uuid>,
    /// The key under which its undo does.
    pub undo_key: Uuid,
    /// When the first attempt of its action began.
    #[serde(serialize_with = "maybe_utc")]
    pub started_at: Option<Timestamp>,
    /// When the last attempt of its action ended, if none is in flight.
    #[serde(serialize_with = "maybe_utc")]
    pub ended_at: Option<Timestamp>,
    /// When the first attempt of its undo began.
    #[serde(serialize_with = "maybe_utc")]
    pub undo_started_at: Option<Timestamp>,
    /// When the last attempt of its undo ended, if none is in flight.
    #[serde(serialize_with = "maybe_utc")]
    pub undo_ended_at: Option<Timestamp>,
    /// How the last attempt of its action failed, if it did.
    pub error: Option<String>,
    /// How the last attempt of its undo failed, if it did.
    pub undo_error: Option<String>,
    /// Why this program cannot read the output of a node of a parked saga, so that somebody has to let it read that, or to
    /// decide what the output is. `None` if it can; and if it does not know the saga's definition, as one that is attached to a
    /// store does not.
    pub unreadable: Option<String>,
    /// The call in flight, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<CallFacts>,
    /// The next attempt, if it is waited for.
    pub retry: Option<RetryFacts>,
    /// What it waits for, if it is a wait that has begun and not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<WaitFacts>,
}

/// A call in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CallFacts {
    /// True if it is one of the undo.
    pub undo: bool,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// When it began.
    #[serde(serialize_with = "utc")]
    pub since: Timestamp,
}

/// What a node waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WaitFacts {
    /// One of these events.
    pub events: Vec<EventType>,
    /// Until this time at most.
    #[serde(serialize_with = "maybe_utc")]
    pub until: Option<Timestamp>,
}

/// An attempt that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RetryFacts {
    /// True if it is one of the undo.
    pub undo: bool,
    /// When it is due.
    #[serde(serialize_with = "utc")]
    pub at: Timestamp,
    /// Which attempt it is, from 1, as the log counts them.
    pub attempt: u32,
    /// Which attempt is the last one, if none of those to come is cut off by the end of a process; `None` if there is no
    /// limit, or if this program does not know the saga's definition.
    pub of: Option<u32>,
}

/// A node of an earlier version whose effect remains because a migration said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeptEffect {
    /// The path that the node had.
    pub node: NodePath,
    /// The key under which its action called a service.
    pub action_key: Uuid,
    /// The keys of attempts that had failed before, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier_action_keys: Vec<Uuid>,
    /// The key under which its undo would have.
    pub undo_key: Uuid,
}

impl NodeFacts {
    /// True if it would be in doubt were its action not a transaction: its last attempt has no output, and nothing has
    /// happened.
    pub fn is_known_by_transaction(&self) -> bool {
        self.transaction && matches!(self.state, ActionState::Running | ActionState::Failed)
    }

    /// True if the effect of its action is there. That of an action which declares `no_undo` does not count, because there is
    /// nothing to undo about it.
    pub fn remains(&self) -> bool {
        match self.state {
            ActionState::Completed => self.has_undo,
            ActionState::UndoFailed => !self.in_doubt,
            ActionState::Pending
            | ActionState::Running
            | ActionState::Waiting
            | ActionState::Failed
            | ActionState::InDoubt
            | ActionState::Undoing
            | ActionState::Undone
            | ActionState::Resolved
            | ActionState::Skipped => false,
        }
    }

    /// True if its action has run and declares `no_undo`, so that whatever effect it had stays, also when the saga rolls back.
    /// The provided actions, such as `now`, have none.
    pub fn stays(&self) -> bool {
        let provided = |action: &ActionName| PROVIDED.contains(&action.as_str());
        let acts = self.action.as_ref().is_some_and(|action| !provided(action));
        acts && !self.has_undo && self.state == ActionState::Completed
    }

    /// True if the effect of its action may be there: it is in doubt, in flight, or being undone. That of an action which
    /// declares `no_undo` does not count, unless it is the pivot's: whether that took effect, a human may have to find out. Nor
    /// does a transaction in flight: it has happened once the log says so.
    pub fn may_remain(&self) -> bool {
        let counts = self.has_undo || self.pivot;
        match self.state {
            ActionState::Running => counts && !self.transaction,
            ActionState::Undoing => counts,
            ActionState::InDoubt => counts,
            ActionState::UndoFailed => counts && self.in_doubt,
            ActionState::Pending
            | ActionState::Waiting
            | ActionState::Failed
            | ActionState::Completed
            | ActionState::Undone
            | ActionState::Resolved
            | ActionState::Skipped => false,
        }
    }
}

/// When the attempts of an action or of an undo began and ended, and how many there were.
#[derive(Default, Clone, Copy)]
struct Times {
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    attempts: u32,
}

/// The keys of one node.
struct Keys {
    action: Uuid,
    earlier: Vec<Uuid>,
    undo: Uuid,
}

impl Keys {
    /// Those of a node whose action was last called under a key of this generation.
    fn of(
        run_key: Uuid,
        names: Option<&BTreeMap<NodeName, String>>,
        path: &str,
        generation: u32,
    ) -> Self {
        let key = |of| idempotency_key(run_key, names, path, of);
        Self {
            action: key(KeyOf::Action { generation }),
            earlier: (0..generation).map(|generation| key(KeyOf::Action { generation })).collect(),
            undo: key(KeyOf::Undo),
        }
    }
}

/// The facts about all nodes of a saga.
pub(super) fn nodes(
    state: &SagaState,
    run_key: Uuid,
    actions: &StoredActions,
    definition: Option<&AnyDag>,
    timeline: &[ExecutionRecord],
) -> Vec<NodeFacts> {
    let mut times = HashMap::<(&NodePath, bool), Times>::new();
    for attempt in timeline {
        let of = times.entry((&attempt.node, attempt.undo)).or_default();
        of.first.get_or_insert(attempt.started_at);
        of.last = attempt.ended_at;
        of.attempts += 1;
    }
    let last = timeline.iter().map(|attempt| (&attempt.node, attempt)).collect::<HashMap<_, _>>();
    let keys = |path: &NodePath, of| Keys::of(run_key, state.keys(), path.as_str(), of);
    // actions with one name are one action
    let reasons = definition.into_iter().flat_map(AnyDag::actions);
    let reasons = reasons.filter_map(|action| Some((action.name(), action.no_undo()?)));
    let reasons = reasons.collect::<HashMap<_, _>>();
    let facts = |node: NodeState| {
        let times = |undo| times.get(&(&node.path, undo)).copied().unwrap_or_default();
        let (forth, back) = (times(false), times(true));
        let message = |failure: Option<&crate::log::Failure>| failure.map(|f| f.message.clone());
        let retry = node.retry.map(|retry| RetryFacts {
            undo: retry.undo,
            at: retry.at,
            attempt: retry.attempt,
            of: retry.of.filter(|_| definition.is_some()),
        });
        let Keys { action, earlier, undo } = keys(&node.path, node.generation);
        let call = in_flight(last.get(&node.path).copied(), &node);
        // a call in flight may take effect, but nothing is known to have gone wrong
        let in_doubt = match (&call, node.state) {
            (Some(call), ActionState::Running) if !call.undo => node.ended_in_doubt,
            _ => node.in_doubt,
        };
        NodeFacts {
            action: actions.of(&node.path).cloned(),
            state: node.shown(),
            call,
            has_undo: node.has_undo,
            no_undo: actions.of(&node.path).and_then(|name| reasons.get(name).cloned()),
            pivot: node.pivot,
            in_doubt,
            transaction: node.transaction,
            attempts: node.attempts,
            undo_attempts: back.attempts,
            action_key: action,
            earlier_action_keys: earlier,
            undo_key: undo,
            started_at: forth.first,
            ended_at: forth.last,
            undo_started_at: back.first,
            undo_ended_at: back.last,
            error: message(node.failure.as_deref()),
            undo_error: message(node.undo_failure.as_deref()),
            unreadable: None,
            retry,
            wait: node.wait.map(|WaitState { events, until }| WaitFacts { events, until }),
            node: node.path,
        }
    };
    state.nodes().into_iter().map(facts).collect()
}

/// The last attempt of a node, if it has not ended and was not cut off.
fn in_flight(last: Option<&ExecutionRecord>, node: &NodeState) -> Option<CallFacts> {
    let last = last?;
    // an undo may first run the action again
    if !matches!(node.state, ActionState::Running | ActionState::Undoing) {
        return None;
    }
    let ExecutionRecord { undo, attempt, started_at: since, .. } = *last;
    let runs = last.ended_at.is_none() && !last.cut_off;
    let fits = node.state == ActionState::Undoing || !undo;
    (runs && fits).then_some(CallFacts { undo, attempt, since })
}

/// The effects that a migration kept.
pub(super) fn kept(state: &SagaState, run_key: Uuid) -> Vec<KeptEffect> {
    let kept = state.kept_effects().iter().zip(state.kept_keys()).map(|(path, key)| {
        // the name is complete: what the nodes of the present version are called does not matter
        let Keys { action, earlier, undo } = Keys::of(run_key, None, &key.name, key.generation);
        KeptEffect {
            node: path.clone(),
            action_key: action,
            earlier_action_keys: earlier,
            undo_key: undo,
        }
    });
    kept.collect()
}

//! Everything that is known about one saga.

use std::fmt;

use serde::Serialize;

use super::attempts::trace;
use super::nodes::{kept, nodes};
use super::why::{OwnerState, why};
use super::words::Age;
use super::{ExecutionRecord, KeptEffect, NodeFacts, Reader, SagaSummary, WaitsFor, Why};
use crate::coordinator::inspect::SagaView;
use crate::coordinator::operator::Operator;
use crate::coordinator::stored::{Stored, StoredError, read};
use crate::dag::StoredActions;
use crate::driver::{StuckBy, node_reports};
use crate::error::OperateError;
use crate::log::utc::{serialize as utc, serialize_some as maybe_utc};
use crate::log::{ActionState, SagaId, SagaLog, Timestamp, Uuid};
use crate::machine::SagaState;
use crate::store::{CurrentWorker, ReadableSaga, SagaRecord, StoreError, WorkerId, corrupt};

/// Everything that is known about one saga, from [`Operator::inspect`]. `Display` shows it as text.
///
/// ```
/// use saga_core::UndoError;
/// use saga_core::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #[saga_action(undo = refund())]
/// async fn pay() -> Result<(), String> { Ok(()) }
/// async fn refund() -> Result<(), UndoError> { Err(UndoError::permanent("the bank refuses")) }
///
/// saga! { Order<()>() { let payment = pay {}; fail_if { condition: true, message: "sold out" }; } }
///
/// let sec = Coordinator::builder(()).saga::<Order>().build().await?;
/// let _ = sec.saga(Order {}).id("order-42").start().await?.await;
/// let facts = sec.operator("alice").inspect("order-42").await?;
/// let left = facts.remaining_effects().next().ok_or("the payment is left")?;
/// assert_eq!(left.node.as_str(), "payment");
/// assert_eq!(left.undo_error.as_deref(), Some("the bank refuses"));
/// println!("look for {} at the bank", left.action_key);
/// assert!(facts.why.sentence.starts_with("stuck: "), "{}", facts.why);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SagaFacts {
    /// What a list shows of it.
    #[serde(flatten)]
    pub saga: SagaSummary,
    /// When this was read.
    #[serde(serialize_with = "utc")]
    pub at: Timestamp,
    /// The one fact that it waits for.
    pub why: Why,
    /// Whether the program that asks knows the saga's definition; `None` if it runs no sagas, but is attached to a store.
    pub known: Option<bool>,
    /// The worker that owns it, if it has one and has not ended.
    pub owner: Option<OwnerFacts>,
    /// Why it rolls back or was rolled back, if so.
    pub cause: Option<String>,
    /// Its nodes in the order of declaration, each before the nodes inside it.
    pub nodes: Vec<NodeFacts>,
    /// Effects of nodes of an earlier version that remain because a migration said so.
    pub kept: Vec<KeptEffect>,
    /// All attempts of actions and undos, in the order in which they began.
    pub timeline: Vec<ExecutionRecord>,
    /// What is wrong with what is stored, if that cannot be understood: there are no nodes then.
    pub problem: Option<String>,
}

/// What is known about the worker that owns a saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OwnerFacts {
    /// Which one.
    pub worker: WorkerId,
    /// Whether it is alive; `None` if nobody can tell: the store has one worker at a time, which is another process.
    pub alive: Option<bool>,
    /// When it last renewed its lease; `None` if it is gone, or the store has no leases.
    #[serde(serialize_with = "maybe_utc")]
    pub last_heard: Option<Timestamp>,
}

impl SagaFacts {
    /// Nodes whose effects are there. Those of actions that declare `no_undo` do not count, because there is nothing to undo
    /// about them. See also [`kept`](Self::kept).
    pub fn remaining_effects(&self) -> impl Iterator<Item = &NodeFacts> {
        self.nodes.iter().filter(|node| node.remains())
    }

    /// Nodes whose effects may be there: they are in doubt, in flight, or being undone. The pivot counts even if its action
    /// declares `no_undo`.
    pub fn possible_effects(&self) -> impl Iterator<Item = &NodeFacts> {
        self.nodes.iter().filter(|node| node.may_remain())
    }

    /// Nodes that have run and declare `no_undo`: whatever effect they had, no rollback takes it back.
    pub fn staying_effects(&self) -> impl Iterator<Item = &NodeFacts> {
        self.nodes.iter().filter(|node| node.stays())
    }

    /// The pivot, if it has succeeded: from then on, the saga only goes forward, and a cancel is refused.
    pub fn passed_pivot(&self) -> Option<&NodeFacts> {
        let passed = |node: &&NodeFacts| node.pivot && node.state == ActionState::Completed;
        self.nodes.iter().find(passed)
    }
}

impl fmt::Display for SagaFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SagaSummary { id, saga, version, state, status, created_at, updated_at, .. } =
            &self.saga;
        write!(f, "{id}: {saga}")?;
        if let Some(version) = version {
            write!(f, " version {version}")?;
        }
        write!(f, ", {state}")?;
        if state.as_str() != status.as_str() {
            write!(f, " ({status})")?;
        }
        let age = |at: &Timestamp| Age(self.at.0.saturating_sub(at.0));
        writeln!(f, "\n  created {created_at} ({} ago)", age(created_at))?;
        writeln!(f, "  last entry {updated_at} ({} ago)", age(updated_at))?;
        writeln!(f, "  {}", self.why)?;
        for line in [&self.cause, &self.problem].into_iter().flatten() {
            writeln!(f, "  {line}")?;
        }
        let remains = self.remaining_effects().collect::<Vec<_>>();
        let possible = self.possible_effects().collect::<Vec<_>>();
        for (title, nodes) in [("remains", remains), ("may remain", possible)] {
            for NodeFacts {
                node,
                state,
                action_key,
                earlier_action_keys,
                undo_key,
                attempts,
                ..
            } in nodes
            {
                write!(
                    f,
                    "  {title}: `{node}` {state}, {attempts} attempts, action key {action_key}"
                )?;
                earlier(f, earlier_action_keys)?;
                writeln!(f, ", undo key {undo_key}")?;
            }
        }
        for NodeFacts { node, no_undo, .. } in self.staying_effects() {
            let why = no_undo.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            writeln!(f, "  stays, because it cannot be undone: `{node}`{why}")?;
        }
        for KeptEffect { node, action_key, earlier_action_keys, .. } in &self.kept {
            write!(f, "  remains: `{node}` kept by a migration, action key {action_key}")?;
            earlier(f, earlier_action_keys)?;
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The keys before the last one, in parentheses.
fn earlier(f: &mut fmt::Formatter<'_>, keys: &[Uuid]) -> fmt::Result {
    for (i, key) in keys.iter().enumerate() {
        write!(f, "{}{key}", if i == 0 { " (before: " } else { ", " })?;
    }
    f.write_str(if keys.is_empty() { "" } else { ")" })
}

impl Reader<'_> {
    /// A saga that must be in the store, with its definition if this program knows it.
    pub(super) async fn stored(&self, id: &SagaId) -> Result<Stored, OperateError> {
        Ok(match self.home {
            Some(home) => home.stored(id).await?,
            None => Stored { saga: found(read(self.store, id).await)?, definition: None },
        })
    }

    async fn facts(&self, id: &SagaId) -> Result<SagaFacts, OperateError> {
        Ok(self.facts_of(&self.stored(id).await?))
    }

    pub(super) fn facts_of(&self, stored: &Stored) -> SagaFacts {
        let (record, log) = (&stored.saga.record, &*stored.saga.entries);
        let mut facts = SagaFacts {
            saga: SagaSummary::of(record),
            at: self.now,
            why: Why { fact: WaitsFor::Nothing, sentence: String::new() },
            known: self.home.map(|_| stored.definition.is_some()),
            owner: self.owner(record),
            cause: None,
            nodes: Vec::new(),
            kept: Vec::new(),
            timeline: trace(record, log),
            problem: None,
        };
        let mut stuck = None;
        match stored.state_by_shape() {
            Ok(Some((state, _))) => {
                stuck = StuckBy::of(&state);
                let run_key = state.run_key().unwrap_or(record.run_key);
                let actions = StoredActions::read(record.dag.as_bytes());
                let definition = stored.definition.as_ref().map(|known| &*known.dag);
                facts.cause = state.cause().map(ToString::to_string);
                facts.nodes = nodes(&state, run_key, &actions, definition, &facts.timeline);
                facts.kept = kept(&state, run_key);
                if record.parked_reason.is_some() {
                    self.note_unreadable(stored, &state, &mut facts.nodes);
                }
            }
            Ok(None) => {
                facts.problem = Some("the DAG that is stored with it cannot be read".to_string());
            }
            Err(error) => facts.problem = Some(OperateError::from(error).to_string()),
        }
        let unknown_version = self.is_unknown(record);
        let owner = OwnerState {
            // one that was paused while it waited needs none before it resumes
            orphaned: self.is_orphaned(record) && !(record.suspended && record.paused),
            unknown_version,
            here: self.home.is_some(),
            no_worker: self.current == CurrentWorker::Absent,
        };
        facts.why = why(&facts, log, &owner, stuck);
        facts
    }

    /// Says which of the outputs this program cannot read.
    fn note_unreadable(&self, stored: &Stored, state: &SagaState, nodes: &mut [NodeFacts]) {
        let Some(home) = self.home else { return };
        // without the definition, nobody can tell here
        let Ok(values) = stored.values(state, home.env.limits.max_width) else { return };
        for value in values.unreadable() {
            let of = nodes.iter_mut().find(|node| value.node() == Some(&node.node));
            if let Some(node) = of {
                node.unreadable = Some(value.why());
            }
        }
    }

    fn owner(&self, record: &SagaRecord) -> Option<OwnerFacts> {
        let owner = record.owner.as_ref().filter(|_| !record.status.is_ended())?;
        let worker = self.workers.iter().find(|worker| worker.id == *owner);
        let duration = self.lease.map(|terms| terms.duration.as_millis());
        let last_heard = worker.and_then(|worker| {
            let lease = u64::try_from(duration?).ok()?;
            Some(Timestamp(worker.lease_until?.0.saturating_sub(lease)))
        });
        Some(OwnerFacts { worker: owner.clone(), alive: self.is_alive(owner), last_heard })
    }

    async fn view(&self, id: &SagaId) -> Result<SagaView, OperateError> {
        Ok(self.view_of(self.stored(id).await?).0)
    }

    /// What can be read, and what is wrong with the rest.
    async fn view_readable(&self, id: &SagaId) -> Result<(SagaView, Option<String>), OperateError> {
        let ReadableSaga { saga, damage } = found(self.store.load_readable(id).await)?;
        let definition = self.home.and_then(|home| home.definition_of(&saga.record));
        let (view, problem) = self.view_of(Stored { saga, definition });
        let damage = damage.map(|damage| {
            if let StoreError::Corrupt { seq, why, .. } = &damage {
                corrupt(*seq, why)
            } else {
                damage.to_string()
            }
        });
        Ok((view, damage.or(problem)))
    }

    fn view_of(&self, stored: Stored) -> (SagaView, Option<String>) {
        let id = stored.saga.record.id.clone();
        let (mut nodes, mut names) = (Vec::new(), Vec::new());
        let mut problem = None;
        match stored.state_by_shape() {
            Ok(Some((state, plan))) => {
                nodes = node_reports(&state);
                names = plan.nodes().iter().map(|node| node.name.to_string()).collect();
            }
            Ok(None) => {}
            Err(StoredError::Corrupt { why, .. }) => problem = Some(why),
            Err(error) => problem = Some(OperateError::from(error).to_string()),
        }
        let log = SagaLog::of(id, stored.saga.entries, names);
        (SagaView { record: stored.saga.record, nodes, log }, problem)
    }
}

/// A saga that is not there is an error of its own for operators.
fn found<T>(read: Result<T, crate::store::StoreError>) -> Result<T, OperateError> {
    read.map_err(|error| crate::coordinator::stored::StoredError::Store(error).into())
}

impl Operator {
    /// Everything that is known about a saga: what it waits for, its nodes with their keys, and all attempts.
    ///
    /// # Errors
    /// [`OperateError::NotFound`], [`OperateError::InvalidId`], [`OperateError::Store`]. A log that does not fit the saga is
    /// no error: it is the [`problem`](SagaFacts::problem).
    pub async fn inspect(&self, id: &str) -> Result<SagaFacts, OperateError> {
        let id: SagaId = id.parse()?;
        self.read(|reader| Box::pin(async move { reader.facts(&id).await })).await
    }

    /// The one fact that a saga waits for, in one sentence.
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
    /// sec.saga(Stamp {}).id("stamp-1").start().await?.await?;
    /// let why = sec.operator("alice").why("stamp-1").await?;
    /// assert_eq!(why.to_string(), "completed 0 s ago");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`inspect`](Self::inspect).
    pub async fn why(&self, id: &str) -> Result<Why, OperateError> {
        Ok(self.inspect(id).await?.why)
    }

    /// The saga with its log, which [`SagaView::to_json`] exports.
    ///
    /// # Errors
    /// As [`inspect`](Self::inspect).
    pub async fn view(&self, id: &str) -> Result<SagaView, OperateError> {
        let id: SagaId = id.parse()?;
        self.read(|reader| Box::pin(async move { reader.view(&id).await })).await
    }

    /// The same of a saga whose log may be corrupt: as much of it as can be read, and what is wrong with the rest.
    ///
    /// # Errors
    /// As [`inspect`](Self::inspect).
    pub async fn view_readable(
        &self,
        id: &str,
    ) -> Result<(SagaView, Option<String>), OperateError> {
        let id: SagaId = id.parse()?;
        self.read(|reader| Box::pin(async move { reader.view_readable(&id).await })).await
    }
}

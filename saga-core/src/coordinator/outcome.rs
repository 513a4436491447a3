//! The outcome of a saga: what each of its nodes did, by typed keys.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::CoordinatorInner;
use super::handle::SagaType;
use super::node_key::NodeKey;
use crate::driver::{
    SagaResult, Values, decoder_message, node_report, node_reports, unreadable_output,
};
use crate::error::{ActionError, NodeReport, SagaError};
use crate::log::{Payload, SagaId, SagaStatus};
use crate::machine::{Part, SagaState, VertexId};
use crate::store::SagaRecord;
use crate::value::{ActionData, ActionOutput, decode};

/// How a saga ended, and what each of its nodes did; from [`SagaHandle::outcome`](crate::SagaHandle::outcome).
///
/// ```
/// use saga_core::prelude::*;
///
/// #[saga_action(undo = leave(output))]
/// async fn book(city: &str) -> Result<usize, String> {
///     if city == "Oslo" { Err("Oslo is full".into()) } else { Ok(city.len()) }
/// }
/// async fn leave(_room: &usize) -> Result<(), String> { Ok(()) }
///
/// saga! {
///     Tour<()>(first: String, second: String) -> usize {
///         let one = book { city: first };
///         let two = book { city: second };
///         { one + two }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Tour>().build().await?;
/// let tour = Tour { first: "Rome".into(), second: "Oslo".into() };
/// let outcome = sec.saga(tour).start().await?.outcome().await?;
///
/// assert_eq!(outcome.status(), SagaStatus::RolledBack);
/// assert_eq!(outcome.get(Tour::one), Some(&4));
/// assert_eq!(outcome.error_of(Tour::two).transpose()?.as_deref(), Some("Oslo is full"));
/// let states = outcome.nodes().into_iter().map(|node| format!("{}: {}", node.node, node.state));
/// assert_eq!(states.collect::<Vec<_>>(), ["one: undone", "two: failed", "output: pending"]);
/// # Ok(()) }
/// ```
pub struct Outcome<S> {
    id: SagaId,
    result: SagaResult,
    nodes: NodeOutcomes,
    saga: PhantomData<fn() -> S>,
}

impl<S: SagaType> Outcome<S> {
    pub(super) fn new(id: SagaId, result: SagaResult, nodes: NodeOutcomes) -> Self {
        Self { id, result, nodes, saga: PhantomData }
    }

    /// The saga's id.
    pub fn id(&self) -> &SagaId {
        &self.id
    }

    /// How it ended: `completed`, `rolled_back` or `stuck`.
    pub fn status(&self) -> SagaStatus {
        match &self.result {
            Ok(_) => SagaStatus::Completed,
            Err(SagaError::Stuck(_)) => SagaStatus::Stuck,
            Err(_) => SagaStatus::RolledBack,
        }
    }

    /// The output of a node, even if the node was undone since, which [`node`](Self::node) tells. `None` if it has
    /// no output, or one that this program [cannot read](Self::unreadable).
    pub fn get<O: 'static, E>(&self, key: NodeKey<S, O, E>) -> Option<&O> {
        let other = || self.output(&key.other()?);
        self.output(key.path()).or_else(other)
    }

    /// The same by the node's path, for nodes without a key: `outcome.output::<Address>("nics[2]/address")`.
    /// Also `None` if the output is of another type.
    pub fn output<O: 'static>(&self, path: &str) -> Option<&O> {
        self.nodes.output(path)?.get()
    }

    /// What this program cannot read of the saga, because other code wrote it and the types have changed since: the node
    /// whose output it is, the place in that, and why it does not fit. Nothing is quoted of the value.
    pub fn unreadable(&self) -> Vec<String> {
        self.nodes.values.unreadable().map(ToString::to_string).collect()
    }

    /// How the last attempt of a node's action failed, if it did: the action's own error if one was stored,
    /// otherwise an error that describes the failure.
    ///
    /// Only for errors that are `Deserialize`; [`node`](Self::node) returns others.
    pub fn error_of<O, E>(
        &self,
        key: NodeKey<S, O, E>,
    ) -> Option<Result<E, crate::error::ActionError>>
    where
        E: DeserializeOwned,
    {
        self.node(key)?.error.map(crate::error::ActionError::convert)
    }

    /// The state of a node. `None` for a node of a body that did not run.
    pub fn node<O, E>(&self, key: NodeKey<S, O, E>) -> Option<NodeReport> {
        self.nodes.node_of(&key)
    }

    /// All nodes in the order of declaration, each before the nodes inside it.
    pub fn nodes(&self) -> Vec<NodeReport> {
        node_reports(&self.nodes.state)
    }

    /// The same as awaiting the handle: the saga's output, or why it did not complete.
    ///
    /// # Errors
    /// [`SagaError::RolledBack`], [`SagaError::Stuck`]; [`SagaError::Corrupt`] or [`SagaError::OtherVersion`] if the output
    /// does not decode.
    pub fn into_result(self) -> Result<S::Output, SagaError> {
        let by = self.nodes.by.as_ref();
        output(&self.result).map_err(|error| error.of_saga(&self.id, by))
    }
}

impl<S> fmt::Debug for Outcome<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = self.result.as_ref().map(|_| ());
        f.debug_struct("Outcome")
            .field("id", &self.id)
            .field("result", &result)
            .finish_non_exhaustive()
    }
}

/// The state and the values of a saga, from its log.
pub(super) struct NodeOutcomes {
    state: SagaState,
    values: Values,
    by: Option<OtherVersion>,
}

impl NodeOutcomes {
    pub(super) fn node(&self, path: &str) -> Option<NodeReport> {
        self.state.node_with_parts(self.values.vertex(&self.state, path)?).map(node_report)
    }

    pub(super) fn node_of<S, O, E>(&self, key: &NodeKey<S, O, E>) -> Option<NodeReport> {
        self.node(key.path()).or_else(|| self.node(&key.other()?))
    }

    fn output(&self, path: &str) -> Option<&ActionOutput> {
        self.values.output_of(&self.state, path)
    }
}

impl Values {
    /// The node with this name in the subsaga at this node, or in the one that ends the arm that was chosen.
    fn in_subsaga(&self, state: &SagaState, holder: VertexId, name: &str) -> Option<VertexId> {
        let frame = state.parts(holder)?.next()?;
        match state.part_of(frame)? {
            (_, Part::Whole) => {
                let inner = state.frames().get(frame as usize)?;
                Some(inner.base + inner.plan.find(name)?)
            }
            (_, Part::Arm(_)) => self.in_subsaga(state, self.end_of(state, frame)?, name),
            (_, Part::Instance(_)) => None,
        }
    }

    /// The node at this path. An instance with several statements is not a node: the node that gives its output
    /// represents it.
    fn vertex(&self, state: &SagaState, path: &str) -> Option<VertexId> {
        if let Some(vertex) = state.resolve(path) {
            return Some(vertex);
        }
        let (holder, part) = path.rsplit_once(['/', '['])?;
        let instance = part.strip_suffix(']').map(str::parse::<usize>).transpose().ok()?;
        let holder = self.vertex(state, holder)?;
        let Some(instance) = instance else { return self.in_subsaga(state, holder, part) };
        let frame = state.parts(holder)?.nth(instance)?;
        match state.part_of(frame)? {
            (_, Part::Instance(_)) => self.end_of(state, frame),
            (_, Part::Whole | Part::Arm(_)) => None,
        }
    }

    fn output_of(&self, state: &SagaState, path: &str) -> Option<&ActionOutput> {
        self.output_at(state, self.vertex(state, path)?)
    }
}

impl CoordinatorInner {
    /// The outcomes of a saga's nodes, from its log.
    pub(super) async fn node_outcomes(&self, id: &SagaId) -> Result<NodeOutcomes, SagaError> {
        let stored = self.tasks.at_home(self.stored(id)).await?;
        let state = stored.state()?;
        let values = stored.values(&state, self.env.limits.max_width)?;
        let by = self.other_version(&stored.saga.record);
        Ok(NodeOutcomes { state, values, by })
    }

    /// The version that ran a saga, if that is not the current one.
    fn other_version(&self, record: &SagaRecord) -> Option<OtherVersion> {
        let version = self.definitions.not_current(&record.name, &record.fingerprint)?;
        Some(OtherVersion { name: record.name.clone(), version })
    }

    /// The same of a saga in the store; `None` also if it cannot be read now.
    pub(super) async fn version_that_ran(&self, id: &SagaId) -> Option<OtherVersion> {
        let stored = self.tasks.at_home(self.stored(id)).await.ok()?;
        self.other_version(&stored.saga.record)
    }
}

/// A version of a saga that is not the current one.
pub(super) struct OtherVersion {
    name: Arc<str>,
    version: u32,
}

/// What the saga returned, or why it did not.
pub(super) fn output<O: ActionData>(result: &SagaResult) -> Result<O, NoOutput> {
    let read = match result.as_ref().map_err(|error| NoOutput::Failed(error.clone()))? {
        Some(output) => decode(&output.payload),
        None => decode(&Payload::from(&b"null"[..])),
    };
    read.map_err(NoOutput::Unreadable)
}

/// Why there is no output.
pub(super) enum NoOutput {
    Failed(SagaError),
    Unreadable(ActionError),
}

impl NoOutput {
    /// The error of the saga, which this version has run if it is not the current one.
    pub(super) fn of_saga(self, id: &SagaId, by: Option<&OtherVersion>) -> SagaError {
        match (self, by) {
            (Self::Failed(error), _) => error,
            (Self::Unreadable(error), None) => {
                SagaError::Corrupt { saga: id.clone(), why: unreadable_output(&error) }
            }
            (Self::Unreadable(error), Some(OtherVersion { name, version })) => {
                SagaError::OtherVersion {
                    saga: id.clone(),
                    name: name.to_string(),
                    version: *version,
                    why: decoder_message(&error),
                }
            }
        }
    }
}

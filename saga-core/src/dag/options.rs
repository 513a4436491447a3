//! The options of a node: label, retries, timeouts, concurrency, and whether it is the pivot.
//!
//! To add one, add a field to [`NodeOptions`] and a method to [`Node`]. That is all for an option that changes what the
//! node's action declares: the JSON of a DAG has every field, and no fingerprint has any.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{AnyNode, Node, NodeBody};
use crate::action::Timeouts;
use crate::policy::{Policy, Retry, UndoContract};

/// The options that can be changed while sagas are running. They are in the JSON of a DAG, but not in its
/// fingerprint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct NodeOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry: Option<Retry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) undo_retry: Option<Retry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) undo_timeout: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) concurrency: Option<u32>,
}

impl NodeOptions {
    /// The policy of the action, with the options of the node applied to it.
    pub(crate) fn policy(&self, policy: Policy) -> Policy {
        Policy {
            retry: self.retry.unwrap_or(policy.retry),
            undo_retry: self.undo_retry.unwrap_or(policy.undo_retry),
            ..policy
        }
    }

    /// The timeouts of the action, with the options of the node applied to them.
    pub(super) fn timeouts(&self, declared: Timeouts) -> Timeouts {
        Timeouts {
            action: self.timeout.or(declared.action),
            undo: self.undo_timeout.or(declared.undo),
        }
    }
}

/// The kinds of node that an option has a meaning for.
#[derive(Clone, Copy)]
enum BelongsTo {
    Actions,
    ActionsWithUndo,
    ForEach,
    /// Actions whose undo does not need the output.
    UndoWithoutOutput,
    /// Actions that can be in doubt.
    Doubtful,
}

/// An option that has no meaning for its node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Misplaced {
    pub(crate) what: &'static str,
    pub(crate) why: &'static str,
}

impl BelongsTo {
    fn includes(self, body: &NodeBody) -> bool {
        match (self, body) {
            (Self::Actions, NodeBody::Action(_)) | (Self::ForEach, NodeBody::ForEach(_)) => true,
            (Self::ActionsWithUndo, NodeBody::Action(action)) => {
                action.policy().undo != UndoContract::None
            }
            (Self::UndoWithoutOutput, NodeBody::Action(action)) => {
                action.policy().undoes_failures()
            }
            (Self::Doubtful, NodeBody::Action(action)) => action.policy().transaction.is_none(),
            (
                Self::Actions
                | Self::ActionsWithUndo
                | Self::ForEach
                | Self::UndoWithoutOutput
                | Self::Doubtful,
                NodeBody::Action(_)
                | NodeBody::Constant { .. }
                | NodeBody::Computed(_)
                | NodeBody::Subsaga { .. }
                | NodeBody::ForEach(_)
                | NodeBody::Choose(_)
                | NodeBody::Wait(_)
                | NodeBody::Try(_),
            ) => false,
        }
    }

    fn misplaced(self, what: &'static str) -> Misplaced {
        let why = match self {
            Self::Actions => "it runs no action",
            Self::ActionsWithUndo => "it runs no action with an undo",
            Self::ForEach => "it is not a `for`",
            Self::UndoWithoutOutput => "it has no undo that does without the output of the action",
            Self::Doubtful => "its action is a transaction, which is never in doubt",
        };
        Misplaced { what, why }
    }
}

impl<C: Send + Sync + 'static> Node<C> {
    /// Sets a label for humans.
    pub fn label(self, label: impl Into<String>) -> Self {
        let label = label.into();
        self.with(|node| node.options.label = Some(label))
    }

    /// Sets how many times the action is attempted, overriding its declaration.
    pub fn retry(self, retry: Retry) -> Self {
        self.with(|node| {
            node.options.retry = Some(retry);
            node.only_for(BelongsTo::Actions, "retry");
        })
    }

    /// Sets how many times the undo is attempted, overriding the declaration of the action.
    pub fn undo_retry(self, retry: Retry) -> Self {
        self.with(|node| {
            node.options.undo_retry = Some(retry);
            node.only_for(BelongsTo::ActionsWithUndo, "undo_retry");
        })
    }

    /// Sets how long an attempt of the action may take, overriding its declaration.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|node| {
            node.options.timeout = Some(timeout);
            node.only_for(BelongsTo::Actions, "timeout");
        })
    }

    /// Sets how long an attempt of the undo may take, overriding the declaration of the action.
    pub fn undo_timeout(self, timeout: Duration) -> Self {
        self.with(|node| {
            node.options.undo_timeout = Some(timeout);
            node.only_for(BelongsTo::ActionsWithUndo, "undo_timeout");
        })
    }

    /// Makes the node the point of no return (the pivot): once it has succeeded, the saga only goes forward.
    /// Every other node must be before or after it, and every action after it must have [`Retry::forever`].
    ///
    /// While the pivot is in doubt (it timed out, for example), it is run again under the same key: as many
    /// times as its [`retry`](Self::retry) or that of its action says, or ten times if neither is declared.
    /// Then the saga is parked.
    ///
    /// ```
    /// use saga_core::action::ActionFunc;
    /// use saga_core::dag::{DagBuilder, Node};
    /// use saga_core::{BoxError, Retry};
    /// # fn act(name: &str) -> ActionFunc<(), u32> {
    /// #     ActionFunc::new_noop_undo(name, |_| async { Ok::<_, BoxError>(1) }).unwrap()
    /// # }
    /// let mut dag = DagBuilder::<()>::new("Order")?;
    /// dag.append(Node::action("reserve", act("reserve"))?)?;
    /// dag.append(Node::action("capture", act("capture"))?.pivot())?;
    /// dag.append(Node::action("ship", act("ship"))?.retry(Retry::forever()))?;
    /// assert_eq!(dag.build()?.pivot().map(|n| n.index()), Some(1));
    /// # Ok::<(), saga_core::dag::DagError>(())
    /// ```
    pub fn pivot(self) -> Self {
        self.with(|node| {
            node.is_pivot = true;
            node.only_for(BelongsTo::Actions, "pivot");
        })
    }

    /// Sets how many instances of a `for` may run at once while the saga goes forward; 0 counts as 1.
    pub fn concurrency(self, instances: u32) -> Self {
        self.with(|node| node.set_concurrency(instances))
    }
}

impl AnyNode {
    /// An option of the node, or of its action, that has no meaning there.
    pub(super) fn misplaced(&self) -> Option<Misplaced> {
        let (cleans_up, probe) = match &self.body {
            NodeBody::Action(action) => {
                let policy = action.policy();
                (policy.undo_on_failure, policy.probe)
            }
            NodeBody::Constant { .. }
            | NodeBody::Computed(_)
            | NodeBody::Subsaga { .. }
            | NodeBody::ForEach(_)
            | NodeBody::Choose(_)
            | NodeBody::Wait(_)
            | NodeBody::Try(_) => (false, false),
        };
        let declared = [
            (cleans_up, BelongsTo::UndoWithoutOutput, "undo_on_failure"),
            (probe, BelongsTo::Doubtful, "probe"),
        ];
        let unused = declared.into_iter().find_map(|(said, needs, what)| {
            (said && !needs.includes(&self.body)).then(|| needs.misplaced(what))
        });
        self.misplaced.or(unused)
    }

    /// Takes the options of the other node, and keeps what this one runs.
    pub(crate) fn take_options(&mut self, other: Self) {
        self.options = other.options;
        self.is_pivot = other.is_pivot;
        self.misplaced = other.misplaced;
    }

    /// The same node with the options of a stored node.
    pub(super) fn with_stored_options(mut self, options: NodeOptions) -> Self {
        let concurrency = options.concurrency;
        self.options = options;
        if let Some(instances) = concurrency {
            self.set_concurrency(instances);
        }
        self
    }

    fn set_concurrency(&mut self, instances: u32) {
        self.options.concurrency = Some(instances.max(1));
        self.only_for(BelongsTo::ForEach, "concurrency");
    }

    fn only_for(&mut self, nodes: BelongsTo, what: &'static str) {
        if !nodes.includes(&self.body) {
            self.misplaced = Some(nodes.misplaced(what));
        }
    }
}

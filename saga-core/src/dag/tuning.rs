//! What a node says beside what it runs: label, tries, timeout, pivot, concurrency.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{ActionName, Node, NodeBody, Policy, Retry};
use crate::action::{Action, ActionOutput, AttemptError, Timeouts, Value};
use crate::context::ActionContext;
use crate::error::{ActionError, UndoError};
use crate::log::Payload;

/// What a node says that differs from its action.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tuning {
    pub(crate) retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) pivot: bool,
    /// What was said that means nothing for this kind of node.
    pub(crate) misplaced: Option<&'static str>,
}

impl Tuning {
    pub(crate) fn policy(&self, policy: Policy) -> Policy {
        Policy { retry: self.retry.unwrap_or(policy.retry), ..policy }
    }
}

impl<C: Send + Sync + 'static> Node<C> {
    /// The same node with a label for humans.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The same node, whose action is tried this often instead of as it declares.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.tuning.retry = Some(retry);
        self.only_for("retry", |body| matches!(body, NodeBody::Action(_)))
    }

    /// The same node, an attempt of whose action may take this long.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.tuning.timeout = Some(timeout);
        self.only_for("timeout", |body| matches!(body, NodeBody::Action(_)))
    }

    /// The same node as the point of no return: once it has succeeded, the saga only goes forward. Every
    /// other node must be before or behind it, and every action behind it [`Retry::forever`].
    ///
    /// As long as nobody knows whether it took effect (it timed out, say), it is run again under the same
    /// key: as often as its [`retry`](Self::retry) or its action's says, or ten times if neither says anything.
    /// Then the saga is parked.
    ///
    /// ```
    /// use saga_core::{ActionFunc, BoxError, Retry};
    /// use saga_core::dag::{DagBuilder, Node};
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
    pub fn pivot(mut self) -> Self {
        self.tuning.pivot = true;
        self.only_for("pivot", |body| matches!(body, NodeBody::Action(_)))
    }

    /// The same `for`, of which at most this many instances run at once, going forward; 0 counts as 1.
    pub fn concurrency(mut self, instances: u32) -> Self {
        if let NodeBody::ForEach(each) = &mut self.body {
            each.concurrency = Some(instances.max(1));
        }
        self.only_for("concurrency", |body| matches!(body, NodeBody::ForEach(_)))
    }

    /// What is said of it, or of its action, that means nothing there.
    pub(super) fn misplaced(&self) -> Option<&'static str> {
        let policy = match &self.body {
            NodeBody::Action(action) => Some(action.policy()),
            _ => None,
        };
        let unused = policy.is_some_and(|p| p.undo_on_failure && !p.undoes_failures());
        self.tuning.misplaced.or(unused.then_some("undo_on_failure"))
    }

    /// Says what the other one says, and runs what it ran.
    pub(super) fn take_over(&mut self, other: Self) {
        self.label = other.label;
        self.tuning = other.tuning;
        if let (NodeBody::ForEach(each), NodeBody::ForEach(other)) = (&mut self.body, other.body) {
            each.concurrency = other.concurrency;
        }
    }

    fn only_for(mut self, what: &'static str, fits: impl Fn(&NodeBody<C>) -> bool) -> Self {
        if !fits(&self.body) {
            self.tuning.misplaced = Some(what);
        }
        self
    }
}

/// An action as a node declares it.
pub(super) struct Tuned<C> {
    action: Arc<dyn Action<C>>,
    tuning: Tuning,
}

impl<C: Send + Sync + 'static> Tuned<C> {
    pub(super) fn wrap(action: &Arc<dyn Action<C>>, tuning: Tuning) -> Arc<dyn Action<C>> {
        match tuning {
            Tuning { retry: None, timeout: None, .. } => action.clone(),
            _ => Arc::new(Self { action: action.clone(), tuning }),
        }
    }
}

impl<C: Send + Sync + 'static> Action<C> for Tuned<C> {
    fn name(&self) -> &ActionName {
        self.action.name()
    }

    fn do_it(&self, cx: ActionContext<C>) -> BoxFuture<'_, Result<ActionOutput, AttemptError>> {
        self.action.do_it(cx)
    }

    fn undo_it(
        &self,
        cx: ActionContext<C>,
        output: Option<Value>,
    ) -> BoxFuture<'_, Result<(), UndoError>> {
        self.action.undo_it(cx, output)
    }

    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError> {
        self.action.decode(payload)
    }

    fn policy(&self) -> Policy {
        self.tuning.policy(self.action.policy())
    }

    fn timeouts(&self) -> Timeouts {
        let declared = self.action.timeouts();
        Timeouts { action: self.tuning.timeout.or(declared.action), ..declared }
    }

    fn revision(&self) -> u32 {
        self.action.revision()
    }

    fn place(&self) -> String {
        self.action.place()
    }
}

/// The action of a node whose saga has no parameters: it never begins.
pub(crate) struct Refused<C> {
    pub(crate) action: Arc<dyn Action<C>>,
    pub(crate) error: ActionError,
    /// True if it was refused before as well, and never called: then there is nothing to undo.
    pub(crate) always: bool,
}

impl<C: Send + Sync + 'static> Action<C> for Refused<C> {
    fn name(&self) -> &ActionName {
        self.action.name()
    }

    fn do_it(&self, _cx: ActionContext<C>) -> BoxFuture<'_, Result<ActionOutput, AttemptError>> {
        let failed = AttemptError::from(self.error.clone()).permanent();
        Box::pin(async { Err(failed) })
    }

    fn undo_it(
        &self,
        _cx: ActionContext<C>,
        _output: Option<Value>,
    ) -> BoxFuture<'_, Result<(), UndoError>> {
        // an earlier process may have had the parameters: the effect is then there, and stays
        let undone = match self.always {
            true => Ok(()),
            false => Err(UndoError::Permanent(self.error.clone())),
        };
        Box::pin(async { undone })
    }

    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError> {
        self.action.decode(payload)
    }
}

//! One call of the closure of a typed node. What users do with a scope is in `typed::scope`.

use std::future::Future;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;

use super::{
    ActionNode, ComputedNode, NeverGivesUp, Step, StepDone, StepFuture, StepResult, computed,
};
use crate::context::Scope;
use crate::error::ActionError;
use crate::value::{ActionData, AttemptError};

impl<C: Send + Sync + 'static> Scope<C> {
    /// Calls the action, or its undo: `cx.call(book_hotel { city: city.get(cx) })`.
    pub fn call<'s, A>(&'s self, action: A) -> StepFuture<'s, ActionNode<A::Static>>
    where
        A: Step<C> + 's,
    {
        self.block(async move {
            let stop = self.go(action).await;
            self.leave(stop);
            StepDone::new()
        })
    }

    /// The same after a point of no return, where an action must never give up.
    #[doc(hidden)]
    pub fn call_behind<'s, A>(&'s self, action: A) -> StepFuture<'s, ActionNode<A::Static>>
    where
        A: Step<C> + NeverGivesUp + 's,
    {
        self.call(action)
    }

    /// A block that ends in a call, for inputs that borrow from intermediate values.
    ///
    /// ```
    /// # use saga_core::prelude::*;
    /// # use saga_core::dag::DagBuilder;
    /// #[saga_action(no_undo)]
    /// async fn greet(text: &str) -> Result<(), String> { Ok(()) }
    ///
    /// # fn build() -> Result<(), saga_core::dag::InvalidName> {
    /// let mut dag = DagBuilder::<()>::new("Greet")?;
    /// dag.step("greet", &[], |cx| cx.block(async move {
    ///     let text = format!("hello {}", "Ada");
    ///     cx.call(greet { text: &text }).await
    /// }));
    /// # Ok(()) }
    /// # build().unwrap();
    /// ```
    pub fn block<'s, S>(
        &'s self,
        block: impl Future<Output = StepDone<S>> + Send + 's,
    ) -> StepFuture<'s, S> {
        self.boxed(Box::pin(block))
    }

    /// The form of [`block`](Self::block) that `saga!` writes, because rustc reports a failed cast at the
    /// user's code.
    #[doc(hidden)]
    pub fn boxed<'s, S>(&'s self, block: BoxFuture<'s, StepDone<S>>) -> StepFuture<'s, S> {
        StepFuture(block)
    }

    /// Returns the value of a node that runs no action.
    pub fn value<O: ActionData>(&self, value: O) -> StepFuture<'_, ComputedNode<O>> {
        self.computed(value)
    }

    /// The same for a value that is known to be storable.
    pub(crate) fn computed<O: crate::value::Storable>(
        &self,
        value: O,
    ) -> StepFuture<'_, ComputedNode<O>> {
        self.leave(computed(value));
        self.block(async { StepDone::new() })
    }

    /// Ends the node with an error. It is for a step in an arm of a [`choose`](crate::dag::DagBuilder::choose)
    /// that matches the value that was chosen by, and does not find the expected variant: `let
    /// Source::Image(id) = source.get(cx) else { cx.wrong_arm() };`.
    pub fn wrong_arm(&self) -> ! {
        let message = "the arm that was chosen does not fit the value that it was chosen by";
        std::panic::resume_unwind(Box::new(message.to_string()))
    }

    /// Runs the user's action or undo.
    pub(crate) async fn go<A: Step<C>>(&self, action: A) -> StepResult {
        let Some(cx) = &self.cx else {
            return action.pure().unwrap_or_else(|| {
                let error = ActionError::from_error("no action runs where a value is computed");
                StepResult::Failed(AttemptError::from(error).permanent())
            });
        };
        self.entered.store(true, Ordering::Relaxed);
        action.go(cx, &self.op).await
    }

    /// Leaves the result and never returns, for calls that stand in the closure as expressions of their output
    /// type.
    pub(crate) async fn stop_with<T>(&self, stop: StepResult) -> T {
        self.leave(stop);
        std::future::pending().await
    }

    /// The marker for a call that is made with [`ActionNode::run`].
    #[doc(hidden)]
    pub fn leaf<M>(&self) -> ActionNode<M> {
        ActionNode::marker()
    }

    /// The end of a closure that made its call with [`ActionNode::run`].
    #[doc(hidden)]
    pub fn done<O, S>(&self, _: O, _: S) -> StepDone<S> {
        StepDone::new()
    }
}

//! One call of the closure of a typed node. What users do with a scope is in `typed::scope`.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use pin_project_lite::pin_project;

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
        #[cfg(feature = "testing")]
        if self.leave_inputs(|| action.inputs()) {
            return StepFuture::left();
        }
        match self.cx() {
            Some(cx) => {
                self.enter();
                StepFuture::call(Box::pin(Leaves { scope: self, call: action.go(cx, &self.op) }))
            }
            None => self.without_action(action.pure()),
        }
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
        StepFuture::block(block)
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
        StepFuture::left()
    }

    /// Ends the node with an error. It is for a step in an arm of a [`choose`](crate::dag::DagBuilder::choose)
    /// that matches the value that was chosen by, and does not find the expected variant: `let
    /// Source::Image(id) = source.get(cx) else { cx.wrong_arm() };`.
    pub fn wrong_arm(&self) -> ! {
        let message = "the arm that was chosen does not fit the value that it was chosen by";
        std::panic::resume_unwind(Box::new(message.to_string()))
    }

    /// The result of a call where no action can run.
    pub(super) fn without_action<S>(&self, result: Option<StepResult>) -> StepFuture<'_, S> {
        self.leave(result.unwrap_or_else(no_action));
        StepFuture::left()
    }

    /// Calls the action or undo, and never returns, for calls that stand in the closure as expressions of their
    /// output type.
    pub(crate) fn leaves<'s, A, T>(&'s self, action: A) -> BoxFuture<'s, T>
    where
        A: Step<C> + 's,
        T: 's,
    {
        #[cfg(feature = "testing")]
        if self.leave_inputs(|| action.inputs()) {
            return Box::pin(std::future::pending());
        }
        match self.cx() {
            Some(cx) => {
                self.enter();
                let call = Leaves { scope: self, call: action.go(cx, &self.op) };
                Box::pin(Never { call: Some(call), ty: PhantomData })
            }
            None => {
                self.leave(action.pure().unwrap_or_else(no_action));
                Box::pin(std::future::pending())
            }
        }
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

fn no_action() -> StepResult {
    let error = ActionError::from_error("no action runs where a value is computed");
    StepResult::Failed(AttemptError::from(error).permanent().into())
}

// `async` blocks would do the same, but rustc would have to check and compile one more of them for each node.
pin_project! {
    /// A call that leaves its result in the scope.
    struct Leaves<'s, C, F> {
        scope: &'s Scope<C>,
        #[pin]
        call: F,
    }
}

impl<C: Send + Sync + 'static, F: Future<Output = StepResult>> Future for Leaves<'_, C, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.call.poll(task).map(|stop| this.scope.leave(stop))
    }
}

pin_project! {
    /// The same, but it never returns.
    struct Never<F, T> {
        #[pin]
        call: Option<F>,
        ty: PhantomData<fn() -> T>,
    }
}

impl<F: Future<Output = ()>, T> Future for Never<F, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<T> {
        let mut this = self.project();
        if let Some(call) = this.call.as_mut().as_pin_mut()
            && call.poll(task).is_ready()
        {
            this.call.set(None);
        }
        Poll::Pending
    }
}

//! Closures as what typed nodes run. A node's closure turns earlier outputs into a call; here it becomes an
//! action, a computed value, or the parameters of a saga.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::Poll;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::action::{Action, Timeouts};
use crate::context::{ActionContext, Frame};
use crate::dag::{CompositeInput, Compute, Dag, MakeParams, Node, NodeBody, Params};
use crate::error::{ActionError, UndoError};
use crate::log::Payload;
use crate::names::{ActionName, InvalidName, NodeName};
use crate::panics;
use crate::policy::Policy;
use crate::typed::{ActionSpec, NodeShape, Scope, Source, StepCall, StepFuture, StepResult};
use crate::value::Storable;
use crate::value::{ActionOutput, AttemptError, Value};

/// Runs a closure until it has left a result in its scope.
///
/// A panic before the user's action is entered comes from the expressions of its inputs. Those are pure, so
/// that no further attempt would succeed, and no effect has happened. `Err` is the message of that panic.
async fn run<C, H, F>(closure: &F, scope: &Scope<C>) -> Result<StepResult, String>
where
    C: Send + Sync + 'static,
    F: for<'s> Fn(&'s Scope<C>) -> StepFuture<'s, H> + Send + Sync,
{
    let called = catch_unwind(AssertUnwindSafe(|| closure(scope)));
    let StepFuture(mut call) = called.map_err(panics::message)?;
    poll_fn(|task| {
        let polled = match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(task))) {
            Ok(polled) => polled,
            Err(panic) if scope.entered() => resume_unwind(panic),
            Err(panic) => return Poll::Ready(Err(panics::message(panic))),
        };
        match scope.take() {
            Some(stop) => Poll::Ready(Ok(stop)),
            None if polled.is_ready() => {
                Poll::Ready(Err("the step's closure ended without a call".to_string()))
            }
            None => Poll::Pending,
        }
    })
    .await
}

fn bad_inputs(message: String) -> ActionError {
    ActionError::from_error(format!("the node's inputs cannot be computed: {message}"))
}

/// A step that runs an action.
struct BoundAction<F, H> {
    name: ActionName,
    spec: ActionSpec,
    sources: Arc<[Source]>,
    closure: F,
    shape: PhantomData<fn() -> H>,
}

impl<F, H> BoundAction<F, H> {
    fn new(spec: ActionSpec, sources: Arc<[Source]>, closure: F) -> Result<Self, InvalidName> {
        let name = ActionName::new(spec.name)?;
        Ok(Self { name, spec, sources, closure, shape: PhantomData })
    }
}

impl<C, F, H> Action<C> for BoundAction<F, H>
where
    C: Send + Sync + 'static,
    H: NodeShape<C> + 'static,
    F: for<'s> Fn(&'s Scope<C>) -> StepFuture<'s, H> + Send + Sync + 'static,
{
    fn name(&self) -> &ActionName {
        &self.name
    }

    fn do_it(&self, cx: ActionContext<C>) -> BoxFuture<'_, Result<ActionOutput, AttemptError>> {
        Box::pin(async move {
            let scope = Scope::new(cx, StepCall::Do, self.sources.clone());
            match run(&self.closure, &scope).await {
                Ok(StepResult::Output(output)) => Ok(output),
                Ok(StepResult::Failed(failed)) => Err(failed),
                Ok(StepResult::Undone(_)) => {
                    Err(AttemptError::from(bad_inputs("it undid instead".into())).permanent())
                }
                Err(panic) => Err(AttemptError::from(bad_inputs(panic)).permanent()),
            }
        })
    }

    fn undo_it(
        &self,
        cx: ActionContext<C>,
        output: Option<Value>,
    ) -> BoxFuture<'_, Result<(), UndoError>> {
        Box::pin(async move {
            let scope = Scope::new(cx, StepCall::Undo(output), self.sources.clone());
            match run(&self.closure, &scope).await {
                Ok(StepResult::Undone(result)) => result,
                Ok(_) => Err(UndoError::permanent("the action ran instead of its undo")),
                Err(panic) => Err(UndoError::Permanent(bad_inputs(panic))),
            }
        })
    }

    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError> {
        H::Output::restore(payload)
    }

    fn policy(&self) -> Policy {
        self.spec.policy
    }

    fn timeouts(&self) -> Timeouts {
        self.spec.timeouts()
    }

    fn revision(&self) -> u32 {
        self.spec.rev
    }

    fn place(&self) -> String {
        let place = self.spec.place;
        format!("{}:{}", place.file(), place.line())
    }
}

/// A step that computes a value.
struct BoundValue<F, H> {
    sources: Arc<[Source]>,
    closure: F,
    shape: PhantomData<fn() -> H>,
}

impl<F, H> BoundValue<F, H> {
    fn new(sources: Arc<[Source]>, closure: F) -> Self {
        Self { sources, closure, shape: PhantomData }
    }
}

impl<C, F, H> Compute<C> for BoundValue<F, H>
where
    C: Send + Sync + 'static,
    H: NodeShape<C> + 'static,
    F: for<'s> Fn(&'s Scope<C>) -> StepFuture<'s, H> + Send + Sync + 'static,
{
    fn compute(&self, cx: ActionContext<C>) -> Result<ActionOutput, ActionError> {
        let scope = Scope::new(cx, StepCall::Do, self.sources.clone());
        // An expression awaits nothing, so it is ready at the first poll.
        match run(&self.closure, &scope).now_or_never() {
            Some(Ok(StepResult::Output(output))) => Ok(output),
            Some(Ok(StepResult::Failed(failed))) => Err(failed.error),
            Some(Ok(StepResult::Undone(_))) | None => {
                Err(bad_inputs("a value awaits something".into()))
            }
            Some(Err(panic)) => Err(bad_inputs(panic)),
        }
    }

    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError> {
        H::Output::restore(payload)
    }
}

/// A step that computes the parameters of a saga.
struct BoundParams<F, H> {
    closure: F,
    shape: PhantomData<fn() -> H>,
}

impl<F, H> BoundParams<F, H> {
    fn new(closure: F) -> Self {
        Self { closure, shape: PhantomData }
    }
}

impl<C, F, H> MakeParams<C> for BoundParams<F, H>
where
    C: Send + Sync + 'static,
    H: NodeShape<C> + 'static,
    F: for<'s> Fn(&'s Scope<C>) -> StepFuture<'s, H> + Send + Sync + 'static,
{
    fn make(&self, frame: &Arc<Frame>, sources: &Arc<[Source]>) -> Params {
        if let Some(error) = &frame.refused {
            return Err(error.clone());
        }
        let scope = Scope::pure(frame.clone(), sources.clone());
        let message = match run(&self.closure, &scope).now_or_never() {
            Some(Ok(StepResult::Output(params))) => return Ok(params),
            Some(Ok(StepResult::Failed(failed))) => failed.error.message(),
            Some(Ok(StepResult::Undone(_))) | None => "they await something".to_string(),
            Some(Err(panic)) => format!("what the node runs cannot be computed: {panic}"),
        };
        Err(ActionError::SubsagaCreateFailed { message })
    }
}

impl<C: Send + Sync + 'static> Node<C> {
    /// The node of a typed step that runs an action and may read these sources.
    pub(crate) fn step<H, F>(
        name: NodeName,
        spec: ActionSpec,
        sources: Arc<[Source]>,
        closure: F,
    ) -> Result<Self, InvalidName>
    where
        H: NodeShape<C> + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> StepFuture<'s, H> + Send + Sync + 'static,
    {
        let action = BoundAction::new(spec, sources, closure)?;
        let mut node = Self::with(name, NodeBody::Action(Arc::new(action)));
        node.options.label = spec.label.map(str::to_string);
        Ok(node)
    }

    /// The node of a typed step that computes a value.
    pub(crate) fn value<H, F>(name: NodeName, sources: Arc<[Source]>, closure: F) -> Self
    where
        H: NodeShape<C> + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> StepFuture<'s, H> + Send + Sync + 'static,
    {
        Self::with(name, NodeBody::Computed(Arc::new(BoundValue::new(sources, closure))))
    }

    /// The node of a typed step that computes the parameters of a saga.
    pub(crate) fn saga<H, F>(
        name: NodeName,
        dag: Dag<C>,
        sources: Arc<[Source]>,
        closure: F,
    ) -> Self
    where
        H: NodeShape<C> + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> StepFuture<'s, H> + Send + Sync + 'static,
    {
        let params: Arc<dyn MakeParams<C>> = Arc::new(BoundParams::new(closure));
        let params = CompositeInput::Closure(params, sources);
        Self::with(name, NodeBody::Subsaga { dag: Arc::new(dag), params })
    }
}

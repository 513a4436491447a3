//! Closures as what typed nodes run. A node's closure turns earlier outputs into a call; here it becomes an
//! action, a computed value, or the parameters of a saga.

//!
//! Only [`NodeClosure`] is compiled again for each node, and it is a few lines: the rest of this module takes
//! closures as trait objects and is compiled once for each type of context.

use std::any::Any;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::Poll;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::action::{Action, Timeouts};
use crate::context::{ActionContext, AnyContext, Frame, KnownValues};
use crate::dag::{AnyDag, AnyNode, CompositeInput, Compute, MakeParams, NodeBody, Params};
use crate::error::{ActionError, UndoError};
use crate::log::Payload;
use crate::names::{ActionName, InvalidName, NodeName};
use crate::panics;
use crate::policy::Policy;
use crate::probe::Probe;
use crate::typed::{
    ActionSpec, NodeShape, Scope, Source, StepCall, StepFuture, StepKind, StepResult,
};
use crate::value::{ActionOutput, AttemptError, Evaluated, OutputType, Storable, Value};

/// The closure of a typed node, whatever it calls.
pub(crate) trait NodeClosure<C>: Send + Sync {
    /// Calls the closure. The future leaves the result in the scope. `None` if it has been left already.
    fn start<'s>(&'s self, scope: &'s Scope<C>) -> Option<BoxFuture<'s, ()>>;
}

impl<C, H, F> NodeClosure<C> for (F, PhantomData<fn() -> H>)
where
    F: for<'s> Fn(&'s Scope<C>) -> StepFuture<'s, H> + Send + Sync,
    H: 'static,
{
    fn start<'s>(&'s self, scope: &'s Scope<C>) -> Option<BoxFuture<'s, ()>> {
        (self.0)(scope).erased()
    }
}

/// What a typed node runs, for code that is compiled once: its closure, and the functions of its
/// [`NodeShape`].
pub(crate) struct TypedClosure<C> {
    closure: Box<dyn NodeClosure<C>>,
    pub(crate) kind: fn() -> Option<StepKind>,
    decode: fn(&Payload) -> Result<ActionOutput, ActionError>,
    output_type: fn() -> OutputType,
}

impl<C: Send + Sync + 'static> TypedClosure<C> {
    pub(crate) fn new<H, F>(closure: F) -> Self
    where
        H: NodeShape<C> + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> StepFuture<'s, H> + Send + Sync + 'static,
    {
        let closure = Box::new((closure, PhantomData));
        Self {
            closure,
            kind: H::kind,
            decode: H::Output::restore,
            output_type: OutputType::of::<H::Output>,
        }
    }

    /// Runs the closure until it has left a result in its scope.
    ///
    /// A panic before the user's action is entered comes from the expressions of its inputs. Those are pure, so
    /// that no further attempt would succeed, and no effect has happened. `Err` is the message of that panic.
    async fn run(&self, scope: &Scope<C>) -> Result<StepResult, String> {
        let called = catch_unwind(AssertUnwindSafe(|| self.closure.start(scope)));
        let mut call = called.or_else(|panic| unless_entered(scope, panic))?;
        poll_fn(|task| {
            let polled = match &mut call {
                None => Ok(Poll::Ready(())),
                Some(call) => catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(task))),
            };
            let polled = match polled.or_else(|panic| unless_entered(scope, panic)) {
                Ok(polled) => polled,
                Err(message) => return Poll::Ready(Err(message)),
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
}

/// The message of a panic, unless it comes from the user's action: then it is that action's outcome.
fn unless_entered<C, T>(scope: &Scope<C>, panic: Box<dyn Any + Send>) -> Result<T, String>
where
    C: Send + Sync + 'static,
{
    if scope.entered() {
        resume_unwind(panic);
    }
    Err(panics::message(panic))
}

fn bad_inputs(message: String) -> ActionError {
    ActionError::from_error(format!("the node's inputs cannot be computed: {message}"))
}

/// A step that runs an action.
struct BoundAction<C> {
    name: ActionName,
    spec: ActionSpec,
    sources: Arc<[Source]>,
    closure: TypedClosure<C>,
}

impl<C: Send + Sync + 'static> Action<AnyContext> for BoundAction<C> {
    fn name(&self) -> &ActionName {
        &self.name
    }

    fn do_it(
        &self,
        cx: ActionContext<AnyContext>,
    ) -> BoxFuture<'_, Result<ActionOutput, AttemptError>> {
        // made here, it is in the future only once
        let scope = cx.typed().map(|cx| Scope::new(cx, StepCall::Do, self.sources.clone()));
        Box::pin(async move {
            let scope = scope.as_ref().map_err(ActionError::clone)?;
            match self.closure.run(scope).await {
                Ok(StepResult::Output(output)) => Ok(output),
                Ok(StepResult::Failed(failed)) => Err(*failed),
                Ok(StepResult::Undone(_) | StepResult::Probed(_) | StepResult::UndoInputs(_)) => {
                    Err(AttemptError::from(bad_inputs("it undid instead".into())).permanent())
                }
                Err(panic) => Err(AttemptError::from(bad_inputs(panic)).permanent()),
            }
        })
    }

    fn undo_it(
        &self,
        cx: ActionContext<AnyContext>,
        output: Option<Value>,
    ) -> BoxFuture<'_, Result<(), UndoError>> {
        let sources = self.sources.clone();
        let scope = cx.typed().map(|cx| Scope::new(cx, StepCall::Undo(output), sources));
        Box::pin(async move {
            let scope = scope.as_ref().map_err(|error| UndoError::Permanent(error.clone()))?;
            match self.closure.run(scope).await {
                Ok(StepResult::Undone(result)) => result,
                Ok(
                    StepResult::Output(_)
                    | StepResult::Failed(_)
                    | StepResult::Probed(_)
                    | StepResult::UndoInputs(_),
                ) => Err(UndoError::permanent("the action ran instead of its undo")),
                Err(panic) => Err(UndoError::Permanent(bad_inputs(panic))),
            }
        })
    }

    fn probe(
        &self,
        cx: ActionContext<AnyContext>,
    ) -> BoxFuture<'_, Result<Probe<ActionOutput>, ActionError>> {
        let scope = cx.typed().map(|cx| Scope::new(cx, StepCall::Probe, self.sources.clone()));
        Box::pin(async move {
            let scope = scope.as_ref().map_err(ActionError::clone)?;
            match self.closure.run(scope).await {
                Ok(StepResult::Probed(answer)) => answer,
                Ok(
                    StepResult::Output(_)
                    | StepResult::Failed(_)
                    | StepResult::Undone(_)
                    | StepResult::UndoInputs(_),
                ) => Ok(Probe::Unknown),
                Err(panic) => Err(bad_inputs(panic)),
            }
        })
    }

    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError> {
        (self.closure.decode)(payload)
    }

    #[cfg(feature = "testing")]
    fn inputs(&self, cx: ActionContext<AnyContext>) -> Option<Vec<Evaluated>> {
        let scope = Scope::new(cx.typed().ok()?, StepCall::Do, self.sources.clone());
        let scope = scope.only_evaluates();
        self.closure.run(&scope).now_or_never()?.ok()?;
        Some(scope.into_inputs())
    }

    fn undo_inputs(&self, frame: &KnownValues) -> Option<Result<Vec<Evaluated>, String>> {
        let scope = Scope::<C>::pure(frame.0.clone(), self.sources.clone());
        Some(match self.closure.run(&scope).now_or_never() {
            Some(Ok(StepResult::UndoInputs(inputs))) => Ok(inputs),
            // its undo reads none of them
            Some(Ok(StepResult::Failed(_))) => Ok(Vec::new()),
            Some(Ok(StepResult::Output(_) | StepResult::Undone(_) | StepResult::Probed(_)))
            | None => Err("they await something".to_string()),
            Some(Err(panic)) => Err(panic),
        })
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

    fn output_type(&self) -> Option<OutputType> {
        Some((self.closure.output_type)())
    }

    fn no_undo(&self) -> Option<String> {
        self.spec.no_undo()
    }

    fn place(&self) -> String {
        let place = self.spec.place;
        format!("{}:{}", place.file(), place.line())
    }
}

/// A step that computes a value.
struct BoundValue<C> {
    sources: Arc<[Source]>,
    closure: TypedClosure<C>,
}

impl<C: Send + Sync + 'static> Compute for BoundValue<C> {
    fn compute(&self, cx: ActionContext<AnyContext>) -> Result<ActionOutput, ActionError> {
        let scope = Scope::new(cx.typed()?, StepCall::Do, self.sources.clone());
        // An expression awaits nothing, so it is ready at the first poll.
        match self.closure.run(&scope).now_or_never() {
            Some(Ok(StepResult::Output(output))) => Ok(output),
            Some(Ok(StepResult::Failed(failed))) => Err(failed.error),
            Some(Ok(StepResult::Undone(_) | StepResult::Probed(_) | StepResult::UndoInputs(_)))
            | None => Err(bad_inputs("a value awaits something".into())),
            Some(Err(panic)) => Err(bad_inputs(panic)),
        }
    }

    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError> {
        (self.closure.decode)(payload)
    }

    fn output_type(&self) -> OutputType {
        (self.closure.output_type)()
    }
}

impl<C: Send + Sync + 'static> TypedClosure<C> {
    /// Runs the closure where no action can run.
    pub(super) async fn evaluate(
        &self,
        frame: &Arc<Frame>,
        sources: &Arc<[Source]>,
    ) -> Result<StepResult, String> {
        self.run(&Scope::pure(frame.clone(), sources.clone())).await
    }
}

/// A step that computes the parameters of a saga.
impl<C: Send + Sync + 'static> MakeParams for TypedClosure<C> {
    fn make(&self, frame: &Arc<Frame>, sources: &Arc<[Source]>) -> Params {
        if let Some(error) = frame.refused.as_deref() {
            return Err(error.clone());
        }
        let message = match self.evaluate(frame, sources).now_or_never() {
            Some(Ok(StepResult::Output(params))) => return Ok(params),
            Some(Ok(StepResult::Failed(failed))) => failed.error.message(),
            Some(Ok(StepResult::Undone(_) | StepResult::Probed(_) | StepResult::UndoInputs(_)))
            | None => "they await something".to_string(),
            Some(Err(panic)) => format!("what the node runs cannot be computed: {panic}"),
        };
        Err(ActionError::SubsagaCreateFailed { message })
    }
}

impl<C: Send + Sync + 'static> TypedClosure<C> {
    /// The node of a typed step that runs an action and may read these sources.
    pub(super) fn step(
        self,
        name: NodeName,
        spec: ActionSpec,
        sources: Arc<[Source]>,
    ) -> Result<AnyNode, InvalidName> {
        let action = ActionName::new(spec.name)?;
        let action = BoundAction { name: action, spec, sources, closure: self };
        let mut node = AnyNode::with(name, NodeBody::Action(Arc::new(action)));
        node.options.label = spec.label.map(str::to_string);
        Ok(node)
    }

    /// The node of a typed step that computes a value.
    pub(super) fn value(self, name: NodeName, sources: Arc<[Source]>) -> AnyNode {
        let value = BoundValue { sources, closure: self };
        AnyNode::with(name, NodeBody::Computed(Arc::new(value)))
    }

    /// The node of a typed step that computes the parameters of a saga.
    pub(super) fn saga(self, name: NodeName, dag: Arc<AnyDag>, sources: Arc<[Source]>) -> AnyNode {
        let params = CompositeInput::Closure(Arc::new(self) as Arc<dyn MakeParams>, sources);
        AnyNode::with(name, NodeBody::Subsaga { dag, params })
    }
}

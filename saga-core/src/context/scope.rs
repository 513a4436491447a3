//! One call of the closure of a typed node. What users do with a scope is in `typed::scope`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{ActionContext, Frame};
use crate::error::{ActionError, UndoError};
use crate::names::Source;
use crate::probe::Probe;
use crate::value::{ActionOutput, AttemptError, Evaluated, Value};

/// The purpose of a call of a node's closure.
pub enum StepCall {
    /// Runs the action, or computes the value.
    Do,
    /// Runs the undo; with the output, if the action is known to have succeeded.
    Undo(Option<Value>),
    /// Asks whether the action took effect.
    Probe,
}

/// The result of a call of a node's closure.
pub enum StepResult {
    /// The action succeeded, or the value was computed.
    Output(ActionOutput),
    /// The action failed. Boxed, since each call has room for a result while it runs.
    Failed(Box<AttemptError>),
    /// The undo ended.
    Undone(Result<(), UndoError>),
    /// The probe ended.
    Probed(Result<Probe<ActionOutput>, ActionError>),
    /// No action runs here. This is what its undo reads of its inputs.
    #[doc(hidden)]
    UndoInputs(Vec<Evaluated>),
}

/// One call of a node's closure: the closure reads its inputs from it and leaves its result in it.
pub struct Scope<C> {
    user: ScopeUser<C>,
    pub(crate) op: StepCall,
    /// The sources that the step declared. Reading anything else is refused.
    sources: Arc<[Source]>,
    entered: AtomicBool,
    stop: Mutex<Option<StepResult>>,
    /// In place of the call, its inputs are left here.
    #[cfg(feature = "testing")]
    inputs: Option<Mutex<Vec<Evaluated>>>,
}

/// What reads from a scope.
enum ScopeUser<C> {
    /// The call of a node.
    Call(ActionContext<C>),
    /// An expression that only reads values: a width, an arm, or parameters.
    Expression(Arc<Frame>),
}

impl<C: Send + Sync + 'static> Scope<C> {
    pub(crate) fn new(cx: ActionContext<C>, op: StepCall, sources: Arc<[Source]>) -> Self {
        Self::of(ScopeUser::Call(cx), op, sources)
    }

    /// A scope for an expression that only reads values.
    pub(crate) fn pure(frame: Arc<Frame>, sources: Arc<[Source]>) -> Self {
        Self::of(ScopeUser::Expression(frame), StepCall::Do, sources)
    }

    fn of(user: ScopeUser<C>, op: StepCall, sources: Arc<[Source]>) -> Self {
        Self {
            user,
            op,
            sources,
            entered: AtomicBool::new(false),
            stop: Mutex::new(None),
            #[cfg(feature = "testing")]
            inputs: None,
        }
    }

    /// The same call, which is not made: only its inputs are evaluated.
    #[cfg(feature = "testing")]
    pub(crate) fn only_evaluates(mut self) -> Self {
        self.inputs = Some(Mutex::default());
        self
    }

    /// True if the call is not to be made. These are the inputs that it would have.
    #[cfg(feature = "testing")]
    pub(crate) fn leave_inputs(&self, inputs: impl FnOnce() -> Vec<Evaluated>) -> bool {
        let Some(left) = &self.inputs else { return false };
        *left.lock().unwrap_or_else(PoisonError::into_inner) = inputs();
        self.leave(StepResult::Undone(Ok(())));
        true
    }

    /// The inputs that were left.
    #[cfg(feature = "testing")]
    pub(crate) fn into_inputs(self) -> Vec<Evaluated> {
        let left =
            self.inputs.map(|left| left.into_inner().unwrap_or_else(PoisonError::into_inner));
        left.unwrap_or_default()
    }

    /// The context of the call; `None` where a width, an arm or parameters are computed.
    pub(crate) fn cx(&self) -> Option<&ActionContext<C>> {
        match &self.user {
            ScopeUser::Call(cx) => Some(cx),
            ScopeUser::Expression(_) => None,
        }
    }

    pub(crate) fn entered(&self) -> bool {
        self.entered.load(Ordering::Relaxed)
    }

    /// From here on, a panic comes from the user's action.
    pub(crate) fn enter(&self) {
        self.entered.store(true, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self, stop: StepResult) {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
    }

    pub(crate) fn take(&self) -> Option<StepResult> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The frame to read this source from, if the step declared the source.
    pub(crate) fn reads(&self, source: Source) -> Option<&Arc<Frame>> {
        let frame = match &self.user {
            ScopeUser::Call(cx) => &cx.inner.frame,
            ScopeUser::Expression(frame) => frame,
        };
        self.sources.contains(&source).then_some(frame)
    }
}

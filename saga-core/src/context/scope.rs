//! One call of a node's closure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{ActionContext, Frame};
use crate::error::UndoError;
use crate::names::Source;
use crate::value::{ActionOutput, AttemptError, Value};

/// What a call of a node's closure is for.
pub enum StepCall {
    /// Run the action, or compute the value.
    Do,
    /// Run the undo; with the output, if the action is known to have succeeded.
    Undo(Option<Value>),
}

/// What came of it.
pub enum StepResult {
    /// The action succeeded, or the value is computed.
    Output(ActionOutput),
    /// The action did not.
    Failed(AttemptError),
    /// The undo ended.
    Undone(Result<(), UndoError>),
}

/// One call of a node's closure: where the closure reads its inputs and leaves its result.
pub struct Scope<C> {
    pub(crate) frame: Arc<Frame>,
    /// Who is calling; nobody where a width, an arm or parameters are computed.
    pub(crate) cx: Option<ActionContext<C>>,
    pub(crate) op: StepCall,
    /// What the step declared to read; all else is refused.
    pub(crate) sources: Arc<[Source]>,
    pub(crate) entered: AtomicBool,
    pub(crate) stop: Mutex<Option<StepResult>>,
}

impl<C: Send + Sync + 'static> Scope<C> {
    pub(crate) fn new(cx: ActionContext<C>, op: StepCall, sources: Arc<[Source]>) -> Self {
        let frame = cx.inner.frame.clone();
        Self { cx: Some(cx), op, ..Self::pure(frame, sources) }
    }

    /// For an expression that only reads values.
    pub(crate) fn pure(frame: Arc<Frame>, sources: Arc<[Source]>) -> Self {
        let (entered, stop) = (AtomicBool::new(false), Mutex::new(None));
        Self { frame, cx: None, op: StepCall::Do, sources, entered, stop }
    }

    pub(crate) fn entered(&self) -> bool {
        self.entered.load(Ordering::Relaxed)
    }

    pub(crate) fn leave(&self, stop: StepResult) {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
    }

    pub(crate) fn take(&self) -> Option<StepResult> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The frame in which what it reads is found, if it declared to read that.
    pub(crate) fn reads(&self, source: Source) -> Option<&Arc<Frame>> {
        self.sources.contains(&source).then_some(&self.frame)
    }
}

//! One attempt of an action or an undo: with its timeout, and with its panics contained. It is polled where it
//! lies, and costs no allocation besides the future that the action returns.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::CallKind;
use super::faults::InjectedFault;
use super::output_limits::{OutputLimits, truncate};
use super::probe::LIMIT;
use super::timeout::{ActionFuture, ProbeFuture, UndoFuture, within};
use crate::action::{Action, AnyAction, read_back};
use crate::context::{ActionContext, AnyContext};
use crate::dag::{AnyNode, Refused};
use crate::driver::current_call::current_context;
use crate::error::{ActionError, UndoError};
use crate::log::Failure;
use crate::panics::{self, Contained};
use crate::planted::{Mistake, planted};
use crate::probe::Probe;
use crate::value::{ActionOutput, AttemptError, Value};

/// How a call ended. User errors have been turned into [`Failure`]s by now: they are formatted and dropped
/// where the panics of the call are contained. They are boxed, since each saga keeps room for one of these.
pub(in crate::driver) enum CallEnd {
    Action(Result<ActionOutput, Box<FailedAttempt>>),
    Undo(Result<(), Box<Failure>>),
    Probe(ProbeEnd),
}

/// How a probe ended.
pub(in crate::driver) type ProbeEnd = Result<Probe<ActionOutput>, Box<Failure>>;

impl CallEnd {
    /// How the call failed, if it did.
    pub(super) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Action(Err(failed)) => Some(&failed.failure),
            Self::Undo(Err(failure)) | Self::Probe(Err(failure)) => Some(failure),
            Self::Action(Ok(_)) | Self::Undo(Ok(())) | Self::Probe(Ok(_)) => None,
        }
    }
}

/// An [`AttemptError`] in the form that the log takes.
pub(in crate::driver) struct FailedAttempt {
    pub(in crate::driver) failure: Failure,
    pub(in crate::driver) in_doubt: bool,
    /// An output that could not be stored, for the undo.
    pub(in crate::driver) output: Option<Contained<Value>>,
}

impl FailedAttempt {
    pub(in crate::driver) fn of(error: AttemptError, max_payload: usize) -> Box<Self> {
        let AttemptError { error, in_doubt, retryable, output } = error;
        let output = output.map(Contained::new);
        Box::new(match logged(error, |error| error.to_failure(retryable), max_payload) {
            Ok(failure) => Self { failure, in_doubt, output },
            Err(failure) => Self { failure, in_doubt: true, output },
        })
    }

    /// The action did its work, but its output cannot be stored.
    fn unstorable(error: &ActionError, output: Contained<Value>, max_payload: usize) -> Box<Self> {
        let failure = truncate(error.to_failure(false), max_payload);
        Box::new(Self { failure, in_doubt: true, output: Some(output) })
    }
}

/// An error in the form that the log takes. `Err` if formatting or dropping it panics.
fn logged<E>(
    error: E,
    to_failure: impl FnOnce(&E) -> Failure,
    max_payload: usize,
) -> Result<Failure, Failure> {
    let formatted = panics::contain(|| to_failure(&error));
    let dropped = panics::contain(|| drop(error));
    match (formatted, dropped) {
        (Ok(failure), Ok(())) => Ok(truncate(failure, max_payload)),
        (Err(message), _) | (_, Err(message)) => {
            Err(truncate(ActionError::Panicked { message }.to_failure(true), max_payload))
        }
    }
}

/// What a call runs.
pub(super) enum Called<'a> {
    Action { node: &'a AnyNode, action: &'a Arc<AnyAction> },
    Refused(Arc<Refused>),
}

impl<'a> Called<'a> {
    fn do_it(
        &self,
        cx: ActionContext<AnyContext>,
        fault: Option<Box<InjectedFault>>,
    ) -> ActionFuture<'a> {
        match self {
            Self::Action { node, action } => {
                let limit = node.timeouts(&***action).action;
                if let Some(fault) = fault {
                    return fault.action(cx, limit);
                }
                let in_doubt = |cut| match planted(Mistake::TimeoutIsNoDoubt) {
                    true => AttemptError::from(cut),
                    false => AttemptError::from(cut).in_doubt(),
                };
                within(limit, action.do_it(cx), in_doubt)
            }
            Self::Refused(refused) => {
                let refused = refused.clone();
                Box::pin(async move { refused.do_it(cx).await })
            }
        }
    }

    fn undo_it(
        &self,
        cx: ActionContext<AnyContext>,
        output: Option<Value>,
        fault: Option<Box<InjectedFault>>,
    ) -> UndoFuture<'a> {
        match self {
            Self::Action { node, action } => {
                let limit = node.timeouts(&***action).undo;
                if let Some(fault) = fault {
                    return fault.undo(cx, output, limit);
                }
                within(limit, action.undo_it(cx, output), UndoError::Retryable)
            }
            Self::Refused(refused) => {
                let refused = refused.clone();
                Box::pin(async move { refused.undo_it(cx, output).await })
            }
        }
    }

    fn probe(
        &self,
        cx: ActionContext<AnyContext>,
        fault: Option<Box<InjectedFault>>,
    ) -> ProbeFuture<'a> {
        match self {
            Self::Action { node, action } => {
                let limit = node.timeouts(&***action).action.unwrap_or(LIMIT);
                let call = match fault {
                    Some(fault) => fault.probe(cx),
                    None => action.probe(cx),
                };
                within(Some(limit), call, std::convert::identity)
            }
            // it cannot be asked without its inputs
            Self::Refused(refused) => {
                let error = refused.error.clone();
                Box::pin(async move { Err(error) })
            }
        }
    }

    /// An output counts as what is read back from its payload, or not at all.
    fn checked(
        &self,
        output: ActionOutput,
        limits: OutputLimits,
    ) -> Result<ActionOutput, Box<FailedAttempt>> {
        let read = limits.check(&output).and_then(|()| match self {
            _ if output.is_read_back => Ok(None),
            Self::Action { action, .. } => read_back(&***action, &output.payload).map(Some),
            Self::Refused(refused) => read_back(&**refused, &output.payload).map(Some),
        });
        match read {
            Ok(None) => Ok(output),
            Ok(Some(read)) => Ok(read),
            Err(error) => Err(FailedAttempt::unstorable(&error, output.value, limits.max_payload)),
        }
    }
}

/// The user's future.
enum Running<'a> {
    Action(ActionFuture<'a>),
    Undo(UndoFuture<'a>),
    Probe(ProbeFuture<'a>),
}

/// An attempt; `repeat` times in a row if a test asked for that. A timeout or a panic leaves an action in doubt:
/// its effect may have happened.
pub(super) struct GuardedAttempt<'a> {
    called: Called<'a>,
    kind: CallKind,
    /// For an undo.
    output: Contained<Value>,
    limits: OutputLimits,
    repeat: u32,
    /// True once it has succeeded, and is repeated.
    succeeded: bool,
    /// What a test does to it.
    fault: Option<Box<InjectedFault>>,
    running: Option<Contained<Running<'a>>>,
}

impl<'a> GuardedAttempt<'a> {
    pub(super) fn new(
        called: Called<'a>,
        (kind, output): (CallKind, Contained<Value>),
        limits: OutputLimits,
        repeat: u32,
        fault: Option<Box<InjectedFault>>,
    ) -> Self {
        Self { called, kind, output, limits, repeat, succeeded: false, fault, running: None }
    }

    /// True once the user's function was called.
    pub(super) fn has_begun(&self) -> bool {
        self.running.is_some()
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CallEnd> {
        loop {
            let end = match panics::contain(|| self.poll_once(cx)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(end)) => end,
                Err(message) => self.panicked(message),
            };
            self.running = None;
            self.repeat = self.repeat.saturating_sub(1);
            if end.failure().is_some() || self.repeat == 0 {
                return Poll::Ready(self.with_earlier_effect(end));
            }
            self.succeeded = true;
        }
    }

    /// The error of a repetition says nothing about the call before it, which has taken effect.
    fn with_earlier_effect(&self, mut end: CallEnd) -> CallEnd {
        if let CallEnd::Action(Err(failed)) = &mut end {
            failed.in_doubt |= self.succeeded;
        }
        end
    }

    /// Runs users' code.
    fn poll_once(&mut self, cx: &mut Context<'_>) -> Poll<CallEnd> {
        if self.running.is_none() {
            self.running = self.begin().map(Contained::new);
        }
        let max_payload = self.limits.max_payload;
        match self.running.as_mut().and_then(Contained::get_mut) {
            // it is not polled again once it has ended
            None => Poll::Pending,
            Some(Running::Action(call)) => call.as_mut().poll(cx).map(|ended| {
                CallEnd::Action(match ended {
                    Ok(output) => self.called.checked(output, self.limits),
                    Err(error) => Err(FailedAttempt::of(error, max_payload)),
                })
            }),
            Some(Running::Undo(call)) => call.as_mut().poll(cx).map(|undone| {
                CallEnd::Undo(undone.map_err(|error| {
                    match logged(error, UndoError::to_failure, max_payload) {
                        Ok(failure) | Err(failure) => Box::new(failure),
                    }
                }))
            }),
            Some(Running::Probe(call)) => call.as_mut().poll(cx).map(|answer| {
                CallEnd::Probe(match answer {
                    Ok(Probe::Done(output)) => match self.called.checked(output, self.limits) {
                        Ok(output) => Ok(Probe::Done(output)),
                        Err(failed) => Err(Box::new(failed.failure)),
                    },
                    Ok(Probe::NotDone) => Ok(Probe::NotDone),
                    Ok(Probe::Unknown) => Ok(Probe::Unknown),
                    Err(error) => Err(match logged(error, |e| e.to_failure(true), max_payload) {
                        Ok(failure) | Err(failure) => Box::new(failure),
                    }),
                })
            }),
        }
    }

    /// Calls the action or its undo.
    fn begin(&mut self) -> Option<Running<'a>> {
        let cx = current_context()?;
        let fault = self.fault.take();
        Some(match self.kind {
            CallKind::Action => Running::Action(self.called.do_it(cx, fault)),
            CallKind::Probe => Running::Probe(self.called.probe(cx, fault)),
            CallKind::Undo => {
                let output = match self.repeat {
                    0 | 1 => std::mem::take(&mut self.output),
                    _ => self.output.clone(),
                };
                Running::Undo(self.called.undo_it(cx, output.take(), fault))
            }
        })
    }

    fn panicked(&self, message: String) -> CallEnd {
        let (panicked, max) = (ActionError::Panicked { message }, self.limits.max_payload);
        match self.kind {
            CallKind::Action => {
                let mut error = AttemptError::from(panicked);
                if !planted(Mistake::PanicIsNoDoubt) {
                    error = error.in_doubt();
                }
                CallEnd::Action(Err(FailedAttempt::of(error, max)))
            }
            CallKind::Undo => {
                let failure = truncate(UndoError::Retryable(panicked).to_failure(), max);
                CallEnd::Undo(Err(Box::new(failure)))
            }
            CallKind::Probe => {
                CallEnd::Probe(Err(Box::new(truncate(panicked.to_failure(true), max))))
            }
        }
    }
}

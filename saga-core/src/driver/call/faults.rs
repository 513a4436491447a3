//! What tests do to calls (feature `testing`): a call fails, is repeated, takes long, or arrives late.

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::timeout::{ActionFuture, UndoFuture, within};
use crate::action::{AnyAction, Timeouts};
use crate::context::{ActionContext, AnyContext, CallInfo};
use crate::dag::AnyNode;
use crate::driver::Environment;
use crate::error::{ActionError, UndoError};
use crate::log::Uuid;
use crate::policy::Policy;
use crate::value::{AttemptError, Value};

/// Decides what is done to the calls of a coordinator.
pub(crate) trait CallFaults: Send + Sync {
    /// What is done to this call.
    fn of(&self, call: &FaultyCall<'_>) -> Option<InjectedFault>;

    /// The key of a new saga, always the same, so that a run can be repeated.
    fn run_key(&self) -> Uuid;
}

/// A call that is about to begin.
pub(crate) struct FaultyCall<'a> {
    pub(crate) info: &'a CallInfo,
    pub(crate) policy: Policy,
    pub(crate) timeouts: Timeouts,
}

/// What is done to one call.
pub(crate) struct InjectedFault {
    /// Is awaited before the call begins. Its timeout does not count that.
    pub(crate) before: BoxFuture<'static, ()>,
    pub(crate) effect: FaultEffect,
    /// How long its end is held back.
    pub(crate) after: Duration,
}

pub(crate) enum FaultEffect {
    /// The call runs as it would.
    None,
    /// It fails, after it has run or without.
    Fails { takes_effect: bool, how: InjectedFailure },
    /// It runs twice, one after the other. The second answer counts.
    Repeated,
    /// Its reply is lost, and it runs when this has it run.
    Late(Box<dyn FnOnce(BoxFuture<'static, ()>) + Send>),
}

/// How a call fails.
#[derive(Clone, Copy)]
pub(crate) enum InjectedFailure {
    Error,
    /// For good; only undos.
    ForGood,
    InDoubt,
    Panic,
    /// It never returns.
    Hang,
}

impl InjectedFault {
    /// What is done to this call; boxed, because few calls have it.
    pub(super) fn of(
        env: &Environment,
        node: &AnyNode,
        action: &Arc<AnyAction>,
        info: &CallInfo,
    ) -> Option<Box<Self>> {
        let faults = env.faults.as_ref()?;
        let timeouts = node.timeouts(&**action);
        let policy = *node.kind().policy()?;
        faults.of(&FaultyCall { info, policy, timeouts }).map(Box::new)
    }

    pub(super) fn action<'a>(
        self,
        action: &'a Arc<AnyAction>,
        cx: ActionContext<AnyContext>,
        limit: Option<Duration>,
    ) -> ActionFuture<'a> {
        let Self { before, effect, after } = self;
        Box::pin(async move {
            before.await;
            let call: ActionFuture<'a> = Box::pin(async move {
                match effect {
                    FaultEffect::None => action.do_it(cx).await,
                    FaultEffect::Fails { takes_effect, how } => {
                        if takes_effect {
                            action.do_it(cx).await?;
                        }
                        Err(how.of_action().await)
                    }
                    FaultEffect::Repeated => {
                        action.do_it(cx.clone()).await?;
                        action.do_it(cx).await
                    }
                    FaultEffect::Late(keep) => {
                        let action = action.clone();
                        keep(Box::pin(async move { drop(action.do_it(cx).await) }));
                        Err(InjectedFailure::InDoubt.of_action().await)
                    }
                }
            });
            let in_doubt = |cut| AttemptError::from(cut).in_doubt();
            let ended = within(limit, call, in_doubt).await;
            tokio::time::sleep(after).await;
            ended
        })
    }

    pub(super) fn undo<'a>(
        self,
        action: &'a Arc<AnyAction>,
        cx: ActionContext<AnyContext>,
        output: Option<Value>,
        limit: Option<Duration>,
    ) -> UndoFuture<'a> {
        let Self { before, effect, after } = self;
        Box::pin(async move {
            before.await;
            let call: UndoFuture<'a> = Box::pin(async move {
                match effect {
                    FaultEffect::None => action.undo_it(cx, output).await,
                    FaultEffect::Fails { takes_effect, how } => {
                        if takes_effect {
                            action.undo_it(cx, output).await?;
                        }
                        Err(how.of_undo().await)
                    }
                    FaultEffect::Repeated => {
                        action.undo_it(cx.clone(), output.clone()).await?;
                        action.undo_it(cx, output).await
                    }
                    FaultEffect::Late(keep) => {
                        let action = action.clone();
                        keep(Box::pin(async move { drop(action.undo_it(cx, output).await) }));
                        Err(InjectedFailure::InDoubt.of_undo().await)
                    }
                }
            });
            let ended = within(limit, call, UndoError::Retryable).await;
            tokio::time::sleep(after).await;
            ended
        })
    }
}

impl InjectedFailure {
    async fn of_action(self) -> AttemptError {
        match self {
            Self::Error => AttemptError::from(ActionError::Injected),
            Self::ForGood => AttemptError::from(ActionError::Injected).permanent(),
            Self::InDoubt => AttemptError::from(ActionError::Injected).in_doubt(),
            Self::Panic => panic(),
            Self::Hang => pending().await,
        }
    }

    async fn of_undo(self) -> UndoError {
        match self {
            Self::Error | Self::InDoubt => UndoError::Retryable(ActionError::Injected),
            Self::ForGood => UndoError::Permanent(ActionError::Injected),
            Self::Panic => panic(),
            Self::Hang => pending().await,
        }
    }
}

/// Panics without a message on standard error, which is for panics that nobody wanted.
fn panic() -> ! {
    resume_unwind(Box::new("a test injected this panic"))
}

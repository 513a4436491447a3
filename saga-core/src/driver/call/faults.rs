//! What tests do to calls (feature `testing`): a call fails, is repeated, takes long, or arrives late.

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::CallKind;
use super::timeout::{ActionFuture, ProbeFuture, UndoFuture, within};
use crate::action::{AnyAction, Timeouts};
use crate::context::{ActionContext, AnyContext, CallInfo};
use crate::dag::AnyNode;
use crate::driver::Environment;
use crate::error::{ActionError, UndoError};
use crate::log::{NodePath, SagaId, Uuid};
use crate::policy::Policy;
use crate::value::{AttemptError, Evaluated, Value};

/// Decides what is done to the calls of a coordinator.
pub(crate) trait CallFaults: Send + Sync {
    /// What is done to this call.
    fn of(&self, call: &FaultyCall<'_>) -> Option<CallPlan>;

    /// The key of a new saga, if it is always the same for this id, so that a run can be repeated.
    fn run_key(&self, id: Option<&str>) -> Option<Uuid>;

    /// What runs in place of this action, if something does.
    fn mock(&self, call: &FaultyCall<'_>) -> Option<Arc<dyn MockedAction>>;

    /// True if expressions are to be evaluated more often than needed, and compared.
    fn compares_evaluations(&self, saga: &SagaId) -> bool;

    /// Expressions of a node were evaluated.
    fn evaluated(&self, node: &NodePath, values: Vec<Evaluated>);

    /// They are about to be evaluated once more.
    fn before_next_evaluation(&self);
}

/// A call that is about to begin.
pub(crate) struct FaultyCall<'a> {
    pub(crate) id: &'a SagaId,
    /// The name of the saga.
    pub(crate) saga: &'a str,
    pub(crate) action: &'a AnyAction,
    pub(crate) info: &'a CallInfo,
    pub(crate) policy: Policy,
    pub(crate) timeouts: Timeouts,
}

/// Runs in place of an action.
pub(crate) trait MockedAction: Send + Sync {
    fn do_it<'a>(
        &'a self,
        action: &'a AnyAction,
        cx: ActionContext<AnyContext>,
    ) -> ActionFuture<'a>;

    fn undo_it<'a>(
        &'a self,
        action: &'a AnyAction,
        cx: ActionContext<AnyContext>,
    ) -> UndoFuture<'a>;

    fn probe<'a>(&'a self, action: &'a AnyAction, cx: ActionContext<AnyContext>)
    -> ProbeFuture<'a>;
}

/// What a call runs: the action, or what takes its place.
#[derive(Clone)]
struct Runs {
    action: Arc<AnyAction>,
    mock: Option<Arc<dyn MockedAction>>,
}

impl Runs {
    fn do_it(&self, cx: ActionContext<AnyContext>) -> ActionFuture<'_> {
        match &self.mock {
            Some(mock) => mock.do_it(&*self.action, cx),
            None => self.action.do_it(cx),
        }
    }

    fn undo_it(&self, cx: ActionContext<AnyContext>, output: Option<Value>) -> UndoFuture<'_> {
        match &self.mock {
            Some(mock) => mock.undo_it(&*self.action, cx),
            None => self.action.undo_it(cx, output),
        }
    }

    fn probe(&self, cx: ActionContext<AnyContext>) -> ProbeFuture<'_> {
        match &self.mock {
            Some(mock) => mock.probe(&*self.action, cx),
            None => self.action.probe(cx),
        }
    }
}

/// What is done to one call.
pub(crate) struct InjectedFault {
    plan: CallPlan,
    runs: Runs,
}

/// What a test plans for one call.
pub(crate) struct CallPlan {
    /// Is awaited before the call begins. Its timeout does not count that.
    pub(crate) before: BoxFuture<'static, ()>,
    pub(crate) effect: FaultEffect,
    /// How long its end is held back.
    pub(crate) after: Duration,
}

impl CallPlan {
    /// The call runs as it would.
    pub(crate) fn none() -> Self {
        Self { before: Box::pin(async {}), effect: FaultEffect::None, after: Duration::ZERO }
    }
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
        (id, saga): (&SagaId, &str),
        node: &AnyNode,
        action: &Arc<AnyAction>,
        info: &CallInfo,
        kind: CallKind,
    ) -> Option<Box<Self>> {
        let faults = env.faults.as_ref()?;
        let timeouts = node.timeouts(&**action);
        let policy = *node.kind().policy()?;
        let call = FaultyCall { id, saga, action: &**action, info, policy, timeouts };
        // whatever goes wrong with a probe is as if there were none
        let plan = if kind == CallKind::Probe { None } else { faults.of(&call) };
        let mock = faults.mock(&call);
        if plan.is_none() && mock.is_none() {
            return None;
        }
        let runs = Runs { action: action.clone(), mock };
        Some(Box::new(Self { plan: plan.unwrap_or_else(CallPlan::none), runs }))
    }

    pub(super) fn action<'a>(
        self,
        cx: ActionContext<AnyContext>,
        limit: Option<Duration>,
    ) -> ActionFuture<'a> {
        let Self { plan: CallPlan { before, effect, after }, runs } = self;
        Box::pin(async move {
            before.await;
            let call: ActionFuture<'a> = Box::pin(async move {
                match effect {
                    FaultEffect::None => runs.do_it(cx).await,
                    FaultEffect::Fails { takes_effect, how } => {
                        if takes_effect {
                            runs.do_it(cx).await?;
                        }
                        Err(how.of_action().await)
                    }
                    FaultEffect::Repeated => {
                        runs.do_it(cx.again()).await?;
                        runs.do_it(cx).await
                    }
                    FaultEffect::Late(keep) => {
                        keep(Box::pin(async move { drop(runs.do_it(cx).await) }));
                        Err(InjectedFailure::InDoubt.of_action().await)
                    }
                }
            });
            let in_doubt = |cut| AttemptError::from(cut).in_doubt();
            let ended = within(limit, call, in_doubt).await;
            hold_back(after).await;
            ended
        })
    }

    pub(super) fn probe<'a>(self, cx: ActionContext<AnyContext>) -> ProbeFuture<'a> {
        let runs = self.runs;
        Box::pin(async move { runs.probe(cx).await })
    }

    pub(super) fn undo<'a>(
        self,
        cx: ActionContext<AnyContext>,
        output: Option<Value>,
        limit: Option<Duration>,
    ) -> UndoFuture<'a> {
        let Self { plan: CallPlan { before, effect, after }, runs } = self;
        Box::pin(async move {
            before.await;
            let call: UndoFuture<'a> = Box::pin(async move {
                match effect {
                    FaultEffect::None => runs.undo_it(cx, output).await,
                    FaultEffect::Fails { takes_effect, how } => {
                        if takes_effect {
                            runs.undo_it(cx, output).await?;
                        }
                        Err(how.of_undo().await)
                    }
                    FaultEffect::Repeated => {
                        runs.undo_it(cx.clone(), output.clone()).await?;
                        runs.undo_it(cx, output).await
                    }
                    FaultEffect::Late(keep) => {
                        keep(Box::pin(async move { drop(runs.undo_it(cx, output).await) }));
                        Err(InjectedFailure::InDoubt.of_undo().await)
                    }
                }
            });
            let ended = within(limit, call, UndoError::Retryable).await;
            hold_back(after).await;
            ended
        })
    }
}

async fn hold_back(after: Duration) {
    if !after.is_zero() {
        tokio::time::sleep(after).await;
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_call_is_held_back_for_as_long_as_it_says() {
        let began = Instant::now();
        hold_back(Duration::from_secs(7)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(7));
        assert!(hold_back(Duration::ZERO).now_or_never().is_some());
    }
}

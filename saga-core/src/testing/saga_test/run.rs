//! Runs a saga once, with all that a schedule has go wrong, in one process after the other.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use futures_util::future::{Either, select};
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, timeout};

use super::SagaTest;
use super::ended::Ended;
use super::schedule::{Crash, Schedule};
use super::stage::{DEADLINE, OnStage, Seen, Stage};
use super::staged_store::{Always, StagedStore};
use crate::coordinator::{BuildError, CoordinatorBuilder, SagaHandle};
use crate::error::{NodeReport, SagaError, StartError};
use crate::panics;
use crate::store::MemoryStore;
use crate::typed::Saga;

/// The saga's id.
pub(super) const ID: &str = "saga-test";
/// How long a saga may take, by its own clock.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a request that arrives late may take.
const LATE: Duration = Duration::from_secs(3600);

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RunEnd {
    Completed,
    /// Why.
    RolledBack(String),
    Stuck(String),
    Parked(String),
    /// It did not end, and why that may be.
    Never(String),
    /// It could not even be run.
    Broken(String),
}

/// A run, and what was seen of it.
pub(super) struct Run {
    pub(super) end: RunEnd,
    pub(super) seen: Seen,
    /// What the user's invariant said.
    pub(super) violation: Option<String>,
}

impl Run {
    /// What was to go wrong and did not, if there is such a thing.
    pub(super) fn not_reached(&self, schedule: &Schedule) -> Option<String> {
        let mut injections = (0..).zip(&schedule.injections);
        if let Some((_, injection)) = injections.find(|(n, _)| !self.seen.reached.contains(n)) {
            let called = self.seen.calls.iter().filter(|call| call.undo == injection.undo);
            let nodes = called.map(|call| &*call.node).collect::<BTreeSet<_>>();
            let nodes = nodes.into_iter().collect::<Vec<_>>().join(", ");
            let what = if injection.undo { "undo" } else { "action" };
            let node = &injection.node;
            return Some(format!("the {what} of `{node}` was not called, only those of: {nodes}"));
        }
        let last = self.seen.appends.len().saturating_sub(1);
        let absent = |append| format!("there was no append {append}: the last one was {last}");
        match (schedule.crash, schedule.cancel) {
            (Some(Crash::Before(append) | Crash::After(append)), _) if !self.seen.crashed => {
                Some(absent(append))
            }
            (_, Some(append)) if !self.seen.cancelled => Some(absent(append)),
            _ => None,
        }
    }
}

/// What one process did.
enum Life {
    Died,
    Over(RunEnd, Option<String>),
}

impl<S: Saga> SagaTest<S> {
    /// Runs the saga once. The runtime is current-thread, with paused time.
    pub(super) fn run<I>(&self, schedule: &Schedule, invariant: &I) -> Run
    where
        I: AsyncFn(&Ended<S>),
    {
        let stage = Arc::new(Stage::new(schedule.clone()));
        let context = Arc::new((self.context)());
        let always = self.always.clone();
        let always = always.map(|check| -> Always {
            let context = context.clone();
            Arc::new(move || check(&context))
        });
        let memory = MemoryStore::new();
        let store = StagedStore { memory, stage: stage.clone(), always };
        let mut time = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let over = |end, violation| {
            stage.set_cancel(None);
            Run { end, seen: std::mem::take(&mut *stage.seen()), violation }
        };
        loop {
            let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return over(RunEnd::Broken(error.to_string()), None),
            };
            let (life, took) = runtime.block_on(async {
                let began = Instant::now();
                let life = self.live(&stage, &store, &context, time, invariant).await;
                (life, began.elapsed())
            });
            // what a process has in memory is gone with it
            drop(runtime);
            time += took;
            match life {
                Life::Died => {}
                Life::Over(end, violation) => return over(end, violation),
            }
        }
    }

    /// One process.
    async fn live<I>(
        &self,
        stage: &Arc<Stage>,
        store: &StagedStore,
        context: &Arc<S::Context>,
        time: SystemTime,
        invariant: &I,
    ) -> Life
    where
        I: AsyncFn(&Ended<S>),
    {
        let began = Instant::now();
        let builder = CoordinatorBuilder::new(context.clone()).saga::<S>().store(store.clone());
        let builder = builder.faults(Arc::new(OnStage(stage.clone()))).crash_limit(u32::MAX);
        let builder = builder.wall_clock(move || time + began.elapsed());
        let run = pin!(async {
            let sec = builder.build().await.map_err(Failed::Build)?;
            let operator = sec.operator("the test");
            stage.set_cancel(Some(Box::new(move || {
                let operator = operator.clone();
                // that it is refused is an answer
                Box::pin(async move { drop(operator.cancel(ID, "the test cancels").await) })
            })));
            let handle = match sec.get::<S>(ID).await.map_err(Failed::Start)? {
                Some(handle) => handle,
                // whoever starts it has heard nothing, and starts it again
                None => {
                    let params = self.params().map_err(Failed::Params)?;
                    let start = sec.saga(params).id(ID);
                    let start = match stage.schedule.needs_deadline() {
                        true => start.deadline(DEADLINE),
                        false => start,
                    };
                    start.start().await.map_err(Failed::Start)?
                }
            };
            let result = handle.clone().await;
            Ok::<_, Failed>((sec, handle, result))
        });
        let run = timeout(LONGEST, run);
        let died = pin!(stage.dies.notified());
        let ended = match select(pin!(run), died).await {
            Either::Right(_) => return Life::Died,
            Either::Left((ended, _)) => ended,
        };
        let (_sec, handle, result) = match ended {
            Ok(Ok(ended)) => ended,
            Ok(Err(failed)) => return Life::Over(RunEnd::Broken(failed.to_string()), None),
            Err(_) => return Life::Over(RunEnd::Never(self.why_never(stage)), None),
        };
        let end = match &result {
            Ok(_) => RunEnd::Completed,
            Err(error @ SagaError::RolledBack(_)) => RunEnd::RolledBack(error.to_string()),
            Err(error @ SagaError::Stuck(_)) => RunEnd::Stuck(error.to_string()),
            Err(SagaError::Parked { reason, .. }) => RunEnd::Parked(reason.clone()),
            Err(error) => RunEnd::Broken(error.to_string()),
        };
        for request in stage.take_late() {
            // a request that never returns has arrived
            let _ = timeout(LATE, request).await;
        }
        let mut violation = stage.seen().violation.take();
        if matches!(end, RunEnd::Completed | RunEnd::RolledBack(_)) && violation.is_none() {
            let ended = Ended::new(context.clone(), result, nodes(handle).await);
            let mut check = pin!(invariant(&ended));
            violation = poll_fn(|cx| match panics::finding(|| check.as_mut().poll(cx)) {
                Ok(poll) => poll.map(|()| None),
                Err(found) => Poll::Ready(Some(found)),
            })
            .await;
        }
        // what was cut off by the end may still be under way
        sleep(Duration::from_millis(1)).await;
        Life::Over(end, violation)
    }

    fn why_never(&self, stage: &Stage) -> String {
        let days = LONGEST.as_secs() / 24 / 3600;
        let seen = stage.seen();
        let without = seen.calls.last().filter(|call| match call.undo {
            true => !call.has_undo_timeout,
            false => !call.has_timeout,
        });
        match without {
            Some(call) if call.undo => {
                format!("not within {days} days; the undo of `{}` has no `undo_timeout`", call.node)
            }
            Some(call) => format!("not within {days} days; `{}` has no `timeout`", call.node),
            None => format!("not within {days} days"),
        }
    }
}

/// The states of the nodes; none if the log cannot be read.
async fn nodes<S: Saga>(handle: SagaHandle<S>) -> Vec<NodeReport> {
    handle.outcome().await.map(|outcome| outcome.nodes()).unwrap_or_default()
}

/// Why a saga could not be run.
#[derive(thiserror::Error, Debug)]
enum Failed {
    #[error("the coordinator cannot be built: {0}")]
    Build(BuildError),
    #[error("the saga cannot be started: {0}")]
    Start(StartError),
    #[error("its parameters cannot be written and read back: {0}")]
    Params(String),
}

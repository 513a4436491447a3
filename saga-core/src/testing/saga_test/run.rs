//! Runs a saga once, with all that a schedule has go wrong, in one process after the other.

use std::cell::RefCell;
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
#[cfg(feature = "sqlite")]
use super::database::Database;
use super::ended::Ended;
use super::schedule::{Crash, Event, Injection, Schedule};
use super::stage::{DEADLINE, OnStage, Seen, Stage};
use super::staged_store::{Always, StagedStore};
use crate::coordinator::inspect::SagaView;
use crate::coordinator::{BuildError, Coordinator, CoordinatorBuilder};
use crate::error::{SagaError, StartError};
use crate::panics;
use crate::store::{ListFilter, MemoryStore};
use crate::typed::Saga;

/// The saga's id.
pub(super) const ID: &str = "saga-test";
/// How long a saga may take, by its own clock.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// After how long a call without a timeout does not return any more.
const HANGS: Duration = Duration::from_secs(24 * 3600);
/// How long a request that arrives late may take.
const LATE: Duration = Duration::from_secs(3600);

/// When the saga starts, by its own clock.
fn first_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000)
}

/// How many lines of a failure say what the nodes did.
const MOST_NODES: usize = 40;

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
    /// The saga and its nodes at the end, for people. Empty if nothing is known of them.
    pub(super) ended: String,
}

impl Run {
    /// What was to go wrong and did not, if there is such a thing.
    pub(super) fn not_reached(&self, schedule: &Schedule) -> Option<String> {
        let mut injections = (0..).zip(&schedule.injections);
        if let Some((_, injection)) = injections.find(|(n, _)| !self.seen.reached.contains(n)) {
            return Some(self.not_called(injection));
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

impl Run {
    /// An injection was not reached.
    fn not_called(&self, injection: &Injection) -> String {
        let Injection { node, undo, event, always: _ } = injection;
        let what = if *undo { "undo" } else { "action" };
        let event = match event {
            Event::Fault(fault) => format!("the fault `{fault}`"),
            Event::Cancel => "the cancellation".to_string(),
            Event::Deadline => "the deadline".to_string(),
        };
        match self.seen.calls_of(node, *undo) {
            0 => {}
            1 => {
                return format!(
                    "the {what} of `{node}` was called only once, and {event} was for a later call"
                );
            }
            n => {
                return format!(
                    "the {what} of `{node}` was called only {n} times, and {event} was for a later call"
                );
            }
        }
        let called = self.seen.calls.iter().filter(|call| call.undo == *undo);
        let nodes = called.map(|call| format!("`{}`", call.node)).collect::<BTreeSet<_>>();
        let nodes = nodes.into_iter().collect::<Vec<_>>().join(", ");
        let but = match (nodes.is_empty(), undo) {
            (false, _) => format!("only those of {nodes} were"),
            (true, true) => {
                format!("and neither was any other undo: the saga {}", self.end.in_short())
            }
            (true, false) => {
                format!("and neither was any other action: the saga {}", self.end.in_short())
            }
        };
        format!("the {what} of `{node}` was not called, {but}")
    }
}

impl RunEnd {
    fn in_short(&self) -> String {
        match self {
            Self::Completed => "completed".to_string(),
            Self::RolledBack(_) => "was rolled back".to_string(),
            Self::Stuck(_) => "is stuck".to_string(),
            Self::Parked(_) | Self::Never(_) | Self::Broken(_) => self.to_string(),
        }
    }
}

/// What one process did.
enum Life {
    Died,
    Over { end: RunEnd, violation: Option<String>, ended: String },
}

impl Life {
    /// The saga did not end.
    fn unended(end: RunEnd) -> Self {
        Self::Over { end, violation: None, ended: String::new() }
    }
}

impl<S: Saga> SagaTest<S> {
    /// Runs the saga once. The runtime is current-thread, with paused time.
    pub(super) fn run<I>(&self, schedule: &Schedule, invariant: &I) -> Run
    where
        I: AsyncFn(&Ended<S>),
    {
        let deadline = match schedule.needs_deadline() {
            true => DEADLINE + self.calm(),
            false => DEADLINE,
        };
        let stage = Arc::new(Stage::new(schedule.clone(), self.mocks.clone(), deadline));
        let context = Arc::new((self.context)());
        let always = self.always.clone();
        let always = always.map(|check| -> Always {
            let context = context.clone();
            Arc::new(move || check(&context))
        });
        let memory = MemoryStore::new();
        #[cfg(feature = "sqlite")]
        let database = match self.database.as_deref().map(Database::new).transpose() {
            Ok(database) => database.map(Arc::new),
            Err(error) => {
                let end = RunEnd::Broken(format!("its tables cannot be created: {error}"));
                let (seen, ended) = (Seen::default(), String::new());
                return Run { end, seen, violation: None, ended };
            }
        };
        let store = StagedStore {
            memory,
            stage: stage.clone(),
            always,
            #[cfg(feature = "sqlite")]
            database,
        };
        let mut time = first_time();
        let over = |end, violation, ended| {
            stage.set_cancel(None);
            let mut seen = std::mem::take(&mut *stage.seen());
            // the cause of whatever else is wrong
            let violation = seen.purity.impure.take().or(violation).or(seen.violation.take());
            Run { end, seen, violation, ended }
        };
        loop {
            let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return over(RunEnd::Broken(error.to_string()), None, String::new()),
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
                Life::Over { end, violation, ended } => {
                    if *schedule == Schedule::default() {
                        let took = time.duration_since(first_time()).unwrap_or_default();
                        self.calm.get_or_init(|| took);
                    }
                    return over(end, violation, ended);
                }
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
        let builder = self.others.iter().fold(builder, |builder, register| register(builder));
        let builder = builder.faults(|_| Arc::new(OnStage(stage.clone()))).crash_limit(u32::MAX);
        let builder = builder.wall_clock(move || time + began.elapsed());
        let built = RefCell::new(None);
        let run = pin!(async {
            let sec = builder.build().await.map_err(Failed::Build)?;
            *built.borrow_mut() = Some(sec.clone());
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
                        true => start.deadline(stage.deadline),
                        false => start,
                    };
                    start.start().await.map_err(Failed::Start)?
                }
            };
            let since_start = time.duration_since(first_time()).unwrap_or_default();
            let result = {
                let told = pin!(self.events.tell(&sec, since_start));
                match select(handle.into_future(), told).await {
                    Either::Left((result, _)) => result,
                    Either::Right((Ok(()), ended)) => ended.await,
                    Either::Right((Err(why), _)) => return Err(Failed::Event(why)),
                }
            };
            others_end(&sec).await?;
            Ok::<_, Failed>((sec, result))
        });
        let run = pin!(timeout(LONGEST, run));
        let (died, hanging) = (pin!(stage.dies.notified()), pin!(hangs(stage)));
        let over = select(died, hanging);
        let ended = match select(run, over).await {
            Either::Left((ended, _)) => ended.map_err(|_| why_never(&stage.seen())),
            Either::Right((Either::Right((why, _)), _)) => Err(why),
            Either::Right((Either::Left(_), _)) => match stage.seen().gave_up.take() {
                None => return Life::Died,
                Some(why) => Err(why),
            },
        };
        let (sec, result) = match ended {
            Ok(Ok(ended)) => ended,
            Ok(Err(failed)) => return Life::unended(RunEnd::Broken(failed.to_string())),
            Err(why) => {
                let sec = built.take();
                let ended = match &sec {
                    Some(sec) => tree(sec.inspect(ID).await.ok().flatten().as_ref()),
                    None => String::new(),
                };
                return Life::Over { end: RunEnd::Never(why), violation: None, ended };
            }
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
        // none if the log cannot be read, which the result says
        let view = sec.inspect(ID).await.ok().flatten();
        let shown = tree(view.as_ref());
        if matches!(end, RunEnd::Completed | RunEnd::RolledBack(_)) && violation.is_none() {
            let ended = Ended::new(context.clone(), result, view);
            #[cfg(feature = "sqlite")]
            let ended = ended.with_database(store.database.clone());
            let mut check = pin!(invariant(&ended));
            violation = poll_fn(|cx| match panics::finding(|| check.as_mut().poll(cx)) {
                Ok(poll) => poll.map(|()| None),
                Err(found) => Poll::Ready(Some(found)),
            })
            .await;
        }
        // what was cut off by the end may still be under way
        sleep(Duration::from_millis(1)).await;
        Life::Over { end, violation, ended: shown }
    }
}

/// Waits until the sagas have ended that the saga has started.
async fn others_end<C: Send + Sync + 'static>(sec: &Coordinator<C>) -> Result<(), Failed> {
    let sagas = sec.list(ListFilter::default()).await.map_err(|e| Failed::Start(e.into()))?;
    for saga in sagas.into_iter().filter(|saga| saga.id.as_str() != ID) {
        let handle = sec.get::<serde_json::Value>(saga.id.as_str()).await.map_err(Failed::Start)?;
        let Some(handle) = handle else { continue };
        match handle.await {
            Ok(_) | Err(SagaError::RolledBack(_)) => {}
            Err(error) => return Err(Failed::Other(error)),
        }
    }
    Ok(())
}

/// The saga and its nodes, for people.
fn tree(view: Option<&SagaView>) -> String {
    let tree = view.map(SagaView::tree).unwrap_or_default();
    let lines = tree.lines().collect::<Vec<_>>();
    match lines.get(..MOST_NODES) {
        None => tree,
        Some(first) => format!("{}\n  .. and {} more", first.join("\n"), lines.len() - MOST_NODES),
    }
}

/// Returns once a call has not returned for so long that it never will, and says so.
async fn hangs(stage: &Stage) -> String {
    let mut appends = 0;
    loop {
        // the deadline comes first
        sleep(HANGS.max(stage.deadline * 2)).await;
        let seen = stage.seen();
        let before = std::mem::replace(&mut appends, seen.appends.len());
        if let (true, Some(call)) = (before == appends, seen.has_no_timeout()) {
            let setting = if call.undo { "undo_timeout" } else { "timeout" };
            return format!("{} does not return, and it has no `{setting}`", call.what());
        }
    }
}

/// Why a saga has not ended, as far as it is known.
fn why_never(seen: &Seen) -> String {
    let days = LONGEST.as_secs() / 24 / 3600;
    let Some(last) = seen.calls.last() else { return format!("not within {days} days") };
    let (calls, what) = (seen.calls_of(&last.node, last.undo), last.what());
    let error = seen.last_error(&last.node, last.undo);
    let error = error.map(|error| format!("; its last error: {error}")).unwrap_or_default();
    format!("not within {days} days, in which {what} was called {calls} times{error}")
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
    #[error("the saga cannot be told of an event: {0}")]
    Event(String),
    #[error("a saga that it started does not end well: {0}")]
    Other(SagaError),
}

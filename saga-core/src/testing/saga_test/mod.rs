//! [`SagaTest`]: does a saga end with all of its effects or none, whatever goes wrong?
//!
//! | module | contents |
//! |---|---|
//! | `schedule` | what goes wrong in one run |
//! | `plan` | which runs there are |
//! | `run` | one run |
//! | `stage`, `staged_store` | how it is made to go wrong |
//! | `ended` | what an invariant sees |
//! | `report` | the table, and tests to paste |

mod ended;
mod plan;
mod report;
mod run;
mod schedule;
mod stage;
mod staged_store;

use std::panic::{panic_any, resume_unwind};
use std::sync::Arc;
use std::thread;

pub use self::ended::Ended;
use self::plan::Case;
pub use self::report::TestReport;
use self::report::Verdict;
use self::run::{Run, RunEnd};
pub use self::schedule::CallFault;
use self::schedule::{Crash, Event, Injection, Schedule};
use crate::log::Payload;
use crate::typed::Saga;
use crate::value::ActionOutput;

/// Runs a saga again and again, has something else go wrong each time, and checks what remains of it.
///
/// [`check_all`](Self::check_all) first runs the saga as it is. Then, for each node: its call fails, before its effect and
/// after it; its request or its reply is lost; it panics, hangs, is repeated, arrives when the saga has ended long since; the
/// saga is cancelled meanwhile, or its deadline passes. The same for undos. And the process crashes before and after each
/// entry of the log, on the way forward and back.
///
/// Each run has a context and parameters of its own. It is made on one thread with paused time, so that waits cost nothing.
/// A crash takes everything that the process had in memory but the context, which stands for the outside world.
///
/// After each run the invariant is checked: a function that panics if what it sees is wrong. Typically, that all effects are
/// there if the saga completed, and none if it was rolled back. What a saga does not survive is reported with the shortest
/// test that shows it.
///
/// ```
/// use std::sync::Mutex;
/// use saga_core::prelude::*;
/// use saga_core::testing::{Ended, SagaTest};
///
/// /// A hotel that keeps one booking for each key, and refuses keys that were cancelled.
/// #[derive(Default)]
/// struct Hotel { booked: Mutex<Vec<String>>, cancelled: Mutex<Vec<String>> }
///
/// #[saga_action(undo = cancel(), retry(max = 2))]
/// async fn book(cx: &ActionContext<Hotel>) -> Result<(), String> {
///     let key = cx.idempotency_key().to_string();
///     if cx.cancelled.lock().unwrap().contains(&key) { return Err("it was cancelled".into()) }
///     let mut booked = cx.booked.lock().unwrap();
///     if !booked.contains(&key) { booked.push(key) }
///     Ok(())
/// }
/// async fn cancel(cx: &ActionContext<Hotel>) -> Result<(), String> {
///     let key = cx.action_key().to_string();
///     cx.booked.lock().unwrap().retain(|booked| *booked != key);
///     cx.cancelled.lock().unwrap().push(key);
///     Ok(())
/// }
///
/// saga! { Visit<Hotel>() { book {}; } }
///
/// let report = SagaTest::<Visit>::new(Hotel::default, Visit {}).check_all(async |ended: &Ended<Visit>| {
///     let rooms = ended.context().booked.lock().unwrap().len();
///     assert_eq!(rooms, usize::from(ended.completed()));
/// });
/// println!("{report}");
/// ```
pub struct SagaTest<S: Saga> {
    context: Box<dyn Fn() -> S::Context + Send + Sync>,
    /// The parameters as they are stored, or why they cannot be.
    stored_params: Result<Payload, String>,
    always: Option<Arc<Check<S::Context>>>,
    schedule: Schedule,
    interleavings: u64,
    rolls_back: bool,
}

/// A check of the outside world.
type Check<C> = dyn Fn(&C) + Send + Sync;

impl<S: Saga> SagaTest<S> {
    /// A test of the saga with these parameters. The function makes the context of a run.
    pub fn new(context: impl Fn() -> S::Context + Send + Sync + 'static, params: S) -> Self {
        let stored = ActionOutput::new(params);
        Self {
            context: Box::new(context),
            stored_params: stored.map(|stored| stored.payload).map_err(|e| e.to_string()),
            always: None,
            schedule: Schedule::default(),
            interleavings: 3,
            rolls_back: false,
        }
    }

    /// Checks something that is true at every moment, whenever something has become durable: a function that panics if it is
    /// not.
    pub fn always(mut self, check: impl Fn(&S::Context) + Send + Sync + 'static) -> Self {
        self.always = Some(Arc::new(check));
        self
    }

    /// In how many orders the calls of a saga end that has several in flight at the same time, for
    /// [`check_all`](Self::check_all); by default 3.
    pub fn interleavings(mut self, orders: u64) -> Self {
        self.interleavings = orders.max(1);
        self
    }

    /// The saga is rolled back although nothing goes wrong, because of its parameters or its context. Without this,
    /// [`check_all`](Self::check_all) takes it for a mistake: most of what can go wrong would not be tried.
    pub fn rolls_back(mut self) -> Self {
        self.rolls_back = true;
        self
    }

    fn inject(mut self, node: &str, undo: bool, event: Event, always: bool) -> Self {
        let injection = Injection { node: node.to_string(), undo, event, always };
        self.schedule = self.schedule.with(injection);
        self
    }

    /// In [`check`](Self::check), this happens to the first call of this node's action.
    pub fn fault(self, node: &str, fault: CallFault) -> Self {
        self.inject(node, false, Event::Fault(fault), false)
    }

    /// In [`check`](Self::check), this happens to every call of this node's action.
    pub fn fault_always(self, node: &str, fault: CallFault) -> Self {
        self.inject(node, false, Event::Fault(fault), true)
    }

    /// In [`check`](Self::check), this happens to the first call of this node's undo.
    pub fn fault_undo(self, node: &str, fault: CallFault) -> Self {
        self.inject(node, true, Event::Fault(fault), false)
    }

    /// In [`check`](Self::check), this happens to every call of this node's undo.
    pub fn fault_undo_always(self, node: &str, fault: CallFault) -> Self {
        self.inject(node, true, Event::Fault(fault), true)
    }

    /// In [`check`](Self::check), the saga is cancelled while this node's action is in flight.
    pub fn cancel_during(self, node: &str) -> Self {
        self.inject(node, false, Event::Cancel, false)
    }

    /// In [`check`](Self::check), the saga's deadline passes while this node's action is in flight.
    pub fn deadline_during(self, node: &str) -> Self {
        self.inject(node, false, Event::Deadline, false)
    }

    /// In [`check`](Self::check), the process dies before this append to the saga's log. The first one, which creates the
    /// saga, has the number 0.
    pub fn crash_before(mut self, append: usize) -> Self {
        self.schedule.crash = Some(Crash::Before(append));
        self
    }

    /// In [`check`](Self::check), the process dies after this append to the saga's log, and before it knows.
    pub fn crash_after(mut self, append: usize) -> Self {
        self.schedule.crash = Some(Crash::After(append));
        self
    }

    /// In [`check`](Self::check), the saga is cancelled after this append to its log.
    pub fn cancel_after(mut self, append: usize) -> Self {
        self.schedule.cancel = Some(append);
        self
    }

    /// In [`check`](Self::check), the order in which calls end that are in flight at the same time.
    pub fn seed(mut self, seed: u64) -> Self {
        self.schedule.seed = seed;
        self
    }

    /// Runs the saga once, with what was injected.
    ///
    /// # Panics
    /// If the invariant does, if the saga does not end completed or rolled back, or if something that was injected was not
    /// reached.
    #[track_caller]
    pub fn check<I>(self, invariant: I)
    where
        I: AsyncFn(&Ended<S>) + Send + Sync,
    {
        let case = Case {
            place: plan::Place::Append(0),
            what: String::new(),
            may_be_stuck: false,
            schedule: self.schedule.clone(),
        };
        let failure = self.on_a_thread(|| match self.verdict(&case, &invariant) {
            Verdict::Good(_) => None,
            Verdict::NotReached(why) | Verdict::Absent(why) | Verdict::Bad(why) => Some(why),
        });
        if let Some(why) = failure {
            fail(format!("{}: {why}", S::NAME));
        }
    }

    /// Runs the saga once as it is, and once with each thing that can go wrong.
    ///
    /// # Panics
    /// If the saga does not survive one of them, with a test that shows it.
    #[track_caller]
    pub fn check_all<I>(self, invariant: I) -> TestReport
    where
        I: AsyncFn(&Ended<S>) + Send + Sync,
    {
        let report = self.try_all(invariant);
        let failures = report.failures();
        if !failures.is_empty() {
            let saga = S::NAME;
            let shown = failures.join("\n");
            fail(format!(
                "{saga} does not survive {} of these runs:\n\n{shown}\n{report}",
                failures.len()
            ));
        }
        report
    }

    /// The same, and returns what it does not survive.
    pub fn try_all<I>(self, invariant: I) -> TestReport
    where
        I: AsyncFn(&Ended<S>) + Send + Sync,
    {
        self.on_a_thread(|| self.all(&invariant))
    }

    /// Runs something on a thread of its own, where no runtime is in the way.
    fn on_a_thread<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn params(&self) -> Result<S, String> {
        let stored = self.stored_params.as_ref().map_err(String::clone)?;
        let json = str::from_utf8(stored.as_bytes()).map_err(|e| e.to_string())?;
        S::read(json).map_err(|e| e.to_string())
    }

    fn all<I>(&self, invariant: &I) -> TestReport
    where
        I: AsyncFn(&Ended<S>),
    {
        let plain = self.run(&Schedule::default(), invariant);
        let mut report = TestReport::new(S::NAME, plain.seen.appends.clone());
        let none = Case {
            place: plan::Place::Append(0),
            what: "nothing goes wrong".to_string(),
            schedule: Schedule::default(),
            may_be_stuck: false,
        };
        let mut verdict = verdict_of(&none, &plain);
        if let Verdict::Good(RunEnd::RolledBack(why)) = &verdict
            && !self.rolls_back
        {
            verdict = Verdict::Bad(format!(
                "it is rolled back ({why}); if that is as it should be, say so with `SagaTest::rolls_back`"
            ));
        }
        let is_good = matches!(verdict, Verdict::Good(_));
        self.record(&mut report, none, verdict, invariant);
        if !is_good {
            // everything else would show the same
            return report;
        }
        let actions = plan::actions(&plain.seen);
        let orders = match plain.seen.most_in_flight {
            0 | 1 => 1,
            _ => self.interleavings,
        };
        let mut cases = actions.iter().flat_map(plan::of_action).collect::<Vec<_>>();
        for action in &actions {
            let undo = plan::of_undo(action);
            // the undo of what comes after a pivot never runs
            let is_undone = undo.first().is_some_and(|first| {
                // the first thing that goes wrong is what leads to the undo
                let mut cancelled = first.schedule.clone();
                cancelled.injections.truncate(1);
                let run = self.run(&cancelled, invariant);
                run.seen.calls.iter().any(|call| call.undo && call.node == action.node)
            });
            if is_undone {
                cases.extend(undo);
            }
        }
        cases.extend(plan::of_appends(plain.seen.appends.len()));
        if let (RunEnd::Completed, Some(rollback)) = (&plain.end, plan::rollback(&actions)) {
            let appends = self.run(&rollback, invariant).seen.appends;
            cases.extend(plan::of_rollback(appends.len(), &rollback));
            report.set_rollback(appends);
        }
        for case in cases {
            let mut verdict = Verdict::NotReached(String::new());
            let mut case = case;
            for seed in 0..orders {
                case.schedule.seed = seed;
                verdict = self.verdict(&case, invariant);
                if !matches!(verdict, Verdict::Good(_) | Verdict::Absent(_)) {
                    break;
                }
            }
            self.record(&mut report, case, verdict, invariant);
        }
        report
    }

    fn verdict<I>(&self, case: &Case, invariant: &I) -> Verdict
    where
        I: AsyncFn(&Ended<S>),
    {
        verdict_of(case, &self.run(&case.schedule, invariant))
    }

    fn record<I>(&self, report: &mut TestReport, case: Case, verdict: Verdict, invariant: &I)
    where
        I: AsyncFn(&Ended<S>),
    {
        let why = match &verdict {
            Verdict::Good(_) | Verdict::Absent(_) => None,
            Verdict::NotReached(why) | Verdict::Bad(why) => Some(why.clone()),
        };
        if let Some(why) = why {
            let mut shortest = case.clone();
            while let Some(shorter) = shortest
                .schedule
                .shorter()
                .into_iter()
                .map(|schedule| Case { schedule, ..shortest.clone() })
                .find(|shorter| matches!(self.verdict(shorter, invariant), Verdict::Bad(_)))
            {
                shortest = shorter;
            }
            let place = report.place(&case.place);
            report.fail(&place, &case.what, &why, &shortest.schedule);
        }
        report.add(case, verdict);
    }
}

fn verdict_of(case: &Case, run: &Run) -> Verdict {
    if let Some(why) = &run.violation {
        return Verdict::Bad(why.clone());
    }
    let end = match &run.end {
        end @ (RunEnd::Completed | RunEnd::RolledBack(_)) => end.clone(),
        end @ RunEnd::Stuck(_) if case.may_be_stuck => end.clone(),
        RunEnd::Stuck(why) => return Verdict::Bad(why.clone()),
        end @ (RunEnd::Parked(_) | RunEnd::Never(_) | RunEnd::Broken(_)) => {
            return Verdict::Bad(end.to_string());
        }
    };
    match run.not_reached(&case.schedule) {
        None => Verdict::Good(end),
        // calls that ended at the same time shared an append
        Some(why) if case.schedule.last_append() >= run.seen.appends.len() => Verdict::Absent(why),
        Some(why) => Verdict::NotReached(why),
    }
}

/// Fails the test.
#[track_caller]
fn fail(message: String) -> ! {
    panic_any(message)
}

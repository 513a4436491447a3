//! [`SagaTest`]: does a saga end with all of its effects or none, whatever goes wrong?
//!
//! | module | contents |
//! |---|---|
//! | `schedule` | what goes wrong in one run |
//! | `plan` | which runs there are |
//! | `calm` | how long a saga takes that waits |
//! | `events` | what a test tells the saga of |
//! | `injected` | what a test has go wrong in a single run |
//! | `run` | one run |
//! | `all` | all runs, and the shortest one that shows a failure |
//! | `verdict` | what is wrong with a run |
//! | `purity` | whether its expressions are the same each time |
//! | `stage`, `staged_store` | how it is made to go wrong |
//! | `database` | the user's tables, for actions with transactions |
//! | `ended` | what an invariant sees |
//! | `report`, `paste` | the table, and tests to paste |

mod all;
mod calm;
#[cfg(feature = "sqlite")]
mod database;
mod ended;
mod events;
mod injected;
mod paste;
mod plan;
mod purity;
mod report;
mod run;
mod schedule;
mod stage;
mod staged_store;
mod verdict;

use std::panic::{panic_any, resume_unwind};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

pub use self::ended::Ended;
use self::events::Events;
pub use self::report::TestReport;
pub use self::schedule::CallFault;
use self::schedule::Schedule;
use super::mock::{MockAction, Mocks};
use crate::coordinator::{CoordinatorBuilder, NodeKey};
use crate::log::Payload;
use crate::typed::{Saga, Step};
use crate::value::{ActionData, ActionOutput};

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
    mocks: Mocks,
    events: Events,
    /// How long a run takes in which nothing goes wrong, by the saga's clock. Of sagas that wait only.
    calm: OnceLock<Duration>,
    /// The sagas that its actions start.
    others: Vec<Register<S::Context>>,
    #[cfg(feature = "sqlite")]
    database: Option<Box<database::Prepare>>,
}

/// Registers a saga.
type Register<C> = fn(CoordinatorBuilder<C>) -> CoordinatorBuilder<C>;

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
            mocks: Mocks::default(),
            events: Events::default(),
            calm: OnceLock::new(),
            others: Vec::new(),
            #[cfg(feature = "sqlite")]
            database: None,
        }
    }

    /// Registers a saga that actions start with [`cx.start`](crate::ActionContext::start). It runs in the same process: crashes hit it
    /// too, and all other faults the saga that is tested. The invariant is asked when all sagas have ended.
    ///
    /// ```
    /// use std::sync::Mutex;
    /// use saga_core::prelude::*;
    /// use saga_core::testing::{Ended, SagaTest};
    ///
    /// /// The parcels that are packed, by the keys of the calls.
    /// type Parcels = Mutex<std::collections::BTreeSet<String>>;
    ///
    /// #[saga_action(undo = unpack())]
    /// async fn pack(cx: &ActionContext<Parcels>) -> Result<(), String> {
    ///     cx.lock().unwrap().insert(cx.idempotency_key().to_string());
    ///     Ok(())
    /// }
    /// async fn unpack(cx: &ActionContext<Parcels>) -> Result<(), String> {
    ///     cx.lock().unwrap().remove(&cx.action_key().to_string());
    ///     Ok(())
    /// }
    /// saga! { Ship<Parcels>() { pack {}; } }
    ///
    /// #[saga_action(undo = call_off(output))]
    /// async fn ship(cx: &ActionContext<Parcels>) -> Result<SagaId, StartError> { cx.start(Ship {}).await }
    /// async fn call_off(cx: &ActionContext<Parcels>, shipment: &SagaId) -> Result<(), UndoError> {
    ///     cx.rollback(shipment).await.map(drop)
    /// }
    /// #[saga_action(no_undo)]
    /// async fn close() -> Result<(), String> { Ok(()) }
    /// saga! { Order<Parcels>() { let shipment = ship {}; close {}; } }
    ///
    /// let test = SagaTest::<Order>::new(Parcels::default, Order {}).saga::<Ship>();
    /// test.check_all(async |ended: &Ended<Order>| {
    ///     let parcels = ended.context().lock().unwrap().len();
    ///     assert_eq!(parcels, usize::from(ended.completed()));
    /// });
    /// ```
    pub fn saga<Other: Saga<Context = S::Context>>(mut self) -> Self {
        self.others.push(CoordinatorBuilder::saga::<Other>);
        self
    }

    /// Lets actions call [`cx.transaction`](crate::ActionContext::transaction): each run has a SQLite database of its own, in
    /// memory, which survives crashes. The function creates its tables. [`Ended::sqlite`] looks at them.
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// use saga_core::store::rusqlite;
    /// use saga_core::testing::{Ended, SagaTest};
    ///
    /// #[saga_action(undo = put_back(output?))]
    /// async fn take(cx: &ActionContext<()>) -> Result<u32, rusqlite::Error> {
    ///     let sql = "UPDATE shelf SET items = items - 1 RETURNING items";
    ///     cx.transaction(move |tx| tx.query_row(sql, [], |row| row.get(0))).await
    /// }
    /// async fn put_back(cx: &ActionContext<()>, left: Option<&u32>) -> Result<(), rusqlite::Error> {
    ///     if left.is_none() {
    ///         return Ok(()); // no output, so nothing was taken
    ///     }
    ///     cx.transaction(move |tx| tx.execute("UPDATE shelf SET items = items + 1", []).map(drop)).await
    /// }
    /// saga! { Take<()>() { take {}; } }
    ///
    /// let test = SagaTest::<Take>::new(|| (), Take {});
    /// let test = test.sqlite(|db| db.execute_batch("CREATE TABLE shelf (items); INSERT INTO shelf VALUES (3)"));
    /// test.check_all(async |ended: &Ended<Take>| {
    ///     let items = ended.sqlite(|db| db.query_row("SELECT items FROM shelf", [], |row| row.get(0)));
    ///     assert_eq!(items, Ok(if ended.completed() { 2 } else { 3 }));
    /// });
    /// ```
    #[cfg(feature = "sqlite")]
    pub fn sqlite(
        mut self,
        prepare: impl Fn(&mut rusqlite::Connection) -> rusqlite::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.database = Some(Box::new(prepare));
        self
    }

    /// This node does not call its action and its undo: the mock takes their place, in every run.
    ///
    /// # Panics
    /// If that node has no action of its own.
    #[track_caller]
    pub fn mock<O: ActionData, E>(mut self, node: NodeKey<S, O, E>, mock: &MockAction<O>) -> Self {
        if let Err(why) = self.mocks.add_node(&node, mock) {
            fail(why);
        }
        self
    }

    /// The mock takes the place of an action and its undo in all nodes that call it: `mock_action::<book_hotel>(&mock)`.
    ///
    /// # Panics
    /// If no node of the saga calls it.
    #[track_caller]
    pub fn mock_action<A: Step<S::Context>>(mut self, mock: &MockAction<A::Output>) -> Self {
        if let Err(why) = self.mocks.add_action_of::<S, A>(mock) {
            fail(why);
        }
        self
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

    /// The saga is rolled back because of its parameters or its context, and the test fails if it completes. For
    /// [`check_all`](Self::check_all): although nothing goes wrong. Without this, `check_all` takes such a saga for a mistake,
    /// because most of what can go wrong would not be tried.
    pub fn rolls_back(mut self) -> Self {
        self.rolls_back = true;
        self
    }

    /// Runs the saga once, with what was injected.
    ///
    /// # Panics
    /// If the invariant does, if the saga does not end completed or rolled back, or if something that was injected was not
    /// reached. After an undo that [fails for good](CallFault::ForGood) the saga must be stuck instead, and the invariant is
    /// not asked.
    #[track_caller]
    pub fn check<I>(self, invariant: I)
    where
        I: AsyncFn(&Ended<S>) + Send + Sync,
    {
        let failure = self.on_a_thread(|| self.single(&self.schedule, &invariant).failure());
        if let Some(why) = failure {
            let unused = self.mocks.never_called();
            let unused = unused.iter().map(|mock| format!("\nnever called: the mock of {mock}"));
            fail(format!("{}: {why}{}", S::NAME, unused.collect::<String>()));
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
        let failures = report.failures().len();
        if failures > 0 {
            let (saga, shown) = (S::NAME, report.shown());
            fail(format!("{saga} does not survive {failures} of these runs:\n\n{shown}\n{report}"));
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
}

/// Fails the test.
#[track_caller]
pub(super) fn fail(message: String) -> ! {
    panic_any(message)
}

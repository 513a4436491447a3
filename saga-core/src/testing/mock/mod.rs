//! [`MockAction`]: actions that a test scripts, in place of those that call a service. `mocks` is where they are used.

mod mocks;

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

pub(super) use self::mocks::Mocks;
use super::saga_test::fail;
use crate::action::AnyAction;
use crate::context::{ActionContext, AnyContext};
use crate::driver::{CallKind, MockedAction};
use crate::error::{ActionError, UndoError};
use crate::log::{NodePath, Payload, Uuid};
use crate::probe::Probe;
use crate::value::{
    ActionData, ActionOutput, AttemptError, Comparable, Evaluated, Expression, encode_data,
};

/// How a call of a [`MockAction`] fails.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MockFailure {
    /// With an error, which is worth another attempt if there are any left. The call has no effect.
    Error(String),
    /// With an error that no further attempt can change.
    ForGood(String),
    /// With an error after which the effect may have happened. For an undo, this is an error.
    InDoubt(String),
    /// It panics.
    Panic(String),
    /// It never returns.
    Hang,
}

/// A call of a [`MockAction`] or of its undo.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MockCall {
    /// The node.
    pub node: NodePath,
    /// True for the undo.
    pub undo: bool,
    /// True for the probe.
    pub probe: bool,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The idempotency key.
    pub key: Uuid,
    inputs: BTreeMap<&'static str, Json>,
}

impl MockCall {
    /// An input of the action, by the name of its parameter, if it is a `T`. Inputs whose types are not `Serialize` are there
    /// as text, as `{:?}` writes it.
    pub fn input<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        T::deserialize(self.inputs.get(name)?).ok()
    }
}

/// What a test has in place of an action and its undo: it returns what the test says, fails when the test says, and notes
/// with which inputs it was called. All clones are the same mock.
///
/// The undo of a mock succeeds unless the test says otherwise. Retries, timeouts and the undo contract are those of the action.
///
/// ```
/// use saga_core::prelude::*;
/// use saga_core::testing::{Ended, MockAction, MockFailure, SagaTest};
///
/// #[saga_action(undo = cancel(), retry(max = 3))]
/// async fn book(city: &str) -> Result<u32, String> { Err(format!("there is no hotel in {city} in a test")) }
/// async fn cancel() -> Result<(), String> { Err("nor a way to cancel".into()) }
/// #[saga_action(no_undo)]
/// async fn pay(cents: u32) -> Result<u32, String> { Err(format!("nor a bank, for {cents}")) }
///
/// saga! {
///     Trip<()>(city: String) -> u32 {
///         let hotel = book { city };
///         pay { cents: *hotel }
///     }
/// }
///
/// # fn main() {
/// let hotel = MockAction::returns(900).first(2, MockFailure::Error("busy".into()));
/// let bank = MockAction::always(MockFailure::Error("declined".into()));
/// let trip = || SagaTest::<Trip>::new(|| (), Trip { city: "Rome".into() });
/// trip().mock(Trip::hotel, &hotel).mock_action::<pay>(&bank).check(async |ended: &Ended<Trip>| {
///     assert_eq!(ended.result().as_ref().unwrap_err().to_string(),
///         "saga saga-test rolled back: node `pay`: action failed: declined");
/// });
/// assert_eq!(hotel.calls().len(), 4, "three attempts and an undo");
/// assert_eq!(hotel.calls()[0].input::<String>("city").as_deref(), Some("Rome"));
/// assert_eq!(bank.calls()[0].input::<u32>("cents"), Some(900));
/// # }
/// ```
///
/// Its type is that of the node's output:
///
/// ```compile_fail,E0308
/// # use saga_core::prelude::*;
/// # use saga_core::testing::{MockAction, SagaTest};
/// # #[saga_action(no_undo)]
/// # async fn book(city: &str) -> Result<u32, String> { Ok(city.len() as u32) }
/// # saga! { Trip<()>(city: String) -> u32 { let hotel = book { city }; hotel } }
/// # fn main() {
/// let test = SagaTest::<Trip>::new(|| (), Trip { city: "Rome".into() });
/// test.mock(Trip::hotel, &MockAction::returns("a room".to_string()));
/// # }
/// ```
pub struct MockAction<O> {
    mock: Arc<Mock>,
    output: PhantomData<fn() -> O>,
}

type Answer = dyn Fn(&MockCall) -> Result<Payload, MockFailure> + Send + Sync;

/// What the mock answers when it is asked whether it took effect.
type Found = dyn Fn(&MockCall) -> Result<Probe<Payload>, ActionError> + Send + Sync;

struct Mock {
    answer: Box<Answer>,
    /// How many attempts of the action fail, and how.
    first: Option<(u32, MockFailure)>,
    /// The same for the undo.
    undo: Option<(u32, MockFailure)>,
    found: Arc<Found>,
    calls: Mutex<Vec<MockCall>>,
}

impl<O: ActionData> MockAction<O> {
    fn of(answer: Box<Answer>) -> Self {
        let found: Arc<Found> = Arc::new(|_| Ok(Probe::Unknown));
        let mock = Mock { answer, first: None, undo: None, found, calls: Mutex::default() };
        Self { mock: Arc::new(mock), output: PhantomData }
    }

    /// An action that returns this.
    ///
    /// # Panics
    /// If it cannot be stored as the output of a node.
    #[track_caller]
    pub fn returns(output: O) -> Self {
        let payload = match ActionOutput::new(output) {
            Ok(output) => output.payload,
            Err(error) => fail(error.to_string()),
        };
        Self::of(Box::new(move |_| Ok(payload.clone())))
    }

    /// An action that returns what this makes of each call.
    pub fn with(
        answer: impl Fn(&MockCall) -> Result<O, MockFailure> + Send + Sync + 'static,
    ) -> Self {
        Self::of(Box::new(move |call| {
            let output = answer(call)?;
            encode_data(&output).map_err(|error| MockFailure::ForGood(error.to_string()))
        }))
    }

    /// An action that fails at each attempt.
    pub fn always(failure: MockFailure) -> Self {
        Self::of(Box::new(move |_| Err(failure.clone())))
    }

    /// The first attempts of each node fail. Calls that are made so far are forgotten.
    pub fn first(self, attempts: u32, failure: MockFailure) -> Self {
        self.change(|mock| mock.first = Some((attempts, failure)))
    }

    /// The first attempts to undo a node fail. Calls that are made so far are forgotten.
    pub fn undo_first(self, attempts: u32, failure: MockFailure) -> Self {
        self.change(|mock| mock.undo = Some((attempts, failure)))
    }

    /// All attempts to undo a node fail. Calls that are made so far are forgotten.
    pub fn undo_always(self, failure: MockFailure) -> Self {
        self.undo_first(u32::MAX, failure)
    }

    /// What the probe of the action answers ([`probe = ..`](macro@crate::saga_action#asking-instead-of-repeating)); otherwise
    /// nobody knows. Calls that are made so far are forgotten.
    ///
    /// ```
    /// use saga_core::Probe;
    /// use saga_core::prelude::*;
    /// use saga_core::testing::{Ended, MockAction, MockFailure, SagaTest};
    ///
    /// #[saga_action(no_undo, probe = find, retry(max = 2))]
    /// async fn charge(cents: u32) -> Result<u64, String> { Err(format!("there is no bank for {cents} in a test")) }
    /// async fn find(cents: u32) -> Result<Probe<u64>, String> { Err(format!("nor one to ask for {cents}")) }
    ///
    /// saga! { Order<()>(cents: u32) -> u64 { charge { cents: *cents } } }
    ///
    /// # fn main() {
    /// let bank = MockAction::always(MockFailure::InDoubt("timeout".into())).found(|_| Probe::Done(7));
    /// let order = SagaTest::<Order>::new(|| (), Order { cents: 500 }).mock_action::<charge>(&bank);
    /// order.check(async |ended: &Ended<Order>| assert_eq!(ended.result().as_ref().unwrap(), &7));
    /// let calls = bank.calls().iter().map(|call| call.probe).collect::<Vec<_>>();
    /// assert_eq!(calls, [false, true], "it was called once, and then asked");
    /// # }
    /// ```
    pub fn found(self, answer: impl Fn(&MockCall) -> Probe<O> + Send + Sync + 'static) -> Self {
        let found = move |call: &MockCall| {
            Ok(match answer(call) {
                Probe::Done(output) => Probe::Done(encode_data(&output)?),
                Probe::NotDone => Probe::NotDone,
                Probe::Unknown => Probe::Unknown,
            })
        };
        self.change(|mock| mock.found = Arc::new(found))
    }

    fn change(self, change: impl FnOnce(&mut Mock)) -> Self {
        let Self { mock, output } = self;
        let (first, undo, found) = (mock.first.clone(), mock.undo.clone(), mock.found.clone());
        let answer: Box<Answer> = Box::new(move |call| (mock.answer)(call));
        let mut mock = Mock { answer, first, undo, found, calls: Mutex::default() };
        change(&mut mock);
        Self { mock: Arc::new(mock), output }
    }
}

impl<O> MockAction<O> {
    /// The calls so far, of the action and of its undo, in all runs. What a test has go wrong before a call reaches the action
    /// is not among them.
    pub fn calls(&self) -> Vec<MockCall> {
        self.mock.calls().clone()
    }
}

impl<O> Clone for MockAction<O> {
    fn clone(&self) -> Self {
        Self { mock: self.mock.clone(), output: PhantomData }
    }
}

impl<O> fmt::Debug for MockAction<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockAction").field("calls", &*self.mock.calls()).finish_non_exhaustive()
    }
}

impl Mock {
    fn calls(&self) -> MutexGuard<'_, Vec<MockCall>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, action: &AnyAction, cx: &ActionContext<AnyContext>, kind: CallKind) -> MockCall {
        let inputs = action.inputs(cx.clone()).unwrap_or_default().into_iter();
        let call = MockCall {
            node: cx.node_path().clone(),
            undo: kind == CallKind::Undo,
            probe: kind == CallKind::Probe,
            attempt: cx.attempt(),
            key: cx.idempotency_key(),
            inputs: inputs.filter_map(input).collect(),
        };
        self.calls().push(call.clone());
        call
    }
}

fn input(input: Evaluated) -> Option<(&'static str, Json)> {
    let Expression::Argument(name) = input.what else { return None };
    match input.value {
        Comparable::Json { json, .. } => Some((name, json)),
        Comparable::Text(text) => Some((name, text.into())),
        Comparable::Opaque(_) => None,
    }
}

/// The failure of this attempt, if it is one of the first.
fn of_first(first: &Option<(u32, MockFailure)>, attempt: u32) -> Option<MockFailure> {
    let (attempts, failure) = first.as_ref()?;
    (attempt <= *attempts).then(|| failure.clone())
}

impl MockedAction for Mock {
    fn do_it<'a>(
        &'a self,
        action: &'a AnyAction,
        cx: ActionContext<AnyContext>,
    ) -> BoxFuture<'a, Result<ActionOutput, AttemptError>> {
        Box::pin(async move {
            let call = self.call(action, &cx, CallKind::Action);
            let answer = match of_first(&self.first, call.attempt) {
                Some(failure) => Err(failure),
                None => (self.answer)(&call),
            };
            match answer {
                Ok(payload) => Ok(action.decode(&payload)?),
                Err(failure) => Err(of_action(failure).await),
            }
        })
    }

    fn undo_it<'a>(
        &'a self,
        action: &'a AnyAction,
        cx: ActionContext<AnyContext>,
    ) -> BoxFuture<'a, Result<(), UndoError>> {
        Box::pin(async move {
            let call = self.call(action, &cx, CallKind::Undo);
            match of_first(&self.undo, call.attempt) {
                None => Ok(()),
                Some(failure) => Err(of_undo(failure).await),
            }
        })
    }

    fn probe<'a>(
        &'a self,
        action: &'a AnyAction,
        cx: ActionContext<AnyContext>,
    ) -> BoxFuture<'a, Result<Probe<ActionOutput>, ActionError>> {
        Box::pin(async move { self.asked(action, &cx) })
    }
}

impl Mock {
    fn asked(
        &self,
        action: &AnyAction,
        cx: &ActionContext<AnyContext>,
    ) -> Result<Probe<ActionOutput>, ActionError> {
        let call = self.call(action, cx, CallKind::Probe);
        Ok(match (self.found)(&call)? {
            Probe::Done(payload) => Probe::Done(action.decode(&payload)?),
            Probe::NotDone => Probe::NotDone,
            Probe::Unknown => Probe::Unknown,
        })
    }
}

async fn of_action(failure: MockFailure) -> AttemptError {
    match failure {
        MockFailure::Error(error) => AttemptError::from(ActionError::from_error(error)),
        MockFailure::ForGood(error) => {
            AttemptError::from(ActionError::from_error(error)).permanent()
        }
        MockFailure::InDoubt(error) => {
            AttemptError::from(ActionError::from_error(error)).in_doubt()
        }
        // without a message on standard error, which is for panics that nobody wanted
        MockFailure::Panic(message) => resume_unwind(Box::new(message)),
        MockFailure::Hang => pending().await,
    }
}

async fn of_undo(failure: MockFailure) -> UndoError {
    match failure {
        MockFailure::Error(error) | MockFailure::InDoubt(error) => UndoError::from_error(error),
        MockFailure::ForGood(error) => UndoError::permanent(error),
        MockFailure::Panic(message) => resume_unwind(Box::new(message)),
        MockFailure::Hang => pending().await,
    }
}

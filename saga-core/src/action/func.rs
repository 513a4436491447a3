//! Actions made of closures.

use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{Action, ActionData, ActionOutput, AttemptError, Timeouts, Value};
use crate::context::ActionContext;
use crate::error::{ActionError, UndoError};
use crate::log::Payload;
use crate::names::{ActionName, InvalidName};
use crate::policy::{DatabaseKind, Policy, Retry, UndoContract};
use crate::probe::Probe;
use crate::value::stored;

type DoFn<C, O> =
    Box<dyn Fn(ActionContext<C>) -> BoxFuture<'static, Result<O, AttemptError>> + Send + Sync>;
type ProbeFn<C, O> = Box<
    dyn Fn(ActionContext<C>) -> BoxFuture<'static, Result<Probe<O>, ActionError>> + Send + Sync,
>;
type UndoFn<C, O> = Box<
    dyn Fn(ActionContext<C>, Option<Arc<O>>) -> BoxFuture<'static, Result<(), UndoError>>
        + Send
        + Sync,
>;

/// An action made of closures, for DAGs that are built at run time.
///
/// ```
/// use saga_core::action::ActionFunc;
/// use saga_core::ActionContext;
/// # struct Agency;
/// let book = ActionFunc::new(
///     "book_hotel",
///     |cx: ActionContext<Agency>| async move {
///         let city: std::sync::Arc<String> = cx.lookup("city")?;
///         Ok::<_, saga_core::BoxError>(format!("a room in {city}"))
///     },
///     |_cx: ActionContext<Agency>, room: std::sync::Arc<String>| async move {
///         println!("giving back {room}");
///         Ok::<_, saga_core::BoxError>(())
///     },
/// )?;
/// # Ok::<(), saga_core::dag::InvalidName>(())
/// ```
pub struct ActionFunc<C, O> {
    name: ActionName,
    policy: Policy,
    timeouts: Timeouts,
    do_it: DoFn<C, O>,
    undo_it: UndoFn<C, O>,
    probe: Option<ProbeFn<C, O>>,
    place: &'static Location<'static>,
    output: PhantomData<fn() -> O>,
}

impl<C: Send + Sync + 'static, O: ActionData> ActionFunc<C, O> {
    /// An action, and an undo that needs the action's output. This is the contract `f(output)`: a node in doubt
    /// is run again until its outcome is known, and then undone.
    ///
    /// # Errors
    /// [`InvalidName`] if the name cannot be an action's.
    #[track_caller]
    pub fn new<D, F, E, U, G, X>(
        name: impl AsRef<str>,
        do_it: D,
        undo_it: U,
    ) -> Result<Self, InvalidName>
    where
        D: Fn(ActionContext<C>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<O, E>> + Send + 'static,
        E: Into<crate::error::BoxError>,
        U: Fn(ActionContext<C>, Arc<O>) -> G + Send + Sync + 'static,
        G: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<crate::error::BoxError>,
    {
        let undo = move |cx, output: Option<Arc<O>>| -> BoxFuture<'static, _> {
            match output {
                Some(output) => {
                    let undo = undo_it(cx, output);
                    Box::pin(async move { undo.await.map_err(UndoError::from_error) })
                }
                // The machine calls an undo of this kind only with an output.
                None => Box::pin(async { Err(UndoError::permanent("this undo needs an output")) }),
            }
        };
        Ok(Self {
            name: ActionName::new(name)?,
            policy: Policy::new(UndoContract::Output),
            timeouts: Timeouts::default(),
            do_it: boxed(do_it),
            undo_it: Box::new(undo),
            probe: None,
            place: Location::caller(),
            output: PhantomData,
        })
    }

    /// An action without an effect that needs to be undone.
    ///
    /// # Errors
    /// [`InvalidName`] if the name cannot be an action's.
    #[track_caller]
    pub fn new_noop_undo<D, F, E>(name: impl AsRef<str>, do_it: D) -> Result<Self, InvalidName>
    where
        D: Fn(ActionContext<C>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<O, E>> + Send + 'static,
        E: Into<crate::error::BoxError>,
    {
        Ok(Self {
            name: ActionName::new(name)?,
            policy: Policy::new(UndoContract::None),
            timeouts: Timeouts::default(),
            do_it: boxed(do_it),
            undo_it: Box::new(|_, _| Box::pin(async { Ok(()) })),
            probe: None,
            place: Location::caller(),
            output: PhantomData,
        })
    }

    /// An action, and an undo that also compensates a node in doubt, without an output. This is the contract
    /// `f(output?)`.
    ///
    /// # Errors
    /// [`InvalidName`] if the name cannot be an action's.
    #[track_caller]
    pub fn new_undo_maybe<D, F, E, U, G, X>(
        name: impl AsRef<str>,
        do_it: D,
        undo_it: U,
    ) -> Result<Self, InvalidName>
    where
        D: Fn(ActionContext<C>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<O, E>> + Send + 'static,
        E: Into<crate::error::BoxError>,
        U: Fn(ActionContext<C>, Option<Arc<O>>) -> G + Send + Sync + 'static,
        G: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<crate::error::BoxError>,
    {
        let undo = move |cx, output| -> BoxFuture<'static, _> {
            let undo = undo_it(cx, output);
            Box::pin(async move { undo.await.map_err(UndoError::from_error) })
        };
        Ok(Self {
            name: ActionName::new(name)?,
            policy: Policy::new(UndoContract::MaybeOutput),
            timeouts: Timeouts::default(),
            do_it: boxed(do_it),
            undo_it: Box::new(undo),
            probe: None,
            place: Location::caller(),
            output: PhantomData,
        })
    }

    /// Sets how many times the action is attempted; default once.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.policy.retry = retry;
        self
    }

    /// Gives an attempt after a definite failure a key of its own, for receivers that keep the first answer to each key,
    /// refusals included. See [fresh keys](macro@crate::saga_action#fresh-keys).
    ///
    /// ```
    /// use saga_core::action::ActionFunc;
    /// use saga_core::{ActionContext, BoxError, Retry};
    ///
    /// let charge = ActionFunc::new(
    ///     "charge",
    ///     |cx: ActionContext<()>| async move {
    ///         let key = cx.idempotency_key(); // another one after each definite failure
    ///         Ok::<_, BoxError>(format!("payment {key}"))
    ///     },
    ///     |_cx: ActionContext<()>, _payment: std::sync::Arc<String>| async move { Ok::<_, BoxError>(()) },
    /// )?;
    /// let charge = charge.retry(Retry::up_to(3)).fresh_key();
    /// # Ok::<(), saga_core::dag::InvalidName>(())
    /// ```
    pub fn fresh_key(mut self) -> Self {
        self.policy.fresh_key = true;
        self
    }

    /// Also calls the undo after an attempt that definitely failed, to clean up partial effects. This is only
    /// for actions made by [`new_undo_maybe`](Self::new_undo_maybe), whose undo then gets `None`. Otherwise
    /// nothing is undone after an error that is not [in doubt](Self::in_doubt).
    ///
    /// For any other action the DAG is rejected with [`DagError::Misplaced`](crate::dag::DagError::Misplaced).
    pub fn undo_on_failure(mut self) -> Self {
        self.policy.undo_on_failure = true;
        self
    }

    /// Says that the only effect of the action is a `cx.transaction` or a `cx.postgres_transaction` with its rows, as
    /// `#[saga_action(transaction)]` does: it is then never in doubt. This is wrong for an action that has any other effect,
    /// such as a call of a service, because nobody would undo that.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # fn act() -> Result<(), Box<dyn std::error::Error>> {
    /// use saga_core::action::ActionFunc;
    /// use saga_core::ActionContext;
    /// use saga_core::store::{DatabaseKind, rusqlite};
    ///
    /// let take = |cx: ActionContext<u32>| async move {
    ///     let shelf = *cx;
    ///     let sql = "UPDATE shelf SET items = items - 1 WHERE id = ?1 RETURNING items";
    ///     let take = move |tx: &rusqlite::Transaction<'_>| tx.query_row(sql, [shelf], |row| row.get::<_, u32>(0));
    ///     cx.transaction(take).await
    /// };
    /// let take = ActionFunc::new_noop_undo("take", take)?.transaction(DatabaseKind::Sqlite);
    /// # Ok(()) }
    /// ```
    pub fn transaction(mut self, database: DatabaseKind) -> Self {
        self.policy.transaction = Some(database);
        self
    }

    /// Says how to ask whether the action took effect, as `#[saga_action(probe = ..)]` does. See
    /// [asking instead of repeating](macro@crate::saga_action#asking-instead-of-repeating).
    ///
    /// For an action that is a [transaction](Self::transaction), which is never in doubt, the DAG is rejected with
    /// [`DagError::Misplaced`](crate::dag::DagError::Misplaced).
    ///
    /// ```
    /// use saga_core::action::ActionFunc;
    /// use saga_core::{ActionContext, BoxError, Probe};
    /// # struct Bank;
    /// # impl Bank {
    /// #     async fn charge(&self, key: uuid::Uuid) -> Result<u64, BoxError> { Ok(7) }
    /// #     async fn refund(&self, payment: u64) -> Result<(), BoxError> { Ok(()) }
    /// #     async fn payment_or_close(&self, key: uuid::Uuid) -> Result<Option<u64>, BoxError> { Ok(None) }
    /// # }
    /// let charge = ActionFunc::new(
    ///     "charge",
    ///     |cx: ActionContext<Bank>| async move { cx.charge(cx.idempotency_key()).await },
    ///     |cx: ActionContext<Bank>, payment: std::sync::Arc<u64>| async move { cx.refund(*payment).await },
    /// )?;
    /// let charge = charge.probe(|cx: ActionContext<Bank>| async move {
    ///     // finds the payment under this key, or refuses the key from now on
    ///     let found = cx.payment_or_close(cx.idempotency_key()).await?;
    ///     Ok::<_, BoxError>(found.map_or(Probe::NotDone, Probe::Done))
    /// });
    /// # Ok::<(), saga_core::dag::InvalidName>(())
    /// ```
    pub fn probe<P, F, E>(mut self, probe: P) -> Self
    where
        P: Fn(ActionContext<C>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Probe<O>, E>> + Send + 'static,
        E: Into<crate::error::BoxError>,
    {
        self.policy.probe = true;
        self.probe = Some(Box::new(move |cx| {
            let asked = probe(cx);
            Box::pin(async move { asked.await.map_err(ActionError::from_error) })
        }));
        self
    }

    /// Sets how many times the undo is attempted; default 10 times.
    pub fn undo_retry(mut self, retry: Retry) -> Self {
        self.policy.undo_retry = retry;
        self
    }

    /// Sets how long one attempt of the action may take. After that, the attempt is in doubt.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.action = Some(timeout);
        self
    }

    /// How long one attempt of the undo may take.
    pub fn undo_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.undo = Some(timeout);
        self
    }

    /// Tells which errors of the action leave it in doubt whether its effect happened; default none.
    pub fn in_doubt(mut self, when: impl Fn(&ActionError) -> bool + Send + Sync + 'static) -> Self
    where
        O: Send,
    {
        let do_it = self.do_it;
        let when = Arc::new(when);
        self.do_it = Box::new(move |cx| {
            let (attempt, when) = (do_it(cx), when.clone());
            Box::pin(async move {
                attempt.await.map_err(|failed| match when(&failed.error) {
                    true => failed.in_doubt(),
                    false => failed,
                })
            })
        });
        self
    }
}

fn boxed<C, O, E, D, F>(do_it: D) -> DoFn<C, O>
where
    D: Fn(ActionContext<C>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<O, E>> + Send + 'static,
    E: Into<crate::error::BoxError>,
    O: 'static,
{
    Box::new(move |cx| {
        let attempt = do_it(cx);
        Box::pin(async move { attempt.await.map_err(|e| ActionError::from_error(e).into()) })
    })
}

impl<C: Send + Sync + 'static, O: ActionData> Action<C> for ActionFunc<C, O> {
    fn name(&self) -> &ActionName {
        &self.name
    }

    fn do_it(&self, cx: ActionContext<C>) -> BoxFuture<'_, Result<ActionOutput, AttemptError>> {
        let attempt = (self.do_it)(cx);
        Box::pin(async move {
            // A type of the user's that wraps this one may decode it in another way.
            Ok(ActionOutput { is_read_back: false, ..stored(attempt.await?)? })
        })
    }

    fn undo_it(
        &self,
        cx: ActionContext<C>,
        output: Option<Value>,
    ) -> BoxFuture<'_, Result<(), UndoError>> {
        let output = output.and_then(|value| value.downcast::<O>().ok());
        (self.undo_it)(cx, output)
    }

    fn probe(
        &self,
        cx: ActionContext<C>,
    ) -> BoxFuture<'_, Result<Probe<ActionOutput>, ActionError>> {
        let Some(probe) = &self.probe else { return Box::pin(async { Ok(Probe::Unknown) }) };
        let asked = probe(cx);
        Box::pin(async move {
            Ok(match asked.await? {
                Probe::Done(output) => {
                    let output = stored(output).map_err(|failed| failed.error)?;
                    Probe::Done(ActionOutput { is_read_back: false, ..output })
                }
                Probe::NotDone => Probe::NotDone,
                Probe::Unknown => Probe::Unknown,
            })
        })
    }

    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError> {
        ActionOutput::decode::<O>(payload)
    }

    fn policy(&self) -> Policy {
        self.policy
    }

    fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    fn place(&self) -> String {
        format!("{}:{}", self.place.file(), self.place.line())
    }
}

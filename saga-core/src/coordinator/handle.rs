//! A saga seen from outside.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;

use super::CoordinatorInner;
use super::outcome::{NodeKey, NodeOutcomes, Outcome};
use crate::driver::{
    Bounds, Events, ProgressChannel, SagaResult, WeakObservers, before_telling_of_shutdown,
    wait_for,
};
use crate::error::SagaError;
use crate::log::{ActionState, Payload, SagaId, SagaStatus};
use crate::typed::Saga;
use crate::value::{ActionData, decode};

/// What awaiting a [`SagaHandle`] is.
pub type SagaFuture<O> = BoxFuture<'static, Result<O, SagaError>>;

/// What a handle can be of: a saga, by its type, or `serde_json::Value`, which stands for every saga. A `Value`
/// rounds integers beyond `u64`: ask for those by the saga's type, or [by the node's](crate::Outcome::output).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a saga",
    label = "not a saga",
    note = "a handle is of a saga's type, `SagaHandle<BookTrip>`, or of `serde_json::Value`, which stands for every saga"
)]
pub trait SagaType: Send + Sync + 'static {
    /// What it returns.
    type Output: ActionData;
    /// The durable name; none for every saga.
    const NAME: Option<&'static str>;
}

#[diagnostic::do_not_recommend]
impl<S: Saga> SagaType for S {
    type Output = S::Output;
    const NAME: Option<&'static str> = Some(S::NAME);
}

impl SagaType for serde_json::Value {
    type Output = Self;
    const NAME: Option<&'static str> = None;
}

/// A saga that was started. `handle.await` waits for its end and gives its output; dropping the handle
/// does not stop the saga. Any number of handles may wait for one saga.
///
/// A handle goes on with its saga: one that an operator rolls back after its end, or unparks, is running again
/// for its older handles, too. `handle.await` then waits for the next end.
///
/// What a single node did, its [`outcome`](Self::outcome) tells.
///
/// ```
/// use saga_core::prelude::*;
/// use saga_core::SagaStatus;
/// # #[saga_action(no_undo)]
/// # async fn greet(name: &str) -> Result<String, String> {
/// #     if name.is_empty() { Err("nobody is there".into()) } else { Ok(format!("hello {name}")) }
/// # }
/// # saga! { Greet<()>(name: String) -> String { greet { name } } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Greet>().build().await?;
/// let handle = sec.saga(Greet { name: "Ada".into() }).id("greet-1").start().await?;
/// let other = sec.get::<Greet>("greet-1").await?.ok_or("there is one")?;
/// assert_eq!(handle.clone().await?, "hello Ada");
/// assert_eq!(other.await?, "hello Ada");
/// assert_eq!((handle.id().as_str(), handle.status()), ("greet-1", SagaStatus::Completed));
/// # Ok(()) }
/// ```
pub struct SagaHandle<S> {
    id: SagaId,
    track: Arc<ProgressChannel>,
    watching: WeakObservers,
    bounds: Bounds,
    /// Not held on to: a handle keeps no store open.
    coordinator: Weak<dyn OutcomeSource>,
    saga: PhantomData<fn() -> S>,
}

/// What a handle asks the coordinator, whose context it does not know.
pub(super) trait OutcomeSource: Send + Sync {
    /// How the nodes of a saga stand, as its log says.
    fn look(self: Arc<Self>, id: SagaId) -> BoxFuture<'static, Result<NodeOutcomes, SagaError>>;
}

impl<S> Clone for SagaHandle<S> {
    fn clone(&self) -> Self {
        Self {
            id: self.id.clone(),
            track: self.track.clone(),
            watching: self.watching.clone(),
            bounds: self.bounds.clone(),
            coordinator: self.coordinator.clone(),
            saga: PhantomData,
        }
    }
}

impl<S> fmt::Debug for SagaHandle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SagaHandle").field("id", &self.id).field("status", &self.status()).finish()
    }
}

impl<S> SagaHandle<S> {
    pub(super) fn new<C: Send + Sync + 'static>(
        id: SagaId,
        track: Arc<ProgressChannel>,
        coordinator: &Arc<CoordinatorInner<C>>,
    ) -> Self {
        let watching = coordinator.env.observers.watching();
        let bounds = coordinator.env.bounds.clone();
        let coordinator: Weak<CoordinatorInner<C>> = Arc::downgrade(coordinator);
        Self { id, track, watching, bounds, coordinator, saga: PhantomData }
    }

    /// The saga's id.
    pub fn id(&self) -> &SagaId {
        &self.id
    }

    /// What it does from now on, entry by entry, until it has ended; that it is parked is no end. What it did
    /// before is in its log ([`Coordinator::inspect`](crate::Coordinator::inspect)).
    pub fn events(&self) -> Events {
        self.watching.events_of(self.id.clone(), self.track.clone())
    }

    /// What it is doing, as far as it is in the log.
    pub fn status(&self) -> SagaStatus {
        self.track.status()
    }

    /// How a node stands, as far as it is in the log. One whose turn has not come is `pending`, also in
    /// a body that may never run.
    ///
    /// ```
    /// use saga_core::prelude::*;
    ///
    /// #[saga_action(no_undo)]
    /// async fn book(city: &str) -> Result<usize, String> { Ok(city.len()) }
    ///
    /// saga! { Visit<()>(city: String) -> usize { let room = book { city }; room } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Visit>().build().await?;
    /// let handle = sec.saga(Visit { city: "Rome".into() }).start().await?;
    /// assert_eq!(handle.clone().await?, 4);
    /// assert_eq!(handle.status_of(Visit::room).await?, ActionState::Completed);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`SagaError::NotRunning`] if the coordinator is gone, or why the log cannot be read.
    pub async fn status_of<O, E>(&self, key: NodeKey<S, O, E>) -> Result<ActionState, SagaError> {
        let seen = self.coordinator()?.look(self.id.clone()).await?;
        Ok(seen.node_of(&key).map_or(ActionState::Pending, |node| node.state))
    }

    /// Waits until this process does not run the saga (any more).
    async fn ended(&self) -> Result<Arc<SagaResult>, SagaError> {
        let ended = wait_for(&self.bounds, &self.id, self.track.ended()).await?;
        if let Err(SagaError::ShutDown { .. }) = &*ended {
            before_telling_of_shutdown().await;
        }
        Ok(ended)
    }

    fn coordinator(&self) -> Result<Arc<dyn OutcomeSource>, SagaError> {
        self.coordinator.upgrade().ok_or_else(|| SagaError::NotRunning {
            saga: self.id.clone(),
            why: "its coordinator is gone; ask another one for it, with `get`".to_string(),
        })
    }
}

impl<S: SagaType> SagaHandle<S> {
    /// Waits for the saga's end, and reads from its log what each node did.
    ///
    /// ```
    /// use saga_core::prelude::*;
    ///
    /// #[saga_action(no_undo)]
    /// async fn price(nights: u32) -> Result<u32, String> { Ok(nights * 95) }
    /// #[saga_action(no_undo)]
    /// async fn charge(cents: u32) -> Result<String, String> { Err(format!("{cents} is too much")) }
    ///
    /// saga! {
    ///     Visit<()>(nights: u32) -> String {
    ///         let quote = price { nights: *nights };
    ///         let payment = charge { cents: *quote };
    ///         { format!("paid: {payment}") }
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Visit>().build().await?;
    /// let outcome = sec.saga(Visit { nights: 3 }).start().await?.outcome().await?;
    /// assert_eq!(outcome.get(Visit::quote), Some(&285));
    /// assert_eq!(outcome.get(Visit::payment), None);
    /// let error: Option<String> = outcome.error_of(Visit::payment).transpose()?;
    /// assert_eq!(error.as_deref(), Some("285 is too much"));
    /// assert!(matches!(outcome.into_result(), Err(SagaError::RolledBack(_))));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`SagaError`] if it has not ended, and this process does not go on with it: it is parked, say. A
    /// saga that rolled back or is stuck has an outcome.
    pub async fn outcome(self) -> Result<Outcome<S>, SagaError> {
        // taken before the end is awaited, after which nothing else may hold it
        let coordinator = self.coordinator();
        let result = self.ended().await?;
        let id = self.id;
        match SagaResult::clone(&result) {
            result @ (Ok(_) | Err(SagaError::RolledBack(_) | SagaError::Stuck(_))) => {
                Ok(Outcome::new(id.clone(), result, coordinator?.look(id).await?))
            }
            Err(error) => Err(error),
        }
    }
}

impl<S: SagaType> IntoFuture for SagaHandle<S> {
    type Output = Result<S::Output, SagaError>;
    type IntoFuture = SagaFuture<S::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { output(&self.id, &*self.ended().await?) })
    }
}

/// What the saga returned.
pub(super) fn output<O: ActionData>(id: &SagaId, result: &SagaResult) -> Result<O, SagaError> {
    let output = result.as_ref().map_err(SagaError::clone)?;
    let unit = Payload::from(&b"null"[..]);
    let payload = output.as_ref().map_or(&unit, |output| &output.payload);
    let corrupt = |why: String| SagaError::Corrupt { saga: id.clone(), why };
    decode(payload).map_err(|error| corrupt(error.to_string()))
}

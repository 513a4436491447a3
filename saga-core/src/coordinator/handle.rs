//! Handles: a saga seen from outside.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;

use super::CoordinatorInner;
use super::node_key::NodeKey;
use super::outcome::{NoOutput, NodeOutcomes, Outcome, output};
use crate::driver::{
    CallLimits, Events, ProgressChannel, SagaResult, WeakObservers, before_telling_of_shutdown,
    wait_for,
};
use crate::error::SagaError;
use crate::log::{ActionState, SagaId, SagaStatus};
use crate::typed::Saga;
use crate::value::ActionData;

/// What awaiting a [`SagaHandle`] is.
pub type SagaFuture<O> = BoxFuture<'static, Result<O, SagaError>>;

/// What a handle can be typed by: a saga, or `serde_json::Value`, which fits every saga. A `Value` rounds integers
/// beyond `u64`: read those by the saga's type, or [by the node's](crate::Outcome::output).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a saga",
    label = "not a saga",
    note = "a handle is of a saga's type, `SagaHandle<BookTrip>`, or of `serde_json::Value`, which stands for every saga"
)]
pub trait SagaType: Send + Sync + 'static {
    /// What the saga returns.
    type Output: ActionData;
    /// The durable name; `None` for a type that fits every saga.
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

/// A handle to a saga that was started. `handle.await` waits for the saga's end and returns its output; dropping
/// the handle does not stop the saga. Any number of handles may wait for one saga.
///
/// If an operator rolls a saga back after its end, or unparks it, the saga is running again for its older
/// handles, too: `handle.await` then waits for the next end.
///
/// The [`outcome`](Self::outcome) tells what each node did.
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
    any: AnyHandle,
    saga: PhantomData<fn() -> S>,
}

/// A handle to a saga of any type.
#[derive(Clone)]
pub(super) struct AnyHandle {
    id: SagaId,
    progress: Arc<ProgressChannel>,
    observers: WeakObservers,
    call_limits: CallLimits,
    /// Weak: a handle keeps no store open.
    coordinator: Weak<CoordinatorInner>,
}

impl<S> Clone for SagaHandle<S> {
    fn clone(&self) -> Self {
        Self::of_any(self.any.clone())
    }
}

impl<S> fmt::Debug for SagaHandle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SagaHandle")
            .field("id", &self.any.id)
            .field("status", &self.status())
            .finish()
    }
}

impl<S> SagaHandle<S> {
    pub(super) fn of_any(any: AnyHandle) -> Self {
        Self { any, saga: PhantomData }
    }

    /// The saga's id.
    pub fn id(&self) -> &SagaId {
        &self.any.id
    }

    /// The saga's events from now on, entry by entry, until it has ended; being parked is not an end. What it
    /// did before is in its log ([`Coordinator::inspect`](crate::Coordinator::inspect)).
    pub fn events(&self) -> Events {
        self.any.observers.events_of(self.any.id.clone(), self.any.progress.clone())
    }

    /// The saga's status, as far as the log has recorded it.
    pub fn status(&self) -> SagaStatus {
        self.any.status()
    }

    /// The state of a node, as far as the log has recorded it. A node that has not started is `pending`, even in
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
    /// [`SagaError::NotRunning`] if the coordinator is gone; otherwise says why the log cannot be read.
    pub async fn status_of<O, E>(&self, key: NodeKey<S, O, E>) -> Result<ActionState, SagaError> {
        let nodes = self.any.node_outcomes().await?;
        Ok(nodes.node_of(&key).map_or(ActionState::Pending, |node| node.state))
    }
}

impl<S: SagaType> SagaHandle<S> {
    /// Waits for the saga's end, and reads what each node did from its log.
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
    /// [`SagaError`] if the saga has not ended and this process does not run it, for example because it is
    /// parked. A saga that was rolled back or is stuck has an outcome.
    pub async fn outcome(self) -> Result<Outcome<S>, SagaError> {
        let id = self.any.id.clone();
        let (result, nodes) = self.any.outcome().await?;
        Ok(Outcome::new(id, result, nodes))
    }
}

impl<S: SagaType> IntoFuture for SagaHandle<S> {
    type Output = Result<S::Output, SagaError>;
    type IntoFuture = SagaFuture<S::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let (asked, ended) = (self.any.clone(), self.any.ended());
        Box::pin(async move {
            match output(&*ended.await?) {
                Ok(output) => Ok(output),
                Err(error) => Err(asked.error(error).await),
            }
        })
    }
}

// The futures are boxed here, so that their code is part of this crate, and not of each program that awaits them.
impl AnyHandle {
    pub(super) fn new(
        id: SagaId,
        progress: Arc<ProgressChannel>,
        coordinator: &Arc<CoordinatorInner>,
    ) -> Self {
        let observers = coordinator.env.observers.downgrade();
        let call_limits = coordinator.env.call_limits.clone();
        Self { id, progress, observers, call_limits, coordinator: Arc::downgrade(coordinator) }
    }

    /// Waits until this process does not run the saga (any more).
    pub(super) fn ended(self) -> BoxFuture<'static, Result<Arc<SagaResult>, SagaError>> {
        Box::pin(async move {
            let ended = wait_for(&self.call_limits, &self.id, || self.progress.ended()).await?;
            if let Err(SagaError::ShutDown { .. }) = &*ended {
                before_telling_of_shutdown().await;
            }
            Ok(ended)
        })
    }

    /// Waits for the saga's end, and reads what each node did from its log.
    fn outcome(self) -> BoxFuture<'static, Result<(SagaResult, NodeOutcomes), SagaError>> {
        Box::pin(async move {
            // taken before the end is awaited: afterwards nothing else may keep the coordinator alive
            let coordinator = self.coordinator();
            let id = self.id.clone();
            let result = self.ended().await?;
            match SagaResult::clone(&result) {
                result @ (Ok(_) | Err(SagaError::RolledBack(_) | SagaError::Stuck(_))) => {
                    Ok((result, coordinator?.node_outcomes(&id).await?))
                }
                Err(error) => Err(error),
            }
        })
    }

    fn node_outcomes(&self) -> BoxFuture<'_, Result<NodeOutcomes, SagaError>> {
        Box::pin(async move { self.coordinator()?.node_outcomes(&self.id).await })
    }

    /// Why the saga has no output. If it has one, which cannot be read, another version may have run it.
    fn error(self, error: NoOutput) -> BoxFuture<'static, SagaError> {
        Box::pin(async move {
            let by = match (&error, self.coordinator()) {
                (NoOutput::Unreadable(_), Ok(coordinator)) => {
                    coordinator.version_that_ran(&self.id).await
                }
                (NoOutput::Failed(_), _) | (NoOutput::Unreadable(_), Err(_)) => None,
            };
            error.of_saga(&self.id, by.as_ref())
        })
    }

    /// The saga's status, as far as the log has recorded it.
    pub(super) fn status(&self) -> SagaStatus {
        self.progress.status()
    }

    fn coordinator(&self) -> Result<Arc<CoordinatorInner>, SagaError> {
        self.coordinator.upgrade().ok_or_else(|| SagaError::NotRunning {
            saga: self.id.clone(),
            why: "its coordinator is gone; ask another one for it, with `get`".to_string(),
        })
    }
}

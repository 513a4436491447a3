//! The saga execution coordinator (SEC): many sagas at once on one store.
//!
//! A coordinator starts sagas, runs each as a task of its own, and on [`build`](CoordinatorBuilder::build)
//! goes on with everything that an earlier process left unfinished.

mod builder;
mod definitions;
mod handle;
mod live;
mod recovery;
mod start;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::action::ActionData;
use crate::dag::SagaDag;
use crate::definition::Saga;
use crate::driver::{Control, Environment};
use crate::error::{SagaError, StartError};
use crate::log::{NodePath, SagaId};
use crate::machine::Config;
use crate::store::{SagaVersion, StoreError};
pub use builder::{BuildError, CoordinatorBuilder};
use definitions::Definitions;
pub use handle::{SagaFuture, SagaHandle};
use live::Live;
use start::Request;
pub use start::Start;

/// Runs sagas over a context `C`: the clients and pools that their actions use.
///
/// Cheap to clone; all clones are the same coordinator. Dropping it stops nothing: its sagas go on until
/// they end or the runtime does. [`shutdown`](Self::shutdown) hands them over in good order.
///
/// ```
/// use saga_core::prelude::*;
///
/// #[saga_action(no_undo)]
/// async fn greet(name: &str) -> Result<String, String> { Ok(format!("hello {name}")) }
///
/// saga! {
///     Greet<()>(name: String) -> String {
///         greet { name }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Greet>().build().await?;
/// assert_eq!(sec.run(Greet { name: "Ada".into() }).await?, "hello Ada");
/// # Ok(()) }
/// ```
pub struct Coordinator<C> {
    inner: Arc<Inner<C>>,
}

impl<C> Clone for Coordinator<C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

struct Inner<C> {
    env: Arc<Environment<C>>,
    config: Config,
    definitions: Definitions<C>,
    live: Mutex<HashMap<SagaId, Live>>,
    /// Notified when a saga leaves `live`.
    left: Notify,
    closing: AtomicBool,
    unknown: Vec<SagaVersion>,
}

/// What [`Coordinator::shutdown`] could not wait for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Sagas that were interrupted, with the nodes whose calls were cut off in the middle. They go on when
    /// a coordinator is next built on the store.
    pub interrupted: Vec<(SagaId, Vec<NodePath>)>,
}

impl<C: Send + Sync + 'static> Coordinator<C> {
    /// A builder; the context is shared by all actions.
    pub fn builder(context: C) -> CoordinatorBuilder<C> {
        CoordinatorBuilder::new(context)
    }

    /// Runs a saga under a new id, another one at each call, and returns its output.
    ///
    /// Dropping the future does not drop the saga.
    ///
    /// # Errors
    /// [`SagaError`] says how it ended, or why it did not start.
    pub async fn run<S: Saga<Context = C>>(&self, saga: S) -> Result<S::Output, SagaError> {
        self.saga(saga).start().await?.await
    }

    /// Prepares a saga: `sec.saga(BookTrip { trip }).id("order-42").start().await?`.
    pub fn saga<S: Saga<Context = C>>(&self, saga: S) -> Start<C, S::Output> {
        Start::new(self.clone(), Request::typed(saga))
    }

    /// Prepares a saga whose DAG was built at run time. All of its actions must be registered with
    /// [`actions`](CoordinatorBuilder::actions), so that another process can go on with it.
    pub fn saga_dag(&self, saga: SagaDag<C>) -> Start<C, serde_json::Value> {
        Start::new(self.clone(), Request::dynamic(saga))
    }

    /// The saga with this id, running or ended, if there is one. `O` is what it returns;
    /// `serde_json::Value` fits every saga.
    ///
    /// # Errors
    /// [`StartError::InvalidId`], [`StartError::Store`], [`StartError::Corrupt`].
    pub async fn get<O: ActionData>(&self, id: &str) -> Result<Option<SagaHandle<O>>, StartError> {
        let id: SagaId = id.parse()?;
        self.inner.find(&id).await
    }

    /// Definitions that unfinished sagas in the store were started with and that this program does not
    /// know: they stay untouched until a program comes that does.
    pub fn unknown_versions(&self) -> &[SagaVersion] {
        &self.inner.unknown
    }

    /// Starts no more sagas and no more nodes, waits up to `grace` for the calls in flight, drops those
    /// that are left, and releases all sagas, so that the next coordinator goes on with them at once.
    ///
    /// A write that the store has begun is always waited for, however long it takes: only its answer says
    /// where the saga stands.
    ///
    /// # Errors
    /// The store's, if it could not be told.
    pub async fn shutdown(&self, grace: Duration) -> Result<ShutdownReport, StoreError> {
        self.inner.closing.store(true, Ordering::Release);
        let told = self.inner.tell(Control::Drain);
        let _ = tokio::time::timeout(grace, self.inner.until_idle()).await;
        self.inner.tell(Control::Stop);
        self.inner.until_idle().await;
        self.inner.env.store.release(&self.inner.env.worker).await?;
        let interrupted = told.into_iter().filter_map(|(id, saga)| {
            let outcome = saga.progress.borrow().outcome.clone();
            let interrupted = matches!(outcome.as_deref(), Some(Err(SagaError::ShutDown { .. })));
            interrupted.then(|| (id, saga.cut()))
        });
        let mut interrupted = interrupted.collect::<Vec<_>>();
        interrupted.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(ShutdownReport { interrupted })
    }
}

impl<C> Inner<C> {
    fn live(&self) -> std::sync::MutexGuard<'_, HashMap<SagaId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    fn tell(&self, control: Control) -> Vec<(SagaId, Live)> {
        let live = self.live();
        let told = live.iter().map(|(id, saga)| {
            // a saga that has just ended hears nothing any more
            let _ = saga.control.send(control);
            (id.clone(), saga.clone())
        });
        told.collect()
    }

    async fn until_idle(&self) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // counts from here on, so that nothing is missed before the await
            left.as_mut().enable();
            if self.live().is_empty() {
                return;
            }
            left.await;
        }
    }
}

impl<C> fmt::Debug for Coordinator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator")
            .field("worker", &self.inner.env.worker)
            .field("live", &self.inner.live().len())
            .finish_non_exhaustive()
    }
}

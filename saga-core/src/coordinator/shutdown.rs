//! Shutting a coordinator down in good order.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all, select};
use tokio::sync::oneshot;

use super::task_tracker::wait;
use super::{Coordinator, CoordinatorInner, RunningSaga};
use crate::ambient::HashMap;
use crate::crash_points::crash_point;
use crate::driver::Control;
use crate::log::{NodePath, SagaId};
use crate::store::StoreError;

/// How long a task may take, beyond the grace, to read that it must stop. A task whose thread is not blocked
/// does so within milliseconds.
const STOP_TIMEOUT: Duration = Duration::from_millis(250);

/// What [`Coordinator::shutdown`] could not wait for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Sagas that were interrupted, with the nodes whose calls were dropped half way. They resume when a
    /// coordinator is next built on the store.
    pub interrupted: Vec<(SagaId, Vec<NodePath>)>,
    /// Those of them that could not even be stopped, because an action blocks its thread (it sleeps or waits
    /// without `.await`). The action runs on until it returns, even while another process resumes the saga;
    /// its outcome is not written any more.
    pub blocked: Vec<SagaId>,
}

impl<C: Send + Sync + 'static> Coordinator<C> {
    /// Starts no more sagas and no more nodes, waits up to `grace` for the calls in flight, drops the calls that are
    /// left, and releases all sagas, so that the next coordinator can resume them at once.
    ///
    /// When this returns, no task of the coordinator is running, and its store is
    /// [closed](crate::store::Store::close): the next coordinator may open it even while this coordinator and clones
    /// of the store still exist. The store can still be read, so handles and `get` keep working.
    ///
    /// An action that awaits or starts another saga of this coordinator is interrupted with it: it sees no error,
    /// and is run again when its own saga resumes.
    ///
    /// `shutdown` returns soon after the grace even if an action blocks its thread; the report then says so.
    /// Only a write that the store has begun is always waited for, however long it takes, since nothing but its
    /// answer shows how far the saga has come. `shutdown` may be called again, for example with a shorter grace.
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// use std::time::Duration;
    ///
    /// #[saga_action(no_undo, timeout = "1h")]
    /// async fn wait() -> Result<(), String> { std::future::pending().await }
    ///
    /// saga! { Wait<()>() { wait {}; } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Wait>().build().await?;
    /// let handle = sec.saga(Wait {}).id("w").start().await?;
    /// let report = sec.shutdown(Duration::from_millis(10)).await?;
    /// assert!(matches!(&report.interrupted[..], [(saga, _)] if saga.as_str() == "w"));
    /// assert!(matches!(handle.await, Err(SagaError::ShutDown { .. })));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The store's error, if the sagas could not be released or the store not be closed. The tasks have ended
    /// all the same.
    pub async fn shutdown(&self, grace: Duration) -> Result<ShutdownReport, StoreError> {
        self.inner.shutdown(grace).await
    }
}

fn report(drained: HashMap<SagaId, Arc<RunningSaga>>, blocked: Vec<SagaId>) -> ShutdownReport {
    let interrupted = drained.into_iter().filter_map(|(id, saga)| {
        (saga.progress().is_shut_down() || blocked.contains(&id))
            .then(|| (id, saga.link.interrupted()))
    });
    let mut interrupted = interrupted.collect::<Vec<_>>();
    interrupted.sort_by(|a, b| a.0.cmp(&b.0));
    ShutdownReport { interrupted, blocked }
}

impl CoordinatorInner {
    /// The future is boxed here, so that its code is part of this crate, and not of each program.
    fn shutdown(&self, grace: Duration) -> BoxFuture<'_, Result<ShutdownReport, StoreError>> {
        Box::pin(async move {
            self.env.closing.send_replace(true);
            self.tell_of_shutdown();
            let drained = self.send_to_all(|| Control::Drain);
            select(pin!(self.until_idle()), pin!(wait(grace))).await;
            let blocked = self.stop().await;
            self.request_poller.stop();
            self.shared_store.stop();
            if blocked.is_empty() {
                self.tasks.ended().await;
            } else {
                self.until(|running| running.keys().all(|id| blocked.contains(id))).await;
            }
            // some may have left memory since
            self.tell_of_shutdown();
            self.close().await?;
            Ok(report(drained, blocked))
        })
    }

    fn send_to_all(&self, control: impl Fn() -> Control) -> HashMap<SagaId, Arc<RunningSaga>> {
        let running = self.running();
        for saga in running.values() {
            // a task that is about to end does not read this any more
            saga.link.send(control());
        }
        HashMap::clone(&running)
    }

    /// Tells all sagas to stop. Returns those whose tasks do not read it, because a thread is blocked.
    async fn stop(&self) -> Vec<SagaId> {
        let mut told = Vec::new();
        for (id, saga) in self.running().iter() {
            let (acknowledge, acknowledged) = oneshot::channel();
            saga.link.send(Control::Stop(acknowledge));
            told.push((id.clone(), acknowledged));
        }
        // an error means that the task has ended
        let all = join_all(told.iter_mut().map(|(_, acknowledged)| acknowledged));
        select(all, pin!(wait(STOP_TIMEOUT))).await;
        let blocked = told.into_iter().filter_map(|(id, mut acknowledged)| {
            matches!(acknowledged.try_recv(), Err(oneshot::error::TryRecvError::Empty))
                .then_some(id)
        });
        let mut blocked = blocked.collect::<Vec<_>>();
        blocked.sort();
        blocked
    }

    /// Releases all sagas and closes the store, once.
    async fn close(&self) -> Result<(), StoreError> {
        let mut closed = self.closed.lock().await;
        if *closed {
            return Ok(());
        }
        let store = &self.env.store;
        crash_point("driver.shutdown.releasing");
        let released = self.tasks.at_home(store.release(&self.env.worker)).await;
        crash_point("driver.shutdown.closing");
        let done = self.tasks.at_home(store.close()).await;
        self.env.observers.close();
        *closed = true;
        released.and(done)
    }
}

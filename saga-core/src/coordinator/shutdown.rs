//! The end of a coordinator, in good order.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{join_all, select};
use tokio::sync::oneshot;

use super::task_tracker::wait;
use super::{Coordinator, CoordinatorInner, RunningSaga};
use crate::driver::Control;
use crate::log::{NodePath, SagaId};
use crate::store::StoreError;

/// How long a task may take to hear that it must stop, beyond the grace. One that runs at all hears it within
/// milliseconds.
const HEARS: Duration = Duration::from_millis(250);

/// What [`Coordinator::shutdown`] could not wait for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Sagas that were interrupted, with the nodes whose calls were cut off in the middle. They go on when
    /// a coordinator is next built on the store.
    pub interrupted: Vec<(SagaId, Vec<NodePath>)>,
    /// Those of them that could not even be stopped, because an action blocks its thread (it sleeps or waits
    /// without `.await`). It goes on until it returns, beside whoever goes on with the saga; nothing that it
    /// says is written any more.
    pub blocked: Vec<SagaId>,
}

impl<C: Send + Sync + 'static> Coordinator<C> {
    /// Starts no more sagas and no more nodes, waits up to `grace` for the calls in flight, drops those
    /// that are left, and releases all sagas, so that the next coordinator goes on with them at once.
    ///
    /// When it returns, no task of the coordinator runs any more and its store is
    /// [closed](crate::store::Store::close): the next coordinator may open it, also while this one and clones of the
    /// store are still there. Reading goes on, so what handles and `get` tell stays true.
    ///
    /// An action that awaits another saga of this coordinator, or starts one, is interrupted with it: it is told
    /// of no error, and run again when its own saga goes on.
    ///
    /// It returns soon after the grace also where an action blocks its thread; the report then says so. Only
    /// a write that the store has begun is always waited for, however long it takes: nothing but its answer
    /// says where the saga stands. May be called more than once, say with a shorter grace.
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
    /// The store's, if it could not be told. The tasks have ended all the same.
    pub async fn shutdown(&self, grace: Duration) -> Result<ShutdownReport, StoreError> {
        let inner = &self.inner;
        inner.env.closing.send_replace(true);
        let told = inner.tell(|| Control::Drain);
        select(pin!(inner.until_idle()), pin!(wait(grace))).await;
        let blocked = inner.stop().await;
        inner.looking.stop();
        if blocked.is_empty() {
            inner.tasks.ended().await;
        } else {
            inner.until(|running| running.keys().all(|id| blocked.contains(id))).await;
        }
        inner.close().await?;
        Ok(report(told, blocked))
    }
}

fn report(told: HashMap<SagaId, RunningSaga>, blocked: Vec<SagaId>) -> ShutdownReport {
    let interrupted = told.into_iter().filter_map(|(id, saga)| {
        (saga.track.is_shut_down() || blocked.contains(&id)).then(|| (id, saga.cut()))
    });
    let mut interrupted = interrupted.collect::<Vec<_>>();
    interrupted.sort_by(|a, b| a.0.cmp(&b.0));
    ShutdownReport { interrupted, blocked }
}

impl<C: Send + Sync + 'static> CoordinatorInner<C> {
    fn tell(&self, control: impl Fn() -> Control) -> HashMap<SagaId, RunningSaga> {
        let running = self.running();
        for saga in running.values() {
            // one that has just ended hears nothing any more
            let _ = saga.control.send(control());
        }
        running.clone()
    }

    /// Tells all sagas to stop. Those that do not hear it, because a thread is blocked, are returned.
    async fn stop(&self) -> Vec<SagaId> {
        let mut told = Vec::new();
        for (id, saga) in self.running().iter() {
            let (hears, heard) = oneshot::channel();
            let _ = saga.control.send(Control::Stop(hears));
            told.push((id.clone(), heard));
        }
        // an error is a task that has ended
        let all = join_all(told.iter_mut().map(|(_, heard)| heard));
        select(all, pin!(wait(HEARS))).await;
        let deaf = told.into_iter().filter_map(|(id, mut heard)| {
            matches!(heard.try_recv(), Err(oneshot::error::TryRecvError::Empty)).then_some(id)
        });
        let mut deaf = deaf.collect::<Vec<_>>();
        deaf.sort();
        deaf
    }

    /// Lets go of the store, once.
    async fn close(&self) -> Result<(), StoreError> {
        let mut closed = self.closed.lock().await;
        if *closed {
            return Ok(());
        }
        let store = &self.env.store;
        let released = self.tasks.at_home(store.release(&self.env.worker)).await;
        let done = self.tasks.at_home(store.close()).await;
        self.env.observers.close();
        *closed = true;
        released.and(done)
    }
}

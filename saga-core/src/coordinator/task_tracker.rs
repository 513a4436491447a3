//! The tasks of a coordinator. All of them run on the runtime that it was built on, wherever they are spawned
//! from, and all of them are counted, so that a shutdown can wait for the last.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

#[cfg(feature = "fault-injection")]
use crate::ambient::{Gate, Gated};
use crate::clock::is_paused;
use crate::error::RuntimeError;
use crate::panics::without_message;

/// Spawns and counts tasks.
#[derive(Clone)]
pub(super) struct TaskTracker {
    runtime: Handle,
    running: Arc<TaskCount>,
    /// The simulated process that the tasks belong to.
    #[cfg(feature = "fault-injection")]
    gate: Option<Arc<dyn Gate>>,
}

#[derive(Default)]
struct TaskCount {
    count: AtomicUsize,
    /// Notified when the last task has ended.
    ended: Notify,
    /// True once the runtime has dropped a task that had not ended.
    gone: AtomicBool,
}

impl TaskTracker {
    /// A tracker for the runtime that this is called on.
    pub(super) fn here() -> Result<Self, RuntimeError> {
        let runtime = Handle::try_current().map_err(|_| RuntimeError::Missing)?;
        // there is no other way to find out: this panics if the runtime has no timers
        let timer = without_message(|| drop(tokio::time::sleep(Duration::ZERO)));
        timer.map_err(|_| RuntimeError::NoTimers)?;
        Ok(Self {
            runtime,
            running: Arc::default(),
            #[cfg(feature = "fault-injection")]
            gate: None,
        })
    }

    /// The same, for tasks that belong to a simulated process.
    #[cfg(feature = "fault-injection")]
    pub(super) fn within(self, gate: Option<Arc<dyn Gate>>) -> Self {
        Self { gate, ..self }
    }

    /// The same future, which in a simulation is polled only while its process runs.
    #[cfg(feature = "fault-injection")]
    pub(super) fn gated<F: Future>(&self, future: F) -> Gated<F> {
        Gated { gate: self.gate.clone(), future }
    }

    #[cfg(not(feature = "fault-injection"))]
    pub(super) fn gated<F: Future>(&self, future: F) -> F {
        future
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.running.count.fetch_add(1, Ordering::AcqRel);
        let place = CountedTask { running: Arc::clone(&self.running), state: TaskPhase::Waits };
        drop(self.runtime.spawn(self.gated(TrackedTask { future: task, place })));
    }

    /// Waits until all tasks have ended, and everything that they held is dropped.
    pub(super) async fn ended(&self) {
        loop {
            let ended = self.running.ended.notified();
            tokio::pin!(ended);
            // registers now, so that nothing is missed before the await
            ended.as_mut().enable();
            if self.running.count.load(Ordering::Acquire) == 0 {
                return;
            }
            ended.await;
        }
    }

    /// [`RuntimeError::Gone`] once a task was lost with the runtime.
    pub(super) fn check(&self) -> Result<(), RuntimeError> {
        match self.running.gone.load(Ordering::Acquire) {
            true => Err(RuntimeError::Gone),
            false => Ok(()),
        }
    }

    /// Runs the caller's future as if it were on this runtime: sockets, timers and tasks that it makes (a store
    /// may make some) belong to the coordinator's runtime, and outlive that of the caller.
    pub(super) fn at_home<F: Future>(&self, future: F) -> AtHome<'_, F> {
        AtHome { runtime: &self.runtime, future }
    }
}

pin_project! {
    /// See [`TaskTracker::at_home`]. An `async` block would have room for the future twice.
    pub(super) struct AtHome<'a, F> {
        runtime: &'a Handle,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for AtHome<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _home = this.runtime.enter();
        this.future.poll(task)
    }
}

/// Sleeps, even if the threads of the runtime, and with them its timers, are blocked.
pub(super) async fn wait(time: Duration) {
    // a test that has paused tokio's clock means that clock
    if is_paused() {
        return tokio::time::sleep(time).await;
    }
    // the thread ends with this future, even if that is dropped
    let (_waits, gone) = mpsc::channel::<()>();
    let (over, is_over) = oneshot::channel();
    let timer = thread::Builder::new().name("saga-shutdown".to_string()).spawn(move || {
        let _ = gone.recv_timeout(time);
        let _ = over.send(());
    });
    // if no thread can be spawned, there is no wait
    if timer.is_ok() {
        let _ = is_over.await;
    }
}

pin_project! {
    /// A task. Fields are dropped in order: everything that the task held goes before it is counted as ended.
    struct TrackedTask<F> {
        #[pin]
        future: F,
        place: CountedTask,
    }
}

impl<F: Future<Output = ()>> Future for TrackedTask<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.place.state = TaskPhase::Runs;
        let polled = this.future.poll(task);
        this.place.state = if polled.is_ready() { TaskPhase::Over } else { TaskPhase::Waits };
        polled
    }
}

enum TaskPhase {
    Waits,
    /// It stays in this phase if it panics.
    Runs,
    Over,
}

/// Counts a task as running until it is dropped.
struct CountedTask {
    running: Arc<TaskCount>,
    state: TaskPhase,
}

impl Drop for CountedTask {
    fn drop(&mut self) {
        if matches!(self.state, TaskPhase::Waits) {
            // only the runtime drops a task that has not ended
            self.running.gone.store(true, Ordering::Release);
        }
        if self.running.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.running.ended.notify_waiters();
        }
    }
}

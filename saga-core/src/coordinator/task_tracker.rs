//! The tasks of a coordinator: all of them on the runtime that it was built on, whoever asks for them.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

use crate::clock::is_paused;
use crate::error::RuntimeError;
use crate::panics::without_message;

/// Where the tasks run, and how many do.
#[derive(Clone)]
pub(super) struct TaskTracker {
    runtime: Handle,
    running: Arc<TaskCount>,
}

#[derive(Default)]
struct TaskCount {
    count: AtomicUsize,
    /// Notified when a task has ended.
    ended: Notify,
    /// The runtime has dropped a task that had not ended.
    gone: AtomicBool,
}

impl TaskTracker {
    /// TaskTracker on the runtime of whoever calls this.
    pub(super) fn here() -> Result<Self, RuntimeError> {
        let runtime = Handle::try_current().map_err(|_| RuntimeError::Missing)?;
        // there is no other way to ask; it panics if the runtime has no timers
        let timer = without_message(|| drop(tokio::time::sleep(Duration::ZERO)));
        timer.map_err(|_| RuntimeError::NoTimers)?;
        Ok(Self { runtime, running: Arc::default() })
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.running.count.fetch_add(1, Ordering::AcqRel);
        let place = CountedTask { running: Arc::clone(&self.running), state: TaskPhase::Waits };
        drop(self.runtime.spawn(TrackedTask { future: Box::pin(task), place }));
    }

    /// Waits until all tasks have ended, and all that they held is dropped.
    pub(super) async fn ended(&self) {
        loop {
            let ended = self.running.ended.notified();
            tokio::pin!(ended);
            // counts from here on, so that nothing is missed before the await
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

    /// Runs a future of the caller's as if it were on this runtime: what it does with sockets, timers and tasks
    /// (a store may) belongs to the runtime of the coordinator, and does not go with that of the caller.
    pub(super) async fn at_home<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|task| {
            let _home = self.runtime.enter();
            future.as_mut().poll(task)
        })
        .await
    }
}

/// Waits, also where the threads of the runtime are blocked, and with them its timers.
pub(super) async fn wait(time: Duration) {
    // who has paused the clock means that one
    if is_paused() {
        return tokio::time::sleep(time).await;
    }
    // the thread ends with the wait, also if that is dropped
    let (_waits, gone) = mpsc::channel::<()>();
    let (over, is_over) = oneshot::channel();
    let timer = thread::Builder::new().name("saga-shutdown".to_string()).spawn(move || {
        let _ = gone.recv_timeout(time);
        let _ = over.send(());
    });
    // without a thread there is no patience
    if timer.is_ok() {
        let _ = is_over.await;
    }
}

/// A task. Fields are dropped in order: what the task held goes before its place does.
struct TrackedTask {
    future: BoxFuture<'static, ()>,
    place: CountedTask,
}

impl Future for TrackedTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        self.place.state = TaskPhase::Runs;
        let polled = self.future.as_mut().poll(task);
        self.place.state = if polled.is_ready() { TaskPhase::Over } else { TaskPhase::Waits };
        polled
    }
}

enum TaskPhase {
    Waits,
    /// Where it stays if it panics.
    Runs,
    Over,
}

/// A task's part in the count.
struct CountedTask {
    running: Arc<TaskCount>,
    state: TaskPhase,
}

impl Drop for CountedTask {
    fn drop(&mut self) {
        if matches!(self.state, TaskPhase::Waits) {
            // nobody else drops a task
            self.running.gone.store(true, Ordering::Release);
        }
        self.running.count.fetch_sub(1, Ordering::AcqRel);
        self.running.ended.notify_waiters();
    }
}

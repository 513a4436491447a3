//! The thread on which a store talks to its database.
//!
//! It has a runtime of its own, so that a write in flight does not depend on the runtime of whoever asked for it, which may
//! end at any time, and so that time limits go by the real clock where a test has paused tokio's.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, oneshot};

/// Why nothing runs any more.
pub(super) const GONE: &str = "the thread of the store has ended; connect again";

/// How long writes in flight may take when the last clone of a store is dropped.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// How often it is looked whether they have ended.
const LOOK: Duration = Duration::from_millis(5);

/// A runtime on a thread of its own. When this is dropped, it ends as soon as what was spawned there has ended.
pub(super) struct Runtime {
    spawner: Spawner,
    stop: Arc<Notify>,
}

/// Spawns tasks there.
#[derive(Clone)]
pub(super) struct Spawner {
    handle: Handle,
    running: Arc<AtomicUsize>,
}

/// Counts a task that has not ended.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Spawner {
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.running.fetch_add(1, Ordering::AcqRel);
        let running = Running(self.running.clone());
        self.handle.spawn(async move {
            let _running = running;
            task.await;
        });
    }
}

impl Runtime {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (handle, stop) = (runtime.handle().clone(), Arc::new(Notify::new()));
        let spawner = Spawner { handle, running: Arc::default() };
        let (stopped, running) = (stop.clone(), spawner.running.clone());
        std::thread::Builder::new().name("saga-postgres".to_string()).spawn(move || {
            runtime.block_on(async {
                stopped.notified().await;
                let last_writes = async {
                    while running.load(Ordering::Acquire) > 0 {
                        tokio::time::sleep(LOOK).await;
                    }
                };
                // those that take longer are given up
                let _ = tokio::time::timeout(LAST_WRITES, last_writes).await;
            });
        })?;
        Ok(Self { spawner, stop })
    }

    pub(super) fn spawner(&self) -> Spawner {
        self.spawner.clone()
    }

    /// Runs something there, even if nobody waits for it. `None` if the thread has ended.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send + 'static {
        let (reply, answer) = oneshot::channel();
        self.spawner.spawn(async move {
            // the caller may have stopped waiting
            let _ = reply.send(work.await);
        });
        async move { answer.await.ok() }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

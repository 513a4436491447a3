//! The thread on which a store talks to its database.
//!
//! It has a runtime of its own, so that a write in flight does not depend on the runtime of whoever asked for it, which may
//! end at any time, and so that time limits go by the real clock where a test has paused tokio's.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, oneshot};

/// Why nothing runs any more.
pub(super) const GONE: &str = "the thread of the store has ended; connect again";

/// How long writes in flight may take when the last clone of a store is dropped.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// A runtime on a thread of its own, which ends when this is dropped.
pub(super) struct Runtime {
    handle: Handle,
    stop: Arc<Notify>,
}

impl Runtime {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (handle, stop) = (runtime.handle().clone(), Arc::new(Notify::new()));
        let stopped = stop.clone();
        std::thread::Builder::new().name("saga-postgres".to_string()).spawn(move || {
            runtime.block_on(stopped.notified());
            // what is still in flight is given some time
            runtime.shutdown_timeout(LAST_WRITES);
        })?;
        Ok(Self { handle, stop })
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs something there, even if nobody waits for it. `None` if the thread has ended.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send + 'static {
        let (reply, answer) = oneshot::channel();
        self.handle.spawn(async move {
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

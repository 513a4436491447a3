//! A thread for blocking I/O that processes jobs from a queue, and is joined when its owner is dropped.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

/// The owner's handle. Dropping it lets the thread finish the queued jobs, and waits for that.
pub(super) struct IoThread<J> {
    sender: Option<Sender<J>>,
    thread: Option<JoinHandle<()>>,
}

impl<J: Send + 'static> IoThread<J> {
    /// Starts the thread. `work` must return once its receiver is disconnected.
    pub(super) fn start(
        name: &str,
        work: impl FnOnce(Receiver<J>) + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new().name(name.to_string()).spawn(|| work(receiver))?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// Queues a job; never blocks. If the thread has died, the job is dropped, and with it the sender of its
    /// reply, which its caller notices.
    pub(super) fn send(&self, job: J) {
        if let Some(sender) = &self.sender {
            let _ = sender.send(job);
        }
    }
}

impl<J> Drop for IoThread<J> {
    fn drop(&mut self) {
        drop(self.sender.take());
        let Some(thread) = self.thread.take() else { return };
        // No job owns a store, but sending a reply wakes the caller, and an executor may poll the caller's
        // future inline and drop the store on this very thread, which cannot join itself.
        if thread.thread().id() != thread::current().id() {
            let _ = thread.join();
        }
    }
}

/// Waits for a reply from such a thread; returns `None` if the thread has died.
///
/// Tokio does not know about the thread. In a test with a paused clock it would consider the process idle and
/// advance the clock past every deadline before the disk has replied; a blocking task prevents that.
pub(super) async fn reply_of<T: Send + 'static>(reply: oneshot::Receiver<T>) -> Option<T> {
    if !crate::clock::is_paused() {
        return reply.await.ok();
    }
    tokio::task::spawn_blocking(|| reply.blocking_recv().ok()).await.ok()?
}

//! A thread that works off a queue, and that is waited for when its owner goes.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

/// The owner's end. Dropping it lets the thread finish what waits, and waits for that.
pub(super) struct IoThread<J> {
    sender: Option<Sender<J>>,
    thread: Option<JoinHandle<()>>,
}

impl<J: Send + 'static> IoThread<J> {
    /// Starts a thread that must return once its receiver is disconnected.
    pub(super) fn start(
        name: &str,
        work: impl FnOnce(Receiver<J>) + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new().name(name.to_string()).spawn(|| work(receiver))?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// Never blocks. If the thread has died the job is dropped, and whoever waits for it notices.
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
        // No job owns a store, but an executor may poll the future that does from within the
        // wake-up that an answer causes, and so end up here on this very thread.
        if thread.thread().id() != thread::current().id() {
            let _ = thread.join();
        }
    }
}

/// Waits for an answer of such a thread; none if it has died.
///
/// Tokio does not know of the thread. Where a test has paused the clock it would take the process for idle,
/// and jump over all deadlines before the disk has answered; a blocking task of its own keeps it from that.
pub(super) async fn reply_of<T: Send + 'static>(answer: oneshot::Receiver<T>) -> Option<T> {
    if !crate::clock::is_paused() {
        return answer.await.ok();
    }
    tokio::task::spawn_blocking(|| answer.blocking_recv().ok()).await.ok()?
}

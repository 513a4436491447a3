//! Group commit: whatever waits shares a statement, and so a commit.
//!
//! A write that finds a free writer begins at once, so that a lone saga never waits for a batch. Writes that arrive while
//! all writers are busy form the next batch.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::runtime::Spawner;

/// How many writes share a statement at most, and how many bytes, unless one write alone has more.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 4 << 20;

/// Commits a batch, and replies to each write of it.
pub(super) type Commit<W> = Box<dyn Fn(Vec<W>) -> BoxFuture<'static, ()> + Send + Sync>;

/// A write, as the queue sees it.
pub(super) trait Write: Send + 'static {
    /// About how many bytes it has.
    fn bytes(&self) -> usize;
    /// What no other write in its batch may have as well.
    fn key(&self) -> &str;
}

/// Writes that wait, and the tasks that commit them.
pub(super) struct GroupCommit<W> {
    queue: Mutex<Queue<W>>,
    hashes: RandomState,
    commit: Commit<W>,
    /// How many batches are committed at the same time at most.
    writers: usize,
    runtime: Spawner,
    idle: Notify,
}

struct Queue<W> {
    waiting: VecDeque<W>,
    /// How many tasks commit batches.
    writing: usize,
}

impl<W: Write> GroupCommit<W> {
    pub(super) fn new(writers: usize, runtime: Spawner, commit: Commit<W>) -> Arc<Self> {
        let queue = Mutex::new(Queue { waiting: VecDeque::new(), writing: 0 });
        let (hashes, idle) = (RandomState::new(), Notify::new());
        Arc::new(Self { queue, hashes, commit, writers, runtime, idle })
    }

    /// Adds a write, which is committed even if nobody waits for it.
    pub(super) fn write(self: &Arc<Self>, write: W) {
        let mut queue = self.queue();
        queue.waiting.push_back(write);
        if queue.writing < self.writers {
            queue.writing += 1;
            let this = self.clone();
            self.runtime.spawn(async move { this.run().await });
        }
    }

    /// Waits until everything is committed.
    pub(super) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            let mut idle = std::pin::pin!(idle);
            idle.as_mut().enable();
            {
                let queue = self.queue();
                if queue.waiting.is_empty() && queue.writing == 0 {
                    return;
                }
            }
            idle.await;
        }
    }

    async fn run(&self) {
        while let Some(batch) = self.next() {
            (self.commit)(batch).await;
        }
        self.idle.notify_waiters();
    }

    /// The next batch; `None` ends the writer.
    fn next(&self) -> Option<Vec<W>> {
        let mut queue = self.queue();
        let expected = queue.waiting.len().min(BATCH);
        let mut batch = Vec::<W>::with_capacity(expected);
        // of keys; if two keys have the same one, the second waits for the next batch
        let mut there = HashSet::<u64>::with_capacity(expected);
        let mut bytes = 0;
        while let Some(write) = queue.waiting.front() {
            bytes += write.bytes();
            let is_full = batch.len() >= BATCH || bytes > BATCH_BYTES;
            let is_new = there.insert(self.hashes.hash_one(write.key()));
            if !batch.is_empty() && (is_full || !is_new) {
                break;
            }
            batch.extend(queue.waiting.pop_front());
        }
        if batch.is_empty() {
            queue.writing -= 1;
            return None;
        }
        Some(batch)
    }

    fn queue(&self) -> MutexGuard<'_, Queue<W>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

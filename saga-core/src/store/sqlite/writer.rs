//! The async side of the only thread that writes; see [`writer_thread`](super::writer_thread).

use std::io;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::super::StoreError;
use super::super::io_thread::{IoThread, reply_of};
use super::super::open_files::OpenFiles;
use super::super::worker_lock::WorkerLock;
use super::database::{Database, OpenDatabase};
use super::stats::Counters;
use super::transaction_job::TransactionJob;
use super::write_job::{ClosureJob, SqliteError, Tally, WriteJob};
use super::writer_thread;

/// The handle of the writer thread.
pub(super) struct Writer {
    thread: IoThread<WriterCommand>,
    place: Arc<str>,
}

/// A command to the writer thread.
pub(super) enum WriterCommand {
    /// A worker's write, in one transaction with whatever else is waiting.
    Write(Box<dyn WriteJob>),
    /// An operator's request, which needs no worker's lock; also shares a transaction.
    Request(Box<dyn WriteJob>),
    /// A worker's write in a transaction of its own.
    Transaction(Box<TransactionJob>),
    /// Stop writing for the worker, and release its lock.
    Close(oneshot::Sender<()>),
    /// Write for a worker again, which holds this lock.
    Reopen(WorkerLock, oneshot::Sender<Result<(), StoreError>>),
}

impl Writer {
    /// Starts the thread. It holds the lock until it is closed or dropped; without a lock it writes only
    /// operators' requests.
    pub(super) fn start(
        open: OpenDatabase,
        lock: Option<WorkerLock>,
        files: Arc<OpenFiles>,
        place: Arc<str>,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let name = Arc::clone(&place);
        let thread = IoThread::start("saga-writer", move |commands| {
            writer_thread::run(lock, open, files, name, counters, &commands);
        })?;
        Ok(Self { thread, place })
    }

    /// Sends a worker's write, and returns once its transaction is durable. The work may run twice, and must not
    /// have written anything when it returns [`SqliteError::Store`].
    pub(super) fn write<T, F>(&self, work: F) -> impl Future<Output = Result<T, StoreError>>
    where
        T: Send + 'static,
        F: FnMut(&Database, &mut Tally) -> Result<T, SqliteError> + Send + 'static,
    {
        let (job, answer) = ClosureJob::new(work);
        self.thread.send(WriterCommand::Write(Box::new(job)));
        // the future has no room for the work, which may be large
        self.answer(answer)
    }

    /// Like [`write`](Self::write), for an operator's request, which needs no worker's lock.
    pub(super) async fn write_request<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Database, &mut Tally) -> Result<T, SqliteError> + Send + 'static,
    {
        let (job, answer) = ClosureJob::new(work);
        self.thread.send(WriterCommand::Request(Box::new(job)));
        self.answer(answer).await
    }

    /// Completes the writes that were sent before, refuses later ones, and returns once the lock is released.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        let (reply, closed) = oneshot::channel();
        self.thread.send(WriterCommand::Close(reply));
        // A thread that has died no longer holds the lock.
        reply_of(closed).await;
        Ok(())
    }

    /// Writes for a worker again, which holds this lock.
    pub(super) async fn reopen(&self, lock: WorkerLock) -> Result<(), StoreError> {
        let (reply, opened) = oneshot::channel();
        self.thread.send(WriterCommand::Reopen(lock, reply));
        self.answer(opened).await
    }

    /// Runs an append together with an action's own writes.
    pub(super) async fn write_transaction(
        &self,
        job: TransactionJob,
        answer: oneshot::Receiver<Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        self.thread.send(WriterCommand::Transaction(Box::new(job)));
        self.answer(answer).await
    }

    async fn answer<T: Send + 'static>(
        &self,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match reply_of(answer).await {
            Some(outcome) => outcome,
            None => Err(StoreError::Closed {
                store: self.place.to_string(),
                why: "its writer thread has died; open the store again".to_string(),
            }),
        }
    }
}

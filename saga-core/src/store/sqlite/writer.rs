//! The one thread that writes, with group commit: what waits goes into one transaction and shares
//! its fsync.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use rusqlite::ErrorCode;
use tokio::sync::oneshot;

use super::super::StoreError;
use super::super::io_thread::{IoThread, reply_of};
use super::super::open_files::OpenFiles;
use super::super::worker_lock::WorkerLock;
use super::database::Database;
use super::log_guard::LogGuard;
use super::transaction_job::{NotCommitted, TransactionJob};
use super::write_job::{ClosureJob, SqliteError, Tally, WriteJob};
use super::{READING_ONLY, closed};

/// So many requests share a transaction at most, which bounds how long the first one waits.
const MAX_BATCH: usize = 1024;

/// The async end of the writer thread.
pub(super) struct Writer {
    queue: IoThread<WriterCommand>,
    place: Arc<str>,
}

/// What the thread is asked to do.
enum WriterCommand {
    /// In a transaction with whatever else waits.
    Shared(Box<dyn WriteJob>),
    /// The same for what anybody may do.
    Asked(Box<dyn WriteJob>),
    /// In a transaction of its own.
    Alone(Box<TransactionJob>),
    /// The worker is done: no more of the others.
    Close(oneshot::Sender<()>),
    /// Another worker begins, with this lock.
    Reopen(WorkerLock, oneshot::Sender<Result<(), StoreError>>),
}

impl Writer {
    /// The thread keeps the lock until it is closed, or its connection is; without one it writes only what
    /// anybody may.
    pub(super) fn start(
        conn: Database,
        lock: Option<WorkerLock>,
        files: Arc<OpenFiles>,
        place: Arc<str>,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let alone = VecDeque::new();
        let thread = WriterThread {
            conn,
            files,
            place: place.clone(),
            poison: None,
            counters,
            alone,
            closed: lock.is_none(),
            closing: Vec::new(),
            lock,
        };
        let queue = IoThread::start("saga-writer", move |jobs| thread.work(jobs))?;
        Ok(Self { queue, place })
    }

    /// Answers once the transaction is durable. The work must have written nothing when it returns
    /// [`SqliteError::Store`], and may run twice.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Database, &mut Tally) -> Result<T, SqliteError> + Send + 'static,
    {
        let (request, answer) = ClosureJob::new(work);
        self.queue.send(WriterCommand::Shared(Box::new(request)));
        self.answer(answer).await
    }

    /// The same for what anybody may do, also beside a worker.
    pub(super) async fn ask<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Database, &mut Tally) -> Result<T, SqliteError> + Send + 'static,
    {
        let (request, answer) = ClosureJob::new(work);
        self.queue.send(WriterCommand::Asked(Box::new(request)));
        self.answer(answer).await
    }

    /// Returns once the lock is released. What was sent before is done, what comes after is refused.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        let (reply, closed) = oneshot::channel();
        self.queue.send(WriterCommand::Close(reply));
        // a thread that has died has no lock any more
        reply_of(closed).await;
        Ok(())
    }

    /// Writes for a worker again, who has this lock.
    pub(super) async fn reopen(&self, lock: WorkerLock) -> Result<(), StoreError> {
        let (reply, opened) = oneshot::channel();
        self.queue.send(WriterCommand::Reopen(lock, reply));
        self.answer(opened).await
    }

    /// The same for an append with the user's part.
    pub(super) async fn work(
        &self,
        job: TransactionJob,
        answer: oneshot::Receiver<Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        self.queue.send(WriterCommand::Alone(Box::new(job)));
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

struct WriterThread {
    conn: Database,
    files: Arc<OpenFiles>,
    place: Arc<str>,
    /// What made the store refuse all further writes.
    poison: Option<String>,
    counters: Arc<Counters>,
    /// Taken from the queue, and waiting for a transaction of their own.
    alone: VecDeque<Box<TransactionJob>>,
    /// It does not write for a worker (any more).
    closed: bool,
    /// Whom to tell that the lock is released.
    closing: Vec<oneshot::Sender<()>>,
    // dropped behind the connection
    lock: Option<WorkerLock>,
}

impl WriterThread {
    fn work(mut self, orders: Receiver<WriterCommand>) {
        let guard = LogGuard::install(&mut self.conn);
        while let Ok(first) = orders.recv() {
            let mut batch = Vec::new();
            self.sort(first, &mut batch);
            self.take(&orders, &mut batch);
            if !batch.is_empty() {
                self.transaction(batch, Some(&orders));
            }
            while let Some(job) = self.alone.pop_front() {
                match &guard {
                    Ok(guard) => self.own_transaction(*job, guard),
                    Err(e) => job.refuse(self.failed(format!("it cannot guard its log: {e}"))),
                }
            }
            if !self.closing.is_empty() {
                self.let_go();
            }
        }
    }

    /// What waits, as far as it fits.
    fn take(&mut self, orders: &Receiver<WriterCommand>, batch: &mut Vec<Box<dyn WriteJob>>) {
        for order in orders.try_iter().take(MAX_BATCH.saturating_sub(batch.len())) {
            self.sort(order, batch);
        }
    }

    fn sort(&mut self, order: WriterCommand, batch: &mut Vec<Box<dyn WriteJob>>) {
        match order {
            WriterCommand::Shared(job) if self.closed => job.answer(Err(self.reading_only())),
            WriterCommand::Alone(job) if self.closed => job.refuse(self.reading_only()),
            WriterCommand::Shared(job) | WriterCommand::Asked(job) => batch.push(job),
            WriterCommand::Alone(job) => self.alone.push_back(job),
            WriterCommand::Close(reply) => {
                self.closed = true;
                self.closing.push(reply);
            }
            WriterCommand::Reopen(lock, reply) => {
                // whoever asks may have gone away
                let _ = reply.send(self.reopen(lock));
            }
        }
    }

    fn reopen(&mut self, lock: WorkerLock) -> Result<(), StoreError> {
        self.check()?;
        // SQLite's own default, which its closing has turned off
        let checkpoints = self.conn.execute_batch("PRAGMA wal_autocheckpoint = 1000");
        checkpoints.map_err(|e| self.failed(format!("it could not be opened again ({e})")))?;
        (self.lock, self.closed) = (Some(lock), false);
        Ok(())
    }

    /// All that was written for the worker is in. From here on another one may be there.
    fn let_go(&mut self) {
        // as for those that are attached: only the worker's writer checkpoints, see `version`
        if let Err(e) = self.conn.execute_batch("PRAGMA wal_autocheckpoint = 0") {
            self.poison.get_or_insert_with(|| format!("it could not be closed ({e})"));
        }
        drop(self.lock.take());
        for reply in self.closing.drain(..) {
            let _ = reply.send(());
        }
    }

    fn own_transaction(&mut self, job: TransactionJob, guard: &LogGuard) {
        if let Err(e) = self.check() {
            return job.refuse(e);
        }
        let mut tally = Tally::default();
        let (reply, done) = job.run(&self.conn, guard, &mut tally);
        reply.answer(match done {
            Ok(()) => {
                self.counters.add(&tally);
                self.check()
            }
            Err(NotCommitted::Store(e)) => {
                self.roll_back();
                Err(e)
            }
            Err(NotCommitted::Sql(error)) => Err(self.give_up(&error)),
        });
    }

    /// Runs the batch in one transaction, with what arrived while that waited for the database's
    /// write lock.
    fn transaction(
        &mut self,
        mut batch: Vec<Box<dyn WriteJob>>,
        arriving: Option<&Receiver<WriterCommand>>,
    ) {
        if let Err(e) = self.check() {
            return refuse(batch, &e);
        }
        let changes_before = self.conn.total_changes();
        if let Err(e) = self.conn.execute_batch("BEGIN IMMEDIATE") {
            return self.abandon(batch, &e);
        }
        if let Some(orders) = arriving {
            self.take(orders, &mut batch);
        }
        let mut tally = Tally::default();
        let ran = batch.iter_mut().try_for_each(|job| job.run(&self.conn, &mut tally));
        match ran {
            Err(e) if batch.len() > 1 && !is_io_error(&e) => {
                // One of them is bad; alone, each gets its own answer.
                self.roll_back();
                for job in batch {
                    self.transaction(vec![job], None);
                }
            }
            Err(e) => self.abandon(batch, &e),
            Ok(()) => match self.conn.execute_batch("COMMIT") {
                Err(e) => self.abandon(batch, &e),
                Ok(()) => {
                    if self.conn.total_changes() > changes_before {
                        self.counters.add(&tally);
                    }
                    // The files may have gone since the first look, and the commit with them.
                    let there = self.check();
                    for job in batch {
                        job.answer(there.clone());
                    }
                }
            },
        }
    }

    /// Whether it may write, and whether what it wrote is where it will be looked for.
    fn check(&self) -> Result<(), StoreError> {
        match &self.poison {
            None => self.files.check().map_err(|why| closed(&self.place, why)),
            Some(why) => Err(closed(&self.place, why)),
        }
    }

    fn abandon(&mut self, batch: Vec<Box<dyn WriteJob>>, e: &rusqlite::Error) {
        let why = self.give_up(e);
        refuse(batch, &why);
    }

    /// Rolls back; and takes no more, if nobody can know what is on disk. What to answer.
    ///
    /// After a disk that is full, everybody knows: SQLite says so of a write that did not fit, before any
    /// fsync, and what it wrote of the transaction is not part of the database.
    fn give_up(&mut self, e: &rusqlite::Error) -> StoreError {
        self.roll_back();
        // After a failed write or fsync the kernel may have dropped the pages, and a later fsync
        // would succeed without them (PostgreSQL's "fsyncgate"): what it acknowledged would be a
        // guess.
        if is_io_error(e) {
            self.poison.get_or_insert_with(|| {
                format!(
                    "an earlier write failed ({e}), so it takes no more; check the disk, \
                     then open the store again"
                )
            });
        }
        match self.poison {
            Some(_) => closed(&self.place, e.to_string()),
            None => self.failed(e.to_string()),
        }
    }

    fn reading_only(&self) -> StoreError {
        closed(&self.place, READING_ONLY)
    }

    fn roll_back(&mut self) {
        // After some errors SQLite has rolled back already.
        if self.conn.is_autocommit() {
            return;
        }
        if let Err(e) = self.conn.execute_batch("ROLLBACK") {
            self.poison.get_or_insert_with(|| {
                format!("a rollback failed ({e}), so it takes no more; open the store again")
            });
        }
    }

    fn failed(&self, why: String) -> StoreError {
        StoreError::Failed { store: self.place.to_string(), why }
    }
}

fn refuse(batch: Vec<Box<dyn WriteJob>>, why: &StoreError) {
    for job in batch {
        job.answer(Err(why.clone()));
    }
}

fn is_io_error(e: &rusqlite::Error) -> bool {
    e.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

/// What a [`SqliteStore`](super::SqliteStore) has committed since it was opened; for tests and dashboards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteStats {
    /// Transactions that changed something, each with one fsync.
    pub transactions: u64,
    /// Sagas created.
    pub creates: u64,
    /// Appends that were not fenced.
    pub appends: u64,
    /// Log entries, those of creates included.
    pub entries: u64,
}

/// What [`SqliteStats`] is read from.
#[derive(Debug, Default)]
pub(super) struct Counters {
    transactions: AtomicU64,
    creates: AtomicU64,
    appends: AtomicU64,
    entries: AtomicU64,
}

impl Counters {
    fn add(&self, tally: &Tally) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.creates.fetch_add(tally.creates, Ordering::Relaxed);
        self.appends.fetch_add(tally.appends, Ordering::Relaxed);
        self.entries.fetch_add(tally.entries, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> SqliteStats {
        SqliteStats {
            transactions: self.transactions.load(Ordering::Relaxed),
            creates: self.creates.load(Ordering::Relaxed),
            appends: self.appends.load(Ordering::Relaxed),
            entries: self.entries.load(Ordering::Relaxed),
        }
    }
}

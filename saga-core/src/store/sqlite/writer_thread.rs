//! The thread behind [`Writer`](super::writer::Writer). It commits in groups: whatever is waiting shares one
//! transaction and one fsync.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use tokio::sync::oneshot;

use super::super::StoreError;
use super::super::open_files::OpenFiles;
use super::super::worker_lock::WorkerLock;
use super::database::{Database, OpenDatabase};
use super::io_errors::{in_words, leaves_doubt};
use super::log_guard::LogGuard;
use super::schema::{self, CHECKPOINT};
use super::stats::Counters;
use super::transaction_job::{NotCommitted, TransactionJob};
use super::write_job::{Tally, WriteJob};
use super::writer::WriterCommand;
use super::{READING_ONLY, closed};
use crate::crash_points::crash_point;

/// The largest number of jobs in one transaction, which bounds how long the first of them waits.
const MAX_BATCH: usize = 1024;

const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";

/// Carries out commands until their sender is dropped. Without a lock, it writes only operators' requests.
pub(super) fn run(
    // The first one, so that it is dropped after the connection.
    mut lock: Option<WorkerLock>,
    mut open: OpenDatabase,
    files: Arc<OpenFiles>,
    place: Arc<str>,
    counters: Arc<Counters>,
    commands: &Receiver<WriterCommand>,
) {
    let guard = LogGuard::install(&mut open);
    let mut writer = WriterThread {
        conn: open.database(),
        files,
        place,
        poison: None,
        counters,
        transactions: VecDeque::new(),
        closed: lock.is_none(),
        closing: Vec::new(),
        lock: &mut lock,
    };
    writer.run(commands, &guard);
}

/// The state of the writer thread.
struct WriterThread<'c> {
    conn: Database<'c>,
    files: Arc<OpenFiles>,
    place: Arc<str>,
    /// Why the store refuses all further writes, if it does.
    poison: Option<String>,
    counters: Arc<Counters>,
    /// Jobs that wait for a transaction of their own.
    transactions: VecDeque<Box<TransactionJob>>,
    /// True if it does not write for a worker, no longer or not at all.
    closed: bool,
    /// Whom to notify when the lock is released.
    closing: Vec<oneshot::Sender<()>>,
    lock: &'c mut Option<WorkerLock>,
}

impl WriterThread<'_> {
    fn run(&mut self, commands: &Receiver<WriterCommand>, guard: &rusqlite::Result<LogGuard>) {
        // its room is used again
        let mut batch = Vec::new();
        while let Ok(first) = commands.recv() {
            self.sort(first, &mut batch);
            self.take(commands, &mut batch);
            if !batch.is_empty() {
                self.transaction(&mut batch, Some(commands));
            }
            while let Some(job) = self.transactions.pop_front() {
                match guard {
                    Ok(guard) => self.own_transaction(*job, guard),
                    Err(e) => job.refuse(self.failed(format!(
                        "the log cannot be protected from the action's statements: {e}"
                    ))),
                }
            }
            if !self.closing.is_empty() {
                self.release_lock();
            }
        }
    }

    /// Takes the waiting commands, up to the size of a batch.
    fn take(&mut self, commands: &Receiver<WriterCommand>, batch: &mut Vec<Box<dyn WriteJob>>) {
        for command in commands.try_iter().take(MAX_BATCH.saturating_sub(batch.len())) {
            self.sort(command, batch);
        }
    }

    fn sort(&mut self, command: WriterCommand, batch: &mut Vec<Box<dyn WriteJob>>) {
        match command {
            WriterCommand::Write(job) if self.closed => job.answer(Err(self.reading_only())),
            WriterCommand::Transaction(job) if self.closed => job.refuse(self.reading_only()),
            WriterCommand::Write(job) | WriterCommand::Request(job) => batch.push(job),
            WriterCommand::Transaction(job) => self.transactions.push_back(job),
            WriterCommand::Close(reply) => {
                self.closed = true;
                self.closing.push(reply);
            }
            WriterCommand::Reopen(lock, reply) => {
                // The caller may have stopped waiting.
                let _ = reply.send(self.reopen(lock));
            }
        }
    }

    fn reopen(&mut self, lock: WorkerLock) -> Result<(), StoreError> {
        self.check()?;
        self.conn.definitions.forget();
        // Closing has turned them off.
        let checkpoints = schema::checkpoint_at(&self.conn, CHECKPOINT);
        checkpoints.map_err(|e| self.failed(format!("it could not be opened again: {e}")))?;
        (*self.lock, self.closed) = (Some(lock), false);
        Ok(())
    }

    /// Releases the lock, after everything that was sent by the worker has been written. From here on another
    /// worker may open the store.
    fn release_lock(&mut self) {
        crash_point("sqlite.close.before");
        // As for attached stores: only the worker's writer checkpoints, see `sqlite_version`.
        if let Err(e) = schema::checkpoint_at(&self.conn, 0) {
            self.poison.get_or_insert_with(|| format!("it could not be closed: {e}"));
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
                crash_point("sqlite.transaction.committed");
                self.counters.add(&tally);
                self.check()
            }
            Err(NotCommitted::Store(e)) => {
                self.roll_back();
                Err(e)
            }
            Err(NotCommitted::Sql(error)) => Err(self.fail(&error)),
        });
    }

    /// Runs the batch in one transaction, together with the jobs that arrive while `BEGIN` waits for the
    /// database's write lock.
    fn transaction(
        &mut self,
        batch: &mut Vec<Box<dyn WriteJob>>,
        arriving: Option<&Receiver<WriterCommand>>,
    ) {
        if let Err(e) = self.check() {
            return refuse(batch, &e);
        }
        crash_point("sqlite.batch.beginning");
        let changes_before = self.conn.total_changes();
        if let Err(e) = self.conn.execute_kept(BEGIN, []) {
            return self.fail_batch(batch, &e);
        }
        self.conn.definitions.begin();
        if let Some(commands) = arriving {
            self.take(commands, batch);
        }
        crash_point("sqlite.batch.begun");
        let mut tally = Tally::default();
        let ran = batch.iter_mut().try_for_each(|job| job.run(&self.conn, &mut tally));
        crash_point("sqlite.batch.written");
        match ran {
            Err(e) if batch.len() > 1 && !leaves_doubt(&e) => {
                // One job is at fault. In a transaction of its own, each gets its own result.
                self.roll_back();
                for job in batch.drain(..) {
                    self.transaction(&mut vec![job], None);
                }
            }
            Err(e) => self.fail_batch(batch, &e),
            Ok(()) => match self.conn.execute_kept(COMMIT, []) {
                Err(e) => self.fail_batch(batch, &e),
                Ok(_) => {
                    crash_point("sqlite.batch.committed");
                    if self.conn.total_changes() > changes_before {
                        self.counters.add(&tally);
                    }
                    // The files may have been removed since the first check, and the commit with them.
                    let checked = self.check();
                    for job in batch.drain(..) {
                        job.answer(checked.clone());
                    }
                    crash_point("sqlite.batch.told");
                }
            },
        }
    }

    /// Fails if the store accepts no more writes, or its files are no longer at their paths.
    fn check(&self) -> Result<(), StoreError> {
        match &self.poison {
            None => self.files.check().map_err(|why| closed(&self.place, why)),
            Some(why) => Err(closed(&self.place, why)),
        }
    }

    fn fail_batch(&mut self, batch: &mut Vec<Box<dyn WriteJob>>, e: &rusqlite::Error) {
        let why = self.fail(e);
        refuse(batch, &why);
    }

    /// Rolls back, closes the store if it is unknown what is on disk, and returns the error for the caller.
    ///
    /// A full disk does not close the store: SQLite reports it when it writes, before any fsync, and nothing of
    /// the transaction becomes part of the database.
    fn fail(&mut self, e: &rusqlite::Error) -> StoreError {
        self.roll_back();
        // After a failed write or fsync the kernel may have dropped the pages, and a later fsync would succeed
        // without them (PostgreSQL's "fsyncgate"), so no later commit could be trusted.
        let why = in_words(e);
        if leaves_doubt(e) {
            self.poison.get_or_insert_with(|| {
                format!(
                    "an earlier write failed ({why}), so the store accepts no more writes; check the disk, \
                     then open the store again"
                )
            });
        }
        match self.poison {
            Some(_) => closed(&self.place, why),
            None => self.failed(why),
        }
    }

    fn reading_only(&self) -> StoreError {
        closed(&self.place, READING_ONLY)
    }

    fn roll_back(&mut self) {
        self.conn.definitions.forget();
        // After some errors SQLite has already rolled back.
        if self.conn.is_autocommit() {
            return;
        }
        if let Err(e) = self.conn.execute_batch("ROLLBACK") {
            self.poison.get_or_insert_with(|| {
                format!("a rollback failed ({e}), so the store accepts no more writes; open the store again")
            });
        }
    }

    fn failed(&self, why: String) -> StoreError {
        StoreError::Failed { store: self.place.to_string(), why }
    }
}

fn refuse(batch: &mut Vec<Box<dyn WriteJob>>, why: &StoreError) {
    for job in batch.drain(..) {
        job.answer(Err(why.clone()));
    }
}

//! The one thread that writes, with group commit: what waits goes into one transaction and shares
//! its fsync.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use rusqlite::{Connection, ErrorCode};

use super::super::StoreError;
use super::super::lock::WorkerLock;
use super::super::queue::Queue;
use super::SqliteStats;
use super::job::{Job, Request, Tally, Trouble};

/// So many requests share a transaction at most, which bounds how long the first one waits.
const MAX_BATCH: usize = 1024;

/// The async end of the writer thread.
pub(super) struct Writer {
    queue: Queue<Box<dyn Job>>,
    place: Arc<str>,
}

impl Writer {
    /// The thread keeps the lock until its connection is closed; without one it writes only what
    /// anybody may.
    pub(super) fn start(
        conn: Connection,
        lock: Option<WorkerLock>,
        place: Arc<str>,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let thread = WriterThread { conn, place: place.clone(), poison: None, counters };
        let queue = Queue::start("saga-writer", move |jobs| {
            thread.work(jobs);
            drop(lock);
        })?;
        Ok(Self { queue, place })
    }

    /// Answers once the transaction is durable. The work must have written nothing when it returns
    /// [`Trouble::Answer`], and may run twice.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Connection, &mut Tally) -> Result<T, Trouble> + Send + 'static,
    {
        let (request, answer) = Request::new(work);
        self.queue.send(Box::new(request));
        match answer.await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Failed {
                store: self.place.to_string(),
                why: "its writer thread has died; open the store again".to_string(),
            }),
        }
    }
}

struct WriterThread {
    conn: Connection,
    place: Arc<str>,
    /// What made the store refuse all further writes.
    poison: Option<String>,
    counters: Arc<Counters>,
}

impl WriterThread {
    fn work(mut self, jobs: Receiver<Box<dyn Job>>) {
        while let Ok(first) = jobs.recv() {
            let mut batch = vec![first];
            batch.extend(jobs.try_iter().take(MAX_BATCH - 1));
            self.transaction(batch, Some(&jobs));
        }
    }

    /// Runs the batch in one transaction, with what arrived while that waited for the database's
    /// write lock.
    fn transaction(
        &mut self,
        mut batch: Vec<Box<dyn Job>>,
        arriving: Option<&Receiver<Box<dyn Job>>>,
    ) {
        if let Some(why) = &self.poison {
            return refuse(batch, &self.failed(why.clone()));
        }
        let changes_before = self.conn.total_changes();
        if let Err(e) = self.conn.execute_batch("BEGIN IMMEDIATE") {
            return self.abandon(batch, &e, false);
        }
        if let Some(jobs) = arriving {
            batch.extend(jobs.try_iter().take(MAX_BATCH.saturating_sub(batch.len())));
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
            Err(e) => self.abandon(batch, &e, false),
            Ok(()) => match self.conn.execute_batch("COMMIT") {
                Err(e) => self.abandon(batch, &e, true),
                Ok(()) => {
                    if self.conn.total_changes() > changes_before {
                        self.counters.add(&tally);
                    }
                    for job in batch {
                        job.answer(Ok(()));
                    }
                }
            },
        }
    }

    fn abandon(&mut self, batch: Vec<Box<dyn Job>>, e: &rusqlite::Error, at_commit: bool) {
        self.roll_back();
        // After a failed write or fsync the kernel may have dropped the pages, and a later fsync
        // would succeed without them (PostgreSQL's "fsyncgate"): what it acknowledged would be a
        // guess.
        if is_io_error(e) || (at_commit && is_disk_full(e)) {
            self.poison.get_or_insert_with(|| {
                format!(
                    "an earlier write failed ({e}), so it takes no more; check the disk, \
                     then open the store again"
                )
            });
        }
        refuse(batch, &self.failed(e.to_string()));
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

fn refuse(batch: Vec<Box<dyn Job>>, why: &StoreError) {
    for job in batch {
        job.answer(Err(why.clone()));
    }
}

fn is_io_error(e: &rusqlite::Error) -> bool {
    e.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

fn is_disk_full(e: &rusqlite::Error) -> bool {
    e.sqlite_error_code() == Some(ErrorCode::DiskFull)
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

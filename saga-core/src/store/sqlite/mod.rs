//! Sagas in a SQLite file: the default, for one process.
//!
//! | module | what is in it |
//! |---|---|
//! | `file` | the files' paths, rights and lock |
//! | `schema` | connections, durability settings, tables and migrations |
//! | `writer`, `job` | the writer thread: group commit, answers, what happens on errors |
//! | `reader` | the reader thread |
//! | `work`, `guard` | appends with rows of the user's in their transaction |
//! | `queue` | what both threads have in common |
//! | `statements`, `rows` | the SQL, and records and entries as rows |

mod file;
mod guard;
mod job;
mod queue;
mod reader;
mod rows;
mod schema;
mod statements;
mod work;
mod writer;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use self::reader::Reader;
use self::rows::{AppendRow, NewSagaRow};
use self::work::WorkJob;
use self::writer::{Counters, Writer};
use super::{
    Append, Created, ListFilter, NewSaga, SagaRecord, SagaVersion, Store, StoreError, StoredSaga,
    Work, WorkerId,
};
use crate::log::SagaId;

/// Sagas in a SQLite file, durable at every commit (WAL, `synchronous = FULL`).
///
/// One process at a time runs sagas on a file: [`open`](Self::open) takes a lock on `<file>.lock`
/// and keeps it until the last clone is dropped. Other processes can [`attach`](Self::attach) and
/// read meanwhile. What many sagas write at the same time shares one transaction and one fsync.
///
/// Dropping the last clone finishes the writes that wait, closes the file, and only then returns.
/// After an I/O error or a full disk at a commit the store takes no more writes until it is opened
/// again, because nobody knows what of that commit is on disk.
///
/// The file must be on a local disk: SQLite's WAL does not work on network file systems.
///
/// ```
/// use saga_core::store::SqliteStore;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("sagas.db");
/// let store = SqliteStore::open(&path)?;
/// assert!(SqliteStore::open(&path).is_err(), "one worker at a time");
/// drop(store);
/// SqliteStore::open(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    place: Arc<str>,
    // Dropped in this order: the connection that closes last tidies up, and that is the writer's.
    reader: Reader,
    writer: Option<Writer>,
    counters: Arc<Counters>,
}

/// What a [`SqliteStore`] has committed since it was opened; for tests and dashboards.
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

impl SqliteStore {
    /// Opens the store of a worker; creates the file if there is none, for its owner's eyes only.
    ///
    /// Blocks while it opens the file: on an async runtime, call it in `spawn_blocking`.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if a worker has the file open already, [`StoreError::NewerSchema`] if
    /// a newer version of this library wrote it, [`StoreError::Failed`] if it cannot be created,
    /// written or made durable, or is not a SQLite database.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let place: Arc<str> = path.display().to_string().into();
        let resolved = file::resolve(path)?;
        let lock = file::lock(path, &resolved)?;
        file::create(path, &resolved)?;
        let write_to = schema::open_writer(&resolved, &place)?;
        let read_from = schema::open_reader(&resolved, &place)?;

        let counters = Arc::new(Counters::default());
        let reader = Reader::start(read_from, place.clone()).map_err(thread_error(&place))?;
        let writer = Writer::start(write_to, lock, place.clone(), counters.clone())
            .map_err(thread_error(&place))?;
        Ok(Self { inner: Arc::new(Inner { place, reader, writer: Some(writer), counters }) })
    }

    /// Opens a worker's store to look at it, also while the worker runs. Takes no lock; `create`,
    /// `append`, `claim`, `release` and `delete` answer [`StoreError::Failed`].
    ///
    /// # Errors
    /// [`StoreError::Failed`] if the file is not there or no worker has used it yet,
    /// [`StoreError::NewerSchema`] if a newer version of this library wrote it.
    pub fn attach(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let place: Arc<str> = path.display().to_string().into();
        let resolved = file::resolve(path)?;
        if !resolved.exists() {
            let why = "there is no such file; a worker creates it when it opens the store";
            return Err(failed(&place, why));
        }
        let read_from = schema::open_reader(&resolved, &place)?;
        let reader = Reader::start(read_from, place.clone()).map_err(thread_error(&place))?;
        Ok(Self {
            inner: Arc::new(Inner { place, reader, writer: None, counters: Arc::default() }),
        })
    }

    /// What was committed since this store was opened; all clones count together.
    pub fn stats(&self) -> SqliteStats {
        self.inner.counters.read()
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        self.inner.writer.as_ref().ok_or_else(|| {
            let why = "it is attached for reading only; a worker opens it with `SqliteStore::open`";
            failed(&self.inner.place, why)
        })
    }

    fn refused(&self, why: String) -> StoreError {
        failed(&self.inner.place, why)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.inner.place)
            .field("reading_only", &self.inner.writer.is_none())
            .finish_non_exhaustive()
    }
}

// What is sent to the threads must not hold a clone of the store: its drop waits for them.
impl Store for SqliteStore {
    fn create(&self, saga: NewSaga) -> BoxFuture<'_, Result<Created, StoreError>> {
        Box::pin(async move {
            let writer = self.writer()?;
            let new = NewSagaRow::new(saga).map_err(|why| self.refused(why))?;
            writer.write(move |conn, tally| statements::create(conn, &new, tally)).await
        })
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let writer = self.writer()?;
            let row = AppendRow::new(append).map_err(|why| self.refused(why))?;
            writer.write(move |conn, tally| statements::append(conn, &row, tally)).await
        })
    }

    fn append_with(&self, append: Append, work: Work) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let writer = self.writer()?;
            let work = work.into_sqlite().ok_or(StoreError::NoTransactions)?;
            let (job, answer) = WorkJob::new(append, work).map_err(|why| self.refused(why))?;
            writer.work(job, answer).await
        })
    }

    fn load(&self, id: &SagaId) -> BoxFuture<'_, Result<Option<StoredSaga>, StoreError>> {
        let id = id.clone();
        Box::pin(self.inner.reader.read(move |conn| statements::load(conn, &id)))
    }

    fn list(&self, filter: ListFilter) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        Box::pin(self.inner.reader.read(move |conn| statements::list(conn, &filter)))
    }

    fn versions(&self) -> BoxFuture<'_, Result<Vec<SagaVersion>, StoreError>> {
        Box::pin(self.inner.reader.read(statements::versions))
    }

    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        let worker = worker.clone();
        let fingerprints = serde_json::to_string(fingerprints);
        Box::pin(async move {
            let writer = self.writer()?;
            let fingerprints = fingerprints.map_err(|e| self.refused(e.to_string()))?;
            writer
                .write(move |conn, _| statements::claim(conn, &worker, &fingerprints, limit))
                .await
        })
    }

    fn release(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        let worker = worker.clone();
        Box::pin(async move {
            self.writer()?.write(move |conn, _| statements::release(conn, &worker)).await
        })
    }

    fn delete(&self, id: &SagaId) -> BoxFuture<'_, Result<bool, StoreError>> {
        let id = id.clone();
        Box::pin(
            async move { self.writer()?.write(move |conn, _| statements::delete(conn, &id)).await },
        )
    }
}

fn thread_error(place: &str) -> impl Fn(io::Error) -> StoreError + '_ {
    move |e| failed(place, format!("cannot start its thread: {e}"))
}

fn failed(place: &str, why: impl Into<String>) -> StoreError {
    StoreError::Failed { store: place.to_string(), why: why.into() }
}

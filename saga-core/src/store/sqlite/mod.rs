//! Sagas in a SQLite file: the default, for one process.
//!
//! | module | what is in it |
//! |---|---|
//! | `file` | the files' paths, rights and lock |
//! | `database` | a connection, and the prefix of its tables |
//! | `schema` | connections, durability settings, tables and migrations |
//! | `version` | which SQLite there is, and what is wrong with old ones |
//! | `writer`, `job` | the writer thread: group commit, answers, what happens on errors |
//! | `reader` | the reader thread |
//! | `requests` | what operators ask, as rows |
//! | `writes`, `reads`, `rows` | the SQL, and records and entries as rows |
//! | `work`, `guard` | appends with rows of the user's in their transaction |
//! | `plans`, `scale` | tests: each statement finds its rows by an index, also among a million |
//! | `full` | tests: a disk that is full |

mod database;
mod database_file;
mod log_guard;
#[cfg(test)]
mod many_sagas;
#[cfg(test)]
mod query_plans;
mod reader;
mod reads;
mod requests;
mod rows;
mod schema;
mod sqlite_version;
mod transaction_job;
#[cfg(test)]
mod transient_failures;
mod write_job;
mod writer;
mod writes;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;

use uuid::Uuid;

use self::database::Prefix;
use self::reader::Reader;
use self::requests::RequestRow;
use self::rows::{AppendRow, NewSagaRow};
use self::transaction_job::TransactionJob;
pub use self::writer::SqliteStats;
use self::writer::{Counters, Writer};
use super::{
    Append, Created, ListFilter, NewSaga, Purge, SagaRecord, SagaVersion, Store, StoreError,
    StoredSaga, TransactionWork, WorkerId,
};
use crate::log::{Answer, Request, SagaId};

/// Sagas in a SQLite file, durable at every commit (WAL, `synchronous = FULL`).
///
/// One process at a time runs sagas on a file: [`open`](Self::open) takes a lock on `<file>.lock`
/// and keeps it until [`Coordinator::shutdown`](crate::Coordinator::shutdown) or until the last clone is
/// dropped. Other processes can [`attach`](Self::attach) and read meanwhile; that is also what is left of
/// this one after a shutdown, until a coordinator is built on it again. What many sagas write at the same time shares one transaction and one fsync.
///
/// Dropping the last clone finishes the writes that wait, closes the file, and only then returns.
/// After an I/O error the store takes no more writes until it is opened again
/// ([`StoreError::Closed`]), because nobody knows what of the commit is on disk. (A disk that is full is none: what did
/// not fit is not in, and the store goes on once there is room.) The same holds once the path no longer
/// leads to the files that were opened (somebody removed, renamed or replaced them, or their
/// directory): what was written there would be lost for the next process. Only a copy that is written
/// over the file in place cannot be noticed; to restore a backup, stop the program first.
///
/// The file must be on a local disk: SQLite's WAL does not work on network file systems.
///
/// Any rusqlite from 0.32 to 0.43 does, so that cargo can choose the one that goes with the sqlx, diesel
/// or rusqlite of the program. A SQLite before 3.51.3 (rusqlite 0.38 and older, as beside sqlx 0.8) has a
/// [rare bug](https://sqlite.org/wal.html#walresetbug) that can damage a file to which several connections
/// write. The store's own do not trigger it; where others write to the same file, set
/// `PRAGMA wal_autocheckpoint = 0` on each of them.
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
    inner: Arc<SqliteStoreInner>,
}

struct SqliteStoreInner {
    place: Arc<str>,
    // Dropped in this order: the connection that closes last tidies up, and that is the writer's.
    reader: Reader,
    writer: Writer,
    /// It is attached, or was closed.
    reading_only: AtomicBool,
    /// Where a worker's lock is; none if it is attached.
    lock_of: Option<(PathBuf, PathBuf)>,
    counters: Arc<Counters>,
}

/// Why a store takes nothing from a worker.
const READING_ONLY: &str = "it is attached for reading and requests only, or was closed by a shutdown; a worker \
                            opens it with `SqliteStore::open`";

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
        Self::open_tables(path.as_ref(), &Prefix::default())
    }

    /// As [`open`](Self::open), where the names of all tables and indexes begin with `prefix`: for a
    /// database of yours that has a table `saga` already. One worker at a time has the file, whatever
    /// the prefix.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`StoreError::Failed`] if the prefix is not 1 to 31 of `a-z`, `0-9` and
    /// `_`, or begins with a digit or `sqlite_`.
    ///
    /// ```
    /// use saga_core::store::SqliteStore;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("shop.db");
    /// let store = SqliteStore::open_with_prefix(&path, "shop_")?;
    /// assert!(SqliteStore::open_with_prefix(&path, "x\"; drop").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_with_prefix(path: impl AsRef<Path>, prefix: &str) -> Result<Self, StoreError> {
        let path = path.as_ref();
        Self::open_tables(path, &Self::prefix(path, prefix)?)
    }

    fn prefix(path: &Path, prefix: &str) -> Result<Prefix, StoreError> {
        Prefix::new(prefix).map_err(|why| failed(&path.display().to_string(), why))
    }

    fn open_tables(path: &Path, prefix: &Prefix) -> Result<Self, StoreError> {
        let place: Arc<str> = path.display().to_string().into();
        let resolved = database_file::resolve(path)?;
        let lock = database_file::lock(path, &resolved)?;
        database_file::create(path, &resolved)?;
        let write_to = schema::open_writer(&resolved, &place, prefix)?;
        let read_from = schema::open_reader(&resolved, &place, prefix)?;
        let files = Arc::new(database_file::watch(path, &resolved, Some(&lock))?);

        let counters = Arc::new(Counters::default());
        let reader =
            Reader::start(read_from, files.clone(), place.clone()).map_err(thread_error(&place))?;
        let writer = Writer::start(write_to, Some(lock), files, place.clone(), counters.clone())
            .map_err(thread_error(&place))?;
        let reading_only = AtomicBool::new(false);
        let lock_of = Some((path.to_path_buf(), resolved));
        let inner = SqliteStoreInner { place, reader, writer, reading_only, lock_of, counters };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens a worker's store to look at it and to leave requests, also while the worker runs. Takes
    /// no lock; all that only a worker may do answers [`StoreError::Failed`], and so do requests if
    /// this process may not write to the file.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if the file is not there or no worker has used it yet,
    /// [`StoreError::NewerSchema`] if a newer version of this library wrote it.
    pub fn attach(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::attach_tables(path.as_ref(), &Prefix::default())
    }

    /// As [`attach`](Self::attach), to a store that was opened
    /// [with this prefix](Self::open_with_prefix).
    ///
    /// # Errors
    /// As [`attach`](Self::attach), and [`StoreError::Failed`] for a prefix that cannot be one.
    ///
    /// ```
    /// use saga_core::store::SqliteStore;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("shop.db");
    /// let store = SqliteStore::open_with_prefix(&path, "shop_")?;
    /// assert!(SqliteStore::attach(&path).is_err(), "no worker has used these tables");
    /// SqliteStore::attach_with_prefix(&path, "shop_")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn attach_with_prefix(path: impl AsRef<Path>, prefix: &str) -> Result<Self, StoreError> {
        let path = path.as_ref();
        Self::attach_tables(path, &Self::prefix(path, prefix)?)
    }

    fn attach_tables(path: &Path, prefix: &Prefix) -> Result<Self, StoreError> {
        let place: Arc<str> = path.display().to_string().into();
        let resolved = database_file::resolve(path)?;
        if !resolved.exists() {
            let why = "there is no such file; a worker creates it when it opens the store";
            return Err(failed(&place, why));
        }
        let read_from = schema::open_reader(&resolved, &place, prefix)?;
        let ask = schema::open_asker(&resolved, &place, prefix)?;
        let files = Arc::new(database_file::watch(path, &resolved, None)?);
        let counters = Arc::default();
        let reader =
            Reader::start(read_from, files.clone(), place.clone()).map_err(thread_error(&place))?;
        let writer = Writer::start(ask, None, files, place.clone(), Arc::clone(&counters))
            .map_err(thread_error(&place))?;
        let reading_only = AtomicBool::new(true);
        let inner =
            SqliteStoreInner { place, reader, writer, reading_only, lock_of: None, counters };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What was committed since this store was opened; all clones count together.
    pub fn stats(&self) -> SqliteStats {
        self.inner.counters.read()
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        if self.inner.reading_only.load(Ordering::Acquire) {
            return Err(closed(&self.inner.place, READING_ONLY));
        }
        Ok(&self.inner.writer)
    }

    fn refused(&self, why: String) -> StoreError {
        failed(&self.inner.place, why)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.inner.place)
            .field("reading_only", &self.inner.reading_only)
            .finish_non_exhaustive()
    }
}

// What is sent to the threads must not hold a clone of the store: its drop waits for them.
impl Store for SqliteStore {
    fn create(&self, saga: NewSaga) -> BoxFuture<'_, Result<Created, StoreError>> {
        Box::pin(async move {
            let writer = self.writer()?;
            let new = NewSagaRow::new(saga).map_err(|why| self.refused(why))?;
            writer.write(move |conn, tally| writes::create(conn, &new, tally)).await
        })
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let writer = self.writer()?;
            let row = AppendRow::new(append).map_err(|why| self.refused(why))?;
            writer.write(move |conn, tally| writes::append(conn, &row, tally)).await
        })
    }

    fn append_with(
        &self,
        append: Append,
        work: TransactionWork,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let writer = self.writer()?;
            let work = work.into_sqlite().ok_or(StoreError::NoTransactions)?;
            let (job, answer) =
                TransactionJob::new(append, work).map_err(|why| self.refused(why))?;
            writer.work(job, answer).await
        })
    }

    fn load(&self, id: &SagaId) -> BoxFuture<'_, Result<Option<StoredSaga>, StoreError>> {
        let id = id.clone();
        Box::pin(self.inner.reader.read(move |conn| reads::load(conn, &id)))
    }

    fn list(&self, filter: ListFilter) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        Box::pin(self.inner.reader.read(move |conn| reads::list(conn, &filter)))
    }

    fn versions(&self) -> BoxFuture<'_, Result<Vec<SagaVersion>, StoreError>> {
        Box::pin(self.inner.reader.read(reads::versions))
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
            writer.write(move |conn, _| writes::claim(conn, &worker, &fingerprints, limit)).await
        })
    }

    fn release(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        let worker = worker.clone();
        Box::pin(async move {
            self.writer()?.write(move |conn, _| writes::release(conn, &worker)).await
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.reading_only.store(true, Ordering::Release);
        Box::pin(self.inner.writer.close())
    }

    fn reopen(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async {
            let closed = self.inner.reading_only.load(Ordering::Acquire);
            let Some((path, resolved)) = self.inner.lock_of.as_ref().filter(|_| closed) else {
                return Ok(());
            };
            self.inner.writer.reopen(database_file::lock(path, resolved)?).await?;
            self.inner.reading_only.store(false, Ordering::Release);
            Ok(())
        })
    }

    fn delete(&self, id: &SagaId) -> BoxFuture<'_, Result<bool, StoreError>> {
        let id = id.clone();
        Box::pin(
            async move { self.writer()?.write(move |conn, _| writes::delete(conn, &id)).await },
        )
    }

    fn take(
        &self,
        worker: &WorkerId,
        id: &SagaId,
    ) -> BoxFuture<'_, Result<Option<SagaRecord>, StoreError>> {
        let (worker, id) = (worker.clone(), id.clone());
        Box::pin(async move {
            self.writer()?.write(move |conn, _| writes::take(conn, &worker, &id)).await
        })
    }

    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<u64, StoreError>> {
        let before = rows::bound(purge.ended_before);
        Box::pin(async move {
            self.writer()?.write(move |conn, _| writes::purge(conn, &purge, before)).await
        })
    }

    fn request(&self, request: Request) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let row = RequestRow::new(request).map_err(|why| self.refused(why))?;
            self.inner.writer.ask(move |conn, _| requests::insert(conn, &row)).await
        })
    }

    fn requests(
        &self,
        _worker: &WorkerId,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Request>, StoreError>> {
        Box::pin(self.inner.reader.read(move |conn| requests::waiting(conn, limit)))
    }

    fn answer(&self, request: Uuid, answer: Answer) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let writer = self.writer()?;
            let answer = requests::encode(&answer).map_err(|why| self.refused(why))?;
            let id = request.to_string();
            writer.write(move |conn, _| Ok(requests::answer(conn, &id, &answer)?)).await
        })
    }

    fn answer_to(&self, request: Uuid) -> BoxFuture<'_, Result<Option<Answer>, StoreError>> {
        Box::pin(self.inner.reader.read(move |conn| requests::answer_to(conn, request)))
    }
}

fn closed(place: &str, why: impl Into<String>) -> StoreError {
    StoreError::Closed { store: place.to_string(), why: why.into() }
}

fn thread_error(place: &str) -> impl Fn(io::Error) -> StoreError + '_ {
    move |e| failed(place, format!("cannot start its thread: {e}"))
}

fn failed(place: &str, why: impl Into<String>) -> StoreError {
    StoreError::Failed { store: place.to_string(), why: why.into() }
}

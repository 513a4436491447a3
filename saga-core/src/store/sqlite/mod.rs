//! [`SqliteStore`]: sagas in a SQLite file. The default store, for one process.
//!
//! | module | contents |
//! |---|---|
//! | `database_file` | the paths, permissions and lock of the files |
//! | `database` | a connection, and the prefix of the store's tables |
//! | `schema` | opening connections, durability settings, tables and migrations |
//! | `sqlite_version` | which versions of SQLite are accepted, and what is wrong with old ones |
//! | `store_impl` | the methods of `Store` |
//! | `writer`, `writer_thread` | the only writer: group commit, replies, handling of errors |
//! | `write_job` | a write: what it does in the transaction, and whom it replies to |
//! | `transaction_job`, `log_guard` | appends that share their transaction with an action's own writes |
//! | `reader` | the thread that reads |
//! | `writes`, `claims`, `reads`, `requests` | the SQL statements |
//! | `definitions` | what all sagas of one definition share |
//! | `rows` | records and appends as rows |
//! | `log_key` | where the rows of a log are in the table |
//! | `stats` | counters of commits |
//! | `io_errors` | what errors of the disk mean |
//! | `query_plans`, `many_sagas` | tests: each statement uses an index, even among a million sagas |
//! | `transient_failures` | tests: the store recovers from a full disk and from a locked database |

mod claims;
mod database;
mod database_file;
mod definitions;
mod io_errors;
mod log_guard;
mod log_key;
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
mod stats;
mod store_impl;
mod transaction_job;
#[cfg(test)]
mod transient_failures;
mod write_job;
mod writer;
mod writer_thread;
mod writes;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use self::reader::Reader;
use self::stats::Counters;
pub use self::stats::SqliteStats;
use self::writer::Writer;
use super::StoreError;
use super::table_prefix::TablePrefix;
use crate::crash_points::crash_point;

/// Keeps sagas in a SQLite file. Every commit is durable (WAL, `synchronous = FULL`).
///
/// One process at a time can run sagas on a file: [`open`](Self::open) takes a lock on `<file>.lock` and holds it
/// until [`Coordinator::shutdown`](crate::Coordinator::shutdown), or until the last clone is dropped. Other
/// processes can [`attach`](Self::attach) to read and to leave requests. After a shutdown this store can do the
/// same, until a coordinator is built on it again. Concurrent writes share one transaction and one fsync.
///
/// Dropping the last clone completes the pending writes and closes the file before it returns.
///
/// After an I/O error the store accepts no more writes until it is opened again ([`StoreError::Closed`]), because
/// it is unknown how much of the commit is on disk. A full disk is an exception: the write that did not fit has
/// no effect, and the store continues once there is room. The store also closes if its path no longer leads to
/// the files that were opened (somebody has removed, renamed or replaced them or their directory), because the
/// next process would not see what is written to them. Overwriting the file in place cannot be detected, so stop
/// the program before you restore a backup.
///
/// The file must be on a local disk: SQLite's WAL does not work on network file systems.
///
/// Every rusqlite from 0.32 to 0.43 is supported, so that cargo can choose the one that fits the program's sqlx,
/// diesel or rusqlite. SQLite before 3.51.3 (rusqlite 0.38 and older, for example beside sqlx 0.8) has a
/// [rare bug](https://sqlite.org/wal.html#walresetbug) that can damage a file to which several connections write.
/// The store's own connections do not trigger it. If other connections write to the same file, set
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
    // Dropped in this order, because the last connection to close cleans up, and that must be the writer's.
    reader: Reader,
    writer: Writer,
    /// True if the store is attached or was closed.
    reading_only: AtomicBool,
    /// The given and the resolved path, to take the worker's lock again; `None` if the store is attached.
    lock_paths: Option<(PathBuf, PathBuf)>,
    /// What the worker locks.
    lock_file: PathBuf,
    counters: Arc<Counters>,
}

/// Why a store refuses the writes of a worker.
const READING_ONLY: &str = "it is attached for reading and requests only, or was closed by a shutdown; a worker \
                            opens it with `SqliteStore::open`";

impl SqliteStore {
    /// Opens the store for a worker. Creates the file if it does not exist, accessible to its owner only.
    ///
    /// This blocks while it opens the file; on an async runtime, call it in `spawn_blocking`.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if a worker has the file open already, [`StoreError::NewerSchema`] if
    /// a newer version of this library wrote it, [`StoreError::Failed`] if it cannot be created,
    /// written or made durable, or is not a SQLite database.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_tables(path.as_ref(), &TablePrefix::default())
    }

    /// Like [`open`](Self::open), but the names of all tables and indexes begin with `prefix`. Use it for a
    /// database of your own that already has a table `saga`. Whatever the prefix, only one worker at a time can
    /// open the file.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and [`StoreError::Failed`] if the prefix is not 1 to 31 characters from
    /// `a-z`, `0-9` and `_`, or begins with a digit or with `sqlite_`.
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

    fn prefix(path: &Path, prefix: &str) -> Result<TablePrefix, StoreError> {
        TablePrefix::new(prefix).map_err(|why| failed(&path.display().to_string(), why))
    }

    fn open_tables(path: &Path, prefix: &TablePrefix) -> Result<Self, StoreError> {
        let place: Arc<str> = path.display().to_string().into();
        let resolved = database_file::resolve(path)?;
        let lock = database_file::lock(path, &resolved)?;
        crash_point("sqlite.open.locked");
        database_file::create(path, &resolved)?;
        crash_point("sqlite.open.created");
        let write_to = schema::open_writer(&resolved, &place, prefix)?;
        let read_from = schema::open_reader(&resolved, &place, prefix)?;
        database_file::sync_directory(path, &resolved)?;
        let files = Arc::new(database_file::watch(path, &resolved, Some(&lock))?);

        let counters = Arc::new(Counters::default());
        let reader =
            Reader::start(read_from, files.clone(), place.clone()).map_err(thread_error(&place))?;
        let writer = Writer::start(write_to, Some(lock), files, place.clone(), counters.clone())
            .map_err(thread_error(&place))?;
        let reading_only = AtomicBool::new(false);
        let lock_file = database_file::lock_file(&resolved);
        let lock_paths = Some((path.to_path_buf(), resolved));
        let inner = SqliteStoreInner {
            place,
            reader,
            writer,
            reading_only,
            lock_paths,
            lock_file,
            counters,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Attaches to a worker's store, to read it and to leave requests, even while the worker runs. Takes no
    /// lock. Everything that only a worker may do fails with [`StoreError::Closed`]; leaving a request fails if
    /// this process has no write access to the file.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if the file does not exist or no worker has opened it yet,
    /// [`StoreError::NewerSchema`] if a newer version of this library wrote it.
    pub fn attach(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::attach_tables(path.as_ref(), &TablePrefix::default(), schema::BUSY_TIMEOUT)
    }

    /// Like [`attach`](Self::attach), for a store that was opened
    /// [with this prefix](Self::open_with_prefix).
    ///
    /// # Errors
    /// Those of [`attach`](Self::attach), and [`StoreError::Failed`] if the prefix is invalid.
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
        Self::attach_tables(path, &Self::prefix(path, prefix)?, schema::BUSY_TIMEOUT)
    }

    /// Like [`attach`](Self::attach), for somebody who does not wait long: a request that finds the database locked for longer
    /// than this (instead of 30 s) fails, and is not left. The tables begin with `prefix`, if there is one.
    ///
    /// # Errors
    /// Those of [`attach_with_prefix`](Self::attach_with_prefix).
    ///
    /// ```
    /// use saga_core::store::SqliteStore;
    /// use std::time::Duration;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("sagas.db");
    /// let worker = SqliteStore::open(&path)?;
    /// SqliteStore::attach_within(&path, None, Duration::from_secs(2))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn attach_within(
        path: impl AsRef<Path>,
        prefix: Option<&str>,
        lock_wait: Duration,
    ) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let prefix = prefix.map(|prefix| Self::prefix(path, prefix)).transpose()?;
        Self::attach_tables(path, &prefix.unwrap_or_default(), lock_wait)
    }

    fn attach_tables(
        path: &Path,
        prefix: &TablePrefix,
        lock_wait: Duration,
    ) -> Result<Self, StoreError> {
        let place: Arc<str> = path.display().to_string().into();
        let resolved = database_file::resolve(path)?;
        if !resolved.exists() {
            let why = "the file does not exist; a worker creates it with `SqliteStore::open`";
            return Err(failed(&place, why));
        }
        let read_from = schema::open_reader(&resolved, &place, prefix)?;
        let request_to = schema::open_requester(&resolved, &place, prefix, lock_wait)?;
        let files = Arc::new(database_file::watch(path, &resolved, None)?);
        let counters = Arc::default();
        let reader =
            Reader::start(read_from, files.clone(), place.clone()).map_err(thread_error(&place))?;
        let writer = Writer::start(request_to, None, files, place.clone(), Arc::clone(&counters))
            .map_err(thread_error(&place))?;
        let reading_only = AtomicBool::new(true);
        let lock_file = database_file::lock_file(&resolved);
        let inner = SqliteStoreInner {
            place,
            reader,
            writer,
            reading_only,
            lock_paths: None,
            lock_file,
            counters,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns what was committed since this store was opened, by all of its clones.
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

fn closed(place: &str, why: impl Into<String>) -> StoreError {
    StoreError::Closed { store: place.to_string(), why: why.into() }
}

fn thread_error(place: &str) -> impl Fn(io::Error) -> StoreError + '_ {
    move |e| failed(place, format!("cannot start its thread: {e}"))
}

fn failed(place: &str, why: impl Into<String>) -> StoreError {
    StoreError::Failed { store: place.to_string(), why: why.into() }
}

//! [`FileStore`]: sagas as readable files, one log file per saga.
//!
//! | module | contents |
//! |---|---|
//! | `directory` | the store's directory: its layout, its marker, reading its files |
//! | `durable_files` | writing, growing and removing files such that a crash leaves none half written |
//! | `group_commit` | writes that wait together are made durable at the same time |
//! | `file_names` | the names of log files |
//! | `log_file` | a saga's log as lines: encoding, decoding, detecting damage |
//! | `log_writer` | the worker's writes, and what happens when one fails |
//! | `requests` | operators' requests and their answers, one file each |
//! | `sealed_line` | one line with its checksum |
//! | `store_impl` | the methods of the trait `Store` |
//! | `sync_pool` | the threads that make files durable at the same time |

mod directory;
mod durable_files;
mod file_names;
mod group_commit;
mod log_file;
mod log_writer;
mod requests;
mod sealed_line;
mod store_impl;
mod sync_pool;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::{fmt, iter, mem};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use self::directory::Directory;
use self::group_commit::{LogWrite, MAX_GROUP};
pub(super) use self::log_file::read_log;
use self::log_writer::LogWriter;
use super::io_thread::{IoThread, reply_of};
use super::{Created, ReadableSaga, SagaRecord, StoreError, StoredSaga};
use crate::crash_points::crash_point;
use crate::log::{Request, SagaId};

/// Keeps sagas as readable files in a directory: one JSON Lines log per saga, made durable (fsync) by every
/// write.
///
/// It suits small tools, and lets you read what happened with `cat` and `jq`. Concurrent writes are made durable at
/// the same time, so that they share the file system's own writes, and the worker keeps the records of all sagas in
/// memory. Each line has a checksum, which distinguishes
/// a write that was cut short by a crash from damage.
///
/// One process at a time can run sagas in a directory: [`open`](Self::open) takes a lock and holds it until
/// [`Coordinator::shutdown`](crate::Coordinator::shutdown), or until the last clone is dropped, which waits for
/// the writes in progress. Other processes can [`attach`](Self::attach) to read and to leave requests. After a
/// shutdown this store can do the same, until a coordinator is built on it again.
///
/// After a failed write the store accepts no more writes until it is opened again ([`StoreError::Closed`]),
/// because it is unknown how much of the write is on disk. A full disk is an exception: the part that was
/// written is cut off again, and the store continues once there is room. The store also closes if its path no
/// longer leads to the directory that was opened (somebody has removed, renamed or replaced the directory or its
/// lock file), because the next process would not see what is written there.
///
/// ```
/// use saga_core::store::FileStore;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("sagas");
/// let store = FileStore::open(&path)?;
/// assert!(FileStore::open(&path).is_err(), "one worker at a time");
/// drop(store);
/// FileStore::open(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FileStore {
    inner: Arc<FileStoreInner>,
}

struct FileStoreInner {
    place: Arc<str>,
    queue: IoThread<FileJob>,
}

/// What the store's thread does.
enum FileJob {
    /// A write that can be made durable together with others.
    Write(Box<LogWrite>, WriteReply),
    Other(Box<dyn FnOnce(&mut Files) + Send>),
}

/// Whom to tell how a write has ended.
enum WriteReply {
    Create(oneshot::Sender<Result<Created, StoreError>>),
    Append(oneshot::Sender<Result<(), StoreError>>),
}

impl WriteReply {
    fn send(self, result: Result<Created, StoreError>) {
        // The caller may have stopped waiting.
        let _ = match self {
            Self::Create(reply) => reply.send(result).is_ok(),
            Self::Append(reply) => reply.send(result.map(drop)).is_ok(),
        };
    }
}

/// The state of the store's thread.
struct Files {
    directory: Directory,
    /// `None` if the store is attached or closed.
    worker: Option<LogWriter>,
    /// True if the store was attached rather than opened.
    attached: bool,
}

impl FileStore {
    /// Opens the store for a worker. Creates the directory if it does not exist, accessible to its owner only;
    /// its parent must exist. Writes that were cut short by a crash are removed.
    ///
    /// This reads all logs and blocks meanwhile; on an async runtime, call it in `spawn_blocking`.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if a worker has the directory open already,
    /// [`StoreError::NewerSchema`] if a newer version of this library wrote it,
    /// [`StoreError::Failed`] if it cannot be created or written, or contains other files. A damaged
    /// log is not an error here; [`load`](crate::store::Store::load) reports what is wrong with it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let directory = Directory::new(path.as_ref());
        let worker = LogWriter::open(directory.clone())?;
        Self::start(Files { directory, worker: Some(worker), attached: false })
    }

    /// Attaches to a worker's store, to read it and to leave requests, even while the worker runs. Takes no
    /// lock. Everything that only a worker may do fails with [`StoreError::Closed`].
    ///
    /// # Errors
    /// [`StoreError::Failed`] if the directory does not exist or no worker has opened it yet,
    /// [`StoreError::NewerSchema`] if a newer version of this library wrote it.
    pub fn attach(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let directory = Directory::new(path.as_ref());
        if !directory.check_marker()? {
            let why = "it is not a saga store yet; a worker creates one with `FileStore::open`";
            return Err(directory.failed(why));
        }
        Self::start(Files { directory, worker: None, attached: true })
    }

    fn start(mut files: Files) -> Result<Self, StoreError> {
        let place = files.directory.place().clone();
        let directory = files.directory.clone();
        let queue = IoThread::start("saga-files", move |jobs| {
            while let Ok(first) = jobs.recv() {
                let waiting = iter::once(first).chain(jobs.try_iter());
                files.run(waiting.take(MAX_GROUP).collect());
            }
        })
        .map_err(|e| directory.failed(format!("cannot start its thread: {e}")))?;
        Ok(Self { inner: Arc::new(FileStoreInner { place, queue }) })
    }

    /// Runs the work on the store's thread. The work must not own a clone of the store, because dropping the
    /// last clone joins the thread.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Files) -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            self.inner.queue.send(FileJob::Other(Box::new(move |files| {
                // The caller may have stopped waiting.
                let _ = reply.send(work(files));
            })));
            self.answer_of(answer).await
        })
    }

    /// Carries out a write, together with others that wait.
    fn write<T: Send + 'static>(
        &self,
        write: LogWrite,
        reply_to: fn(oneshot::Sender<Result<T, StoreError>>) -> WriteReply,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            self.inner.queue.send(FileJob::Write(Box::new(write), reply_to(reply)));
            self.answer_of(answer).await
        })
    }

    async fn answer_of<T: Send + 'static>(
        &self,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        reply_of(answer).await.unwrap_or_else(|| {
            let why = "its thread has died; open the store again".to_string();
            Err(StoreError::Closed { store: self.inner.place.to_string(), why })
        })
    }
}

impl Files {
    /// Carries out jobs in order. Writes to different sagas that follow each other are made durable together.
    fn run(&mut self, jobs: Vec<FileJob>) {
        let mut group = Vec::new();
        let mut sagas = HashSet::new();
        for job in jobs {
            match job {
                FileJob::Write(write, reply) => {
                    if !sagas.insert(write.saga().clone()) {
                        self.write_together(mem::take(&mut group));
                        sagas = HashSet::from([write.saga().clone()]);
                    }
                    group.push((*write, reply));
                }
                FileJob::Other(work) => {
                    self.write_together(mem::take(&mut group));
                    sagas.clear();
                    work(self);
                }
            }
        }
        self.write_together(group);
    }

    fn write_together(&mut self, group: Vec<(LogWrite, WriteReply)>) {
        let (writes, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        if writes.is_empty() {
            return;
        }
        match self.worker() {
            Ok(worker) => {
                let results = worker.write_together(writes);
                crash_point("file.group.telling");
                replies.into_iter().zip(results).for_each(|(reply, result)| reply.send(result));
            }
            Err(e) => replies.into_iter().for_each(|reply| reply.send(Err(e.clone()))),
        }
    }

    fn worker(&mut self) -> Result<&mut LogWriter, StoreError> {
        let why = "it is attached for reading and requests only, or was closed by a shutdown; a worker opens \
                   it with `FileStore::open`";
        self.worker.as_mut().ok_or_else(|| self.directory.closed(why))
    }

    /// Fails if the directory is no longer the one whose sagas the worker knows.
    fn check(&self) -> Result<(), StoreError> {
        self.worker.as_ref().map_or(Ok(()), LogWriter::check_files)
    }

    fn select<T>(
        &self,
        pick: impl FnOnce(&mut dyn Iterator<Item = &SagaRecord>) -> T,
    ) -> Result<T, StoreError> {
        self.check()?;
        match &self.worker {
            Some(worker) => Ok(pick(&mut worker.records())),
            None => Ok(pick(&mut self.directory.logs()?.iter().map(|found| &found.saga.record))),
        }
    }

    fn load(&self, id: &SagaId) -> Result<Option<StoredSaga>, StoreError> {
        self.check()?;
        match self.directory.log(id)? {
            None => Ok(None),
            Some(found) => match found.damage {
                None => Ok(Some(found.saga)),
                Some(damage) => Err(damage),
            },
        }
    }

    fn load_readable(&self, id: &SagaId) -> Result<ReadableSaga, StoreError> {
        self.check()?;
        let found = self.directory.log(id)?;
        let mut found = found.ok_or_else(|| StoreError::NotFound { saga: id.clone() })?;
        // what comes after a damaged line is not the rest of the log
        let gap = found.saga.entries.iter().zip(1..).position(|(entry, seq)| entry.seq != seq);
        found.saga.entries.truncate(gap.unwrap_or(usize::MAX));
        Ok(ReadableSaga { saga: found.saga, damage: found.damage })
    }

    fn requests(&self, limit: usize) -> Result<Vec<Request>, StoreError> {
        self.check()?;
        let run_key_of = |id: &SagaId| match &self.worker {
            Some(worker) => worker.run_key_of(id),
            None => Some(self.directory.log(id).ok()??.saga.record.run_key),
        };
        self.directory.requests(run_key_of, limit)
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").field("path", &self.inner.place).finish_non_exhaustive()
    }
}

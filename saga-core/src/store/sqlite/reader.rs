//! The thread that reads, so that a long read neither waits for the writer nor blocks the async runtime.
//!
//! Whatever is waiting shares one snapshot, which matters when thousands of sagas are loaded after a restart.

use std::io;
use std::iter;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::super::StoreError;
use super::super::io_thread::{IoThread, reply_of};
use super::super::open_files::OpenFiles;
use super::database::{Database, OpenDatabase};
use super::io_errors::in_words;
use super::write_job::SqliteError;
use super::{closed, failed};

/// Reads and replies; or replies with the error that keeps it from reading.
type ReadJob = Box<dyn FnOnce(Result<&Database, StoreError>) + Send>;

/// The largest number of reads in one snapshot. While a snapshot is open, the WAL cannot be reset.
const MAX_BATCH: usize = 256;

/// The handle of the reader thread.
pub(super) struct Reader {
    thread: IoThread<ReadJob>,
    place: Arc<str>,
}

impl Reader {
    pub(super) fn start(
        open: OpenDatabase,
        files: Arc<OpenFiles>,
        place: Arc<str>,
    ) -> io::Result<Self> {
        let name = Arc::clone(&place);
        let thread = IoThread::start("saga-reader", move |reads| {
            let conn = open.database();
            while let Ok(first) = reads.recv() {
                // Reads that arrive later must not be part of the snapshot, because it may be too old for them.
                let batch: Vec<ReadJob> =
                    iter::once(first).chain(reads.try_iter()).take(MAX_BATCH).collect();
                match files.check() {
                    Ok(()) => in_snapshot(&conn, &name, batch),
                    Err(why) => {
                        batch.into_iter().for_each(|read| read(Err(closed(&name, &*why))));
                    }
                }
            }
        })?;
        Ok(Self { thread, place })
    }

    /// Runs the work on a consistent snapshot of the database.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Database) -> Result<T, SqliteError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.thread.send(Box::new(move |conn| {
            if !reply.is_closed() {
                let _ = reply.send(conn.map_err(SqliteError::from).and_then(work));
            }
        }));
        match reply_of(answer).await {
            Some(read) => read.map_err(|e| e.of(&self.place)),
            None => Err(closed(&self.place, "its reader thread has died; open the store again")),
        }
    }
}

fn in_snapshot(conn: &Database, place: &str, batch: Vec<ReadJob>) {
    conn.definitions.begin();
    match conn.unchecked_transaction() {
        Ok(snapshot) => {
            for read in batch {
                read(Ok(conn));
            }
            // Nothing was written; dropping it ends the snapshot as well.
            drop(snapshot);
        }
        Err(e) => {
            let why = failed(place, in_words(&e));
            batch.into_iter().for_each(|read| read(Err(why.clone())));
        }
    }
}

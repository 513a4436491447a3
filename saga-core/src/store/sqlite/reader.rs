//! The thread that reads, so that a long read neither waits for the writer nor blocks the async runtime.

use std::io;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::super::StoreError;
use super::super::io_thread::{IoThread, reply_of};
use super::super::open_files::OpenFiles;
use super::closed;
use super::database::Database;
use super::write_job::SqliteError;

type ReadJob = Box<dyn FnOnce(&Database) + Send>;

/// The handle of the reader thread.
pub(super) struct Reader {
    thread: IoThread<ReadJob>,
    files: Arc<OpenFiles>,
    place: Arc<str>,
}

impl Reader {
    pub(super) fn start(
        conn: Database,
        files: Arc<OpenFiles>,
        place: Arc<str>,
    ) -> io::Result<Self> {
        let thread = IoThread::start("saga-reader", move |reads| {
            for read in reads {
                let read: ReadJob = read;
                read(&conn);
            }
        })?;
        Ok(Self { thread, files, place })
    }

    /// Runs the work on a consistent snapshot of the database.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Database) -> Result<T, SqliteError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let (files, place) = (Arc::clone(&self.files), Arc::clone(&self.place));
        self.thread.send(Box::new(move |conn| {
            if !reply.is_closed() {
                let read = match files.check() {
                    Ok(()) => in_snapshot(conn, work),
                    Err(why) => Err(closed(&place, why).into()),
                };
                let _ = reply.send(read);
            }
        }));
        let failed = |why| StoreError::Failed { store: self.place.to_string(), why };
        match reply_of(answer).await {
            Some(Ok(value)) => Ok(value),
            Some(Err(SqliteError::Store(e))) => Err(e),
            Some(Err(SqliteError::Sql(e))) => Err(failed(e.to_string())),
            None => Err(closed(&self.place, "its reader thread has died; open the store again")),
        }
    }
}

fn in_snapshot<T>(
    conn: &Database,
    work: impl FnOnce(&Database) -> Result<T, SqliteError>,
) -> Result<T, SqliteError> {
    let snapshot = conn.unchecked_transaction()?;
    let value = work(conn)?;
    snapshot.commit()?;
    Ok(value)
}

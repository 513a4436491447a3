//! The thread that reads, so that a long list neither waits for the writer nor blocks the runtime.

use std::io;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::super::StoreError;
use super::super::identity::OpenFiles;
use super::super::queue::{Queue, answered};
use super::closed;
use super::database::Database;
use super::job::Trouble;

type Read = Box<dyn FnOnce(&Database) + Send>;

/// The async end of the reader thread.
pub(super) struct Reader {
    queue: Queue<Read>,
    files: Arc<OpenFiles>,
    place: Arc<str>,
}

impl Reader {
    pub(super) fn start(
        conn: Database,
        files: Arc<OpenFiles>,
        place: Arc<str>,
    ) -> io::Result<Self> {
        let queue = Queue::start("saga-reader", move |reads| {
            for read in reads {
                let read: Read = read;
                read(&conn);
            }
        })?;
        Ok(Self { queue, files, place })
    }

    /// Runs the work on one consistent snapshot of the database.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Database) -> Result<T, Trouble> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let (files, place) = (Arc::clone(&self.files), Arc::clone(&self.place));
        self.queue.send(Box::new(move |conn| {
            if !reply.is_closed() {
                let read = match files.check() {
                    Ok(()) => in_snapshot(conn, work),
                    Err(why) => Err(closed(&place, why).into()),
                };
                let _ = reply.send(read);
            }
        }));
        let failed = |why| StoreError::Failed { store: self.place.to_string(), why };
        match answered(answer).await {
            Some(Ok(value)) => Ok(value),
            Some(Err(Trouble::Answer(e))) => Err(e),
            Some(Err(Trouble::Sql(e))) => Err(failed(e.to_string())),
            None => Err(closed(&self.place, "its reader thread has died; open the store again")),
        }
    }
}

fn in_snapshot<T>(
    conn: &Database,
    work: impl FnOnce(&Database) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let snapshot = conn.unchecked_transaction()?;
    let value = work(conn)?;
    snapshot.commit()?;
    Ok(value)
}

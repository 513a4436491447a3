//! A thread that writes to a SQLite file: whatever waits when a transaction begins shares its commit.

use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use crate::Any;

type Write = Box<dyn FnOnce(&Connection) -> rusqlite::Result<()> + Send>;
type Reply = oneshot::Sender<Result<(), String>>;

/// The sending side. The thread ends when the last of them is dropped.
#[derive(Debug, Clone)]
pub(super) struct GroupCommit {
    queue: Sender<(Write, Reply)>,
}

impl GroupCommit {
    /// Creates a database with this schema. Each commit is durable.
    pub(super) fn open(path: &Path, schema: &'static str) -> Result<Self, Any> {
        let mut conn = Connection::open(path)?;
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
        conn.execute_batch(schema)?;
        conn.set_prepared_statement_cache_capacity(32);
        let (queue, waiting) = mpsc::channel::<(Write, Reply)>();
        thread::spawn(move || {
            while let Ok(first) = waiting.recv() {
                let writes = [first].into_iter().chain(waiting.try_iter()).collect::<Vec<_>>();
                let (writes, replies): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
                let done = commit(&mut conn, writes).map_err(|error| error.to_string());
                for reply in replies {
                    // nobody waits any more
                    let _ = reply.send(done.clone());
                }
            }
        });
        Ok(Self { queue })
    }

    /// Returns when the write is durable.
    pub(super) async fn write(
        &self,
        write: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<(), Any> {
        let (reply, done) = oneshot::channel();
        self.queue.send((Box::new(write), reply)).map_err(|_| "the writer has ended")?;
        Ok(done.await??)
    }
}

fn commit(conn: &mut Connection, writes: Vec<Write>) -> rusqlite::Result<()> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for write in writes {
        write(&transaction)?;
    }
    transaction.commit()
}

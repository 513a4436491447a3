//! Trying again: after a lost connection, a deadlock, or a server that restarts.

use std::sync::Arc;
use std::time::Duration;

use super::connection::{Connection, Database};
use super::trouble::{Fate, Trouble};

/// How often something is tried in all. After that, the saga stops for a while and is loaded again.
const TRIES: u32 = 4;
/// The wait before the second try; twice as long each time.
const WAIT: Duration = Duration::from_millis(20);

/// The tries of one call so far.
///
/// What is tried again must have the same effect if an earlier try was committed although it seemed to fail.
///
/// ```text
/// let mut tries = Tries::default();
/// let value = loop {
///     let connection = tries.connection(database).await?;
///     match work(&connection).await {
///         Ok(value) => break value,
///         Err(trouble) => tries.failed(connection, trouble).await?,
///     }
/// };
/// ```
#[derive(Debug, Default)]
pub(super) struct Tries {
    failed: u32,
    unknown: bool,
}

impl Tries {
    /// True if an earlier try may have been committed.
    pub(super) fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// Tries of something that the tries so far were part of: one of them may have been committed.
    pub(super) fn of_a_part(&self) -> Self {
        Self { failed: 0, unknown: self.unknown }
    }

    /// A connection for the next try.
    pub(super) async fn connection(
        &mut self,
        database: &Arc<Database>,
    ) -> Result<Connection, Trouble> {
        loop {
            match database.connection().await {
                Ok(connection) => return Ok(connection),
                Err(trouble) => self.wait(trouble).await?,
            }
        }
    }

    /// A try has failed: waits, if there is another one.
    ///
    /// # Errors
    /// The same, if trying again is useless or was tried often enough.
    pub(super) async fn failed(
        &mut self,
        mut connection: Connection,
        trouble: Trouble,
    ) -> Result<(), Trouble> {
        connection.failed(&trouble);
        drop(connection);
        self.wait(trouble).await
    }

    async fn wait(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        match trouble.fate() {
            Fate::RolledBack => return Err(trouble),
            Fate::Unknown => self.unknown = true,
            Fate::TryAgain | Fate::Unreachable => {}
        }
        self.failed += 1;
        if self.failed >= TRIES {
            return Err(trouble);
        }
        tokio::time::sleep(WAIT * 2_u32.pow(self.failed - 1)).await;
        Ok(())
    }
}

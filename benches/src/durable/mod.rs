//! What takes part in the comparison, on disk: sagas of five steps, each commit durable before the next step.

mod bare_file;
mod bare_sqlite;
mod group_commit;
#[cfg(feature = "peers")]
mod steno;

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Any;
use crate::closed_loop::{Durations, Load};
use crate::ours::durable::{Durable, OursDurable};

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DurableEngine {
    /// The least that a store in SQLite must do for such a saga: six commits, each fenced.
    BareSqlite,
    /// saga-core on its `SqliteStore`.
    OursSqlite,
    /// steno over a store with group commit in SQLite, which is part of this program.
    #[cfg(feature = "peers")]
    StenoSqlite,
    /// Six records a saga, appended to one file and synced in groups.
    BareFile,
    /// saga-core on its `FileStore`.
    OursFile,
}

impl DurableEngine {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::BareSqlite,
        Self::OursSqlite,
        #[cfg(feature = "peers")]
        Self::StenoSqlite,
        Self::BareFile,
        Self::OursFile,
    ];

    /// The engine that shows what the disk and the database allow.
    pub fn floor(self) -> Self {
        match self {
            Self::BareSqlite | Self::OursSqlite => Self::BareSqlite,
            #[cfg(feature = "peers")]
            Self::StenoSqlite => Self::BareSqlite,
            Self::BareFile | Self::OursFile => Self::BareFile,
        }
    }

    /// Whether so many sagas at once are compared: stores in files are for few.
    pub fn runs(self, at_once: usize) -> bool {
        match self {
            Self::BareSqlite | Self::OursSqlite => true,
            #[cfg(feature = "peers")]
            Self::StenoSqlite => true,
            Self::BareFile | Self::OursFile => at_once <= 50,
        }
    }

    /// Runs sagas of five steps in a new store in this directory, so many at once.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn run(self, directory: &Path, at_once: usize, load: Load) -> Result<Durations, Any> {
        match self {
            Self::BareSqlite => bare_sqlite::run(&directory.join("bare.db"), at_once, load).await,
            Self::BareFile => bare_file::run(&directory.join("bare"), at_once, load).await,
            Self::OursSqlite => ours(Durable::Sqlite, directory, at_once, load).await,
            Self::OursFile => ours(Durable::File, directory, at_once, load).await,
            #[cfg(feature = "peers")]
            Self::StenoSqlite => steno::run(&directory.join("steno.db"), at_once, load).await,
        }
    }
}

async fn ours(
    store: Durable,
    directory: &Path,
    at_once: usize,
    load: Load,
) -> Result<Durations, Any> {
    let ours = OursDurable::new(store, directory).await?;
    let durations = ours.run(at_once, load).await?;
    ours.close().await?;
    Ok(durations)
}

/// As in a table of results.
impl fmt::Display for DurableEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BareSqlite => "bare SQLite",
            Self::OursSqlite => "saga-core, SQLite",
            #[cfg(feature = "peers")]
            Self::StenoSqlite => "steno, SQLite",
            Self::BareFile => "bare file",
            Self::OursFile => "saga-core, files",
        })
    }
}

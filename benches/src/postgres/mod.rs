//! Sagas of five steps on PostgreSQL: ours, with one or more workers, beside the least that such a store must do, and
//! beside dbos.

mod bare;
#[cfg(feature = "peers")]
mod dbos;
mod ours;
pub mod server;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Any;
use crate::closed_loop::{Durations, Load};

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostgresEngine {
    /// The least that a store in PostgreSQL must do for such a saga: six commits, each fenced.
    Bare,
    /// saga-core on its `PostgresStore`.
    Ours,
    /// dbos, with one executor for each worker.
    #[cfg(feature = "peers")]
    Dbos,
}

impl PostgresEngine {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Bare,
        Self::Ours,
        #[cfg(feature = "peers")]
        Self::Dbos,
    ];

    /// Runs sagas of five steps in this empty database: so many workers, and so many sagas at once over all of them.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn run(
        self,
        url: &str,
        workers: usize,
        at_once: usize,
        load: Load,
    ) -> Result<Durations, Any> {
        match self {
            Self::Bare => bare::run(url, workers, at_once, load).await,
            Self::Ours => ours::run(url, workers, at_once, load).await,
            #[cfg(feature = "peers")]
            Self::Dbos => dbos::run(url, workers, at_once, load).await,
        }
    }
}

/// As in a table of results.
impl fmt::Display for PostgresEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bare => "bare PostgreSQL",
            Self::Ours => "saga-core, PostgreSQL",
            #[cfg(feature = "peers")]
            Self::Dbos => "dbos",
        })
    }
}

//! What takes part in the comparison, in memory: saga-core, others that do the same or less, and the floor.

#[cfg(feature = "peers")]
mod async_dag;
#[cfg(feature = "peers")]
mod dagx;
mod floor;
#[cfg(feature = "peers")]
mod steno;

use std::fmt;

use futures_util::future::{LocalBoxFuture, ready};
use serde::{Deserialize, Serialize};

#[cfg(feature = "peers")]
pub(crate) use self::steno::Steno;
use crate::Any;
use crate::ours::in_memory::Ours;
use crate::ours::parked::ParkedSagas;
use crate::workload::Workload;

/// An engine that has been made ready for one workload.
pub trait Contestant {
    /// Runs the workload once, to its end.
    fn run(&self) -> LocalBoxFuture<'_, Result<(), Any>>;

    /// Ends it.
    fn close(self: Box<Self>) -> LocalBoxFuture<'static, Result<(), Any>> {
        Box::pin(ready(Ok(())))
    }
}

/// Sagas of five steps, the third of which waits.
pub trait Waiting {
    /// Starts so many, and waits until all of them wait.
    fn start(&mut self, sagas: usize) -> LocalBoxFuture<'_, Result<(), Any>>;

    /// Lets all of them end, and waits until they have.
    fn finish(&mut self) -> LocalBoxFuture<'_, Result<(), Any>>;

    /// Removes what has ended, and returns whether the engine can do that.
    fn forget(&mut self) -> LocalBoxFuture<'_, Result<bool, Any>> {
        Box::pin(ready(Ok(false)))
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// The least that any engine with a log must do: await each action, encode its output, keep the bytes, and
    /// decode them again for those who read it.
    Floor,
    /// saga-core on a `MemoryStore`.
    Ours,
    /// steno 0.5.0 with its `InMemorySecStore`, which keeps nothing.
    #[cfg(feature = "peers")]
    Steno,
    /// dagx 0.3.1: runs a DAG; no log, no undo.
    #[cfg(feature = "peers")]
    Dagx,
    /// async_dag 0.1.2: runs a DAG; no log, no undo.
    #[cfg(feature = "peers")]
    AsyncDag,
}

impl Engine {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Floor,
        Self::Ours,
        #[cfg(feature = "peers")]
        Self::Steno,
        #[cfg(feature = "peers")]
        Self::Dagx,
        #[cfg(feature = "peers")]
        Self::AsyncDag,
    ];

    /// Makes it ready for a workload; `None` if it has nothing like it.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn prepare(self, workload: Workload) -> Result<Option<Box<dyn Contestant>>, Any> {
        Ok(match self {
            Self::Floor => floor::prepare(workload),
            Self::Ours => Some(Box::new(Ours::new(workload).await?)),
            #[cfg(feature = "peers")]
            Self::Steno => steno::prepare(workload)?,
            #[cfg(feature = "peers")]
            Self::Dagx => dagx::prepare(workload),
            #[cfg(feature = "peers")]
            Self::AsyncDag => async_dag::prepare(workload),
        })
    }

    /// Sagas that wait; `None` if it has none.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn waiting(self) -> Result<Option<Box<dyn Waiting>>, Any> {
        Ok(match self {
            Self::Floor => Some(Box::new(floor::Parked::default())),
            Self::Ours => Some(Box::new(ParkedSagas::new().await?)),
            #[cfg(feature = "peers")]
            Self::Steno => Some(Box::new(steno::Parked::new()?)),
            #[cfg(feature = "peers")]
            Self::Dagx | Self::AsyncDag => None,
        })
    }
}

/// As in a table of results.
impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Floor => "floor",
            Self::Ours => "saga-core",
            #[cfg(feature = "peers")]
            Self::Steno => "steno",
            #[cfg(feature = "peers")]
            Self::Dagx => "dagx",
            #[cfg(feature = "peers")]
            Self::AsyncDag => "async_dag",
        })
    }
}

//! Five steps on a store that makes each commit durable.

use std::path::Path;
use std::time::Duration;

use saga_core::prelude::*;
use saga_core::store::{FileStore, SqliteStore};

use super::sagas::FiveSteps;
use crate::Any;
use crate::closed_loop::{Durations, Load, closed_loop};
use crate::gate::Gate;

/// A durable store of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// `SqliteStore`
    Sqlite,
    /// `FileStore`
    File,
}

/// A coordinator on a durable store.
pub struct OursDurable {
    sec: Coordinator<Gate>,
}

impl OursDurable {
    /// Opens a store in this directory.
    ///
    /// # Errors
    /// Those of the store, and of building a coordinator.
    pub async fn new(store: Durable, directory: &Path) -> Result<Self, Any> {
        let builder = Coordinator::builder(Gate::new()).saga::<FiveSteps>();
        let builder = match store {
            Durable::Sqlite => builder.store(SqliteStore::open(directory.join("sagas.db"))?),
            Durable::File => builder.store(FileStore::open(directory.join("sagas"))?),
        };
        Ok(Self { sec: builder.build().await? })
    }

    /// Runs sagas, so many at once.
    ///
    /// # Errors
    /// If one does not complete.
    pub async fn run(&self, at_once: usize, load: Load) -> Result<Durations, Any> {
        let sec = self.sec.clone();
        closed_loop(at_once, load, move |number| {
            let sec = sec.clone();
            async move {
                sec.run(FiveSteps { number }).await?;
                Ok(())
            }
        })
        .await
    }

    /// Closes the store.
    ///
    /// # Errors
    /// Those of shutting down.
    pub async fn close(self) -> Result<(), Any> {
        self.sec.shutdown(Duration::from_secs(5)).await?;
        Ok(())
    }
}

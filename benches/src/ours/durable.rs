//! Five steps on a store that makes each commit durable.

use std::path::Path;
use std::time::{Duration, Instant};

use saga_core::prelude::*;
use saga_core::store::{FileStore, SqliteStore};
use tokio::task::JoinSet;

use super::sagas::World;
use super::sagas::fixed::FiveSteps;
use crate::Any;

/// A durable store of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// `SqliteStore`
    Sqlite,
    /// `FileStore`
    File,
}

/// What a run on a durable store gave.
pub struct Durations {
    /// From the start of the first saga to the end of the last.
    pub total: Duration,
    /// Of each saga, from before its start to after its end, in milliseconds.
    pub each: Vec<f64>,
}

/// A coordinator on a durable store.
pub struct DurableBench {
    sec: Coordinator<World>,
}

impl DurableBench {
    /// Opens a store in this directory.
    ///
    /// # Errors
    /// Those of the store, and of building a coordinator.
    pub async fn new(store: Durable, directory: &Path) -> Result<Self, Any> {
        let builder = Coordinator::builder(World::new()).saga::<FiveSteps>();
        let builder = match store {
            Durable::Sqlite => builder.store(SqliteStore::open(directory.join("sagas.db"))?),
            Durable::File => builder.store(FileStore::open(directory.join("sagas"))?),
        };
        Ok(Self { sec: builder.build().await? })
    }

    /// Runs so many sagas, of which so many at once, on the runtime that calls it.
    ///
    /// # Errors
    /// If one does not complete.
    pub async fn run(&self, sagas: usize, at_once: usize) -> Result<Durations, Any> {
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for task in 0..at_once {
            let sec = self.sec.clone();
            let mine = (task..sagas).step_by(at_once);
            tasks.spawn(async move {
                let mut each = Vec::new();
                for number in mine {
                    let started = Instant::now();
                    sec.run(FiveSteps { number: number as u64 }).await?;
                    each.push(started.elapsed().as_secs_f64() * 1e3);
                }
                Ok::<_, Any>(each)
            });
        }
        let mut each = Vec::with_capacity(sagas);
        while let Some(done) = tasks.join_next().await {
            each.extend(done??);
        }
        Ok(Durations { total: started.elapsed(), each })
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

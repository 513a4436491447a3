//! How much memory sagas take that are under way at once.

use std::path::Path;

use saga_core::prelude::*;
use saga_core::store::MemoryStore;

use super::{Live, resident};
use crate::Any;
use crate::closed_loop::{Load, closed_loop};
use crate::gate::Gate;
use crate::ours::sagas::Parked;

/// Starts so many sagas, and lets them end when all of them wait. They are in SQLite if a file is given.
///
/// # Errors
/// Those of the store and of the sagas.
pub async fn live(sagas: usize, file: Option<&Path>) -> Result<Live, Any> {
    let builder = Coordinator::builder(Gate::new()).saga::<Parked>();
    let builder = match file {
        Some(file) => builder.store(SqliteStore::open(file)?),
        None => builder.store(MemoryStore::new()),
    };
    let sec = builder.build().await?;
    let before = resident()?;
    let starting = sec.clone();
    closed_loop(200, Load::Count(sagas), move |number| {
        let sec = starting.clone();
        async move {
            sec.saga(Parked { number }).start().await?;
            Ok(())
        }
    })
    .await?;
    sec.context().until_arrived(sagas).await;
    let grown = resident()? - before;
    Ok(Live {
        store: if file.is_some() { "sqlite" } else { "memory" }.to_owned(),
        sagas,
        megabytes: grown / 1e6,
        bytes_per_saga: grown / sagas as f64,
    })
}

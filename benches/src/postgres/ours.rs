//! saga-core on PostgreSQL.

use std::time::Duration;

use saga_core::prelude::*;
use saga_core::store::PostgresStore;

use crate::Any;
use crate::closed_loop::{Durations, Load, closed_loop};
use crate::gate::Gate;
use crate::ours::sagas::FiveSteps;

pub(super) async fn run(
    url: &str,
    workers: usize,
    at_once: usize,
    load: Load,
) -> Result<Durations, Any> {
    let mut all = Vec::new();
    for _ in 0..workers {
        let store = PostgresStore::connect(url).await?;
        let builder = Coordinator::builder(Gate::new()).saga::<FiveSteps>();
        all.push(builder.store(store).build().await?);
    }
    let start_on = all.clone();
    let durations = closed_loop(at_once, load, move |number| {
        let sec = start_on.get(number as usize % start_on.len()).cloned();
        async move {
            sec.ok_or("there is no worker")?.run(FiveSteps { number }).await?;
            Ok(())
        }
    })
    .await?;
    for sec in all {
        sec.shutdown(Duration::from_secs(5)).await?;
    }
    Ok(durations)
}

//! What it costs that many sagas are in the store.

use std::path::Path;
use std::time::{Duration, Instant};

use saga_core::SagaId;
use saga_core::prelude::*;
use saga_core::store::{ListFilter, MemoryStore, NewSaga, Store, StoredSaga};

use super::{Stored, resident};
use crate::Any;
use crate::closed_loop::{Load, closed_loop};
use crate::gate::Gate;
use crate::measure::cpu_time;
use crate::ours::sagas::{FiveSteps, Parked};

/// Fills a new SQLite file with so many sagas, `unfinished` of which wait in their third step, and then builds a
/// coordinator on it. For `time`, it runs new sagas beside them.
///
/// # Errors
/// Those of the store and of the sagas.
pub async fn stored(
    file: &Path,
    sagas: usize,
    unfinished: usize,
    time: Duration,
) -> Result<Stored, Any> {
    let filled = Filled::new(file, sagas, unfinished).await?;
    let before = resident()?;

    let begin = Instant::now();
    let sec = filled.build().await?;
    let built = begin.elapsed();
    sec.context().until_arrived(unfinished).await;
    let resumed = begin.elapsed();
    let grown = resident()? - before;

    let cpu = cpu_time();
    let starting = sec.clone();
    let new = closed_loop(50, Load::Time(time), move |number| {
        let sec = starting.clone();
        async move {
            sec.run(FiveSteps { number }).await?;
            Ok(())
        }
    })
    .await?;
    let cpu = cpu_time() - cpu;
    sec.context().open();
    sec.shutdown(Duration::from_secs(60)).await?;
    Ok(Stored {
        sagas,
        unfinished,
        build_ms: built.as_secs_f64() * 1e3,
        resumed_ms: resumed.as_secs_f64() * 1e3,
        resumed_per_second: unfinished as f64 / resumed.as_secs_f64(),
        megabytes: grown / 1e6,
        new_per_second: new.rate(),
        new_cpu_us: cpu.as_secs_f64() * 1e6 / new.each.len() as f64,
    })
}

/// A SQLite file with many sagas.
pub struct Filled(SqliteStore);

impl Filled {
    /// Fills a new file with so many sagas, `unfinished` of which wait in their third step.
    ///
    /// # Errors
    /// Those of the store and of the sagas.
    pub async fn new(file: &Path, sagas: usize, unfinished: usize) -> Result<Self, Any> {
        let store = SqliteStore::open(file)?;
        fill(&store, sagas, unfinished).await?;
        store.close().await?;
        Ok(Self(store))
    }

    /// Builds a coordinator on it, which resumes those that wait.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn build(self) -> Result<Coordinator<Gate>, Any> {
        let builder = Coordinator::builder(Gate::new()).saga::<Parked>().saga::<FiveSteps>();
        Ok(builder.store(self.0).build().await?)
    }
}

/// Creates copies of a saga that waits and of one that has ended.
async fn fill(store: &SqliteStore, sagas: usize, unfinished: usize) -> Result<(), Any> {
    let (waiting, ended) = samples().await?;
    let copies = store.clone();
    closed_loop(200, Load::Count(sagas), move |number| {
        let store = copies.clone();
        // those that have not ended are spread over the file
        let every = sagas as u64 / unfinished.max(1) as u64;
        let is_waiting = number.is_multiple_of(every) && number / every < unfinished as u64;
        let sample = if is_waiting { &waiting } else { &ended };
        let StoredSaga { mut record, entries } = sample.clone();
        async move {
            record.id = format!("saga-{number}").parse()?;
            store.create(NewSaga { record, entries }).await?;
            Ok(())
        }
    })
    .await?;
    Ok(())
}

/// A saga that waits in its third step, at rest after a shutdown, and one that has completed.
async fn samples() -> Result<(StoredSaga, StoredSaga), Any> {
    let store = MemoryStore::new();
    let builder = Coordinator::builder(Gate::new()).saga::<Parked>().saga::<FiveSteps>();
    let sec = builder.store(store.clone()).build().await?;
    sec.run(FiveSteps { number: 1 }).await?;
    let waiting = sec.saga(Parked { number: 1 }).start().await?;
    sec.context().until_arrived(1).await;
    let waiting = sample(&store, waiting.id()).await?;
    let records = store.list(ListFilter::default()).await?;
    let ended = records.iter().find(|record| record.id != waiting.record.id);
    let ended = sample(&store, &ended.ok_or("the sample has not ended")?.id).await?;
    Ok((waiting, ended))
}

async fn sample(store: &MemoryStore, id: &SagaId) -> Result<StoredSaga, Any> {
    let mut sample = store.load(id).await?.ok_or("the sample is not there")?;
    // as `create` wants it, and as `release` leaves it
    (sample.record.owner, sample.record.epoch, sample.record.attempts) = (None, 1, 0);
    Ok(sample)
}

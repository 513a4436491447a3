//! What it costs that many sagas are in the store.

use std::path::Path;
use std::time::{Duration, Instant};

use saga_core::log::NodeEntry;
use saga_core::prelude::*;
use saga_core::store::{
    Append, ListFilter, MemoryStore, NewSaga, RecordChange, Store, StoreError, StoredSaga, WorkerId,
};
use saga_core::{SagaId, SagaStatus};

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
    let (copies, worker) = (store.clone(), WorkerId::generate());
    let owner = worker.clone();
    closed_loop(200, Load::Count(sagas), move |number| {
        let (store, owner) = (copies.clone(), owner.clone());
        // those that have not ended are spread over the file
        let every = sagas as u64 / unfinished.max(1) as u64;
        let is_waiting = number.is_multiple_of(every) && number / every < unfinished as u64;
        let sample = if is_waiting { &waiting } else { &ended }.clone();
        async move {
            let id = format!("saga-{number}").parse()?;
            copy(&store, sample, id, owner).await?;
            Ok(())
        }
    })
    .await?;
    // as a shutdown leaves those that wait
    store.release(&worker).await?;
    Ok(())
}

/// Writes a saga as it was written when it ran: each outcome is an append, with what followed from it.
async fn copy(
    store: &SqliteStore,
    sample: StoredSaga,
    id: SagaId,
    owner: WorkerId,
) -> Result<(), StoreError> {
    let StoredSaga { mut record, entries } = sample;
    let (last, ended) = (entries.len() as u64, record.status);
    let mut appends =
        entries.chunk_by(|_, next| !matches!(next.node_entry(), Some(NodeEntry::Succeeded(_))));
    let first = appends.next().unwrap_or_default().to_vec();
    record.id = id.clone();
    record.owner = Some(owner.clone());
    record.status = SagaStatus::Running;
    record.next_seq = first.len() as u64 + 1;
    let mut next_seq = record.next_seq;
    store.create(NewSaga { record, entries: first }).await?;
    for entries in appends {
        let entries = entries.to_vec();
        let count = entries.len() as u64;
        let status = if next_seq + count > last { ended } else { SagaStatus::Running };
        let append = Append {
            saga: id.clone(),
            owner: owner.clone(),
            epoch: 1,
            expected_next_seq: next_seq,
            entries,
            change: RecordChange { progress: true, ..RecordChange::status(status) },
            answers: Vec::new(),
        };
        store.append(append).await?;
        next_seq += count;
    }
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
    // as `create` wants it
    (sample.record.epoch, sample.record.attempts) = (1, 1);
    Ok(sample)
}

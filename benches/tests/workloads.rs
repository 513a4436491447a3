//! Each workload runs, once and with few sagas.

use saga_benches::Any;
use saga_benches::ours::durable::{Durable, DurableBench};
use saga_benches::ours::in_memory::{Bench, ParkedSagas, Workload};

const WORKLOADS: [(&str, usize); 8] = [
    ("chain", 10),
    ("built", 10),
    ("fanout", 10),
    ("ladder", 12),
    ("layers", 4),
    ("for", 10),
    ("unwind", 10),
    ("many", 10),
];

#[tokio::test]
async fn each_workload_in_memory() -> Result<(), Any> {
    for (name, size) in WORKLOADS {
        let workload = Workload::named(name, size)?;
        let bench = Bench::new(workload).await?;
        bench.run().await.map_err(|error| format!("{workload:?}: {error}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn sagas_park_and_go_on() -> Result<(), Any> {
    let mut parked = ParkedSagas::new().await?;
    parked.start(10).await?;
    parked.finish().await
}

#[tokio::test]
async fn each_durable_store() -> Result<(), Any> {
    for store in [Durable::Sqlite, Durable::File] {
        let directory = tempfile::tempdir()?;
        let bench = DurableBench::new(store, directory.path()).await?;
        let durations = bench.run(6, 3).await?;
        assert_eq!(durations.each.len(), 6);
        bench.close().await?;
    }
    Ok(())
}

//! Each measurement runs, once and with few sagas, so that none of them rots.

use std::time::Duration;

use saga_benches::Any;
use saga_benches::closed_loop::Load;
use saga_benches::durable::DurableEngine;
use saga_benches::engine::Engine;
use saga_benches::scale::{live, nodes, stored};
use saga_benches::workload::Workload;

const WORKLOADS: [Workload; 8] = [
    Workload::Chain(10),
    Workload::BuiltChain(10),
    Workload::FanOut(10),
    Workload::Ladder(3),
    Workload::Layers(2),
    Workload::For(10),
    Workload::Unwind(10),
    Workload::Many(10),
];

#[tokio::test]
async fn each_workload_in_memory() -> Result<(), Any> {
    for workload in WORKLOADS {
        for engine in Engine::ALL {
            let Some(contestant) = engine.prepare(workload).await? else { continue };
            let run = contestant.run().await;
            run.map_err(|error| format!("{workload} on {engine}: {error}"))?;
            contestant.close().await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn sagas_wait_and_go_on() -> Result<(), Any> {
    for engine in Engine::ALL {
        let Some(mut waiting) = engine.waiting().await? else { continue };
        waiting.start(10).await?;
        waiting.finish().await?;
        waiting.forget().await?;
    }
    Ok(())
}

#[tokio::test]
async fn each_durable_store() -> Result<(), Any> {
    for engine in DurableEngine::ALL {
        let directory = tempfile::tempdir()?;
        let run = engine.run(directory.path(), 3, Load::Count(7)).await;
        let durations = run.map_err(|error| format!("{engine}: {error}"))?;
        assert_eq!(durations.each.len(), 7, "{engine}");
    }
    Ok(())
}

#[tokio::test]
async fn each_measurement_of_scale() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    live(10, None).await?;
    live(10, Some(&directory.path().join("live.db"))).await?;
    let file = directory.path().join("stored.db");
    let stored = stored(&file, 20, 2, Duration::from_millis(10)).await?;
    assert_eq!((stored.sagas, stored.unfinished), (20, 2));
    assert_eq!(nodes(&[1, 2]).await?.len(), 6);
    Ok(())
}

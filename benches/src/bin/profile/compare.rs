//! Counts the allocations and the heap of all engines. `bench-peers` runs it in this program, because counting takes
//! time, and would take more from those who allocate more.

use saga_benches::Any;
use saga_benches::engine::Engine;
use saga_benches::results::{Allocations, Heap, Memory};
use saga_benches::workload::Workload;
use stats_alloc::Stats;
use tokio::runtime::Runtime;

use crate::ALLOCATOR;

/// Prints the results as JSON.
pub(crate) fn compare(runtime: &Runtime) -> Result<(), Any> {
    let memory = runtime.block_on(async {
        let mut memory = Memory::default();
        for workload in Workload::COMPARED {
            for engine in Engine::ALL {
                memory.nodes.extend(allocations(*engine, *workload).await?);
            }
        }
        for engine in Engine::ALL {
            memory.waiting.extend(heap(*engine).await?);
        }
        Ok::<_, Any>(memory)
    })?;
    println!("{}", serde_json::to_string(&memory)?);
    Ok(())
}

async fn allocations(engine: Engine, workload: Workload) -> Result<Option<Allocations>, Any> {
    let Some(contestant) = engine.prepare(workload).await? else { return Ok(None) };
    contestant.run().await?;
    let runs = (200 / workload.nodes()).max(1);
    let before = ALLOCATOR.stats();
    for _ in 0..runs {
        contestant.run().await?;
    }
    let used = ALLOCATOR.stats() - before;
    contestant.close().await?;
    let nodes = (runs * workload.nodes()) as f64;
    Ok(Some(Allocations {
        workload: workload.to_string(),
        engine,
        allocations: (used.allocations + used.reallocations) as f64 / nodes,
        bytes: used.bytes_allocated as f64 / nodes,
    }))
}

/// How many sagas wait.
const SAGAS: usize = 1_000;

async fn heap(engine: Engine) -> Result<Option<Heap>, Any> {
    // what is made once is made now
    let Some(mut first) = engine.waiting().await? else { return Ok(None) };
    first.start(10).await?;
    first.finish().await?;
    first.forget().await?;
    let Some(mut waiting) = engine.waiting().await? else { return Ok(None) };
    let before = ALLOCATOR.stats();
    waiting.start(SAGAS).await?;
    let started = kept(ALLOCATOR.stats() - before);
    waiting.finish().await?;
    let ended = kept(ALLOCATOR.stats() - before);
    let can_forget = waiting.forget().await?;
    let forgotten = can_forget.then(|| kept(ALLOCATOR.stats() - before));
    // not earlier, because it frees memory
    drop(first);
    Ok(Some(Heap { engine, waiting: started, ended, forgotten }))
}

fn kept(stats: Stats) -> f64 {
    (stats.bytes_allocated as f64 - stats.bytes_deallocated as f64) / SAGAS as f64
}

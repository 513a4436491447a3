//! Counts the allocations and the heap of all engines, and prints them as JSON. `bench-peers` runs it.
//!
//! It is a program of its own because counting takes time, and would take more from those who allocate more.

use std::alloc::System;

use saga_benches::Any;
use saga_benches::engine::Engine;
use saga_benches::results::{Allocations, Heap, Memory};
use saga_benches::workload::Workload;
use stats_alloc::{INSTRUMENTED_SYSTEM, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Result<(), Any> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
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
    let mut last = None;
    // the first time, everything that is made once is made
    for _ in 0..2 {
        let Some(mut waiting) = engine.waiting().await? else { return Ok(None) };
        let before = ALLOCATOR.stats();
        waiting.start(SAGAS).await?;
        let started = kept(ALLOCATOR.stats() - before);
        waiting.finish().await?;
        let ended = kept(ALLOCATOR.stats() - before);
        waiting.forget().await?;
        let forgotten = kept(ALLOCATOR.stats() - before);
        last = Some(Heap { engine, waiting: started, ended, forgotten });
    }
    Ok(last)
}

fn kept(stats: Stats) -> f64 {
    (stats.bytes_allocated as f64 - stats.bytes_deallocated as f64) / SAGAS as f64
}

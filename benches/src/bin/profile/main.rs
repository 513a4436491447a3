//! Runs one workload of ours, for a profiler, and prints what a node costs.
//!
//! ```text
//! cargo run --release -p saga-benches --bin profile -- <workload> <size> <repeats>
//!
//!   chain, built, fanout, ladder, layers, for, unwind      <size> nodes
//!   many, parked                                           <size> sagas of five steps
//!   sqlite, file                                           <size> sagas at once
//!   bare-sqlite, bare-file                                 the same on the floors of these stores
//!   recovery                                               <size> sagas that are resumed from SQLite
//! ```
//!
//! `profile compare` prints allocations and heap of all engines as JSON, for `bench-peers`.
//!
//! For readable output of callgrind, keep the line tables, and count only what is measured:
//!
//! ```text
//! export CARGO_PROFILE_RELEASE_DEBUG=line-tables-only
//! cargo build --release -p saga-benches --bin profile
//! valgrind --tool=callgrind --toggle-collect='*measured*' target/release/profile chain 100 100
//! callgrind_annotate --inclusive=yes callgrind.out.*
//! ```
//!
//! Allocations are counted, which takes about 15 instructions for each. So the times are for comparison with
//! other runs of this program.

mod compare;

use std::alloc::System;
use std::future::Future;
use std::time::{Duration, Instant};

use saga_benches::Any;
use saga_benches::closed_loop::Load;
use saga_benches::durable::DurableEngine;
use saga_benches::engine::{Contestant, Engine};
use saga_benches::measure::cpu_time;
use saga_benches::ours::in_memory::Ours;
use saga_benches::scale::{Filled, resident};
use saga_benches::workload::Workload;
use stats_alloc::{INSTRUMENTED_SYSTEM, Stats, StatsAlloc};
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const USAGE: &str =
    "usage: profile <workload> <size> <repeats>, for example `profile chain 100 50`";

fn main() -> Result<(), Any> {
    let args = std::env::args().skip(1).collect::<Vec<_>>();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let [name, size, repeats] = args.as_slice() else {
        return match args.as_slice() {
            [command] if command == "compare" => compare::compare(&runtime),
            _ => Err(USAGE.into()),
        };
    };
    let (size, repeats) = (size.parse::<usize>()?, repeats.parse::<usize>()?);
    match name.as_str() {
        "parked" => parked(&runtime, size, repeats),
        "sqlite" => durable(&runtime, DurableEngine::OursSqlite, size, repeats),
        "file" => durable(&runtime, DurableEngine::OursFile, size, repeats),
        "bare-sqlite" => durable(&runtime, DurableEngine::BareSqlite, size, repeats),
        "bare-file" => durable(&runtime, DurableEngine::BareFile, size, repeats),
        "recovery" => recovery(&runtime, size, repeats),
        name => in_memory(&runtime, Workload::named(name, size)?, repeats),
    }
}

fn in_memory(runtime: &Runtime, workload: Workload, repeats: usize) -> Result<(), Any> {
    let bench = runtime.block_on(Ours::new(workload))?;
    runtime.block_on(bench.run())?;
    let used = measured(runtime, async {
        for _ in 0..repeats {
            bench.run().await?;
        }
        Ok(())
    })?;
    let nodes = (workload.nodes() * repeats) as f64;
    println!("{workload:?}, {repeats} times, per node:");
    println!("  {:>10.0} ns of processor time", used.cpu.as_nanos() as f64 / nodes);
    println!("  {:>10.2} allocations", used.allocations() as f64 / nodes);
    println!("  {:>10.0} bytes allocated", used.stats.bytes_allocated as f64 / nodes);
    println!("  {:>10.0} bytes kept, log included", used.bytes_kept() as f64 / nodes);
    Ok(())
}

/// The memory of sagas that wait, and what is left when they have ended.
fn parked(runtime: &Runtime, sagas: usize, repeats: usize) -> Result<(), Any> {
    for _ in 0..repeats.max(1) {
        let parked = runtime.block_on(Engine::Ours.waiting())?;
        let mut parked = parked.ok_or("there are no sagas that wait")?;
        let waiting = measured(runtime, parked.start(sagas))?;
        let ended = measured(runtime, parked.finish())?;
        let purged = measured(runtime, parked.forget())?;
        let waiting = waiting.bytes_kept();
        let ended = waiting + ended.bytes_kept();
        let purged = ended + purged.bytes_kept();
        println!("{sagas} sagas that wait in the third of five steps, bytes of heap per saga:");
        println!("  {:>10.0} while they wait, log included", waiting as f64 / sagas as f64);
        println!("  {:>10.0} after their end, log included", ended as f64 / sagas as f64);
        println!("  {:>10.0} after they were purged", purged as f64 / sagas as f64);
    }
    Ok(())
}

fn durable(
    runtime: &Runtime,
    engine: DurableEngine,
    at_once: usize,
    repeats: usize,
) -> Result<(), Any> {
    let sagas = at_once * repeats;
    let directory = tempfile::tempdir()?;
    let mut durations = None;
    let used = measured(runtime, async {
        durations = Some(engine.run(directory.path(), at_once, Load::Count(sagas)).await?);
        Ok(())
    })?;
    let durations = durations.ok_or("nothing was measured")?;
    println!("{engine}, {sagas} sagas of five steps, {at_once} at once:");
    println!("  {:>10.0} sagas/s", durations.rate());
    println!("  {:>10.2} ms p50", durations.quantile(0.5));
    println!("  {:>10.2} ms p99", durations.quantile(0.99));
    println!("  {:>10.0} us of processor time a saga", used.cpu.as_micros() as f64 / sagas as f64);
    println!("  {:>10.2} allocations a saga", used.allocations() as f64 / sagas as f64);
    Ok(())
}

/// Sagas that are at rest in the middle of their third step, until all are there again.
fn recovery(runtime: &Runtime, sagas: usize, repeats: usize) -> Result<(), Any> {
    for _ in 0..repeats.max(1) {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("sagas.db");
        let filled = runtime.block_on(Filled::new(&file, sagas, sagas))?;
        let before = resident()?;
        let begin = Instant::now();
        let mut coordinator = None;
        let used = measured(runtime, async {
            let built = filled.build().await?;
            built.context().until_arrived(sagas).await;
            coordinator = Some(built);
            Ok(())
        })?;
        println!("{sagas} sagas resumed from SQLite:");
        println!("  {:>10.0} sagas/s", sagas as f64 / begin.elapsed().as_secs_f64());
        println!(
            "  {:>10.0} us of processor time a saga",
            used.cpu.as_micros() as f64 / sagas as f64
        );
        println!("  {:>10.2} allocations a saga", used.allocations() as f64 / sagas as f64);
        println!("  {:>10.0} bytes of heap a saga", used.bytes_kept() as f64 / sagas as f64);
        let grown = resident()? - before;
        println!("  {:>10.0} bytes a saga of resident memory", grown / sagas as f64);
        drop(coordinator);
    }
    Ok(())
}

/// What the measured part used.
struct Used {
    cpu: Duration,
    stats: Stats,
}

impl Used {
    fn allocations(&self) -> usize {
        self.stats.allocations + self.stats.reallocations
    }

    fn bytes_kept(&self) -> i64 {
        self.stats.bytes_allocated as i64 - self.stats.bytes_deallocated as i64
    }
}

/// Everything that counts happens in here, so that a profiler can be told to look at nothing else.
#[inline(never)]
fn measured<T>(runtime: &Runtime, work: impl Future<Output = Result<T, Any>>) -> Result<Used, Any> {
    let (cpu, stats) = (cpu_time(), ALLOCATOR.stats());
    runtime.block_on(work)?;
    Ok(Used { cpu: cpu_time() - cpu, stats: ALLOCATOR.stats() - stats })
}

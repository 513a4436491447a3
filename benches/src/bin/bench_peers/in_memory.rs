//! Time in memory: all engines take turns at each workload, round by round.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use saga_benches::Any;
use saga_benches::engine::Engine;
use saga_benches::measure::{Spread, cpu_time};
use saga_benches::results::Cost;
use saga_benches::workload::Workload;
use tokio::runtime::{Builder, Runtime};

use crate::options::Options;

/// Nanoseconds per node, in one round.
#[derive(Clone, Copy)]
struct Sample {
    cpu: f64,
    wall: f64,
}

pub(crate) fn measure(options: &Options) -> Result<Vec<Cost>, Any> {
    let one = Builder::new_current_thread().enable_all().build()?;
    let two = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut samples = BTreeMap::<(usize, Engine), Vec<Sample>>::new();
    for round in 0..options.rounds() {
        eprintln!("in memory: round {} of {}", round + 1, options.rounds());
        for (row, workload) in Workload::COMPARED.iter().enumerate() {
            for turn in 0..Engine::ALL.len() {
                // nobody is always first
                let Some(&engine) = Engine::ALL.iter().cycle().nth(turn + round) else { continue };
                let cpu = sample(&one, engine, *workload, options.budget())?;
                let wall = sample(&two, engine, *workload, options.budget())?;
                if let (Some((cpu, _)), Some((_, wall))) = (cpu, wall) {
                    samples.entry((row, engine)).or_default().push(Sample { cpu, wall });
                }
            }
        }
    }
    let mut costs = Vec::new();
    for (row, workload) in Workload::COMPARED.iter().enumerate() {
        for engine in Engine::ALL {
            costs.extend(cost(row, *workload, *engine, &samples));
        }
    }
    Ok(costs)
}

/// Processor time and time per node, in nanoseconds.
fn sample(
    runtime: &Runtime,
    engine: Engine,
    workload: Workload,
    budget: Duration,
) -> Result<Option<(f64, f64)>, Any> {
    runtime.block_on(async {
        let Some(contestant) = engine.prepare(workload).await? else { return Ok(None) };
        let warm = Instant::now();
        contestant.run().await?;
        let once = warm.elapsed().as_secs_f64().max(1e-9);
        let runs = (budget.as_secs_f64() / once).clamp(1.0, 1e5) as usize;
        let (cpu, wall) = (cpu_time(), Instant::now());
        for _ in 0..runs {
            contestant.run().await?;
        }
        let (cpu, wall) = (cpu_time() - cpu, wall.elapsed());
        contestant.close().await?;
        let nodes = (runs * workload.nodes()) as f64;
        Ok(Some((cpu.as_secs_f64() * 1e9 / nodes, wall.as_secs_f64() * 1e9 / nodes)))
    })
}

fn cost(
    row: usize,
    workload: Workload,
    engine: Engine,
    samples: &BTreeMap<(usize, Engine), Vec<Sample>>,
) -> Option<Cost> {
    let mine = samples.get(&(row, engine))?;
    let ratio = |to: Engine, value: fn(&Sample) -> f64| {
        let theirs = samples.get(&(row, to))?;
        Spread::of(mine.iter().zip(theirs).map(|(mine, theirs)| value(mine) / value(theirs)))
    };
    let (cpu, wall) = (|sample: &Sample| sample.cpu, |sample: &Sample| sample.wall);
    Some(Cost {
        workload: workload.to_string(),
        engine,
        nodes: workload.nodes(),
        cpu_ns: Spread::of(mine.iter().map(cpu))?,
        wall_ns: Spread::of(mine.iter().map(wall))?,
        cpu_of_floor: ratio(Engine::Floor, cpu),
        cpu_of_ours: ratio(Engine::Ours, cpu),
        wall_of_floor: ratio(Engine::Floor, wall),
        wall_of_ours: ratio(Engine::Ours, wall),
    })
}

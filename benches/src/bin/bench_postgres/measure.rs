//! The rounds: all engines take turns at each number of workers and of sagas at once, each in a new database.

use std::collections::BTreeMap;

use saga_benches::Any;
use saga_benches::closed_loop::{Durations, Load};
use saga_benches::measure::{Spread, cpu_time};
use saga_benches::postgres::PostgresEngine;
use saga_benches::postgres::server::Work;
use saga_benches::results::{PostgresRate, PostgresResults};
use throwaway_postgres::ThrowawayPostgres;
use tokio::runtime::{Builder, Runtime};

use crate::options::{Options, scratch};

/// One run, and what the server did for it.
struct Sample {
    durations: Durations,
    client_us: f64,
    work: Work,
}

type Samples = BTreeMap<(usize, usize, PostgresEngine), Vec<Sample>>;

pub(crate) fn measure(options: &Options) -> Result<PostgresResults, Any> {
    let server = ThrowawayPostgres::start_in(&scratch()?)?;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut samples = Samples::new();
    for round in 0..options.rounds() {
        eprintln!("round {} of {}", round + 1, options.rounds());
        for &workers in &options.workers {
            for &at_once in options.at_once.iter().filter(|at_once| **at_once >= workers) {
                for turn in 0..options.engines.len() {
                    let engine = options.engines.iter().cycle().nth(turn + round);
                    let Some(&engine) = engine else { continue };
                    let load = Load::Time(options.time());
                    let sample = sample(&server, &runtime, engine, (workers, at_once), load);
                    let sample = sample.map_err(|error| {
                        format!("{engine}, {workers} workers, {at_once} at once: {error}")
                    })?;
                    samples.entry((workers, at_once, engine)).or_default().push(sample);
                }
            }
        }
    }
    let server = server.client("psql", &["-qAtc", "SHOW server_version"])?;
    Ok(PostgresResults {
        quick: options.quick,
        rounds: options.rounds(),
        processors: std::thread::available_parallelism()?.get(),
        server: format!("PostgreSQL {}", server.trim()),
        rates: samples.keys().filter_map(|key| rate(*key, &samples)).collect(),
    })
}

fn sample(
    server: &ThrowawayPostgres,
    runtime: &Runtime,
    engine: PostgresEngine,
    (workers, at_once): (usize, usize),
    load: Load,
) -> Result<Sample, Any> {
    let url = server.new_database()?;
    let before = Work::so_far(server, &url)?;
    let cpu = cpu_time();
    let durations = runtime.block_on(engine.run(&url, workers, at_once, load))?;
    let client_us = (cpu_time() - cpu).as_secs_f64() * 1e6;
    let work = Work::so_far(server, &url)?.since(before);
    Ok(Sample { durations, client_us, work })
}

fn rate(key: (usize, usize, PostgresEngine), samples: &Samples) -> Option<PostgresRate> {
    let (workers, at_once, engine) = key;
    let mine = samples.get(&key)?;
    let of = |value: &dyn Fn(&Sample) -> f64| Spread::of(mine.iter().map(value));
    let per_saga = |value: &dyn Fn(&Sample) -> f64| {
        of(&|sample| value(sample) / sample.durations.each.len() as f64)
    };
    let rates = |engine| {
        let samples = samples.get(&(workers, at_once, engine))?;
        Some(samples.iter().map(|sample| sample.durations.rate()).collect::<Vec<_>>())
    };
    let my_rates = rates(engine)?;
    let ratios = |above: &[f64], below: &[f64]| {
        Spread::of(above.iter().zip(below).map(|(above, below)| above / below))
    };
    // where the system does not tell the processor time of the server, these are missing
    let server_us = |sample: &Sample| sample.work.cpu_seconds.map_or(f64::NAN, |time| time * 1e6);
    let known = |spread: Option<Spread>| spread.filter(|spread| !spread.median.is_nan());
    let per_core = |sample: &Sample| {
        sample.durations.each.len() as f64 * 1e6 / (sample.client_us + server_us(sample))
    };
    Some(PostgresRate {
        engine,
        workers,
        at_once,
        per_second: Spread::of(my_rates.iter().copied())?,
        of_floor: rates(PostgresEngine::Bare).and_then(|bare| ratios(&my_rates, &bare)),
        ours_of_this: rates(PostgresEngine::Ours).and_then(|ours| ratios(&ours, &my_rates)),
        p50_ms: of(&|sample| sample.durations.quantile(0.5))?,
        p99_ms: of(&|sample| sample.durations.quantile(0.99))?,
        commits: per_saga(&|sample| sample.work.commits)?,
        wal_bytes: per_saga(&|sample| sample.work.wal_bytes)?,
        hot: known(of(&|sample| sample.work.hot_updates / sample.work.updates)),
        client_us: per_saga(&|sample| sample.client_us)?,
        server_us: known(per_saga(&server_us)),
        per_core: known(of(&per_core)),
    })
}

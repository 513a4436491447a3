//! Measures saga-core on PostgreSQL, beside the least that such a store must do.
//!
//! ```text
//! cargo bench-postgres [--quick]
//! ```
//!
//! It starts a PostgreSQL in the directory `bench-peers` below `target`, whose disk syncs are then the ones that are measured.

use std::collections::BTreeMap;
use std::time::Duration;

use saga_benches::Any;
use saga_benches::closed_loop::{Durations, Load};
use saga_benches::measure::{Spread, cpu_time};
use saga_benches::postgres::PostgresEngine;
use throwaway_postgres::ThrowawayPostgres;
use tokio::runtime::Builder;

const WORKERS: [usize; 3] = [1, 2, 4];
const AT_ONCE: [usize; 3] = [1, 50, 500];

/// One run, and what the server did for each saga of it.
struct Sample {
    durations: Durations,
    commits: f64,
    wal_bytes: f64,
    /// Processor time of this process, which is not that of the server.
    cpu_us: f64,
}

fn main() -> Result<(), Any> {
    let quick = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--quick") => true,
        Some(_) => return Err("usage: cargo bench-postgres [--quick]".into()),
    };
    let (rounds, time) =
        if quick { (2, Duration::from_secs(1)) } else { (5, Duration::from_secs(3)) };
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench-peers");
    std::fs::create_dir_all(place)?;
    let server = ThrowawayPostgres::start_in(place.as_ref())?;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut samples = BTreeMap::<_, Vec<Sample>>::new();
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for workers in WORKERS {
            for at_once in AT_ONCE.into_iter().filter(|at_once| *at_once >= workers) {
                for turn in 0..PostgresEngine::ALL.len() {
                    let engine = PostgresEngine::ALL.iter().cycle().nth(turn + round);
                    let Some(&engine) = engine else { continue };
                    let url = server.new_database()?;
                    let number = |sql: &str| -> Result<f64, Any> {
                        Ok(server.client("psql", &["-d", &url, "-qAtc", sql])?.trim().parse()?)
                    };
                    let wal = "SELECT pg_current_wal_lsn() - '0/0'";
                    let (before, cpu) = (number(wal)?, cpu_time());
                    let run = engine.run(&url, workers, at_once, Load::Time(time));
                    let durations = runtime.block_on(run)?;
                    let sagas = durations.each.len() as f64;
                    let cpu_us = (cpu_time() - cpu).as_micros() as f64 / sagas;
                    let wal_bytes = (number(wal)? - before) / sagas;
                    let commits = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
                    let commits = number(commits)? / sagas;
                    let sample = Sample { durations, commits, wal_bytes, cpu_us };
                    samples.entry((workers, at_once, engine)).or_default().push(sample);
                }
            }
        }
    }
    print(&samples);
    Ok(())
}

fn print(samples: &BTreeMap<(usize, usize, PostgresEngine), Vec<Sample>>) {
    println!(
        "| engine | workers | at once | sagas/s | ÷ bare writer | p50, ms | p99, ms | commits a saga | WAL bytes a saga | µs of processor time a saga |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for ((workers, at_once, engine), mine) in samples {
        let Some(bare) = samples.get(&(*workers, *at_once, PostgresEngine::Bare)) else { continue };
        let of = |what: &dyn Fn(&Sample) -> f64| {
            Spread::of(mine.iter().map(what)).map_or(f64::NAN, |spread| spread.median)
        };
        let ratios =
            mine.iter().zip(bare).map(|(mine, bare)| mine.durations.rate() / bare.durations.rate());
        let ratio = Spread::of(ratios).map_or(f64::NAN, |spread| spread.median);
        println!(
            "| {engine} | {workers} | {at_once} | {:.0} | {ratio:.2} | {:.1} | {:.1} | {:.1} | {:.0} | {:.0} |",
            of(&|sample| sample.durations.rate()),
            of(&|sample| sample.durations.quantile(0.5)),
            of(&|sample| sample.durations.quantile(0.99)),
            of(&|sample| sample.commits),
            of(&|sample| sample.wal_bytes),
            of(&|sample| sample.cpu_us),
        );
    }
}

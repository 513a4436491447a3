//! Sagas on disk: all engines take turns at each number of sagas at once, round by round. Each round has new
//! files.

use std::collections::BTreeMap;

use saga_benches::Any;
use saga_benches::closed_loop::{Durations, Load};
use saga_benches::durable::DurableEngine;
use saga_benches::measure::Spread;
use saga_benches::results::Rate;
use tokio::runtime::Builder;

use crate::options::{Options, scratch};

const AT_ONCE: [usize; 3] = [1, 50, 500];

pub(crate) fn measure(options: &Options) -> Result<Vec<Rate>, Any> {
    let place = scratch()?;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut samples = BTreeMap::<(usize, DurableEngine), Vec<Durations>>::new();
    for round in 0..options.durable_rounds() {
        eprintln!("on disk: round {} of {}", round + 1, options.durable_rounds());
        for at_once in AT_ONCE {
            for turn in 0..DurableEngine::ALL.len() {
                let engine = DurableEngine::ALL.iter().cycle().nth(turn + round);
                let Some(&engine) = engine else { continue };
                if !engine.runs(at_once) {
                    continue;
                }
                let directory = tempfile::tempdir_in(&place)?;
                let load = Load::Time(options.durable_time());
                let run = engine.run(directory.path(), at_once, load);
                let durations = runtime
                    .block_on(run)
                    .map_err(|error| format!("{engine}, {at_once} at once: {error}"))?;
                samples.entry((at_once, engine)).or_default().push(durations);
            }
        }
    }
    let mut rates = Vec::new();
    for engine in DurableEngine::ALL {
        for at_once in AT_ONCE {
            rates.extend(rate(*engine, at_once, &samples));
        }
    }
    Ok(rates)
}

fn rate(
    engine: DurableEngine,
    at_once: usize,
    samples: &BTreeMap<(usize, DurableEngine), Vec<Durations>>,
) -> Option<Rate> {
    let mine = samples.get(&(at_once, engine))?;
    let bare = samples.get(&(at_once, engine.floor()))?;
    Some(Rate {
        engine,
        at_once,
        per_second: Spread::of(mine.iter().map(Durations::rate))?,
        p50_ms: Spread::of(mine.iter().map(|durations| durations.quantile(0.5)))?,
        p99_ms: Spread::of(mine.iter().map(|durations| durations.quantile(0.99)))?,
        of_floor: Spread::of(mine.iter().zip(bare).map(|(mine, bare)| mine.rate() / bare.rate())),
    })
}

//! A travel agency. Each trip is a flight, a hotel and a car, paid by card: all of it, or nothing.
//!
//! ```text
//! cargo run --example trip
//! cargo run --example trip -- --state /tmp/trips --crash-at payment   # aborts after the first charge
//! cargo run --example trip -- --state /tmp/trips                      # resumes
//! ```
//!
//! | file | contents |
//! |---|---|
//! | `sagas.rs` | **start here**: the saga and its actions |
//! | `types.rs` | their inputs, outputs and errors |
//! | `world.rs` | the services that they call |
//! | `main.rs` | the program: a coordinator that runs the sagas |
//! | `report.rs`, `options.rs` | the table that it prints, the command line |
//! | `sagas.lock` | the definition of the saga that a test has seen last: see `SagaLock` |

mod options;
mod report;
mod sagas;
mod types;
mod world;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use saga_core::StartError;
use saga_core::prelude::*;

use crate::options::{INPUT, Options, USAGE};
use crate::sagas::BookTrip;
use crate::types::{Agency, TripRequest};
use crate::world::World;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("error: {why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if options.help {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match run(options).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", report::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Books all trips. Returns true if each of them ended fully booked or fully undone.
async fn run(options: Options) -> Result<bool, Box<dyn Error>> {
    let trips = read(options.input.unwrap_or_else(|| INPUT.into()))?;
    let state = match options.state {
        Some(directory) => directory,
        None => tempfile::Builder::new().prefix("trip-").tempdir()?.keep(),
    };
    std::fs::create_dir_all(&state).map_err(|e| format!("{}: {e}", state.display()))?;
    println!("state: {}", state.display());

    let crash_at = options.crash_at;
    let agency = Agency { world: World::open(&state.join("world.db"), crash_at.clone())? };
    // opens the log and resumes the sagas that an earlier process left unfinished
    let sec = Coordinator::builder(agency)
        .store(SqliteStore::open(state.join("sagas.db"))?)
        .saga::<BookTrip>()
        // tests kill this program many times in a row; keep the default of 3 in yours
        .crash_limit(1000)
        .build()
        .await?;

    let ids = (1..=trips.len()).map(|n| format!("trip-{n:02}")).collect::<Vec<_>>();
    let resumed = unfinished(&sec, &ids).await?;
    if !resumed.is_empty() {
        println!("resumed: {}", resumed.join(", "));
    }
    println!();

    let mut handles = Vec::new();
    for (id, trip) in ids.into_iter().zip(trips) {
        // starting an id again with the same parameters returns the existing saga
        let handle = sec.saga(BookTrip { trip }).id(&id).start().await?;
        handles.push((id, handle));
    }
    let mut results = Vec::new();
    for (id, handle) in handles {
        results.push((id, handle.await));
    }
    sec.shutdown(Duration::from_secs(5)).await?;

    // the world is shared with the actions
    let world = World::open(&state.join("world.db"), None)?;
    let clean = report::print(&results, &world.booked().await?);
    if let Some(node) = crash_at {
        let why = "what an earlier run booked is not booked again; take a new --state";
        return Err(format!("no crash, since no new `{node}` was booked: {why}").into());
    }
    Ok(clean)
}

/// The sagas that exist and have not ended.
async fn unfinished(sec: &Coordinator<Agency>, ids: &[String]) -> Result<Vec<String>, StartError> {
    let mut unfinished = Vec::new();
    for id in ids {
        let saga = sec.get::<BookTrip>(id).await?;
        if saga.is_some_and(|saga| !saga.status().is_ended()) {
            unfinished.push(id.clone());
        }
    }
    Ok(unfinished)
}

fn read(path: PathBuf) -> Result<Vec<TripRequest>, Box<dyn Error>> {
    let text = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))?)
}

//! The travel agency of `examples/trip`, run by several processes that share a PostgreSQL. One of them is killed, and the
//! others finish its trips.
//!
//! ```text
//! cargo run --features postgres --example workers
//! cargo run --features postgres --example workers -- --workers 5 --trips 300
//! cargo run --features postgres --example workers -- --url postgres://user:password@host/database
//! ```
//!
//! Without `--url` it starts a PostgreSQL of its own, in a temporary directory, whose programs must be installed.
//!
//! | file | contents |
//! |---|---|
//! | `main.rs` | the first process: it starts the workers, kills one, and waits for all trips |
//! | `worker.rs` | **start here**: a worker, as a program of yours would be |
//! | `options.rs` | the command line |

mod options;
#[path = "../trip/report.rs"]
mod report;
#[path = "../trip/sagas.rs"]
mod sagas;
#[path = "../trip/types.rs"]
mod types;
mod worker;
#[path = "../trip/world.rs"]
mod world;

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use saga_core::store::Worker;
use throwaway_postgres::ThrowawayPostgres;

use crate::options::{Options, URL, USAGE};
use crate::world::World;

#[tokio::main]
async fn main() -> ExitCode {
    let mut options = match Options::parse(std::env::args().skip(1)) {
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
    if options.url.is_some() && options.worker.is_none() {
        options.run = format!("{}-", &uuid::Uuid::new_v4().simple().to_string()[..6]);
    }
    let done = match &options.worker {
        Some(worker) => worker::run(worker, &options).await.map(|()| true),
        None => run(&options).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", report::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Books all trips. Returns true if each of them ended fully booked or fully undone.
async fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let directory = tempfile::Builder::new().prefix("workers-").tempdir()?;
    // it is stopped and removed when this returns
    let (_server, url) = match &options.url {
        Some(url) => (None, url.clone()),
        None => {
            println!("starting a PostgreSQL in a temporary directory");
            let server = ThrowawayPostgres::start()?;
            let url = server.new_database()?;
            (Some(server), url)
        }
    };
    let world = directory.path().join("world.db");
    let sec = worker::coordinator(&url, &world).await?;
    let began = Instant::now();
    let time = || format!("{:5.1} s", began.elapsed().as_secs_f64());

    let mut workers = Vec::new();
    let mut names = HashMap::from([(sec.worker_id().to_string(), "this process".to_string())]);
    for number in 1..=options.workers {
        let (child, id) = spawn(number, options, &url, &world)?;
        names.insert(id, format!("worker {number}"));
        workers.push(child);
    }

    // they run for a while; then the first worker dies in the middle of some trips
    let who = async || -> Result<(u64, String), Box<dyn Error>> {
        let alive = sec.workers().await?;
        let named = |worker: &Worker| Some((names.get(worker.id.as_str())?.as_str(), worker.sagas));
        let mut sagas = alive.iter().filter_map(named).collect::<Vec<_>>();
        sagas.sort_unstable();
        let of_first = sagas.iter().find(|(name, _)| *name == "worker 1").map_or(0, |(_, n)| *n);
        let sagas = sagas.iter().map(|(name, sagas)| format!("{name}: {sagas}"));
        Ok((of_first, format!("trips under way: {}", sagas.collect::<Vec<_>>().join(", "))))
    };
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let (of_first, sagas) = who().await?;
        if of_first >= 3 {
            println!("{}  {sagas}", time());
            break;
        }
    }
    if options.kill
        && let Some(first) = workers.first_mut()
    {
        first.kill()?;
        first.wait()?;
        println!("{}  worker 1 is killed; its lease ends within {:?}", time(), worker::LEASE);
    }

    // a start with the id and the parameters of a trip that exists returns that trip, whoever runs it
    let mut handles = Vec::new();
    for (id, trip) in worker::trips(options)? {
        handles.push((id.clone(), sec.saga(sagas::BookTrip { trip }).id(id).start().await?));
    }
    let all = async {
        let mut results = Vec::new();
        for (id, handle) in handles {
            results.push((id, handle.await));
        }
        results
    };
    let mut all = std::pin::pin!(all);
    let results = loop {
        match tokio::time::timeout(Duration::from_secs(1), &mut all).await {
            Ok(results) => break results,
            Err(_) => println!("{}  {}", time(), who().await?.1),
        }
    };
    println!("{}  all trips have ended, whichever process ran them\n", time());
    for worker in &mut workers {
        // closing its input asks a worker to shut down
        drop(worker.stdin.take());
        worker.wait()?;
    }
    sec.shutdown(Duration::from_secs(5)).await?;
    let booked = World::open(&world, None)?.booked().await?;
    Ok(report::print(&results, &booked))
}

/// Starts this program again, as a worker. Returns the id that the worker has in the database.
fn spawn(
    number: usize,
    options: &Options,
    url: &str,
    world: &Path,
) -> Result<(Child, String), Box<dyn Error>> {
    let mut worker = Command::new(std::env::current_exe()?);
    // in the environment: everybody can read a command line, and the URL may have a password
    worker.env(URL, url).args(["--worker", &number.to_string()]);
    worker.args(["--workers", &options.workers.to_string(), "--trips", &options.trips.to_string()]);
    worker.arg("--world").arg(world).args(["--run", &options.run]);
    let mut child = worker.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut id = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut id)?;
    }
    Ok((child, id.trim().to_string()))
}

//! A worker: a process like any other that runs sagas. Nothing in it knows that there are others.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use saga_core::prelude::*;
use saga_core::store::PostgresStore;

use crate::options::{INPUT, Options, URL};
use crate::sagas::BookTrip;
use crate::types::{Agency, TripRequest};
use crate::world::World;

/// A short lease, so that nobody waits long for the trips of the worker that dies.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// The only line that tells this program from one with a file of its own is the store.
pub(crate) async fn coordinator(
    url: &str,
    world: &Path,
) -> Result<Coordinator<Agency>, Box<dyn Error>> {
    let agency = Agency { world: World::open(world, None)? };
    let store = PostgresStore::options(url).lease(LEASE).connect().await?;
    Ok(Coordinator::builder(agency).store(store).saga::<BookTrip>().build().await?)
}

/// Starts the trips that this worker's customers ask for, a few every second, until its input is closed.
pub(crate) async fn run(worker: &usize, options: &Options) -> Result<(), Box<dyn Error>> {
    let (Ok(url), Some(world)) = (std::env::var(URL), &options.world) else {
        return Err(format!("a worker needs {URL} and --world").into());
    };
    let sec = coordinator(&url, world).await?;
    println!("{}", sec.worker_id());
    let customers = async {
        for (n, (id, trip)) in trips(options)?.into_iter().enumerate() {
            if n % options.workers + 1 == *worker {
                sec.saga(BookTrip { trip }).id(id).start().await?;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        std::future::pending::<Result<(), Box<dyn Error>>>().await
    };
    let closed =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    tokio::select! {
        failed = customers => failed?,
        _ = closed => {}
    }
    sec.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

/// All trips, with their ids: the requests of `examples/trip`, again and again.
pub(crate) fn trips(options: &Options) -> Result<Vec<(String, TripRequest)>, Box<dyn Error>> {
    let requests: Vec<TripRequest> = serde_json::from_slice(&std::fs::read(INPUT)?)?;
    let trips = (1..=options.trips).zip(requests.iter().cycle());
    Ok(trips.map(|(n, trip)| (format!("{}trip-{n:03}", options.run), trip.clone())).collect())
}

//! A process dies at each crash point in turn.
//!
//! `CRASH_POINT=file.rename.after cargo test --all-features --test crashes` tries one of them only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use saga_core::crash_points::{ALL, CRASH_AT};
use saga_core::prelude::*;
use saga_core::store::FileStore;

use crate::after::recover;
use crate::child::child;
use crate::life::Home;
use crate::places::Place;

/// One crash point, if only one is to be tried.
const ONLY: &str = "CRASH_POINT";

/// How many processes live at the same time. They mostly wait: for the disk, and for leases and timeouts in real time.
const AT_ONCE: usize = 12;

/// A life in a process of its own, which dies at this crash point.
fn die<P: Place>(home: &Home, at: &str) -> Output {
    child::<P>(home, "whole").env(CRASH_AT, at).output().unwrap()
}

/// How often each crash point is passed in a life without a crash.
fn survey<P: Place>(home: &Home) -> BTreeMap<String, u64> {
    let output = die::<P>(home, "count");
    assert!(output.status.success(), "{output:?}");
    let passed = std::fs::read(home.said.with_extension("passed")).unwrap();
    recover::<P>(home).unwrap();
    serde_json::from_slice(&passed).unwrap()
}

/// A life that ends at a crash point, and what comes after it. False if it did not come to that.
fn crash<P: Place>(home: &Home, at: &str) -> Result<bool, String> {
    let output = die::<P>(home, at);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let reached = told.contains(&format!("crash point {at}"));
    if !reached && !output.status.success() {
        return Err(format!("{at}: the process failed otherwise: {told}"));
    }
    recover::<P>(home).map_err(|why| format!("{at}: {why}"))?;
    Ok(reached)
}

/// A new place to live, and what keeps it until it is dropped.
type NewHome<H> = dyn Fn(&Path) -> (Home, H) + Sync;

fn crash_everywhere<P: Place, H>(expected: &[&str], new_home: &NewHome<H>) {
    let directory = tempfile::tempdir().unwrap();
    let (home, _kept) = new_home(&within(directory.path(), "survey"));
    let passed = survey::<P>(&home);
    let expected = ALL.iter().filter(|name| expected.iter().any(|part| name.starts_with(part)));
    let missed = expected.filter(|name| !passed.contains_key(**name)).collect::<Vec<_>>();
    assert!(missed.is_empty(), "the process does not pass these: {missed:?}");

    let mut points = Vec::new();
    for (name, times) in &passed {
        // the first time, and in the middle
        let times = BTreeSet::from([1, times.div_ceil(2)]);
        points.extend(times.iter().map(|times| (name.clone(), *times)));
    }
    if let Ok(only) = std::env::var(ONLY) {
        points.retain(|(name, _)| *name == only);
    }
    let (next, crashed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wrong = Mutex::new(Vec::new());
    let failed = |why: String| wrong.lock().unwrap().push(why);
    std::thread::scope(|all| {
        for _ in 0..AT_ONCE {
            all.spawn(|| {
                while let Some((name, times)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (home, _kept) =
                        new_home(&within(directory.path(), &format!("{name}-{times}")));
                    match crash::<P>(&home, &format!("{name}:{times}")) {
                        Ok(true) => drop(crashed.fetch_add(1, Ordering::Relaxed)),
                        // another time it was passed less often
                        Ok(false) if *times > 1 => {}
                        Ok(false) => failed(format!("{name} was not reached")),
                        Err(why) => failed(why),
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    println!("{:?}: {} crash points, {} crashes", P::KIND, passed.len(), crashed.into_inner());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn within(directory: &Path, name: &str) -> std::path::PathBuf {
    let home = directory.join(name);
    std::fs::create_dir(&home).unwrap();
    home
}

fn on_disk(name: &'static str) -> impl Fn(&Path) -> (Home, ()) {
    move |path| {
        let place = path.join(name).display().to_string();
        (Home { place, said: path.join("said") }, ())
    }
}

#[test]
fn sagas_survive_a_crash_at_every_point_on_files() {
    let expected = [
        "file.",
        "store.",
        "driver.append.",
        "driver.call.",
        "driver.migrate.",
        "driver.suspend.",
        "driver.undo.",
        "driver.wake.",
    ];
    crash_everywhere::<FileStore, ()>(&expected, &on_disk("sagas"));
}

#[test]
fn sagas_survive_a_crash_at_every_point_on_sqlite() {
    crash_everywhere::<SqliteStore, ()>(&["sqlite.", "store.", "driver."], &on_disk("sagas.db"));
}

#[cfg(feature = "postgres")]
#[test]
fn sagas_survive_a_crash_at_every_point_on_postgres() {
    use saga_core::store::PostgresStore;

    let new_home = |path: &Path| {
        let database = throwaway_postgres::new_database().unwrap();
        (Home { place: database.to_string(), said: path.join("said") }, database)
    };
    crash_everywhere::<PostgresStore, _>(
        &["postgres.", "driver.migrate.", "driver.suspend.", "driver.transaction.", "driver.wake."],
        &new_home,
    );
}

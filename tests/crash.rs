//! Kills the trip example at random moments, again and again, until every action that has an effect was
//! caught between its effect and the log entry about it. All trips end as they do without a kill.
//!
//! `CRASH_SEED=n cargo test --test crash` repeats the moments of a run, as far as the machine does.

#![cfg(unix)]

#[path = "common/trip.rs"]
mod trip;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::OptionalExtension;

use crate::trip::{EFFECTS, Effect, check_world, effects, open, table, trip};

const AT_LEAST: u32 = 50;
const AT_MOST: u32 = 500;

#[test]
fn killed_at_any_moment_every_trip_is_booked_and_paid_or_not_at_all() {
    let seed = match std::env::var("CRASH_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
    };
    println!("CRASH_SEED={seed}");
    let mut random = XorShift(seed | 1);

    let scratch = tempfile::tempdir().unwrap();
    let undisturbed = scratch.path().join("undisturbed");
    let mut command = trip(&undisturbed);
    // the program is built by now
    let began = Instant::now();
    let expected = completed(command.output().unwrap());
    let takes = began.elapsed();
    check_world(&undisturbed, &expected);

    let (mut kills, mut lives, mut replays) = (0, 0, 0);
    let mut caught = BTreeSet::new();
    let done = |kills, caught: &BTreeSet<_>| kills >= AT_LEAST && caught.len() == EFFECTS.len();
    while !done(kills, &caught) {
        lives += 1;
        let state = scratch.path().join(format!("life-{lives}"));
        let printed = loop {
            let mut child = trip(&state);
            let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            // the last life may end in peace
            if !done(kills, &caught) {
                assert!(kills < AT_MOST, "after {kills} kills only {caught:?} were caught");
                std::thread::sleep(random.up_to(takes));
                child.kill().unwrap();
            }
            let output = child.wait_with_output().unwrap();
            if output.status.code().is_some() {
                break completed(output);
            }
            // only our SIGKILL: an abort of its own would be a failure
            assert_eq!(output.status.signal(), Some(9), "{output:?}");
            kills += 1;
            caught.extend(in_between(&state, scratch.path()));
        };
        assert_eq!(printed, expected, "in {}", state.display());
        check_world(&state, &expected);
        replays += effects(&state.join("world.db")).iter().filter(|e| e.calls > 1).count();
    }
    println!(
        "{kills} kills in {lives} lives; caught {caught:?}; {replays} bookings asked for again"
    );
}

/// What a run that was not killed printed.
fn completed(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    table(&output)
}

/// The nodes whose effect is in the world while the log knows of no outcome.
fn in_between(state: &Path, scratch: &Path) -> Vec<&'static str> {
    // copies: to open the files themselves would run SQLite's own recovery on them
    let copies = tempfile::tempdir_in(scratch).unwrap();
    for name in ["world.db", "world.db-wal", "sagas.db", "sagas.db-wal"] {
        if state.join(name).exists() {
            std::fs::copy(state.join(name), copies.path().join(name)).unwrap();
        }
    }
    let (world, sagas) = (copies.path().join("world.db"), copies.path().join("sagas.db"));
    let is_there = |path: &Path, table: &str| {
        let sql = "SELECT 1 FROM sqlite_schema WHERE name = ?1";
        path.exists()
            && open(path).query_row(sql, [table], |_| Ok(())).optional().unwrap().is_some()
    };
    if !is_there(&world, "effect") || !is_there(&sagas, "saga_event") {
        return Vec::new();
    }
    let log = open(&sagas);
    let sql =
        "SELECT count(*) FILTER (WHERE kind = 'started'), count(*) FILTER (WHERE kind <> 'started')
               FROM saga_event WHERE saga_id = ?1 AND node = ?2";
    let mut entries = log.prepare(sql).unwrap();
    let mut unknown = |effect: &Effect| {
        let counts = entries.query_row([&effect.trip, &effect.kind], |row| {
            Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?))
        });
        let (started, others) = counts.unwrap();
        // durable before what: no effect without a `started`
        assert!(started > 0, "{effect:?} happened before the log knew of it");
        others == 0
    };
    let found = effects(&world).into_iter().filter(|effect| unknown(effect)).map(|e| e.kind);
    let found = found.collect::<BTreeSet<_>>();
    EFFECTS.into_iter().filter(|kind| found.contains(*kind)).collect()
}

/// Marsaglia's xorshift64.
struct XorShift(u64);

impl XorShift {
    fn up_to(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let limit = u64::try_from(limit.as_micros()).unwrap().max(1);
        Duration::from_micros(self.0 % limit)
    }
}

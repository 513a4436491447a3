//! Kills the trip example at random moments until every action that has an effect was caught between its
//! effect and the log entry about it. All trips end as they do without a kill.
//!
//! `CRASH_SEED=n cargo test --test examples trip::killed` repeats the moments of a run, as far as the
//! machine allows.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::OptionalExtension;

use super::{EFFECTS, Effect, check_world, effects, open, table, trip};
use crate::killing::Killing;

const AT_LEAST: u32 = 50;
const AT_MOST: u32 = 500;

#[test]
fn killed_at_any_moment_every_trip_is_booked_and_paid_or_not_at_all() {
    let scratch = tempfile::tempdir().unwrap();
    let undisturbed = scratch.path().join("undisturbed");
    let (mut killing, output) = Killing::of(&mut trip(&undisturbed));
    let expected = table(&output);
    check_world(&undisturbed, &expected);

    let (mut replays, mut caught) = (0, BTreeSet::new());
    while killing.goes_on {
        let state = scratch.path().join(format!("life-{}", killing.lives));
        let output = killing.life(
            || trip(&state),
            |kills| {
                caught.extend(in_between(&state, scratch.path()));
                assert!(kills < AT_MOST, "after {kills} kills only {caught:?} were caught");
                kills < AT_LEAST || caught.len() < EFFECTS.len()
            },
        );
        assert_eq!(table(&output), expected, "in {}", state.display());
        check_world(&state, &expected);
        replays += effects(&state.join("world.db")).iter().filter(|e| e.calls > 1).count();
    }
    let Killing { kills, lives, .. } = killing;
    println!(
        "{kills} kills in {lives} lives; caught {caught:?}; {replays} bookings asked for again"
    );
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
               FROM saga_event JOIN saga USING (number) WHERE id = ?1 AND node = ?2";
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

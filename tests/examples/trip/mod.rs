//! The trip example as a process, and what it leaves on disk.

#[cfg(unix)]
mod killed;
mod runs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

use rusqlite::{Connection, OpenFlags};

use crate::program::program;

/// The nodes of the trip saga that have an effect in the world.
pub(crate) const EFFECTS: [&str; 4] = ["flight", "hotel", "car", "payment"];

/// `trip --state DIR`, ready for more arguments.
pub(crate) fn trip(state: &Path) -> Command {
    let mut command = Command::new(program("trip"));
    command.arg("--state").arg(state);
    command
}

/// What a run printed, without the lines that say where its state is and what it resumed.
pub(crate) fn table(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let (state, table) = text.split_once("\n\n").unwrap_or_else(|| panic!("no table: {output:?}"));
    assert!(state.starts_with("state: "), "{text}");
    table.to_string()
}

/// Each trip's status in a table.
pub(crate) fn statuses(table: &str) -> BTreeMap<String, String> {
    let lines = table.lines().filter(|line| line.starts_with("trip-"));
    let status = |line: &str| line.get(10..21).unwrap_or_default().trim().to_string();
    lines.map(|line| (line[..7].to_string(), status(line))).collect()
}

/// A booking in the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) trip: String,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) cents: i64,
    pub(crate) calls: i64,
}

/// All rows of the world but tombstones.
pub(crate) fn effects(world: &Path) -> Vec<Effect> {
    let db = open(world);
    let sql = "SELECT trip, kind, state, cents, calls FROM effect WHERE calls > 0";
    let mut rows = db.prepare(sql).unwrap();
    let rows = rows.query_map([], |row| {
        let (trip, kind, state) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Effect { trip, kind, state, cents: row.get(3)?, calls: row.get(4)? })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

pub(crate) fn open(database: &Path) -> Connection {
    Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .unwrap_or_else(|e| panic!("{}: {e}", database.display()))
}

/// Checks the world after a run that completed: a trip is there as a whole and paid in full or not at
/// all, as the table says, and nothing was booked twice.
pub(crate) fn check_world(state: &Path, table: &str) {
    let effects = effects(&state.join("world.db"));
    let mut booked = BTreeMap::<&str, BTreeMap<&str, i64>>::new();
    let mut seen = BTreeSet::new();
    for effect in &effects {
        // two rows of one trip and kind would be one booking under two keys
        assert!(
            seen.insert((&effect.trip, &effect.kind)),
            "booked twice: {effect:?} in {effects:?}"
        );
        if effect.state == "booked" {
            booked.entry(&effect.trip).or_default().insert(&effect.kind, effect.cents);
        }
    }
    let statuses = statuses(table);
    assert!(statuses.len() >= 20, "{table}");
    for (trip, status) in &statuses {
        let there = booked.remove(trip.as_str()).unwrap_or_default();
        match status.as_str() {
            "booked" => {
                assert_eq!(there.len(), EFFECTS.len(), "{trip} is booked in part: {there:?}");
                let price = there["flight"] + there["hotel"] + there["car"];
                assert_eq!(there["payment"], price, "{trip} is not paid as booked: {there:?}");
            }
            "rolled back" => assert!(there.is_empty(), "{trip} was undone in part: {there:?}"),
            other => panic!("{trip} ended as {other:?}:\n{table}"),
        }
    }
    assert!(booked.is_empty(), "booked for nobody: {booked:?}");
}

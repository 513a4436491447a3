//! Kills the example `exactly_once` at random moments. Whenever it dies, the accounts match the log to
//! the cent, and in the end every transfer has happened once or not at all.
//!
//! `CRASH_SEED=n cargo test --test examples exactly_once` repeats the moments of a run, as far as the
//! machine allows.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use rusqlite::{Connection, OptionalExtension};

use crate::killing::Killing;
use crate::program::program;

/// So many kills while transfers are under way.
const AT_LEAST: u32 = 50;
const AT_MOST: u32 = 1000;

#[test]
fn killed_at_any_moment_the_accounts_are_what_the_log_says() {
    let scratch = tempfile::tempdir().unwrap();
    let undisturbed = scratch.path().join("undisturbed.db");
    let (mut killing, expected) = Killing::of(&mut example(&undisturbed));
    assert_eq!(check(&undisturbed, scratch.path()), 0);
    let printed = String::from_utf8_lossy(&expected.stdout);
    for line in ["ada gives bob 1\n", "bob gives joe 16: no, action failed", "joe has 2000\n"] {
        assert!(printed.contains(line), "{line} is missing:\n{printed}");
    }

    let mut under_way = 0;
    while killing.goes_on {
        let file = scratch.path().join(format!("life-{}.db", killing.lives));
        let output = killing.life(
            || example(&file),
            |kills| {
                under_way += u32::from(check(&file, scratch.path()) > 0);
                assert!(kills < AT_MOST, "only {under_way} of {kills} kills met a transfer");
                under_way < AT_LEAST
            },
        );
        assert_eq!(String::from_utf8_lossy(&output.stdout), printed, "in {}", file.display());
        assert_eq!(check(&file, scratch.path()), 0);
    }
    let Killing { kills, lives, .. } = killing;
    println!("{kills} kills in {lives} lives, {under_way} of them while transfers were under way");
}

fn example(file: &Path) -> Command {
    let mut command = Command::new(program("exactly_once"));
    command.arg(file);
    command
}

/// Compares the accounts with the log, and says how many transfers have not ended.
fn check(file: &Path, scratch: &Path) -> usize {
    // copies: to open the files themselves would run SQLite's own recovery on them
    let copies = tempfile::tempdir_in(scratch).unwrap();
    let copy = copies.path().join("bank.db");
    for end in ["", "-wal"] {
        let from = format!("{}{end}", file.display());
        if Path::new(&from).exists() {
            std::fs::copy(from, format!("{}{end}", copy.display())).unwrap();
        }
    }
    let conn = Connection::open(copy).unwrap();
    let sql = "SELECT 1 FROM sqlite_schema WHERE name = 'account'";
    if conn.query_row(sql, [], |_| Ok(())).optional().unwrap().is_none() {
        return 0;
    }
    let mut accounts = BTreeMap::new();
    let mut unfinished = 0;
    for (params, status, entries) in transfers(&conn) {
        let params: serde_json::Value = serde_json::from_slice(&params).unwrap();
        let cents = params["cents"].as_i64().unwrap();
        let mut moved = |whose: &str, cents: i64| {
            *accounts.entry(params[whose].as_str().unwrap().to_string()).or_insert(0) += cents;
        };
        // a withdrawal that was cut off and then refused is undone, too: there is nothing to put back
        let withdrawn = entries.iter().any(|entry| entry == "withdraw succeeded");
        for entry in entries {
            match entry.as_str() {
                "withdraw succeeded" => moved("from", -cents),
                "withdraw undo_finished" if withdrawn => moved("from", cents),
                "deposit succeeded" => moved("to", cents),
                _ => {}
            }
        }
        unfinished += usize::from(!["completed", "rolled_back"].contains(&status.as_str()));
    }
    let mut select = conn.prepare("SELECT owner, cents FROM account").unwrap();
    let found = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)));
    for account in found.unwrap() {
        let (owner, cents) = account.unwrap();
        let by_the_log = 2000 + accounts.get(&owner).unwrap_or(&0);
        assert_eq!(cents, by_the_log, "{owner} in {}", file.display());
    }
    unfinished
}

/// Parameters, status, and the entries of each transfer, each once.
fn transfers(conn: &Connection) -> Vec<(Vec<u8>, String, Vec<String>)> {
    let mut sagas =
        conn.prepare("SELECT id, params, status FROM saga JOIN saga_input USING (number)").unwrap();
    let sql = "SELECT node || ' ' || kind FROM saga_event JOIN saga USING (number)
               WHERE id = ?1 AND node IS NOT NULL";
    let mut events = conn.prepare(sql).unwrap();
    let mut rows = sagas.query([]).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let entries = events.query_map([row.get::<_, String>(0).unwrap()], |row| row.get(0));
        let entries = entries.unwrap().collect::<Result<Vec<String>, _>>().unwrap();
        for outcome in ["withdraw succeeded", "withdraw undo_finished", "deposit succeeded"] {
            assert!(entries.iter().filter(|e| *e == outcome).count() <= 1, "{entries:?}");
        }
        found.push((row.get(1).unwrap(), row.get(2).unwrap(), entries));
    }
    found
}

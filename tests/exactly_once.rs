//! Kills the example `exactly_once` at random moments. Whenever it dies, the accounts are what the log
//! says, to the cent; and in the end every transfer has happened once or not at all.
//!
//! `CRASH_SEED=n cargo test --test exactly_once` repeats the moments of a run, as far as the machine does.

#![cfg(unix)]

#[path = "common/program.rs"]
mod program;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension};

use crate::program::program;

/// So many kills while transfers are under way.
const AT_LEAST: u32 = 50;
const AT_MOST: u32 = 1000;

#[test]
fn killed_at_any_moment_the_accounts_are_what_the_log_says() {
    let seed = match std::env::var("CRASH_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
    };
    println!("CRASH_SEED={seed}");
    let mut random = XorShift(seed | 1);

    let scratch = tempfile::tempdir().unwrap();
    let undisturbed = scratch.path().join("undisturbed.db");
    let mut command = example(&undisturbed);
    // the program is built by now
    let began = Instant::now();
    let expected = completed(command.output().unwrap());
    let takes = began.elapsed();
    assert_eq!(check(&undisturbed, scratch.path()), 0);
    for line in ["ada gives bob 1\n", "bob gives joe 16: no, action failed", "joe has 2000\n"] {
        assert!(expected.contains(line), "{line} is missing:\n{expected}");
    }

    let (mut kills, mut under_way, mut lives) = (0, 0, 0);
    while under_way < AT_LEAST {
        lives += 1;
        let file = scratch.path().join(format!("life-{lives}.db"));
        let printed = loop {
            let mut child = example(&file);
            let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            // the last life may end in peace
            if under_way < AT_LEAST {
                assert!(kills < AT_MOST, "only {under_way} of {kills} kills met a transfer");
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
            under_way += u32::from(check(&file, scratch.path()) > 0);
        };
        assert_eq!(printed, expected, "in {}", file.display());
        assert_eq!(check(&file, scratch.path()), 0);
    }
    println!("{kills} kills in {lives} lives, {under_way} of them while transfers were under way");
}

fn example(file: &Path) -> Command {
    let mut command = Command::new(program("exactly_once"));
    command.arg(file);
    command
}

/// What a run that was not killed printed.
fn completed(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
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
        for entry in entries {
            match entry.as_str() {
                "withdraw succeeded" => moved("from", -cents),
                "withdraw undo_finished" => moved("from", cents),
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
    let sql = "SELECT node || ' ' || kind FROM saga_event WHERE saga_id = ?1 AND node IS NOT NULL";
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

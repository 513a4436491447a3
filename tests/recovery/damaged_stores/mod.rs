//! Whatever is damaged about one saga in a store, the other sagas resume, and whoever asks for the
//! damaged one is told which it is and where the damage is.

#[cfg(unix)]
mod missing_files;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::common::damaged_entries::damage_entries;
use crate::common::world::{Do, World, bare, out, plain};
use saga_core::SagaStatus;
use saga_core::prelude::*;
use saga_core::store::rusqlite::{self, Connection};
use saga_core::store::{FileStore, ListFilter, Store};
use serde_json::Value;

type W = Arc<World>;

saga! {
    Three<W>(word: String) -> String {
        let a = plain {};
        let b = bare {};
        let c = out {};
        { format!("{word} {a} {b} {c}") }
    }
}

async fn build(world: &W, store: impl Store) -> Coordinator<W> {
    Coordinator::builder(world.clone()).store(store).saga::<Three>().build().await.unwrap()
}

/// Two sagas that were interrupted in the middle: `bad`, which comes first, and `well`.
async fn interrupted(store: impl Store) {
    let world = Arc::new(World::default());
    world.script("c", [Do::Waits, Do::Waits]);
    let sec = build(&world, store).await;
    for id in ["bad", "well"] {
        sec.saga(Three { word: id.to_string() }).id(id).start().await.unwrap();
    }
    world.hears("do c", 2).await;
    sec.shutdown(Duration::ZERO).await.unwrap();
}

/// Opens the damaged store: `well` ends well. What whoever asks for `bad` is told, if not its output.
async fn told(store: impl Store, damage: &str) -> Option<String> {
    let patience = Duration::from_secs(30);
    let sec = build(&Arc::new(World::default()), store).await;
    let well = sec.get::<Three>("well").await.unwrap().expect(damage);
    let end = tokio::time::timeout(patience, well).await.expect(damage);
    assert_eq!(end.unwrap_or_else(|e| panic!("{damage}: {e}")), "well a b c");
    // neither is kept from being listed, looked at or asked for something
    let listed = sec.list(ListFilter::default()).await.unwrap_or_else(|e| panic!("{damage}: {e}"));
    assert!(listed.iter().any(|record| record.id.as_str() == "well"), "{damage}: {listed:?}");
    drop((sec.inspect("bad").await, sec.operator("bob").pause("bad").await));
    drop(sec.operator("bob").resume("bad").await);
    let told = match sec.get::<Value>("bad").await {
        Ok(None) => Some("saga bad is not there".to_string()),
        Err(error) => Some(error.to_string()),
        Ok(Some(handle)) => {
            let waits = handle.clone();
            match tokio::time::timeout(Duration::from_millis(200), handle).await {
                Ok(end) => end.err().map(|error| error.to_string()),
                // it takes a damaged time for one that has not come
                Err(_) if waits.status() == SagaStatus::Running => None,
                Err(_) => panic!("{damage}: it hangs"),
            }
        }
    };
    let end = tokio::time::timeout(patience, sec.shutdown(Duration::ZERO)).await;
    end.expect(damage).unwrap();
    told
}

/// Damages the rows of `bad` in a copy of a database; an error if SQLite does not take it. `saga_event` is a table in
/// these statements.
async fn told_of_rows(template: &Path, sql: &str) -> rusqlite::Result<Option<String>> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sagas.db");
    fs::copy(template, &path).unwrap();
    damage_entries(&Connection::open(&path)?, sql)?;
    Ok(told(SqliteStore::open(&path).unwrap(), sql).await)
}

async fn template() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("template.db");
    interrupted(SqliteStore::open(&path).unwrap()).await;
    // what is in the journal moves to the file that is copied
    let connection = Connection::open(&path).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    (directory, path)
}

#[tokio::test]
async fn damaged_rows_are_named_with_their_entry() {
    let (_directory, template) = template().await;
    assert_eq!(told_of_rows(&template, "SELECT 1").await, Ok(None), "nothing is damaged");
    for (damage, expected) in [
        ("DELETE FROM saga_event WHERE $ AND seq = 2", "saga bad: its log is corrupt at entry 2"),
        ("DELETE FROM saga_event WHERE $ AND seq > 3", "saga bad: its log is corrupt at entry 4"),
        (
            "UPDATE saga_event SET kind = 'started' WHERE $ AND seq = 3",
            "saga bad: its log is corrupt: entry 3",
        ),
        (
            "UPDATE saga_event SET kind = 'dreamt' WHERE $ AND seq = 3",
            "saga bad: its log is corrupt at entry 3",
        ),
        (
            "UPDATE saga_event SET node = 'z' WHERE $ AND seq = 3",
            "saga bad: its log is corrupt: entry 3: the saga has no node `z`",
        ),
        (
            "UPDATE saga_event SET attempt = 7 WHERE $ AND seq = 2",
            "saga bad: its log is corrupt: entry 2: attempt 7 where 1 should be",
        ),
        (
            "UPDATE saga_event SET payload = X'00' WHERE $ AND seq = 1",
            "saga bad: its log is corrupt at entry 1",
        ),
        (
            "UPDATE saga_event SET payload = X'00' WHERE $ AND seq = 3",
            "saga bad is parked: this program cannot read the output of node `a`: ",
        ),
        (
            "UPDATE saga_input SET birth = 'never' WHERE $",
            "saga bad: its record is corrupt: its run key is not a UUID",
        ),
        (
            "UPDATE saga_input SET params = X'7b' WHERE $",
            "saga bad is parked: this program cannot read the saga's parameters: ",
        ),
    ] {
        let sql = damage.replace('$', "number = (SELECT number FROM saga WHERE id = 'bad')");
        let told = told_of_rows(&template, &sql)
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("{damage}: fine"));
        assert!(told.starts_with(expected), "{damage}: {told}");
    }
}

#[tokio::test]
async fn an_odd_value_in_any_column_does_not_stop_other_sagas() {
    let (_directory, template) = template().await;
    let columns = |table: &str| {
        let connection = Connection::open(&template).unwrap();
        let mut select = connection.prepare("SELECT name FROM pragma_table_info(?1)").unwrap();
        let names = select.query_map([table], |row| row.get::<_, String>(0)).unwrap();
        names.map(Result::unwrap).collect::<Vec<_>>()
    };
    let values = ["NULL", "''", "'odd'", "-1", "9223372036854775807", "X''", "X'ff7b22'"];
    let number = "number = (SELECT number FROM saga WHERE id = 'bad')";
    let row = "key = (SELECT (number << 24) + 3 FROM saga WHERE id = 'bad')";
    let entry = format!("{number} AND seq = 3");
    let tables =
        [("saga", "id = 'bad'"), ("saga_input", number), ("saga_log", row), ("saga_event", &entry)];
    for (table, of) in tables {
        for column in columns(table) {
            for value in values {
                let sql = format!("UPDATE OR IGNORE {table} SET {column} = {value} WHERE {of}");
                // an error is one of SQLite, which does not take such a value
                if let Ok(Some(told)) = told_of_rows(&template, &sql).await {
                    assert!(told.contains("bad"), "{sql}: {told}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_damaged_file_is_named_and_other_sagas_resume() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("sagas");
    interrupted(FileStore::open(&at).unwrap()).await;
    let well = fs::read(at.join("saga-well.jsonl")).unwrap();
    let bad = fs::read(at.join("saga-bad.jsonl")).unwrap();
    let ends = (1..).zip(&bad).filter(|(_, b)| **b == b'\n').map(|(end, _)| end);
    let ends = ends.collect::<Vec<usize>>();
    let mut damaged = vec![("empty".to_string(), Vec::new())];
    for end in &ends {
        // cut off in the middle of the line, at its end, and a bit of it flipped
        damaged.push((format!("cut at {end}"), bad[..*end].to_vec()));
        damaged.push((format!("cut before {end}"), bad[..end - 9].to_vec()));
        let mut flipped = bad.clone();
        flipped[end - 9] ^= 4;
        damaged.push((format!("flipped before {end}"), flipped));
    }
    let (mut errors, mut fine) = (0, 0);
    for (damage, bytes) in damaged {
        let other = tempfile::tempdir().unwrap();
        let at = other.path().join("sagas");
        drop(FileStore::open(&at).unwrap());
        fs::write(at.join("saga-well.jsonl"), &well).unwrap();
        fs::write(at.join("saga-bad.jsonl"), &bytes).unwrap();
        match told(FileStore::open(&at).unwrap(), &damage).await {
            None => fine += 1,
            Some(told) => {
                assert!(told.starts_with("saga bad: its "), "{damage}: {told}");
                assert!(told.contains(" is corrupt"), "{damage}: {told}");
                errors += 1;
            }
        }
    }
    // a torn tail is what a crash leaves, and nothing else is
    assert!(errors >= ends.len() && fine >= 3, "{errors} errors, {fine} are fine");
}

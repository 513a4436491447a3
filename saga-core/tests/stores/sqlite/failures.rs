//! Damaged logs and failing disks.

use super::*;
#[cfg(unix)]
use crate::child::{FULL, acknowledged_until_full};

#[tokio::test]
async fn a_damaged_saga_is_an_error_and_the_others_go_on() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["gap", "good", "input", "kind", "payload", "record", "tail"]).await;
    for name in ["gap", "good", "input", "kind", "payload", "record", "tail"] {
        store.append(append(name, 2, b"ok")).await.unwrap();
    }
    place.damage_entries(
            "UPDATE saga_event SET kind = 'dreamt' WHERE number = (SELECT number FROM saga WHERE id = 'kind') AND seq = 2;
             UPDATE saga_event SET payload = X'7b' WHERE number = (SELECT number FROM saga WHERE id = 'payload') AND seq = 1;
             DELETE FROM saga_event WHERE number = (SELECT number FROM saga WHERE id = 'gap') AND seq = 1;
             DELETE FROM saga_event WHERE number = (SELECT number FROM saga WHERE id = 'tail') AND seq = 2;
             DELETE FROM saga_input WHERE number = (SELECT number FROM saga WHERE id = 'input');
             UPDATE saga_input SET birth = 'never' WHERE number = (SELECT number FROM saga WHERE id = 'record');",
        );

    for (name, expected_seq, expected_why) in [
        ("kind", 2, "unknown log entry kind \"dreamt\""),
        ("payload", 1, "the payload of a `created` entry does not decode"),
        ("gap", 1, "the entry is missing; the next one is entry 2"),
        ("tail", 2, "the log ends before entry 2, but its record says that it ends before entry 3"),
        ("record", 0, "its run key is not a UUID"),
        ("input", 0, "Invalid column type Null at index: 15, name: birth"),
    ] {
        match store.load(&id(name)).await.unwrap_err() {
            StoreError::Corrupt { saga, seq, why } => {
                assert_eq!((saga, seq), (id(name), expected_seq));
                assert!(why.contains(expected_why), "{why}");
            }
            other => panic!("{name}: {other}"),
        }
    }
    assert_eq!(entries(&store, "good").await, 2);
    let two = WorkerId::from("two");
    let claimed = store.claim(&two, &["f1".to_string()], 10).await.unwrap();
    let claimed: Vec<&str> = claimed.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(claimed, ["gap", "good", "kind", "payload", "tail"], "all whose record can be read");
}

#[tokio::test]
async fn a_damaged_page_is_an_error_by_name_and_no_panic() {
    let place = Place::new();
    let store = place.open();
    let names: Vec<String> = (0..200).map(|n| format!("saga-{n:03}")).collect();
    create(&store, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    drop(store);
    // The first page says what the tables are; all that they hold is gone.
    let mut bytes = fs::read(&place.path).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(&place.path, &bytes).unwrap();
    let refused = match SqliteStore::open(&place.path) {
        Err(e) => e,
        Ok(store) => store.load(&id("saga-100")).await.unwrap_err(),
    };
    let e = refused.to_string();
    assert!(e.contains("sagas.db: database disk image is malformed"), "{e}");
}

#[tokio::test]
async fn a_request_of_a_later_version_is_left_to_it() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a"]).await;
    let (one, two) = (request("a"), request("a"));
    store.request(one.clone()).await.unwrap();
    store.request(two.clone()).await.unwrap();
    let later =
        "UPDATE saga_command SET args = CAST('{\"command\":\"dance\"}' AS BLOB) WHERE id = ?1";
    assert_eq!(place.connection().execute(later, [one.id.to_string()]), Ok(1));
    let worker = WorkerId::from("one");
    assert_eq!(store.requests(&worker, 1).await, Ok(vec![two.clone()]));
    store.answer(&WorkerId::from("one"), two.id, saga_core::operator::Answer::Done).await.unwrap();
    assert_eq!(store.requests(&worker, 9).await, Ok(vec![]));
    assert_eq!(store.answer_to(one.id).await, Ok(None));
}

/// The other half of [`a_failed_commit_stops_all_further_writes`], in a process that cannot write
/// large files.
#[cfg(unix)]
async fn run_out_of_space(path: std::ffi::OsString) {
    let store = SqliteStore::open(path).unwrap();
    create(&store, &["a", "b"]).await;
    let mut seq = 2;
    let e = loop {
        match store.append(append("a", seq, &[7; 50_000])).await {
            Ok(()) => seq += 1,
            Err(e) => break e.to_string(),
        }
        assert!(seq < 100, "the limit has no effect");
    };
    assert!(e.contains("disk I/O error"), "{e}");
    let e = store.append(append("b", 2, b"small")).await.unwrap_err().to_string();
    assert!(e.contains("an earlier write failed (disk I/O error: a write failed)"), "{e}");
    assert!(e.contains("open the store again"), "{e}");
    let acknowledged = usize::try_from(seq - 1).unwrap();
    assert!(acknowledged > 1);
    assert_eq!(entries(&store, "a").await, acknowledged, "reading goes on");
    println!("acknowledged={acknowledged}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_failed_commit_stops_all_further_writes() {
    if let Some(path) = std::env::var_os(FULL) {
        return run_out_of_space(path).await;
    }
    let place = Place::new();
    let test = "a_failed_commit_stops_all_further_writes";
    let acknowledged = acknowledged_until_full(module_path!(), test, &place.path);

    let store = place.open();
    let found = entries(&store, "a").await;
    assert!(found == acknowledged || found == acknowledged + 1, "{found} of {acknowledged}");
    assert_eq!(store.append(append("b", 2, b"small")).await, Ok(()));
}

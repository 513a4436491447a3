//! The layout of the files, and directories that are refused as a store.

use super::*;

#[tokio::test]
async fn a_log_can_be_read_line_by_line() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a"]).await;
    store.append(append("a", 2, br#"{"room":7}"#)).await.unwrap();
    assert_eq!(place.files(""), ["answers", "commands", "lock", "saga-a.jsonl", "saga-store.json"]);

    let log = fs::read_to_string(place.log("a")).unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&String> = lines
        .iter()
        .flat_map(|line| line.as_object().unwrap().keys())
        .filter(|key| *key != "crc")
        .collect();
    assert_eq!(kinds, ["saga", "entry", "record", "entry", "record"]);
    assert_eq!(lines[0]["saga"]["params"], "{}");
    let entry = &lines[3]["entry"];
    assert_eq!((&entry["seq"], &entry["kind"]), (&2.into(), &"succeeded".into()));
    assert_eq!((&entry["node"], &entry["payload"]), (&"hotel".into(), &r#"{"room":7}"#.into()));
    assert_eq!(
        (&lines[4]["record"]["next_seq"], &lines[4]["record"]["epoch"]),
        (&3.into(), &1.into())
    );
}

/// A log as this version wrote it first; every later version must read it.
const GOLDEN: &str = concat!(
    r#"{"crc":"5986999c","saga":{"id":"a","birth":"00000000-0000-0000-0000-000000000007","name":"book_trip","fingerprint":"f1","params":"{}","dag":{"hex":"ff"},"created_at":1,"status":"running","owner":"one","epoch":1,"next_seq":2,"attempts":1,"wake_at":null,"deadline":9,"paused":false,"parked_reason":null,"error":null,"context":null,"updated_at":1}}"#,
    "\n",
    r#"{"crc":"0defa195","entry":{"seq":1,"epoch":1,"at":1,"kind":"created","payload":"{\"birth\":\"00000000-0000-0000-0000-000000000007\"}"}}"#,
    "\n",
    r#"{"crc":"81cff216","record":{"status":"running","owner":"one","epoch":1,"next_seq":2,"attempts":1,"paused":false,"updated_at":1}}"#,
    "\n",
);

#[tokio::test]
async fn a_log_of_the_first_version_can_be_read() {
    let place = Place::new();
    drop(place.open());
    fs::write(place.log("a"), GOLDEN).unwrap();
    let saga = place.open().load(&id("a")).await.unwrap().unwrap();
    assert_eq!((saga.entries.len(), saga.record.next_seq), (1, 2));
    assert_eq!(
        (saga.record.dag.as_bytes(), saga.record.deadline),
        (&b"\xff"[..], Some(Timestamp(9)))
    );
}

#[tokio::test]
async fn ids_that_look_like_paths_or_each_other_have_files_of_their_own() {
    let place = Place::new();
    let store = place.open();
    let long = ["A".repeat(128), "a".repeat(128), format!("{}a", "A".repeat(127))];
    let mut ids =
        vec!["..", ".", ".hidden", "con", "CON", "nul.txt", "a", "A", "a:b", "store.json"];
    ids.extend(long.iter().map(String::as_str));
    create(&store, &ids).await;
    for id in &ids {
        store.append(append(id, 2, id.as_bytes())).await.unwrap();
    }
    let names = place.files("").iter().map(|name| name.to_lowercase()).collect::<Vec<_>>();
    assert_eq!(names.iter().filter(|name| name.ends_with(".jsonl")).count(), ids.len());
    drop(store);
    let store = place.open();
    ids.sort_unstable();
    let listed = store.list(ListFilter::default()).await.unwrap();
    assert_eq!(listed.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ids);
    for id in ids {
        let saga = store.load(&id.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(saga.entries[1].kind, append(id, 2, id.as_bytes()).entries[0].kind);
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_a_store_is_refused_by_name_and_left_alone() {
    let place = Place::new();
    let above = place.path.parent().unwrap();
    fs::write(above.join("notes.txt"), "mine").unwrap();
    let e = refusal(above);
    assert!(e.contains("it is not a saga store and not empty (it contains \"notes.txt\")"), "{e}");
    assert_eq!(fs::read_dir(above).unwrap().count(), 1, "nothing was put there");

    let e = refusal(above.join("notes.txt"));
    assert!(e.ends_with("notes.txt: it is a file; give the path of a directory"), "{e}");
    let e = refusal(place.path.join("below"));
    assert!(e.ends_with("its parent directory does not exist; create that first"), "{e}");
    assert!(!place.path.exists());

    let e = FileStore::attach(&place.path).unwrap_err().to_string();
    assert!(e.ends_with("it is not a saga store yet; a worker creates one with `FileStore::open`"));
    assert!(!place.path.exists());
    fs::create_dir(&place.path).unwrap();
    place.open();
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let place = Place::new();
    drop(place.open());
    let marker = place.path.join("saga-store.json");
    assert_eq!(fs::read_to_string(&marker).unwrap(), "{\"schema_version\":1}\n");
    fs::write(&marker, "{\"schema_version\":99,\"new\":true}").unwrap();
    let newer =
        StoreError::NewerSchema { store: place.path.display().to_string(), found: 99, known: 1 };
    assert_eq!(FileStore::open(&place.path).unwrap_err(), newer);
    assert_eq!(FileStore::attach(&place.path).unwrap_err(), newer);
    fs::write(&marker, "{}").unwrap();
    assert!(
        refusal(&place.path).contains("saga-store.json does not contain a valid schema version")
    );
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_their_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let store = place.open();
    create(&store, &["a"]).await;
    let (one, two) = (request("a"), request("a"));
    store.request(one.clone()).await.unwrap();
    store.request(two).await.unwrap();
    store.answer(&WorkerId::from("one"), one.id, Answer::Done).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.path), 0o700);
    let mut files = 0;
    for below in ["", "commands", "answers"] {
        for name in place.files(below) {
            let path = place.path.join(below).join(name);
            let expected = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(&path), expected, "{}", path.display());
            files += 1;
        }
    }
    assert_eq!(files, 5 + 1 + 1);
}

#[tokio::test]
async fn purged_and_deleted_sagas_leave_no_files() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a", "b", "c"]).await;
    for name in ["a", "b", "c"] {
        let (one, two) = (request(name), request(name));
        store.request(one.clone()).await.unwrap();
        store.request(two).await.unwrap();
        store.answer(&WorkerId::from("one"), one.id, Answer::Done).await.unwrap();
    }
    let mut end = append("a", 2, b"");
    end.change.status = saga_core::SagaStatus::Completed;
    store.append(end).await.unwrap();
    let old = Purge { ended_before: Timestamp(u64::MAX), statuses: Vec::new(), limit: 9 };
    // a request to it has no answer yet
    assert_eq!(store.purge(old.clone()).await, Ok(0));
    for waiting in store.requests(&WorkerId::from("one"), 9).await.unwrap() {
        if waiting.saga == id("a") {
            store.answer(&WorkerId::from("one"), waiting.id, Answer::Done).await.unwrap();
        }
    }
    assert_eq!(store.purge(old).await, Ok(1));
    store.release(&WorkerId::from("one")).await.unwrap();
    assert_eq!(store.delete(&id("b")).await, Ok(true));
    assert_eq!(place.files("").len(), 5);
    assert!(place.log("c").exists());
    assert_eq!((place.files("commands").len(), place.files("answers").len()), (1, 1));
}

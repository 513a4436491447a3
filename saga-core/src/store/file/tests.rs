//! Tests that need access to the internals: damage at every byte of a log, and disks that fail.

use std::sync::atomic::Ordering::SeqCst;

use uuid::Uuid;

use super::*;
use crate::log::{Answer, Entry, EntryKind, NodeEntry, Payload, SagaEntry, SagaStatus, Timestamp};
use crate::store::{Append, NewDefinition, NewSaga, RecordChange, Store, WorkerId};

fn id(text: &str) -> SagaId {
    text.parse().unwrap()
}

fn entry(seq: u64, kind: EntryKind) -> Entry {
    Entry { seq, epoch: 1, at: Timestamp(seq), kind }
}

fn about(entry: NodeEntry) -> EntryKind {
    entry.about("größe[0]/b#1", 1)
}

fn new_saga(name: &str) -> NewSaga {
    let run_key = Uuid::from_u128(7);
    let record = SagaRecord {
        run_key,
        fingerprint: "f1".into(),
        params: Payload::from(&b"{\"to\":\"Oslo\"}"[..]),
        dag: Payload::from(&b"{}"[..]),
        next_seq: 2,
        ..SagaRecord::new(id(name), "book_trip", WorkerId::from("one"), Timestamp(1))
    };
    NewSaga {
        record,
        entries: vec![entry(
            1,
            SagaEntry::Created { run_key, traceparent: None, starts_at: None }.into(),
        )],
    }
}

fn append(name: &str, seq: u64, kinds: Vec<EntryKind>) -> Append {
    Append {
        saga: id(name),
        owner: WorkerId::from("one"),
        epoch: 1,
        expected_next_seq: seq,
        entries: (seq..).zip(kinds).map(|(seq, kind)| entry(seq, kind)).collect(),
        change: RecordChange::status(SagaStatus::RollingBack),
        answers: Vec::new(),
    }
}

/// A log of four writes, of which the third brings a definition: its bytes and, after each write, its length and contents.
fn log_of_four_writes() -> (Vec<u8>, Vec<(usize, StoredSaga)>) {
    let NewSaga { mut record, mut entries } = new_saga("a");
    let mut bytes = log_file::create(&record, &entries).unwrap();
    let mut writes =
        vec![(bytes.len(), StoredSaga { record: record.clone(), entries: entries.clone() })];
    for kinds in [
        vec![
            about(NodeEntry::Started),
            about(NodeEntry::Succeeded(Payload::from(&b"\"out\\nput\""[..]))),
        ],
        vec![about(NodeEntry::Started), about(NodeEntry::Skipped), SagaEntry::Paused.into()],
        vec![about(NodeEntry::Succeeded(Payload::from(&b"\xff"[..])))],
    ] {
        let mut append = append("a", record.next_seq, kinds);
        append.change.definition = (append.expected_next_seq == 4).then(|| {
            let (params, dag) = (Payload::from(&b"\xff"[..]), Payload::from(&b"{\"a\": 1}"[..]));
            Box::new(NewDefinition { fingerprint: "f2".into(), params, dag })
        });
        append.apply_to(&mut record).unwrap();
        let definition = append.change.definition.take();
        bytes.extend(log_file::change(&record, &append.entries, definition, &[]).unwrap());
        entries.extend(append.entries);
        writes.push((bytes.len(), StoredSaga { record: record.clone(), entries: entries.clone() }));
    }
    (bytes, writes)
}

#[test]
fn a_log_cut_at_any_byte_ends_with_its_last_complete_write() {
    let (bytes, writes) = log_of_four_writes();
    for cut in 0..=bytes.len() {
        let whole = writes.iter().rev().find(|(len, _)| *len <= cut);
        match (log_file::read(&bytes[..cut]), whole) {
            (Ok(found), Some((len, saga))) => {
                assert_eq!((&found.saga, found.len), (saga, *len as u64), "cut at {cut}");
                assert_eq!(found.cut_short, cut > *len);
                assert_eq!(found.damage, None, "cut at {cut}");
            }
            (Err(_), None) => {}
            (found, _) => panic!("cut at {cut}: {found:?}"),
        }
    }
}

#[test]
fn a_changed_byte_is_damage_unless_it_is_in_the_last_write() {
    let (bytes, writes) = log_of_four_writes();
    let before_last = &writes[writes.len() - 2];
    let first_line = bytes.iter().position(|b| *b == b'\n').unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        match log_file::read(&changed) {
            Err(_) => assert!(at <= first_line, "byte {at}"),
            Ok(found) => match found.damage {
                Some(StoreError::Corrupt { saga, seq, .. }) => {
                    let before = bytes[..at].split_inclusive(|b| *b == b'\n').filter(|line| {
                        line.ends_with(b"\n") && String::from_utf8_lossy(line).contains("\"entry\"")
                    });
                    assert!(at > first_line, "byte {at}");
                    assert_eq!((saga, seq), (id("a"), before.count() as u64 + 1), "byte {at}");
                }
                Some(other) => panic!("byte {at}: {other}"),
                None => {
                    assert!(at >= before_last.0 && found.cut_short, "byte {at} went unnoticed");
                    assert_eq!((found.len as usize, &found.saga), (before_last.0, &before_last.1));
                }
            },
        }
    }
}

#[test]
fn missing_repeated_and_unknown_lines_are_damage() {
    let (bytes, writes) = log_of_four_writes();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    assert_eq!(lines.len(), 12, "saga, 1, record, 2, 3, record, 4, 5, 6, record, 7, record");
    let damage = |lines: &[&[u8]]| match log_file::read(&lines.concat()).unwrap().damage {
        Some(StoreError::Corrupt { seq, why, .. }) => (seq, why),
        other => panic!("{other:?}"),
    };
    let without = |n: usize| [&lines[..n], &lines[n + 1..]].concat();
    assert_eq!(
        damage(&without(3)),
        (2, "the entry is missing; the next one is entry 3".to_string())
    );
    let (seq, why) = damage(&without(8));
    assert_eq!(
        (seq, why.as_str()),
        (6, "the log ends before entry 6, but its record says that it ends before entry 7")
    );
    let twice = [&lines[..4], &lines[3..]].concat();
    assert_eq!(damage(&twice), (3, "the entry is missing; the next one is entry 2".to_string()));
    let again = [&lines[..6], &lines[..1], &lines[6..]].concat();
    assert_eq!(damage(&again), (4, "the first line of another saga follows".to_string()));

    // A newer version may have written this line, so it must not be cut off.
    let mut later = lines[..6].concat();
    sealed_line::seal(&mut later, &serde_json::json!({"snapshot": "secret"})).unwrap();
    let found = log_file::read(&later).unwrap();
    let e = found.damage.unwrap().to_string();
    assert!(e.contains("corrupt at entry 4: its line cannot be decoded"), "{e}");
    assert!(!e.contains("secret"), "{e}");
    assert_eq!(found.len as usize, writes[1].0);
}

#[tokio::test]
async fn a_failed_fsync_closes_the_store() {
    let place = tempfile::tempdir().unwrap();
    let (files, directories) = ([true, false], [false, true]);
    for (broken, disk) in [
        ("append", files),
        ("create", files),
        ("create", directories),
        ("claim", files),
        ("answer", files),
        ("answer", directories),
        ("delete", directories),
    ] {
        let path = place.path().join(format!("{broken}-{}", disk[0]));
        let directory = Directory::new(&path);
        let fails = |disk: [bool; 2]| {
            let flags = directory.fsync_fails.iter().zip(disk);
            flags.for_each(|(flag, fails)| flag.store(fails, SeqCst));
        };
        let worker = LogWriter::open(directory.clone()).unwrap();
        let store = FileStore::start(Files {
            directory: directory.clone(),
            worker: Some(worker),
            attached: false,
        })
        .unwrap();
        store.create(new_saga("a")).await.unwrap();
        let mut ended = new_saga("ended");
        ended.record.status = SagaStatus::Completed;
        store.create(ended).await.unwrap();
        let request = Request {
            id: Uuid::from_u128(1),
            saga: id("a"),
            command: crate::log::Command::Pause,
            by: "ann".to_string(),
            at: Timestamp(1),
        };
        store.request(request.clone()).await.unwrap();
        let before = store.load(&id("a")).await.unwrap();

        fails(disk);
        let two = WorkerId::from("two");
        let e = match broken {
            "append" => {
                store.append(append("a", 2, vec![about(NodeEntry::Started)])).await.unwrap_err()
            }
            "create" => store.create(new_saga("b")).await.unwrap_err(),
            "claim" => store.claim(&two, &["f1".to_string()], 9).await.unwrap_err(),
            "answer" => store.answer(&two, request.id, Answer::Done).await.unwrap_err(),
            "delete" => store.delete(&id("ended")).await.unwrap_err(),
            other => panic!("{other}"),
        };
        assert!(e.to_string().contains("the test's disk is broken"), "{broken}: {e}");
        fails([false; 2]);

        let refusals = [
            store.append(append("a", 2, vec![about(NodeEntry::Started)])).await.unwrap_err(),
            store.create(new_saga("c")).await.unwrap_err(),
            store.take(&two, &id("a")).await.unwrap_err(),
            store.release(&WorkerId::from("one")).await.unwrap_err(),
            store.delete(&id("ended")).await.unwrap_err(),
            store.answer(&two, request.id, Answer::Done).await.unwrap_err(),
        ];
        for e in refusals {
            assert!(
                e.to_string().contains("accepts no more writes; check the disk"),
                "{broken}: {e}"
            );
        }
        assert_eq!(store.load(&id("a")).await.unwrap(), before, "reads still work");

        drop(store);
        let store = FileStore::open(path).unwrap();
        assert_eq!(store.load(&id("a")).await.unwrap(), before);
        store.append(append("a", 2, vec![about(NodeEntry::Started)])).await.unwrap();
    }
}

#[tokio::test]
async fn the_store_continues_after_a_full_disk_once_there_is_room() {
    let place = tempfile::tempdir().unwrap();
    let directory = Directory::new(&place.path().join("sagas"));
    let worker = LogWriter::open(directory.clone()).unwrap();
    let store = FileStore::start(Files {
        directory: directory.clone(),
        worker: Some(worker),
        attached: false,
    })
    .unwrap();
    store.create(new_saga("a")).await.unwrap();
    let before = store.load(&id("a")).await.unwrap();

    directory.disk_is_full.store(true, SeqCst);
    for _ in 0..2 {
        let append = append("a", 2, vec![about(NodeEntry::Started)]);
        for e in [
            store.append(append).await.unwrap_err(),
            store.create(new_saga("b")).await.unwrap_err(),
            store.release(&WorkerId::from("one")).await.unwrap_err(),
        ] {
            assert!(matches!(e, StoreError::Failed { .. }), "retryable: {e}");
        }
    }
    assert_eq!(store.load(&id("a")).await.unwrap(), before);
    assert_eq!(store.load(&id("b")).await.unwrap(), None);

    directory.disk_is_full.store(false, SeqCst);
    store.append(append("a", 2, vec![about(NodeEntry::Started)])).await.unwrap();
    store.create(new_saga("b")).await.unwrap();
    let after = store.load(&id("a")).await.unwrap();
    drop(store);
    let store = FileStore::open(place.path().join("sagas")).unwrap();
    assert_eq!(store.load(&id("a")).await.unwrap(), after);
    assert!(store.load(&id("b")).await.unwrap().is_some());
}

#[tokio::test]
async fn opening_makes_existing_files_durable_first() {
    let place = tempfile::tempdir().unwrap();
    FileStore::open(place.path()).unwrap().create(new_saga("a")).await.unwrap();
    for broken in [0, 1] {
        let directory = Directory::new(place.path());
        directory.fsync_fails[broken].store(true, SeqCst);
        let e = LogWriter::open(directory).err().unwrap().to_string();
        assert!(e.contains("the test's disk is broken"), "{broken}: {e}");
    }
    LogWriter::open(Directory::new(place.path())).unwrap();
}

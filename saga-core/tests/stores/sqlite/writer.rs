//! What the thread that writes remembers from one batch to the next, and how it divides what is large.

use saga_core::SagaStatus;
use saga_core::log::{Entry, NodeEntry, Payload};
use saga_core::store::{Created, MemoryStore, NewSaga, Purge};

use super::*;

/// SQLite takes up to 1 000 000 000 bytes in one value, and an append may have any number of outputs.
#[tokio::test]
async fn an_append_of_large_outputs_takes_several_rows() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a"]).await;
    let output = Payload::from(vec![b'1'; 40 << 20]);
    let entry = |i: u64| Entry {
        seq: 2 + i,
        epoch: 1,
        at: Timestamp(2_000),
        kind: NodeEntry::Succeeded(output.clone()).about(format!("disks[{i}]").as_str(), 1),
    };
    let mut large = append("a", 2, b"");
    large.entries = (0..3).map(entry).collect();
    store.append(large.clone()).await.unwrap();
    let loaded = store.load(&id("a")).await.unwrap().unwrap();
    assert!(loaded.entries.ends_with(&large.entries));
    let conn = place.connection();
    let rows = "SELECT count(*), max(length(payloads)) FROM saga_log WHERE key & 16777215 >= 2";
    let rows = conn.query_row(rows, [], |row| Ok((row.get(0)?, row.get(1)?)));
    assert_eq!(rows, Ok((2, 80 << 20)));
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn of_definition(name: &str, k: u64) -> NewSaga {
    let mut new = new_saga(name);
    new.record.fingerprint = format!("f{}", k % 3).as_str().into();
    new.record.dag = Payload::from(format!("{{\"dag\":{k}}}").into_bytes());
    new
}

/// What a store returned, without what differs between stores.
fn told<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(StoreError::Failed { .. }) => "failed".to_string(),
        Err(e) => format!("{e:?}"),
    }
}

/// Batches of writes, some of which fail and roll back what came before them. A store in memory does the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_writer_remembers_is_true_after_rollbacks() {
    let place = Place::new();
    let store = place.open();
    let memory = MemoryStore::new();
    let other = place.connection();
    other.busy_timeout(Duration::from_secs(10)).unwrap();
    create(&store, &["victim"]).await;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..300_u64 {
        // every append to the victim fails with a violated constraint
        let block = "BEGIN IMMEDIATE; INSERT OR IGNORE INTO saga_log (key, entries, payloads) \
             SELECT (number << 24) + 2, '[]', X'' FROM saga WHERE id = 'victim'";
        other.execute_batch(block).unwrap();
        // each saga occurs once in a batch, so the order does not matter
        let first = random.below(8);
        let mut both = Vec::new();
        for i in 0..5 {
            let name = format!("s{}", (first + i) % 8);
            let (store, memory) = (store.clone(), memory.clone());
            let (what, k) = (random.below(6), random.below(5));
            if i == 2 && round % 2 == 0 {
                let store = store.clone();
                both.push(tokio::spawn(async move {
                    let failed = store.append(append("victim", 2, b"no")).await;
                    assert!(matches!(failed, Err(StoreError::Failed { .. })), "{failed:?}");
                    (String::new(), String::new(), String::new())
                }));
                continue;
            }
            both.push(tokio::spawn(async move {
                let next = memory.load(&id(&name)).await.unwrap().map_or(2, |s| s.record.next_seq);
                let (one, two) = match what {
                    0 | 1 => {
                        let new = of_definition(&name, k);
                        let run = |made: Result<Created, StoreError>| {
                            told(made.map(|made| match made {
                                Created::New => "new".to_string(),
                                Created::Exists(there) => format!("{there:?}"),
                            }))
                        };
                        (run(store.create(new.clone()).await), run(memory.create(new).await))
                    }
                    2 => {
                        let mut end = append(&name, next, b"end");
                        end.change.status = SagaStatus::Completed;
                        (told(store.append(end.clone()).await), told(memory.append(end).await))
                    }
                    3 => {
                        let more = append(&name, next, b"more");
                        (told(store.append(more.clone()).await), told(memory.append(more).await))
                    }
                    4 => {
                        let late = append(&name, next + k, b"late");
                        (told(store.append(late.clone()).await), told(memory.append(late).await))
                    }
                    _ => (
                        told(store.delete(&id(&name)).await),
                        told(memory.delete(&id(&name)).await),
                    ),
                };
                (format!("{name} {what}"), one, two)
            }));
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
        other.execute_batch("COMMIT").unwrap();
        for did in both {
            let (what, one, two) = did.await.unwrap();
            assert_eq!(one, two, "round {round}: {what}");
        }
        if round % 7 == 0 {
            let purge = Purge { ended_before: Timestamp(u64::MAX), statuses: Vec::new(), limit: 3 };
            if round % 2 == 0 {
                let all = Purge { limit: 100, ..purge };
                assert_eq!(told(store.purge(all.clone()).await), told(memory.purge(all).await));
            }
        }
        for i in 0..8 {
            let id = id(&format!("s{i}"));
            assert_eq!(store.load(&id).await, memory.load(&id).await, "round {round}");
        }
    }
}

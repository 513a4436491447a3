//! One worker at a time, and what its successor finds.

use super::*;

#[tokio::test]
async fn written_sagas_are_there_after_a_reopen() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a", "b"]).await;
    let mut change = append("a", 2, b"\x00\xff");
    change.change.wake_at = Some(Timestamp(7));
    change.change.context = Some(b"{}"[..].into());
    change.change.paused = Some(true);
    change.change.parked_reason = Some(Some("why".to_string()));
    change.change.error = Some("no seat".to_string());
    store.append(change).await.unwrap();
    let two = WorkerId::from("two");
    store.take(&two, &id("a")).await.unwrap();
    store.claim(&two, &["f1".to_string()], 9).await.unwrap();
    let before = [store.load(&id("a")).await.unwrap(), store.load(&id("b")).await.unwrap()];
    let listed = store.list(ListFilter::default()).await.unwrap();
    drop(store);

    let store = place.open();
    assert_eq!([store.load(&id("a")).await.unwrap(), store.load(&id("b")).await.unwrap()], before);
    assert_eq!(store.list(ListFilter::default()).await.unwrap(), listed);
    let Created::Exists(there) = store.create(new_saga("a")).await.unwrap() else {
        panic!("it is there");
    };
    assert_eq!((there.epoch, there.next_seq), (2, 3));
    // The zombie of the former process.
    let zombie = store.append(append("b", 2, b"")).await;
    assert_eq!(zombie, Err(StoreError::Fenced { saga: id("b") }));
    store.release(&two).await.unwrap();
    drop(store);
    let records = place.open().list(ListFilter::default()).await.unwrap();
    assert!(records.iter().all(|record| record.owner.is_none() && record.attempts == 0));
}

#[tokio::test]
async fn a_second_worker_is_refused_until_the_first_has_gone() {
    let place = Place::new();
    let first = place.open();
    let clone = first.clone();
    let refused = StoreError::InUse { store: place.path.display().to_string() };
    assert_eq!(FileStore::open(&place.path).unwrap_err(), refused);
    drop(first);
    assert_eq!(FileStore::open(&place.path).unwrap_err(), refused, "a clone is left");
    let reader = FileStore::attach(&place.path).unwrap();
    drop(clone);
    drop(place.open());
    drop(reader);
    // Another name is the same store.
    let _worker = place.open();
    let dotted = place.path.join("..").join("sagas");
    assert!(matches!(FileStore::open(dotted), Err(StoreError::InUse { .. })));
}

#[tokio::test]
async fn dropping_the_store_finishes_the_writes_that_wait() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a"]).await;
    for seq in 2..50 {
        // Polled once, and not waited for.
        let waiting = store.append(append("a", seq, b"ok"));
        drop(tokio::time::timeout(std::time::Duration::ZERO, waiting).await);
    }
    drop(store);
    assert_eq!(entries(&place.open(), "a").await, 49);
}

#[tokio::test]
async fn a_store_is_shared_by_tasks_on_many_threads() {
    let place = Place::new();
    let store = place.open();
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let name = format!("saga-{n}");
                create(&store, &[&name]).await;
                for seq in 2..12 {
                    store.append(append(&name, seq, b"ok")).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let reader = FileStore::attach(&place.path).unwrap();
    for n in 0..8 {
        assert_eq!(entries(&reader, &format!("saga-{n}")).await, 11);
    }
}

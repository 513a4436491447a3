//! One worker at a time, its readers, and what happens when it is closed.

use saga_core::operator::{Answer, Command, Request};

use super::*;

#[tokio::test]
async fn written_sagas_are_there_after_a_reopen() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a", "b"]).await;
    store.append(append("a", 2, b"\x00\xff")).await.unwrap();
    let before = store.load(&id("a")).await.unwrap();
    drop(store);

    let store = place.open();
    assert_eq!(store.load(&id("a")).await.unwrap(), before);
    let two = WorkerId::from("two");
    assert_eq!(store.claim(&two, &["f1".to_string()], 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn dropping_the_store_finishes_the_writes_that_wait() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a", "b"]).await;
    let other = place.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for name in ["a", "b"] {
        let waiting = store.append(append(name, 2, b"ok"));
        assert!(tokio::time::timeout(Duration::ZERO, waiting).await.is_err());
    }
    let dropping = std::thread::spawn(move || drop(store));
    std::thread::sleep(Duration::from_millis(100));
    assert!(matches!(SqliteStore::open(&place.path), Err(StoreError::InUse { .. })));
    other.execute_batch("ROLLBACK").unwrap();
    dropping.join().unwrap();

    let store = place.open();
    assert_eq!((entries(&store, "a").await, entries(&store, "b").await), (2, 2));
}

#[test]
fn dropping_the_store_on_its_own_thread_does_not_hang() {
    use std::pin::Pin;
    use std::sync::{Arc, Mutex, mpsc};
    use std::task::{Context, Wake, Waker};

    /// Polls its future in the thread that wakes it, as some executors do.
    struct PollsAtOnce(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);
    impl Wake for PollsAtOnce {
        fn wake(self: Arc<Self>) {
            let mut slot = self.0.lock().unwrap();
            let waker = Waker::from(self.clone());
            let ready = slot.as_mut().is_some_and(|future| {
                future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
            });
            if ready {
                slot.take();
            }
        }
    }

    let place = Place::new();
    let store = place.open();
    let (done, wait) = mpsc::channel();
    Arc::new(PollsAtOnce(Mutex::new(Some(Box::pin(async move {
        store.create(new_saga("a")).await.unwrap();
        drop(store);
        done.send(()).unwrap();
    })))))
    .wake();
    wait.recv_timeout(Duration::from_secs(20)).unwrap();
    // The thread still has to close the file.
    for _ in 0..200 {
        match SqliteStore::open(&place.path) {
            Ok(_) => return,
            Err(StoreError::InUse { .. }) => std::thread::sleep(Duration::from_millis(10)),
            Err(e) => panic!("{e}"),
        }
    }
    panic!("the lock was never released");
}

#[test]
fn a_second_worker_is_refused_until_the_first_has_gone() {
    let place = Place::new();
    let first = place.open();
    let clone = first.clone();
    let refused = StoreError::InUse { store: place.path.display().to_string() };
    assert_eq!(SqliteStore::open(&place.path).unwrap_err(), refused);
    drop(first);
    assert_eq!(SqliteStore::open(&place.path).unwrap_err(), refused, "a clone is left");
    drop(clone);
    for _ in 0..5 {
        drop(place.open());
    }
}

#[cfg(unix)]
#[test]
fn another_name_of_the_file_is_the_same_store() {
    let place = Place::new();
    let _first = place.open();
    let link = place.directory().join("link.db");
    std::os::unix::fs::symlink(&place.path, &link).unwrap();
    assert_eq!(
        SqliteStore::open(&link).unwrap_err(),
        StoreError::InUse { store: link.display().to_string() }
    );
    let dotted = place.directory().join(".").join("sagas.db");
    assert!(matches!(SqliteStore::open(dotted), Err(StoreError::InUse { .. })));

    let dangling = place.directory().join("dangling.db");
    std::os::unix::fs::symlink("nowhere.db", &dangling).unwrap();
    assert!(refusal(&dangling).contains("a symbolic link to a file that does not exist"));
}

#[tokio::test]
async fn a_reader_sees_what_the_worker_writes_and_leaves_only_requests() {
    let place = Place::new();
    let store = place.open();
    let reader = SqliteStore::attach(&place.path).unwrap();
    assert_eq!(reader.list(ListFilter::default()).await, Ok(vec![]));
    create(&store, &["a"]).await;
    assert_eq!(entries(&reader, "a").await, 1);
    assert_eq!(reader.versions().await.unwrap()[0].unfinished, 1);

    let one = WorkerId::from("one");
    refuses_to_work(&reader).await;
    let request = request("a");
    reader.request(request.clone()).await.unwrap();
    assert_eq!(store.requests(&one, 9).await, Ok(vec![request.clone()]));
    store.answer(&WorkerId::from("one"), request.id, Answer::Done).await.unwrap();
    assert_eq!(reader.answer_to(request.id).await, Ok(Some(Answer::Done)));

    drop(store);
    assert_eq!(entries(&reader, "a").await, 1);
    let store = place.open();
    store.append(append("a", 2, b"")).await.unwrap();
    assert_eq!(entries(&reader, "a").await, 2);
}

#[tokio::test]
async fn closing_a_store_lets_the_next_worker_open_it() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a", "b"]).await;
    // what was sent before is done first
    let other = place.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting = store.append(append("a", 2, b"ok"));
    assert!(tokio::time::timeout(Duration::ZERO, waiting).await.is_err());
    let closing = tokio::spawn({
        let store = store.clone();
        async move { store.close().await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(matches!(SqliteStore::open(&place.path), Err(StoreError::InUse { .. })));
    other.execute_batch("ROLLBACK").unwrap();
    closing.await.unwrap().unwrap();
    let next = SqliteStore::open(&place.path).unwrap();
    assert_eq!(entries(&next, "a").await, 2);

    let refused = [
        store.create(new_saga("c")).await.unwrap_err(),
        store.append(append("b", 2, b"")).await.unwrap_err(),
        store.release(&WorkerId::from("one")).await.unwrap_err(),
    ];
    for e in refused {
        assert!(e.to_string().contains("was closed by a shutdown"), "{e}");
    }
    next.append(append("b", 2, b"")).await.unwrap();
    assert_eq!(entries(&store, "b").await, 2, "it reads what the next one writes");
    let request = request("a");
    store.request(request.clone()).await.unwrap();
    assert_eq!(next.requests(&WorkerId::from("two"), 9).await, Ok(vec![request]));
    drop(store);
    next.append(append("b", 3, b"")).await.unwrap();
}

/// Two that checkpoint are what a SQLite before 3.51.3 can damage a file with.
#[tokio::test]
async fn only_the_worker_checkpoints() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a"]).await;
    let before = fs::metadata(&place.path).unwrap().len();
    let reader = SqliteStore::attach(&place.path).unwrap();
    for _ in 0..300 {
        let reason = "because ".repeat(3_000);
        let command = Command::Cancel { reason };
        reader.request(Request { command, ..request("a") }).await.unwrap();
    }
    // the pages that it filled are enough for a checkpoint, and wait for one
    assert_eq!(fs::metadata(&place.path).unwrap().len(), before);
    let other = place.connection();
    let pages = "PRAGMA wal_checkpoint(PASSIVE)";
    let waiting: i64 = other.query_row(pages, [], |row| row.get(1)).unwrap();
    assert!(waiting > 1_000, "{waiting}");
}

#[test]
fn a_reader_needs_a_store_that_is_there() {
    let place = Place::new();
    let e = SqliteStore::attach(&place.path).unwrap_err().to_string();
    assert!(e.contains("sagas.db: the file does not exist"), "{e}");
    assert!(!place.path.exists());

    place.connection().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let e = SqliteStore::attach(&place.path).unwrap_err().to_string();
    assert!(e.contains("it is not a saga store yet"), "{e}");
}

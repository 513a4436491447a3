//! Requests left by another process, and answers interrupted by a crash.

use super::*;

#[tokio::test]
async fn an_attached_process_reads_and_leaves_only_requests() {
    let place = Place::new();
    let store = place.open();
    let reader = FileStore::attach(&place.path).unwrap();
    assert_eq!(reader.list(ListFilter::default()).await, Ok(vec![]));
    create(&store, &["a"]).await;
    assert_eq!(entries(&reader, "a").await, 1);
    assert_eq!(reader.versions().await.unwrap()[0].unfinished, 1);

    let one = WorkerId::from("one");
    refuses_to_work(&reader).await;

    let request = request("a");
    reader.request(request.clone()).await.unwrap();
    assert_eq!(store.requests(&one, 9).await, Ok(vec![request.clone()]));
    assert_eq!(reader.requests(&one, 9).await, Ok(vec![request.clone()]));
    assert_eq!(reader.answer_to(request.id).await, Ok(None));
    let mut append = append("a", 2, b"");
    append.answers.push((request.id, Answer::Done));
    store.append(append).await.unwrap();
    assert_eq!(reader.answer_to(request.id).await, Ok(Some(Answer::Done)));
    assert_eq!(reader.requests(&one, 9).await, Ok(vec![]));
    drop(store);
    assert_eq!(entries(&reader, "a").await, 2, "also without a worker");
    reader.request(request.clone()).await.unwrap();
    assert_eq!(place.files("commands"), [""; 0], "answered for good");
}

#[tokio::test]
async fn an_answer_that_only_reached_the_log_is_given_at_the_next_start() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a"]).await;
    let request = request("a");
    store.request(request.clone()).await.unwrap();
    let name = format!("{}.json", request.id);
    let waiting = fs::read(place.path.join("commands").join(&name)).unwrap();
    let mut append = append("a", 2, b"");
    append.answers.push((request.id, Answer::Done));
    store.append(append).await.unwrap();
    drop(store);

    // As if the process had died right after the log's fsync.
    fs::remove_file(place.path.join("answers").join(&name)).unwrap();
    fs::write(place.path.join("commands").join(&name), &waiting).unwrap();
    let store = place.open();
    assert_eq!(store.answer_to(request.id).await, Ok(Some(Answer::Done)));
    assert_eq!(store.requests(&WorkerId::from("one"), 9).await, Ok(vec![]));

    // Or before the request's own file was gone.
    fs::write(place.path.join("commands").join(&name), &waiting).unwrap();
    assert_eq!(store.requests(&WorkerId::from("one"), 9).await, Ok(vec![]));
    store
        .answer(
            &WorkerId::from("one"),
            request.id,
            Answer::NothingToDo { status: saga_core::SagaStatus::Running },
        )
        .await
        .unwrap();
    assert_eq!(store.answer_to(request.id).await, Ok(Some(Answer::Done)));
}

#[tokio::test]
async fn a_request_never_reaches_another_saga_of_the_same_id() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a"]).await;
    let request = request("a");
    store.request(request.clone()).await.unwrap();
    let file = place.path.join("commands").join(format!("{}.json", request.id));
    let waiting = fs::read(&file).unwrap();
    store.release(&WorkerId::from("one")).await.unwrap();
    store.delete(&id("a")).await.unwrap();
    create(&store, &["a"]).await;
    // Somebody was slow to leave it.
    fs::write(&file, &waiting).unwrap();
    assert_eq!(store.requests(&WorkerId::from("one"), 9).await, Ok(vec![]));
}

#[tokio::test]
async fn a_request_that_cannot_be_read_keeps_no_other_from_being_read() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a"]).await;
    let request = request("a");
    store.request(request.clone()).await.unwrap();
    let commands = place.path.join("commands");
    let good = fs::read(commands.join(format!("{}.json", request.id))).unwrap();
    fs::write(commands.join("torn.json"), &good[..good.len() / 2]).unwrap();
    fs::write(commands.join("tmp-copy"), &good).unwrap();
    fs::write(commands.join("notes.txt"), "mine").unwrap();
    assert_eq!(store.requests(&WorkerId::from("one"), 9).await, Ok(vec![request.clone()]));
    drop(store);
    assert_eq!(place.open().requests(&WorkerId::from("one"), 9).await, Ok(vec![request]));

    let answer = place.path.join("answers").join(format!("{}.json", id_of_nobody()));
    fs::write(&answer, "{}").unwrap();
    let e = place.open().answer_to(id_of_nobody()).await.unwrap_err().to_string();
    assert!(e.contains("is damaged, or was written by a newer version"), "{e}");
}

fn id_of_nobody() -> saga_core::log::Uuid {
    saga_core::log::Uuid::from_u128(0)
}

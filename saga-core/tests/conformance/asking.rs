//! What operators ask, taking a saga for it, and clearing away.

use saga_core::log::{Answer, Command, Refusal, Request, Uuid};
use saga_core::store::Purge;

use super::super::*;

fn request(n: u128, saga: &str, at: u64) -> Request {
    Request {
        id: Uuid::from_u128(n),
        saga: id(saga),
        command: Command::Cancel { reason: "quote \" and \u{0}".to_string() },
        by: "ann".to_string(),
        at: Timestamp(at),
    }
}

async fn waiting(store: &impl Store) -> Vec<u128> {
    let waiting = store.requests(&worker("one"), usize::MAX).await.unwrap();
    waiting.iter().map(|request| request.id.as_u128()).collect()
}

pub(crate) async fn requests_wait_for_their_answer(store: &impl Store) {
    let missing = store.request(request(1, "a", 10)).await;
    assert_eq!(missing, Err(StoreError::NotFound { saga: id("a") }));
    put(store, new_saga("a")).await;
    for (n, at) in [(1, 30), (3, 20), (2, 20), (4, 10)] {
        store.request(request(n, "a", at)).await.unwrap();
    }
    let again = Request { command: Command::Pause, ..request(1, "a", 5) };
    assert_eq!(store.request(again).await, Ok(()));
    assert_eq!(waiting(store).await, [4, 2, 3, 1]);
    assert_eq!(store.requests(&worker("one"), 0).await, Ok(vec![]));
    let expected = vec![request(4, "a", 10), request(2, "a", 20)];
    assert_eq!(store.requests(&worker("one"), 2).await, Ok(expected));

    let two = Uuid::from_u128(2);
    assert_eq!(store.answer_to(two).await, Ok(None));
    let refused = Answer::Refused(Refusal::AlreadyEnded { status: SagaStatus::Completed });
    store.answer(two, refused.clone()).await.unwrap();
    store.answer(two, Answer::Done).await.unwrap();
    assert_eq!(store.answer_to(two).await, Ok(Some(refused)));
    assert_eq!(waiting(store).await, [4, 3, 1]);
    store.request(request(2, "a", 1)).await.unwrap();
    assert_eq!(waiting(store).await, [4, 3, 1], "answered for good");

    let unknown = Uuid::from_u128(9);
    store.answer(unknown, Answer::Done).await.unwrap();
    assert_eq!(store.answer_to(unknown).await, Ok(None));
}

pub(crate) async fn an_append_answers_requests(store: &impl Store) {
    put(store, new_saga("a")).await;
    for n in 1..=3 {
        store.request(request(n, "a", 10)).await.unwrap();
    }
    let [one, two, nine] = [1, 2, 9].map(Uuid::from_u128);
    let mut stale = append("a", 5, vec![EntryKind::Paused]);
    stale.answers = vec![(one, Answer::Done)];
    assert_eq!(store.append(stale).await, fenced("a"));
    assert_eq!(waiting(store).await, [1, 2, 3]);

    let nothing = Answer::NothingToDo { status: SagaStatus::Running };
    store.answer(two, nothing.clone()).await.unwrap();
    let mut good = append("a", 2, vec![EntryKind::Paused]);
    good.answers = [one, two, nine].map(|id| (id, Answer::Done)).into();
    store.append(good).await.unwrap();
    assert_eq!(waiting(store).await, [3]);
    assert_eq!(store.answer_to(one).await, Ok(Some(Answer::Done)));
    assert_eq!(store.answer_to(two).await, Ok(Some(nothing)));
    assert_eq!(store.answer_to(nine).await, Ok(None));
}

pub(crate) async fn requests_go_with_their_saga(store: &impl Store) {
    for name in ["a", "b", "c"] {
        let mut saga = new_saga(name);
        saga.record.status = SagaStatus::Completed;
        put(store, saga).await;
    }
    for (n, name) in [(1, "a"), (2, "b"), (3, "c"), (4, "a")] {
        store.request(request(n, name, 10)).await.unwrap();
    }
    store.answer(Uuid::from_u128(4), Answer::Done).await.unwrap();
    assert_eq!(store.delete(&id("a")).await, Ok(true));
    assert_eq!(waiting(store).await, [2, 3]);
    assert_eq!(store.answer_to(Uuid::from_u128(4)).await, Ok(None));
    let purge =
        Purge { ended_before: Timestamp(u64::MAX), statuses: Vec::new(), limit: usize::MAX };
    assert_eq!(store.purge(purge).await, Ok(2));
    assert_eq!(waiting(store).await, []);
}

pub(crate) async fn take_makes_a_worker_the_owner_whatever_the_saga_does(store: &impl Store) {
    assert_eq!(store.take(&worker("two"), &id("a")).await, Ok(None));
    for (name, status) in [
        ("a", SagaStatus::Running),
        ("b", SagaStatus::Completed),
        ("c", SagaStatus::RolledBack),
        ("d", SagaStatus::Stuck),
    ] {
        let mut saga = new_saga(name);
        saga.record.status = status;
        saga.record.paused = true;
        saga.record.parked_reason = Some("why".to_string());
        saga.record.attempts = 7;
        put(store, saga).await;
        let mut expected = get(store, name).await.record;
        expected.owner = Some(worker("two"));
        expected.epoch = 2;
        assert_eq!(store.take(&worker("two"), &id(name)).await, Ok(Some(expected.clone())));
        assert_eq!(get(store, name).await.record, expected);

        let zombie = append(name, 2, vec![EntryKind::Started]);
        assert_eq!(store.append(zombie.clone()).await, fenced(name));
        let mut owner = zombie;
        owner.owner = worker("two");
        owner.epoch = 2;
        owner.change.status = SagaStatus::RollingBack;
        store.append(owner).await.unwrap();
        let again = store.take(&worker("two"), &id(name)).await.unwrap().unwrap();
        assert_eq!((again.epoch, again.status, again.next_seq), (3, SagaStatus::RollingBack, 3));
    }
}

pub(crate) async fn purge_removes_old_ends_in_batches(store: &impl Store) {
    use SagaStatus::{Completed, Failed, RolledBack, RollingBack, Running, Stuck};
    for (name, status, updated_at) in [
        ("a", Completed, 10),
        ("b", RolledBack, 10),
        ("c", Stuck, 10),
        ("d", Running, 10),
        ("e", Failed, 10),
        ("f", RollingBack, 10),
        ("g", Completed, 20),
        ("h", Completed, 10),
    ] {
        let mut saga = new_saga(name);
        saga.record.status = status;
        saga.record.updated_at = Timestamp(updated_at);
        put(store, saga).await;
    }
    let purge = async |before, statuses: &[SagaStatus], limit| {
        let statuses = statuses.to_vec();
        let gone =
            store.purge(Purge { ended_before: Timestamp(before), statuses, limit }).await.unwrap();
        let left = ids(&store.list(ListFilter::default()).await.unwrap()).join("");
        (gone, left)
    };
    let expect = |gone: u64, left: &str| (gone, left.to_string());
    assert_eq!(purge(10, &[], 9).await, expect(0, "abcdefgh"));
    assert_eq!(purge(11, &[], 0).await, expect(0, "abcdefgh"));
    assert_eq!(purge(99, &[Running, Failed, RollingBack], 9).await, expect(0, "abcdefgh"));
    assert_eq!(purge(11, &[RolledBack, RolledBack], 9).await, expect(1, "acdefgh"));
    assert_eq!(purge(11, &[], 1).await.0, 1);
    assert_eq!(purge(11, &[], 9).await, expect(1, "cdefg"));
    assert_eq!(purge(u64::MAX, &[], 9).await, expect(1, "cdef"));
    assert_eq!(purge(u64::MAX, &[Stuck, Running], usize::MAX).await, expect(1, "def"));
    assert_eq!(store.load(&id("a")).await, Ok(None));
    let again = new_saga("a");
    put(store, again.clone()).await;
    assert_eq!(get(store, "a").await.entries, again.entries);
}

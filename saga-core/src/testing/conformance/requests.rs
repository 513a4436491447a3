//! Checks of operators' requests, of taking a saga to answer one, and of purging.

use super::*;
use crate::log::{Answer, Command, Refusal, Request, Uuid};
use crate::store::Purge;

fn request(n: u128, saga: &str, at: u64) -> Request {
    Request {
        id: Uuid::from_u128(n),
        saga: id(saga),
        command: Command::Cancel { reason: "quote \" and \u{0}".to_string() },
        by: "ann".to_string(),
        at: Timestamp(at),
    }
}

async fn waiting(store: &impl Store) -> Result<Vec<u128>, Violation> {
    let waiting = store.requests(&worker("one"), usize::MAX).await?;
    Ok(waiting.iter().map(|request| request.id.as_u128()).collect())
}

pub(super) async fn requests_wait_for_their_answer(store: &impl Store) -> CheckResult {
    let missing = store.request(request(1, "a", 10)).await;
    same!(missing, Err(StoreError::NotFound { saga: id("a") }));
    put(store, new_saga("a")).await?;
    for (n, at) in [(1, 30), (3, 20), (2, 20), (4, 10)] {
        store.request(request(n, "a", at)).await?;
    }
    let again = Request { command: Command::Pause, ..request(1, "a", 5) };
    same!(store.request(again).await, Ok(()));
    same!(waiting(store).await?, [4, 2, 3, 1]);
    same!(store.requests(&worker("one"), 0).await, Ok(vec![]));
    let expected = vec![request(4, "a", 10), request(2, "a", 20)];
    same!(store.requests(&worker("one"), 2).await, Ok(expected));

    let two = Uuid::from_u128(2);
    same!(store.answer_to(two).await, Ok(None));
    let refused = Answer::Refused(Refusal::AlreadyEnded { status: SagaStatus::Completed });
    store.answer(two, refused.clone()).await?;
    store.answer(two, Answer::Done).await?;
    same!(store.answer_to(two).await, Ok(Some(refused)));
    same!(waiting(store).await?, [4, 3, 1]);
    store.request(request(2, "a", 1)).await?;
    same!(waiting(store).await?, [4, 3, 1]);

    let unknown = Uuid::from_u128(9);
    store.answer(unknown, Answer::Done).await?;
    same!(store.answer_to(unknown).await, Ok(None));
    Ok(())
}

pub(super) async fn an_append_answers_requests(store: &impl Store) -> CheckResult {
    put(store, new_saga("a")).await?;
    for n in 1..=3 {
        store.request(request(n, "a", 10)).await?;
    }
    let [one, two, nine] = [1, 2, 9].map(Uuid::from_u128);
    let mut stale = append("a", 5, vec![SagaEntry::Paused.into()]);
    stale.answers = vec![(one, Answer::Done)];
    same!(store.append(stale).await, fenced("a"));
    same!(waiting(store).await?, [1, 2, 3]);

    let nothing = Answer::NothingToDo { status: SagaStatus::Running };
    store.answer(two, nothing.clone()).await?;
    let mut good = append("a", 2, vec![SagaEntry::Paused.into()]);
    good.answers = [one, two, nine].map(|id| (id, Answer::Done)).into();
    store.append(good).await?;
    same!(waiting(store).await?, [3]);
    same!(store.answer_to(one).await, Ok(Some(Answer::Done)));
    same!(store.answer_to(two).await, Ok(Some(nothing)));
    same!(store.answer_to(nine).await, Ok(None));
    Ok(())
}

pub(super) async fn requests_go_with_their_saga(store: &impl Store) -> CheckResult {
    for name in ["a", "b", "c"] {
        let mut saga = new_saga(name);
        saga.record.status = SagaStatus::Completed;
        put(store, saga).await?;
    }
    for (n, name) in [(1, "a"), (2, "b"), (3, "c"), (4, "a")] {
        store.request(request(n, name, 10)).await?;
    }
    store.answer(Uuid::from_u128(4), Answer::Done).await?;
    same!(store.delete(&id("a")).await, Ok(true));
    same!(waiting(store).await?, [2, 3]);
    same!(store.answer_to(Uuid::from_u128(4)).await, Ok(None));
    let purge =
        Purge { ended_before: Timestamp(u64::MAX), statuses: Vec::new(), limit: usize::MAX };
    same!(store.purge(purge).await, Ok(2));
    same!(waiting(store).await?, [0; 0]);
    Ok(())
}

pub(super) async fn take_makes_a_worker_the_owner_whatever_the_saga_does(
    store: &impl Store,
) -> CheckResult {
    same!(store.take(&worker("two"), &id("a")).await, Ok(None));
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
        put(store, saga).await?;
        let mut expected = get(store, name).await?.record;
        expected.owner = Some(worker("two"));
        expected.epoch = 2;
        same!(store.take(&worker("two"), &id(name)).await, Ok(Some(expected.clone())));
        same!(get(store, name).await?.record, expected);

        let zombie = append(name, 2, vec![about(NodeEntry::Started)]);
        same!(store.append(zombie.clone()).await, fenced(name));
        let mut owner = zombie;
        owner.owner = worker("two");
        owner.epoch = 2;
        owner.change.status = SagaStatus::RollingBack;
        store.append(owner).await?;
        let again = store.take(&worker("two"), &id(name)).await?;
        let again = again.map(|r| (r.epoch, r.status, r.next_seq));
        same!(again, Some((3, SagaStatus::RollingBack, 3)));
    }
    Ok(())
}

pub(super) async fn purge_removes_old_ends_in_batches(store: &impl Store) -> CheckResult {
    use SagaStatus::{Aborting, Completed, RolledBack, RollingBack, Running, Stuck};
    for (name, status, updated_at) in [
        ("a", Completed, 10),
        ("b", RolledBack, 10),
        ("c", Stuck, 10),
        ("d", Running, 10),
        ("e", Aborting, 10),
        ("f", RollingBack, 10),
        ("g", Completed, 20),
        ("h", Completed, 10),
    ] {
        let mut saga = new_saga(name);
        saga.record.status = status;
        saga.record.updated_at = Timestamp(updated_at);
        put(store, saga).await?;
    }
    let purge = async |before, statuses: &[SagaStatus], limit| {
        let statuses = statuses.to_vec();
        let gone = store.purge(Purge { ended_before: Timestamp(before), statuses, limit }).await?;
        let left = ids(&store.list(ListFilter::default()).await?).join("");
        Ok::<_, Violation>((gone, left))
    };
    let expect = |gone: u64, left: &str| (gone, left.to_string());
    same!(purge(10, &[], 9).await?, expect(0, "abcdefgh"));
    same!(purge(11, &[], 0).await?, expect(0, "abcdefgh"));
    same!(purge(99, &[Running, Aborting, RollingBack], 9).await?, expect(0, "abcdefgh"));
    same!(purge(11, &[RolledBack, RolledBack], 9).await?, expect(1, "acdefgh"));
    same!(purge(11, &[], 1).await?.0, 1);
    same!(purge(11, &[], 9).await?, expect(1, "cdefg"));
    same!(purge(u64::MAX, &[], 9).await?, expect(1, "cdef"));
    same!(purge(u64::MAX, &[Stuck, Running], usize::MAX).await?, expect(1, "def"));
    same!(store.load(&id("a")).await, Ok(None));
    let again = new_saga("a");
    put(store, again.clone()).await?;
    same!(get(store, "a").await?.entries, again.entries);
    Ok(())
}

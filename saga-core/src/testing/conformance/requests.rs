//! Operators' requests, taking a saga to carry one out, and purging.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join;

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

async fn unanswered(store: &impl Store) -> Result<Vec<u128>, Violation> {
    let waiting = store.requests(&worker("one"), usize::MAX).await?;
    Ok(waiting.iter().map(|request| request.id.as_u128()).collect())
}

pub(super) async fn requests_are_listed_until_they_are_answered(store: &impl Store) -> CheckResult {
    let missing = store.request(request(1, "a", 10)).await;
    expect_eq!(missing, Err(StoreError::NotFound { saga: id("a") }));
    create(store, new_saga("a")).await?;
    for (n, at) in [(1, 30), (3, 20), (2, 20), (4, 10)] {
        store.request(request(n, "a", at)).await?;
    }
    let again = Request { command: Command::Pause, ..request(1, "a", 5) };
    expect_eq!(store.request(again).await, Ok(()));
    expect_eq!(unanswered(store).await?, [4, 2, 3, 1]);
    expect_eq!(store.requests(&worker("one"), 0).await, Ok(vec![]));
    let expected = vec![request(4, "a", 10), request(2, "a", 20)];
    expect_eq!(store.requests(&worker("one"), 2).await, Ok(expected));

    let two = Uuid::from_u128(2);
    expect_eq!(store.answer_to(two).await, Ok(None));
    let refused = Answer::Refused(Refusal::AlreadyEnded { status: SagaStatus::Completed });
    store.answer(&worker("one"), two, refused.clone()).await?;
    store.answer(&worker("one"), two, Answer::Done).await?;
    expect_eq!(store.answer_to(two).await, Ok(Some(refused)));
    expect_eq!(unanswered(store).await?, [4, 3, 1]);
    store.request(request(2, "a", 1)).await?;
    expect_eq!(unanswered(store).await?, [4, 3, 1]);

    let unknown = Uuid::from_u128(9);
    store.answer(&worker("one"), unknown, Answer::Done).await?;
    expect_eq!(store.answer_to(unknown).await, Ok(None));
    Ok(())
}

/// Whoever lists requests while others are left carries them out in their order, so none may be missing before another one.
pub(super) async fn requests_are_listed_with_all_that_were_left_before(
    store: &impl Store,
) -> CheckResult {
    create(store, new_saga("a")).await?;
    let left = AtomicBool::new(false);
    let leave = async {
        for n in 1..=40 {
            store.request(request(n, "a", 10)).await?;
        }
        left.store(true, Ordering::Relaxed);
        Ok(())
    };
    let list = async {
        loop {
            let is_last = left.load(Ordering::Relaxed);
            let listed = unanswered(store).await?;
            let expected = (1..=listed.len() as u128).collect::<Vec<_>>();
            expect_eq!(listed, expected);
            if is_last {
                return Ok(());
            }
            // a store may answer without ever waiting
            tokio::task::yield_now().await;
        }
    };
    let (left, listed): (CheckResult, CheckResult) = join(leave, list).await;
    left.and(listed)
}

pub(super) async fn requests_of_a_saga_come_with_their_answers(store: &impl Store) -> CheckResult {
    for name in ["a", "b"] {
        create(store, new_saga(name)).await?;
    }
    for (n, saga, at) in [(1, "a", 30), (2, "b", 10), (3, "a", 20)] {
        store.request(request(n, saga, at)).await?;
    }
    store.answer(&worker("one"), Uuid::from_u128(3), Answer::Done).await?;
    let found = store.requests_of(&id("a")).await?;
    let expected = [(request(3, "a", 20), Some(Answer::Done)), (request(1, "a", 30), None)];
    // a store need not keep them
    if !found.is_empty() {
        expect_eq!(found, expected);
    }
    expect_eq!(store.requests_of(&id("c")).await?, []);
    Ok(())
}

pub(super) async fn append_answers_requests(store: &impl Store) -> CheckResult {
    create(store, new_saga("a")).await?;
    for n in 1..=3 {
        store.request(request(n, "a", 10)).await?;
    }
    let [one, two, nine] = [1, 2, 9].map(Uuid::from_u128);
    let mut stale = append("a", 5, vec![SagaEntry::Paused.into()]);
    stale.answers = vec![(one, Answer::Done)];
    expect_eq!(store.append(stale).await, fenced("a"));
    expect_eq!(unanswered(store).await?, [1, 2, 3]);

    let nothing = Answer::NothingToDo { status: SagaStatus::Running };
    store.answer(&worker("one"), two, nothing.clone()).await?;
    let mut good = append("a", 2, vec![SagaEntry::Paused.into()]);
    good.answers = [one, two, nine].map(|id| (id, Answer::Done)).into();
    store.append(good).await?;
    expect_eq!(unanswered(store).await?, [3]);
    expect_eq!(store.answer_to(one).await, Ok(Some(Answer::Done)));
    expect_eq!(store.answer_to(two).await, Ok(Some(nothing)));
    expect_eq!(store.answer_to(nine).await, Ok(None));
    Ok(())
}

pub(super) async fn removing_a_saga_removes_its_requests(store: &impl Store) -> CheckResult {
    for name in ["a", "b", "c"] {
        let mut saga = new_saga(name);
        saga.record.status = SagaStatus::Completed;
        create(store, saga).await?;
    }
    for (n, name) in [(1, "a"), (2, "b"), (3, "c"), (4, "a")] {
        store.request(request(n, name, 10)).await?;
    }
    store.answer(&worker("one"), Uuid::from_u128(4), Answer::Done).await?;
    expect_eq!(store.delete(&id("a")).await, Ok(true));
    expect_eq!(unanswered(store).await?, [2, 3]);
    expect_eq!(store.answer_to(Uuid::from_u128(4)).await, Ok(None));
    let purge =
        Purge { ended_before: Timestamp(u64::MAX), statuses: Vec::new(), limit: usize::MAX };
    // whoever left a request was told that it will be carried out
    expect_eq!(store.purge(purge.clone()).await, Ok(0));
    expect_eq!(unanswered(store).await?, [2, 3]);
    store.answer(&worker("one"), Uuid::from_u128(2), Answer::Done).await?;
    expect_eq!(store.purge(Purge { limit: 1, ..purge.clone() }).await, Ok(1));
    expect_eq!(store.answer_to(Uuid::from_u128(2)).await, Ok(None));
    expect_eq!(unanswered(store).await?, [3]);
    store.answer(&worker("one"), Uuid::from_u128(3), Answer::Done).await?;
    expect_eq!(store.purge(purge).await, Ok(1));
    expect_eq!(ids(&store.list(ListFilter::default()).await?), [""; 0]);
    Ok(())
}

pub(super) async fn take_makes_the_worker_the_owner_in_any_status(
    store: &impl Store,
) -> CheckResult {
    expect_eq!(store.take(&worker("two"), &id("a")).await, Ok(None));
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
        create(store, saga).await?;
        let mut expected = load(store, name).await?.record;
        expected.owner = Some(worker("two"));
        expected.epoch = 2;
        expect_eq!(store.take(&worker("two"), &id(name)).await, Ok(Some(expected.clone())));
        expect_eq!(load(store, name).await?.record, expected);

        let zombie = append(name, 2, vec![about(NodeEntry::Started)]);
        expect_eq!(store.append(zombie.clone()).await, fenced(name));
        let mut owner = zombie;
        owner.owner = worker("two");
        owner.epoch = 2;
        owner.change.status = SagaStatus::RollingBack;
        store.append(owner).await?;
        let again = store.take(&worker("two"), &id(name)).await?;
        let again = again.map(|r| (r.epoch, r.status, r.next_seq));
        expect_eq!(again, Some((3, SagaStatus::RollingBack, 3)));
    }
    Ok(())
}

pub(super) async fn purge_removes_old_ended_sagas_in_batches(store: &impl Store) -> CheckResult {
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
        create(store, saga).await?;
    }
    let purge = async |before, statuses: &[SagaStatus], limit| {
        let statuses = statuses.to_vec();
        let gone = store.purge(Purge { ended_before: Timestamp(before), statuses, limit }).await?;
        let left = ids(&store.list(ListFilter::default()).await?).join("");
        Ok::<_, Violation>((gone, left))
    };
    let expect = |gone: u64, left: &str| (gone, left.to_string());
    expect_eq!(purge(10, &[], 9).await?, expect(0, "abcdefgh"));
    expect_eq!(purge(11, &[], 0).await?, expect(0, "abcdefgh"));
    expect_eq!(purge(99, &[Running, Failed, RollingBack], 9).await?, expect(0, "abcdefgh"));
    expect_eq!(purge(11, &[RolledBack, RolledBack], 9).await?, expect(1, "acdefgh"));
    expect_eq!(purge(11, &[], 1).await?.0, 1);
    expect_eq!(purge(11, &[], 9).await?, expect(1, "cdefg"));
    expect_eq!(purge(u64::MAX, &[], 9).await?, expect(1, "cdef"));
    expect_eq!(purge(u64::MAX, &[Stuck, Running], usize::MAX).await?, expect(1, "def"));
    expect_eq!(store.load(&id("a")).await, Ok(None));
    let again = new_saga("a");
    create(store, again.clone()).await?;
    expect_eq!(load(store, "a").await?.entries, again.entries);
    Ok(())
}

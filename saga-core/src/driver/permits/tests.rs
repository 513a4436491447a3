//! Tests: who is granted a permit, and when.

use std::time::Duration;

use super::*;
use crate::log::Timestamp;
use crate::store::{CallShares, SharedCalls, WorkerId};

fn id() -> SagaId {
    SagaId::generate()
}

fn granted(permits: &mut SagaPermits) -> Vec<VertexId> {
    let mut granted = Vec::new();
    permits.poll_granted(&mut Context::from_waker(Waker::noop()), &mut granted);
    granted
}

#[test]
fn sagas_take_turns() {
    let mut limits = CallLimits::default();
    limits.limit_all(2);
    let (mut wide, mut small, mut late) =
        (SagaPermits::default(), SagaPermits::default(), SagaPermits::default());
    (0..100).for_each(|v| wide.request(&id(), v, "a", &limits));
    small.request(&id(), 7, "b", &limits);
    assert_eq!((granted(&mut wide), granted(&mut small)), (vec![0, 1], vec![]));
    drop(wide.take(0));
    assert_eq!((granted(&mut wide), granted(&mut small)), (vec![2], vec![]));
    late.request(&id(), 8, "b", &limits);
    drop(wide.take(1));
    // the wide saga is behind it now
    assert_eq!((granted(&mut wide), granted(&mut small)), (vec![], vec![7]));
    drop(small.take(7));
    drop(wide.take(2));
    assert_eq!((granted(&mut wide), granted(&mut late)), (vec![3], vec![8]));
    drop(wide);
    small.request(&id(), 9, "a", &limits);
    assert_eq!(granted(&mut small), [9]);
    assert_eq!(limits.lock().all, Some(0));
    drop((small, late));
    let queues = limits.lock();
    assert_eq!((queues.all, queues.sagas.len()), (Some(2), 0));
}

#[test]
fn a_permit_is_lost_if_the_lease_ends_before_its_call_begins() {
    let mut limits = CallLimits::default();
    limits.limit_everywhere("a".into(), 3);
    limits.limit_action("b".into(), 3);
    let (me, now) = (WorkerId::from("me"), Timestamp(1));
    let terms = ShareTerms { idle: Duration::from_secs(3), turn: Duration::from_secs(1) };
    let mut there = CallShares::default();
    let mut look = || {
        let seen = SharedCalls { now, alive: vec![me.clone()], actions: Vec::new() };
        let plan = limits.plan_share((&me, "a"), terms, &seen, &there);
        let (change, planned) = plan.unwrap();
        assert!(there.change(change));
        limits.share_is_changed("a", &planned);
    };
    let mut saga = SagaPermits::default();
    saga.request(&id(), 0, "a", &limits);
    saga.request(&id(), 1, "b", &limits);
    assert_eq!(granted(&mut saga), [1], "it holds nothing yet");
    look();
    assert_eq!(granted(&mut saga), [0]);
    assert!(!saga.is_lost(0) && !saga.is_lost(1));
    // granted, but not picked up before the lease ends
    saga.request(&id(), 2, "a", &limits);
    look();
    limits.lapsed();
    assert_eq!(granted(&mut saga), [2]);
    assert!(saga.is_lost(0) && saga.is_lost(2) && !saga.is_lost(1));
    saga.release(0);
    saga.release(2);
    saga.request(&id(), 3, "a", &limits);
    look();
    assert_eq!(granted(&mut saga), [3]);
    assert!(!saga.is_lost(3));
}

#[test]
fn a_full_queue_delays_no_other() {
    let mut limits = CallLimits::default();
    limits.limit_all(3);
    limits.limit_action("a".into(), 1);
    let (mut x, mut y) = (SagaPermits::default(), SagaPermits::default());
    x.request(&id(), 0, "a", &limits);
    x.request(&id(), 1, "a", &limits);
    y.request(&id(), 0, "a", &limits);
    y.request(&id(), 1, "b", &limits);
    x.request(&id(), 2, "b", &limits);
    assert_eq!((granted(&mut x), granted(&mut y)), (vec![0, 2], vec![1]));
    // what is released, granted or not, goes to the next
    x.release(0);
    assert_eq!((granted(&mut x), granted(&mut y)), (vec![], vec![0]));
    x.release(1);
    y.release(0);
    y.release(1);
    x.release(2);
    let queues = limits.lock();
    assert_eq!(queues.all, Some(3));
    assert!(queues.queues.iter().all(|queue| queue.queued.is_empty() && queue.has_room()));
}

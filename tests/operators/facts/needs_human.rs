//! Which sagas need a human.

use super::*;
use saga_core::log::{EntryKind, NodeEntry};
use saga_core::operator::{HumanReason, NeedsHumanFilter};

fn needs_human(x: &Running, operator: &Operator) -> Vec<(String, HumanReason)> {
    let filter = NeedsHumanFilter::default();
    let page = x.process.until(operator.needs_human(filter)).unwrap();
    assert_eq!(page.next, None);
    page.sagas.into_iter().map(|found| (found.saga.id.to_string(), found.reason)).collect()
}

#[test]
fn what_is_stuck_comes_first_and_what_waits_for_a_time_is_left_out() {
    let x = Running::new(&[
        ("p", &[Do::Panics; 20]),
        ("c", &[Do::Fails]),
        ("undo a", &[Do::FailsForGood]),
    ]);
    x.start("stuck");
    x.rests("stuck");
    x.start_pivoted("parked");
    x.rests("parked");
    x.world.script("c", [Do::Waits]);
    x.start("hangs");
    x.process.until(x.world.hears("do c", 2));
    x.start("done");
    x.rests("done");
    x.world.script("a", [Do::Waits]);
    x.start("paused");
    x.process.until(x.alice.pause("paused")).unwrap();

    let stuck = ("stuck".to_string(), HumanReason::Stuck);
    let parked = ("parked".to_string(), HumanReason::Parked);
    assert_eq!(needs_human(&x, &x.alice), [stuck.clone(), parked.clone()]);
    x.sleeps(Duration::from_secs(400));
    let hangs = ("hangs".to_string(), HumanReason::NotProgressing);
    let all = [stuck, parked, hangs];
    assert_eq!(needs_human(&x, &x.alice), all);

    // a page at a time
    let mut filter = NeedsHumanFilter { limit: 1, ..NeedsHumanFilter::default() };
    let mut pages = Vec::new();
    loop {
        let page = x.process.until(x.alice.needs_human(filter)).unwrap();
        pages.extend(page.sagas.iter().map(|found| (found.saga.id.to_string(), found.reason)));
        let Some(next) = page.next else { break };
        // as it would come back from a link
        let after = Some(next.to_string().parse().unwrap());
        filter = NeedsHumanFilter { limit: 1, after, ..NeedsHumanFilter::default() };
    }
    assert_eq!(pages, all);
}

#[test]
fn a_saga_whose_log_is_corrupt_is_shown_as_such() {
    let x = Running::new(&[("c", &[Do::Waits])]);
    x.start("x");
    x.process.until(x.world.hears("do c", 1));
    let Running { world, store, process, .. } = x;
    drop(process);
    let entry = NodeEntry::UndoFinished;
    super::requests::write(&store, EntryKind::Node { node: "c".into(), attempt: 1, entry }, None);
    let process = Process::start(&world, &store, sagas);
    let alice = process.sec.operator("alice");
    let x = Running { world, store, process, alice };
    x.sleeps(Duration::from_secs(400));
    let page = x.process.until(x.alice.needs_human(NeedsHumanFilter::default())).unwrap();
    assert_eq!(page.sagas[0].reason, HumanReason::Corrupt, "{page:?}");
    assert!(page.sagas[0].because.starts_with("its log is corrupt"), "{page:?}");
}

#[test]
fn a_saga_that_no_worker_goes_on_with_is_shown() {
    // as another program would see it that knows none of the sagas
    let x = Running::new(&[("a", &[Do::Waits, Do::Waits])]);
    x.start("left");
    x.process.until(x.world.hears("do a", 1));
    let Running { world, store, process, .. } = x;
    drop(process);
    let knows_none = Process::start(&world, &store, |builder| builder);
    let operator = knows_none.sec.operator("alice");
    let page = knows_none.until(operator.needs_human(NeedsHumanFilter::default())).unwrap();
    assert_eq!(page.sagas.len(), 1);
    assert_eq!(page.sagas[0].reason, HumanReason::UnknownVersion);
    let fleet = knows_none.until(operator.fleet()).unwrap();
    assert_eq!(fleet.versions[0].known, Some(false));
    assert!(fleet.to_string().contains("not known to this program"), "{fleet}");
}

#[test]
fn a_saga_whose_time_has_come_and_that_nobody_wakes_is_shown() {
    use saga_core::log::{Entry, SagaEntry, Timestamp};
    use saga_core::store::{NewSaga, SagaRecord, Store, WorkerId};
    let x = Running::new(&[]);
    let now = x.alice.now();
    let later = |minutes: u64| Some(Timestamp(now.0 + minutes * 60_000));
    // of a version that the program does not know, so that it does not wake them either
    for (id, wake_at) in [("due", later(1)), ("not-yet", later(60)), ("event", None)] {
        let record = SagaRecord::new(id.parse().unwrap(), "Old", WorkerId::generate(), now);
        let record = SagaRecord { owner: None, suspended: true, wake_at, next_seq: 2, ..record };
        let kind =
            SagaEntry::Created { run_key: record.run_key, traceparent: None, starts_at: None }
                .into();
        let entries = vec![Entry { seq: 1, epoch: 1, at: now, kind }];
        x.process.until(x.store.create(NewSaga { record, entries })).unwrap();
    }
    assert_eq!(needs_human(&x, &x.alice), []);
    x.sleeps(Duration::from_secs(400));
    assert_eq!(needs_human(&x, &x.alice), [("due".to_string(), HumanReason::UnknownVersion)]);
}

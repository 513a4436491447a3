//! The wall clock is set forward and back (§9).

use super::*;

const HOUR: u64 = 3_600_000;

/// Waits for the second try of its only node, at a time of day; and when that try is due.
fn waiting(config: Config) -> (Bench, Timestamp) {
    let mut saga = Bench::off(plan(vec![tried("a", InputsOnly, 2, 1)], &[]), config, &[]);
    saga.now = Timestamp(100 * HOUR);
    saga.feed([Event::Created { run_key: Uuid::from_u128(1) }]);
    saga.fails_for_now("do a");
    let due = saga.wake.expect("it waits");
    assert!(saga.now < due && saga.calls().is_empty());
    (saga, due)
}

fn set(saga: &mut Bench, millis: i64) {
    saga.now.0 = saga.now.0.checked_add_signed(millis).unwrap();
    saga.feed([Event::ClockSet { millis }]);
}

/// It ends well, and its log goes forward.
fn ends(mut saga: Bench, due: Timestamp) {
    assert_eq!(saga.calls(), ["do a"]);
    saga.ok(&["do a"]);
    saga.ended(ENDED_WELL);
    let times = saga.log.iter().map(|entry| entry.at).collect::<Vec<_>>();
    assert!(times.is_sorted(), "{times:?}");
    let started =
        saga.log.iter().rfind(|entry| entry.node_entry() == Some(&NodeEntry::Started)).unwrap();
    assert!(started.at >= due, "no try is before its time, as the log has it");
}

#[test]
fn setting_the_clock_back_does_not_lengthen_a_wait() {
    let (mut saga, due) = waiting(Config::default());
    set(&mut saga, -(10 * HOUR as i64));
    assert_eq!(saga.wake, Some(Timestamp(due.0 - 10 * HOUR)));
    saga.wait();
    ends(saga, due);
}

#[test]
fn a_clock_set_back_between_two_processes_does_not_lengthen_a_wait() {
    let (mut saga, due) = waiting(Config::default());
    let wait = due.0 - saga.now.0;
    saga.now.0 -= 10 * HOUR;
    saga.crash_now();
    assert_eq!(saga.wake, Some(Timestamp(saga.now.0 + wait)));
    saga.wait();
    ends(saga, due);
}

#[test]
fn setting_the_clock_forward_ends_a_wait() {
    let (mut saga, due) = waiting(Config::default());
    set(&mut saga, HOUR as i64);
    ends(saga, due);
}

#[test]
fn setting_the_clock_back_and_forward_again_changes_no_wait() {
    let (mut saga, due) = waiting(Config::default());
    set(&mut saga, -(10 * HOUR as i64));
    set(&mut saga, 10 * HOUR as i64);
    assert_eq!((saga.wake, saga.calls()), (Some(due), vec![]));
    saga.wait();
    ends(saga, due);
}

#[test]
fn a_deadline_follows_the_wall_clock() {
    let deadline = Timestamp(100 * HOUR + 1);
    let (mut saga, _) = waiting(Config { deadline: Some(deadline), ..Config::default() });
    set(&mut saga, -(10 * HOUR as i64));
    // the try comes first now
    saga.wait();
    assert_eq!((saga.calls(), saga.wake), (vec!["do a"], Some(deadline)));
    saga.wait();
    assert_eq!(saga.machine.state().cause(), Some(&Cause::DeadlineExceeded));
}

#[test]
fn setting_the_clock_back_does_not_lengthen_the_abandon_time() {
    let mut saga = Bench::off(plan(actions(2, InputsOnly), &[]), Config::default(), &[]);
    saga.now = Timestamp(100 * HOUR);
    saga.feed([Event::Created { run_key: Uuid::from_u128(1) }]);
    saga.fails("do n0");
    assert_eq!(saga.wake, Some(Timestamp(100 * HOUR + 30_000)));
    set(&mut saga, -(10 * HOUR as i64));
    assert_eq!(saga.wake, Some(Timestamp(90 * HOUR + 30_000)));
    saga.wait();
    assert_eq!(saga.said, ["cancel", "drop n1"]);
}

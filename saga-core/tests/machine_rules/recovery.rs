//! Draining, parking, and coming back (§6, §7).

use super::*;

#[test]
fn draining_starts_nothing_new_and_another_process_goes_on() {
    let mut saga = Bench::new(plan(actions(3, Output), &[(0, 2)]));
    saga.feed([Event::Drain]);
    saga.ok(&["do n0"]);
    assert_eq!((saga.calls(), &saga.finish), (vec!["do n1"], &None));
    saga.ok(&["do n1"]);
    assert_eq!(saga.finish, Some(Finish::Drained));
    assert_eq!(saga.status(), Running);
    saga.crash_now();
    saga.ok(&["do n2"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn draining_does_not_unwind_either() {
    let mut saga = Bench::new(plan(actions(3, Output), &[]));
    saga.ok(&["do n0"]);
    saga.feed([Event::Drain]);
    saga.fails("do n1");
    saga.ok(&["do n2"]);
    assert_eq!((&saga.finish, saga.status()), (&Some(Finish::Drained), RollingBack));
    assert_eq!(saga.words().last().unwrap(), "n2 succeeded");
    saga.crash_now();
    saga.ok(&["undo n2", "undo n0"]);
    saga.ended(RolledBack);
}

#[test]
fn what_asks_to_drain_while_choices_are_made_is_heard_before_undos_start() {
    let nodes = vec![
        action("a", Output),
        node("m", PlanKind::Choose(vec![])),
        node("xs", each(inline_action(Output))),
    ];
    let mut saga = Bench::new(plan(nodes, &[(0, 1), (0, 2)]));
    let vertex = saga.call("do a").vertex;
    let done = Event::ActionDone { vertex, result: ActionResult::Ok(Default::default()) };
    let effects = saga.machine.step(saga.now, done);
    let [Effect::Choose(first), Effect::Choose(_)] = effects[..] else { panic!("{effects:?}") };
    assert_eq!(saga.machine.step(saga.now, Event::Drain), []);
    let no = Event::Chosen { vertex: first, choice: Err(failure(false)) };
    let effects = saga.machine.step(saga.now, no);
    let [Effect::Append { entries: batch, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(batch.last().unwrap().kind.name(), "unwinding");
}

#[test]
fn a_parked_saga_stands_still() {
    let all = plan(vec![action("n", Output), action("other", Output)], &[]);
    let mut saga = Bench::new(all.clone());
    saga.ok(&["do n"]);
    saga.fails("do other");
    let mut log = saga.log.clone();
    let last = log.last().unwrap().clone();
    let parked = EntryKind::Parked { reason: "a missing key".into() };
    log.push(Entry { kind: parked, node: None, seq: last.seq + 1, attempt: 0, ..last });
    let last = log.last().unwrap().clone();
    let saga = Bench::recovered(all.clone(), &log);
    let parked = Finish::Parked { reason: "a missing key".into() };
    assert_eq!((saga.calls(), &saga.finish, saga.appends), (vec![], &Some(parked), 0));
    log.push(Entry { kind: EntryKind::Unparked, node: None, seq: last.seq + 1, ..last });
    let mut saga = Bench::recovered(all, &log);
    saga.ok(&["undo n"]);
    saga.ended(RolledBack);
}

#[test]
fn backoff_survives_a_crash() {
    let mut saga = Bench::new(chain(vec![tried("n", Output, 2, 1)]));
    saga.fails_for_now("do n");
    let wake = saga.wake.unwrap();
    assert!(wake > saga.now);
    saga.crash_now();
    assert_eq!((saga.calls(), saga.wake), (vec![], Some(wake)));
    saga.wait();
    // the last try
    saga.fails_for_now("do n");
    saga.ended(RolledBack);
}

#[test]
fn jitter_is_the_same_on_every_machine() {
    let wakes = [(); 2].map(|()| {
        let mut saga = Bench::new(chain(vec![tried("n", Output, 2, 1)]));
        saga.fails_for_now("do n");
        let first = saga.wake;
        // the process dies before `retry_scheduled` is on disk
        saga.crash(3);
        (first, saga.wake)
    });
    assert_eq!(wakes[0], wakes[1]);
    assert_eq!(wakes[0].0, wakes[0].1);
}

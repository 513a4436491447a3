//! Draining, parking and recovering (§6, §7).

use super::*;

#[test]
fn draining_starts_nothing_and_another_process_resumes() {
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
fn a_drain_during_choices_takes_effect_before_undos_start() {
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
fn a_parked_saga_does_nothing() {
    let all = plan(vec![action("n", Output), action("other", Output)], &[]);
    let mut saga = Bench::new(all.clone());
    saga.ok(&["do n"]);
    saga.fails("do other");
    let mut log = saga.log.clone();
    let last = log.last().unwrap().clone();
    let parked = SagaEntry::Parked { reason: "a missing key".into() };
    log.push(Entry { kind: parked.into(), seq: last.seq + 1, ..last });
    let last = log.last().unwrap().clone();
    let saga = Bench::recovered(all.clone(), &log);
    let parked = Finish::Parked { reason: "a missing key".into() };
    assert_eq!((saga.calls(), &saga.finish, saga.appends), (vec![], &Some(parked), 0));
    log.push(Entry { kind: SagaEntry::Unparked.into(), seq: last.seq + 1, ..last });
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

/// However often the process died in the middle: `max` counts attempts that came to an end.
#[test]
fn a_cut_off_attempt_does_not_count_as_a_try() {
    let mut saga = Bench::new(chain(vec![tried("n", NoUndo, 2, 2)]));
    for _ in 0..3 {
        saga.crash_now();
    }
    saga.fails_for_now("do n");
    saga.crash_now();
    saga.wait();
    saga.crash_now();
    // the second try, begun for the second time
    assert_eq!(saga.calls(), ["do n"]);
    saga.fails_for_now("do n");
    saga.ended(RolledBack);
}

#[test]
fn a_cut_off_undo_or_output_lookup_does_not_count_as_a_try() {
    let mut saga =
        Bench::new(plan(vec![tried("n", InputsOnly, 1, 2), action("bad", NoUndo)], &[(0, 1)]));
    saga.ok(&["do n"]);
    saga.fails("do bad");
    for _ in 0..3 {
        saga.crash_now();
    }
    saga.undo_fails("undo n", true);
    saga.wait();
    saga.ok(&["undo n"]);
    saga.ended(RolledBack);

    let mut saga = Bench::new(plan(vec![tried("n", Output, 1, 2), action("bad", NoUndo)], &[]));
    saga.crash_now();
    saga.fails("do bad");
    saga.in_doubt("do n");
    for _ in 0..3 {
        saga.crash_now();
    }
    saga.fails_for_now("redo n");
    saga.wait();
    saga.ok(&["redo n", "undo n"]);
    saga.ended(RolledBack);
}

/// One that was running when its process died says so before it goes on, and that it has lived long enough.
#[test]
fn a_saga_suspected_of_crashing_is_watched_from_its_first_call() {
    let watch = |ms| Watch { crashes: 1, alone: true, window: Duration::from_millis(ms) };
    let mut saga = Bench::new(plan(actions(2, Output), &[(0, 1)]));
    saga.recover();
    saga.feed([Event::Watch(watch(20)), Event::Recovered]);
    assert_eq!(saga.words()[2..], ["suspected", "n0 started"]);
    assert_eq!((saga.calls(), saga.wake), (vec!["do n0"], Some(saga.now.after(watch(20).window))));
    saga.wait();
    assert_eq!(saga.words()[4..], ["cleared"]);
    saga.ok(&["do n0", "do n1"]);
    saga.ended(ENDED_WELL);

    // one that gets on has nothing to show
    let mut saga = Bench::new(plan(actions(2, Output), &[(0, 1)]));
    saga.recover();
    saga.feed([Event::Watch(watch(20)), Event::Recovered]);
    saga.ok(&["do n0"]);
    saga.now = saga.now.after(Duration::from_secs(1));
    saga.feed([Event::Tick]);
    saga.ok(&["do n1"]);
    saga.ended(ENDED_WELL);
    assert!(!saga.words().contains(&"cleared".to_string()));
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

/// When the first retry of a saga's only node comes; `others` nodes are declared before it.
fn first_retry(others: u32) -> u64 {
    let mut nodes = actions(others, Output);
    nodes.push(tried("a", Output, 3, 1));
    let mut saga = Bench::new(plan(nodes, &[]));
    let now = saga.now;
    saga.fails_for_now("do a");
    saga.wake.expect("a retry").0 - now.0
}

#[test]
fn retries_of_different_nodes_come_at_different_times() {
    let waits = (0..8).map(first_retry).collect::<std::collections::BTreeSet<_>>();
    assert!(waits.len() > 4, "{waits:?}");
    // the default: up to a half of it is left to chance
    assert!(waits.iter().all(|wait| (50..=100).contains(wait)), "{waits:?}");
}

#[test]
fn waits_grow_by_the_factor_up_to_the_cap() {
    let retry = Retry::up_to(9).base(Duration::from_millis(100)).factor(2.0);
    let retry = retry.cap(Duration::from_secs(1)).jitter(0.0);
    let waits = |retry: Retry, dice| {
        (1..=5).map(|tries| retry.delay_after(tries, dice).as_millis()).collect::<Vec<_>>()
    };
    assert_eq!(waits(retry, 0), [100, 200, 400, 800, 1000]);
    assert_eq!(waits(retry, u64::MAX), [100, 200, 400, 800, 1000], "no jitter, no dice");
    assert_eq!(waits(retry.factor(1.0), 0), [100; 5]);
    // all of the jitter, and none of it
    assert_eq!(waits(retry.jitter(0.5), 0), [100, 200, 400, 800, 1000]);
    assert_eq!(waits(retry.jitter(0.5), u64::MAX), [50, 100, 200, 400, 500]);
    assert_eq!(waits(retry.jitter(1.0), 1 << 63), [50, 100, 200, 400, 500]);
}

#[test]
fn the_second_wait_is_twice_the_first() {
    // without jitter, as the machine asks for it
    let mut policy = crate::simulation::plans::policy(Output, 4, 1);
    policy.retry = policy.retry.jitter(0.0);
    policy.undo_retry = Retry::up_to(4).base(Duration::from_millis(10)).jitter(0.0);
    let mut saga = Bench::new(chain(vec![node("a", PlanKind::Action(policy))]));
    let mut waits = Vec::new();
    let mut note = |saga: &mut Bench| {
        waits.push(saga.wake.expect("something to wait for").0 - saga.now.0);
        saga.wait();
    };
    for _ in 0..3 {
        saga.in_doubt("do a");
        note(&mut saga);
    }
    saga.in_doubt("do a");
    // the same for reruns, and for undos
    for _ in 0..3 {
        saga.fails("redo a");
        note(&mut saga);
    }
    saga.ok(&["redo a"]);
    for _ in 0..3 {
        saga.undo_fails("undo a", true);
        note(&mut saga);
    }
    assert_eq!(waits, [100, 200, 400, 10, 20, 40, 10, 20, 40]);
}

/// Whoever takes a saga over may find a reason to park it, and bring an operator's request as well.
#[test]
fn a_saga_that_is_parked_or_has_ended_is_not_parked_again() {
    let park = || Event::Park { reason: "it crashes".into() };
    let taken_over = |saga: &mut Bench, command| {
        let (id, request) = saga.request(command);
        let recovered = Machine::recover(saga.plan.clone(), saga.config, 9, &saga.log);
        (saga.machine, saga.finish) = (recovered.unwrap(), None);
        saga.feed([park(), request]);
        assert_eq!(saga.answers[&id], Answer::Done);
    };
    let mut saga = Bench::new(chain(actions(2, Output)));
    saga.ok(&["do n0"]);
    saga.crash_now();
    saga.feed([park()]);
    saga.ok(&["do n1"]);
    assert!(matches!(saga.finish, Some(Finish::Parked { .. })));
    taken_over(&mut saga, Command::Unpark);
    saga.ended(ENDED_WELL);
    taken_over(&mut saga, operators::rollback());
    saga.ok(&["undo n1", "undo n0"]);
    saga.ended(RolledBack);
    assert_eq!(saga.words().iter().filter(|word| *word == "parked").count(), 1);
}

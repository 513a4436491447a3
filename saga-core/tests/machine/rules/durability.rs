//! Which entries are durable before which calls, and how many appends that costs (§3).

use super::*;

#[test]
fn a_chain_of_n_costs_n_plus_one_appends() {
    for n in [1, 2, 7] {
        let mut saga = Bench::new(chain(actions(n, Output)));
        for i in 0..n {
            saga.ok(&[&format!("do n{i}")]);
        }
        saga.ended(ENDED_WELL);
        assert_eq!(saga.appends as u32, n + 1);
        assert_eq!(saga.machine.state().next_seq(), saga.log.len() as u64 + 1);
    }
}

#[test]
fn an_undo_costs_one_append_more() {
    let mut saga = Bench::new(chain(actions(4, Output)));
    saga.ok(&["do n0", "do n1", "do n2"]);
    saga.fails("do n3");
    assert_eq!(saga.appends, 5);
    saga.ok(&["undo n2", "undo n1", "undo n0"]);
    saga.ended(RolledBack);
    assert_eq!(saga.appends, 5 + 3);
}

#[test]
fn a_retry_costs_two_appends_more_and_is_durable_before_the_call() {
    let mut saga = Bench::new(chain(vec![tried("a", Output, 3, 1), action("b", Output)]));
    saga.fails_for_now("do a");
    assert_eq!(saga.calls(), NO_CALLS);
    assert_eq!(saga.words(), ["created", "a started", "a failed", "a retry_scheduled"]);
    saga.wait();
    assert_eq!(saga.words()[4], "a started");
    assert_eq!((saga.call("do a").attempt, saga.call("do a").seq), (2, 5));
    saga.ok(&["do a", "do b"]);
    saga.ended(ENDED_WELL);
    assert_eq!(saga.appends, 3 + 2);
}

#[test]
fn no_call_goes_out_before_its_append_is_durable() {
    let mut saga = Bench::new(chain(actions(2, Output)));
    let n0 = saga.call("do n0").vertex;
    let done = Event::ActionDone { vertex: n0, result: ActionResult::Ok(Default::default()) };
    let effects = saga.machine.step(saga.now, done);
    assert!(matches!(effects.as_slice(), [Effect::Append { .. }]), "{effects:?}");
    // a second answer to an append that nobody asked for changes nothing
    let effects = saga.machine.step(saga.now, Event::Appended);
    assert!(matches!(effects.as_slice(), [Effect::RunAction(_)]), "{effects:?}");
    assert_eq!(saga.machine.step(saga.now, Event::Appended), []);
}

#[test]
fn a_value_is_computed_from_an_output_before_the_append_that_has_it() {
    let mut saga = Bench::new(chain(vec![action("a", Output), node("sum", PlanKind::Value)]));
    let a = saga.call("do a").vertex;
    let done = Event::ActionDone { vertex: a, result: ActionResult::Ok(Default::default()) };
    let effects = saga.machine.step(saga.now, done);
    let [Effect::Compute(sum)] = effects[..] else { panic!("{effects:?}") };
    // the output is read from there
    let unwritten = |saga: &Bench| {
        let entries = saga.machine.unwritten().iter();
        entries.map(|entry| entry.kind.name()).collect::<Vec<_>>()
    };
    assert_eq!(unwritten(&saga), ["succeeded"]);
    let value = Ok(Default::default());
    let effects = saga.machine.step(saga.now, Event::Computed { vertex: sum, value });
    assert!(matches!(effects.as_slice(), [Effect::Append { entries, .. }] if entries.len() == 3));
    assert_eq!(unwritten(&saga), [""; 0]);
}

#[test]
fn a_failed_append_stops_everything_and_drops_only_what_went_out() {
    let mut saga = Bench::new(plan(actions(3, Output), &[(0, 2)]));
    let (n0, n1) = (saga.call("do n0").vertex, saga.call("do n1").vertex);
    let done = Event::ActionDone { vertex: n0, result: ActionResult::Ok(Default::default()) };
    saga.machine.step(saga.now, done);
    let effects = saga.machine.step(saga.now, Event::AppendFailed);
    assert_eq!(effects, [Effect::DropCall(n1), Effect::Finish(Finish::Failed)]);
    assert_eq!(saga.machine.step(saga.now, Event::Appended), []);
    assert_eq!(saga.machine.step(saga.now, Event::Tick), []);
}

#[test]
fn no_effects_follow_the_end() {
    let mut saga = Bench::new(chain(actions(1, Output)));
    saga.ok(&["do n0"]);
    saga.ended(ENDED_WELL);
    for event in [Event::Tick, Event::Drain, Event::Recovered, Event::Appended] {
        assert_eq!(saga.machine.step(saga.now, event), []);
    }
    saga.crash_now();
    saga.ended(ENDED_WELL);
    assert_eq!(saga.appends, 0);
}

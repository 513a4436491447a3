//! What is known about one saga, and the one fact that it waits for.

use super::*;
use saga_core::log::{Cause, Timestamp};
use saga_core::operator::{Decision, Fault, NeedsHumanFilter, SagaFacts, SagaView, WaitsFor};
use saga_core::store::WorkerId;
use saga_core::{ActionState, NodeReport};

fn facts(x: &Running, id: &str) -> SagaFacts {
    x.process.until(x.alice.inspect(id)).unwrap()
}

/// What an operator in another process sees.
fn facts_from_outside(x: &Running, id: &str) -> SagaFacts {
    x.process.until(x.attached().inspect(id)).unwrap()
}

#[test]
fn a_call_in_flight_is_what_a_saga_waits_for() {
    let x = Running::new(&[("b", &[Do::Waits])]);
    x.start("x");
    x.process.until(x.world.hears("do b", 1));
    x.sleeps(Duration::from_secs(12));
    let why = x.process.until(x.alice.why("x")).unwrap();
    assert_eq!(why.to_string(), "`b` has been running for 12 s (attempt 1)");
    assert!(matches!(why.fact, WaitsFor::Call { undo: false, others: 0, .. }), "{why:?}");
    let json = serde_json::to_value(&why).unwrap();
    assert_eq!((&json["waits_for"], &json["node"]), (&"call".into(), &"b".into()));
}

#[test]
fn a_retry_is_told_with_its_number_its_time_and_the_last_error() {
    let x = Running::new(&[("a", &[Do::Fails; 2])]);
    x.start("x");
    x.process.until(x.world.hears("do a", 2));
    x.process.until(async { tokio::task::yield_now().await });
    let why = x.process.until(x.alice.why("x")).unwrap();
    let WaitsFor::Retry { attempt, of, at, .. } = why.fact else { panic!("{why}") };
    assert_eq!((attempt, of), (3, Some(3)));
    let time = at.to_string();
    let time = time.split('T').nth(1).and_then(|time| time.split('.').next()).unwrap();
    let expected = format!("attempt 3 of 3 of `a` is due at {time} UTC: a failed");
    assert!(why.sentence == expected || why.sentence.contains(" 00:00:"), "{why}");
    // whoever does not know the definition does not know how many there are
    let outside = facts_from_outside(&x, "x");
    assert!(outside.why.sentence.starts_with("attempt 3 of `a` is due at "), "{}", outside.why);
}

#[test]
fn a_parked_a_paused_and_an_ended_saga_say_so() {
    let x = Running::new(&[("p", &[Do::Panics; 20])]);
    x.start_pivoted("parked");
    x.rests("parked");
    assert!(facts(&x, "parked").why.sentence.starts_with("parked: "));
    x.world.script("a", [Do::Fails]);
    x.start("paused");
    x.process.until(x.alice.pause("paused")).unwrap();
    x.sleeps(Duration::from_secs(3600));
    assert_eq!(facts(&x, "paused").why.sentence, "paused by alice 1 h 0 min ago");
    x.start("done");
    x.rests("done");
    assert!(facts(&x, "done").why.sentence.starts_with("completed "));
    let none = x.process.until(x.alice.inspect("nobody")).unwrap_err();
    assert_eq!(none.to_string(), "there is no saga nobody");
}

#[test]
fn a_saga_whose_worker_is_gone_says_so() {
    let x = Running::new(&[("b", &[Do::Waits])]);
    x.start("x");
    x.process.until(x.world.hears("do b", 1));
    let id = "x".parse().unwrap();
    // as a worker would that dies right after
    x.process.until(x.store.take(&WorkerId::from("w-7"), &id)).unwrap();
    let facts = facts(&x, "x");
    assert_eq!(facts.why.sentence, "its worker w-7 is gone");
    assert_eq!(facts.owner.unwrap().alive, Some(false));
    // from outside nobody can tell
    let outside = facts_from_outside(&x, "x");
    assert_eq!(outside.owner.unwrap().alive, None);
    assert_eq!(outside.why.sentence, "owned by worker w-7");
}

#[test]
fn what_remains_and_what_may_remain_comes_with_keys_attempts_times_and_errors() {
    // `c` is run again to find out what there is to undo, and that never tells
    let x = Running::new(&[("c", &[Do::Panics; 20]), ("a", &[Do::Fails, Do::Works])]);
    x.start("x");
    x.rests("x");
    for facts in [facts(&x, "x"), facts_from_outside(&x, "x")] {
        let remains = facts.remaining_effects().collect::<Vec<_>>();
        let may = facts.possible_effects().collect::<Vec<_>>();
        assert_eq!((remains.len(), may.len()), (1, 1), "{facts}");
        let (a, c) = (remains[0], may[0]);
        assert_eq!((a.node.as_str(), c.node.as_str()), ("a", "c"));
        // what comes before a failed undo is not undone
        assert_eq!((a.attempts, a.undo_attempts), (2, 0));
        assert_eq!(a.action.as_ref().map(|action| action.as_str()), Some("plain"));
        assert_eq!(a.error, None);
        assert!(c.undo_error.as_ref().unwrap().contains("c panicked") && c.in_doubt, "{c:?}");
        assert!(a.started_at.unwrap() < a.ended_at.unwrap());
        assert!(a.ended_at.unwrap() <= c.started_at.unwrap());
        // the world knows effects by the keys of the actions
        let keys = x.world.effect_keys();
        assert!(keys.contains(&a.action_key.to_string()), "{keys:?}");
        assert!(keys.contains(&c.action_key.to_string()), "{keys:?}");
        assert_ne!(a.action_key, a.undo_key);
        assert!(facts.why.sentence.starts_with("stuck: "));
        assert!(facts.to_string().contains(&format!("action key {}", a.action_key)), "{facts}");
        assert_eq!(facts.timeline[0].node.as_str(), "a");
        assert_eq!(facts.timeline[0].error.as_deref(), Some("a failed"));
        let json = serde_json::to_value(&facts).unwrap();
        assert_eq!(json["nodes"][0]["state"], "completed");
        assert_eq!(json["nodes"][2]["state"], "undo_failed");
        assert_eq!(json["why"]["waits_for"], "repair");
    }
    let view: SagaView = x.process.until(x.attached().view("x")).unwrap();
    let report = |node: &NodeReport| (node.node.to_string(), node.state);
    assert!(view.nodes.iter().map(report).any(|of| of == ("c".into(), ActionState::UndoFailed)));
}

#[test]
fn while_a_saga_goes_forward_what_is_in_flight_may_remain() {
    let x = Running::new(&[("c", &[Do::Waits])]);
    x.start("x");
    x.process.until(x.world.hears("do c", 1));
    let facts = facts(&x, "x");
    let names = |nodes: Vec<&saga_core::operator::NodeFacts>| {
        nodes.into_iter().map(|node| node.node.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(facts.remaining_effects().collect()), ["a"]);
    assert_eq!(names(facts.possible_effects().collect()), ["c"]);
    assert!(facts.at >= facts.saga.created_at && facts.at > Timestamp(0));
}

#[test]
fn an_undo_that_failed_is_told_with_its_attempts_and_its_error() {
    let x = Running::new(&[("c", &[Do::Fails]), ("undo a", &[Do::Fails, Do::FailsForGood])]);
    x.start("x");
    x.rests("x");
    for facts in [facts(&x, "x"), facts_from_outside(&x, "x")] {
        assert_eq!(
            facts.why.sentence,
            "stuck: the undo of `a` failed: undo of a failed; the rollback began because node `c` failed: c failed"
        );
        let WaitsFor::Repair { node: Some(node), undo: true, error: Some(error), others: 0 } =
            facts.why.fact
        else {
            panic!("{:?}", facts.why);
        };
        assert_eq!((node.as_str(), error.as_str()), ("a", "undo of a failed"));
    }
    let facts = facts(&x, "x");
    let a = facts.remaining_effects().next().unwrap();
    assert_eq!((a.node.as_str(), a.state), ("a", ActionState::UndoFailed));
    assert_eq!((a.attempts, a.undo_attempts), (1, 2), "{a:?}");
    assert_eq!(a.undo_error.as_deref(), Some("undo of a failed"));
    assert!(a.undo_started_at.unwrap() < a.undo_ended_at.unwrap());
    assert_eq!(facts.timeline.iter().filter(|attempt| attempt.undo).count(), 2);
}

#[test]
fn a_list_also_says_first_which_undo_failed() {
    let x = Running::new(&[("c", &[Do::Waits]), ("undo a", &[Do::FailsForGood])]);
    x.start("x");
    x.process.until(x.world.hears("do c", 1));
    x.process.until(x.alice.cancel("x", "the customer called")).unwrap();
    x.rests("x");
    let sentence = "the undo of `a` failed: undo of a failed; the rollback began because it was cancelled: the customer called";
    let listed = x.process.until(x.alice.list(SagaFilter::default())).unwrap();
    assert_eq!(listed[0].error.as_deref(), Some(sentence));
    let human = x.process.until(x.attached().needs_human(NeedsHumanFilter::default())).unwrap();
    assert_eq!(human.sagas[0].because, format!("stuck: {sentence}"));
    assert_eq!(facts(&x, "x").why.sentence, format!("stuck: {sentence}"));
}

#[test]
fn of_several_undos_that_failed_the_first_is_told_and_how_many_there_are() {
    let x = Running::new(&[
        ("undo l", &[Do::FailsForGood]),
        ("undo r", &[Do::FailsForGood]),
        ("last", &[Do::Fails]),
    ]);
    x.process.until(x.process.sec.saga(Beside {}).id("x").start()).unwrap();
    x.rests("x");
    let why = "the undo of `l` (and 1 more) failed: undo of l failed; the rollback began because node `last` failed: last failed";
    assert_eq!(facts(&x, "x").why.sentence, format!("stuck: {why}"));
    x.process.until(x.alice.resolve("x", "l", "by hand")).unwrap();
    x.rests("x");
    let why = "the undo of `r` failed: undo of r failed; the rollback began because node `last` failed: last failed";
    assert_eq!(facts(&x, "x").why.sentence, format!("stuck: {why}"));
}

#[test]
fn a_saga_that_is_stuck_after_its_pivot_says_which_node_failed() {
    let x = Running::new(&[("a", &[Do::Fails])]);
    let start = x.process.sec.saga(Beyond {}).id("x").start();
    let handle = x.process.until(start).unwrap();
    x.process.until(x.world.hears("do a", 1));
    x.process.until(x.alice.inject("x", "z", Fault::Error)).unwrap();
    x.rests("x");
    for facts in [facts(&x, "x"), facts_from_outside(&x, "x")] {
        let why = "`z` failed after the pivot, where no saga rolls back: error injected";
        assert_eq!(facts.why.sentence, format!("stuck: {why}"));
        assert_eq!(facts.saga.error.as_deref(), Some(why));
        assert_eq!(facts.cause, None);
        let WaitsFor::Repair { node: Some(node), undo: false, .. } = facts.why.fact else {
            panic!("{:?}", facts.why);
        };
        assert_eq!(node.as_str(), "z");
    }
    let Err(SagaError::Stuck(report)) = x.process.until(async { handle.await }) else {
        panic!("it is not stuck")
    };
    assert_eq!(report.cause, Cause::Failed { node: "z".into() });
    let shown = SagaError::Stuck(report).to_string();
    assert_eq!(shown, "saga x is stuck: node `z`: error injected; effects that remain: `a`");
}

#[test]
fn a_pivot_may_have_taken_effect_while_it_is_in_flight_or_in_doubt_though_nothing_undoes_it() {
    let x = Running::new(&[("p", &[Do::Waits])]);
    x.start_pivoted("flies");
    x.process.until(x.world.hears("do p", 1));
    x.world.script("p", [Do::Panics; 20]);
    x.start_pivoted("doubt");
    x.rests("doubt");
    for id in ["flies", "doubt"] {
        for facts in [facts(&x, id), facts_from_outside(&x, id)] {
            let may = facts.possible_effects().map(|node| node.node.as_str()).collect::<Vec<_>>();
            assert_eq!(may, ["p"], "{facts}");
            let p = facts.possible_effects().next().unwrap();
            assert!(p.pivot && !p.has_undo, "{p:?}");
            // nothing is known to have gone wrong with a call in flight
            assert_eq!((p.in_doubt, p.call.is_some()), (id == "doubt", id == "flies"), "{p:?}");
            assert!(facts.to_string().contains("may remain: `p`"), "{facts}");
        }
    }
    // somebody has found out
    x.process
        .until(x.alice.decide("doubt", "p", Decision::Failed, "the bank knows nothing"))
        .unwrap();
    x.rests("doubt");
    assert_eq!(facts(&x, "doubt").possible_effects().count(), 0);
}

#[test]
fn calls_of_a_process_that_died_are_cut_off_and_not_in_flight() {
    // the second process takes the saga over, and its store does not let it write yet
    let x = Running::new(&[("b", &[Do::Waits, Do::Works])]);
    x.start("x");
    x.process.until(x.world.hears("do b", 1));
    let id = "x".parse().unwrap();
    let other = WorkerId::from("w-7");
    x.process.until(x.store.take(&other, &id)).unwrap();
    let outside = facts_from_outside(&x, "x");
    assert_eq!(outside.why.sentence, "owned by worker w-7");
    let b = outside.timeline.last().unwrap();
    assert!(b.node == "b" && b.cut_off && b.ended_at.is_none(), "{b:?}");

    // once it has gone on, both attempts are told
    let Running { world, store, process, .. } = x;
    drop(process);
    let process = Process::start(&world, &store, sagas);
    let alice = process.sec.operator("alice");
    process.until(async {
        while !alice.inspect("x").await.unwrap().saga.state.is_ended() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let facts = process.until(alice.inspect("x")).unwrap();
    let of_b = facts.timeline.iter().filter(|attempt| attempt.node == "b");
    let cut_off = of_b.map(|attempt| (attempt.attempt, attempt.cut_off)).collect::<Vec<_>>();
    assert_eq!(cut_off, [(1, true), (2, false)]);
}

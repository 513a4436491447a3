//! Sagas that go on under another version: which may, and what they bring along.

use saga_core::log::{Payload, since_migration};
use saga_core::machine::{Fate, Ineligible, Mapping};

use super::*;

pub(super) fn same(node: u32) -> Fate {
    Fate::Becomes { node, same_parts: true }
}

/// The saga is migrated while no call is in flight, and another process takes it over.
pub(super) fn migrate(
    saga: &mut Bench,
    to: &Arc<Plan>,
    fates: &[Fate],
) -> Result<Vec<String>, Ineligible> {
    let state = SagaState::fold(saga.plan.clone(), &saga.log).unwrap();
    let convert = |node: u32, output: &Payload| {
        let text = String::from_utf8_lossy(output.as_bytes());
        if text == "do bad" {
            return Err("it is bad".to_string());
        }
        Ok(Payload::from(format!("{text}, once node {node}").as_bytes()))
    };
    let mapping = Mapping { plan: to, fates, versions: (1, 2, "f1"), convert: &convert };
    let kinds = state.migrate(&saga.log, &mapping)?;
    let (next, at) = (state.next_seq(), saga.now);
    let entries = (next..).zip(kinds).map(|(seq, kind)| Entry { seq, epoch: 9, at, kind });
    saga.log.extend(entries);
    saga.plan = to.clone();
    let told = since_migration(&saga.log).len();
    let words = saga.words();
    saga.crash_now();
    Ok(words[words.len() - told..].to_vec())
}

fn output(saga: &Bench, path: &str) -> String {
    let outputs = saga.log.iter().rev().filter(|entry| entry.node().is_some_and(|n| *n == *path));
    let last = outputs.filter_map(|entry| match entry.node_entry() {
        Some(NodeEntry::Succeeded(output)) => Some(output.clone()),
        _ => None,
    });
    String::from_utf8(last.take(1).collect::<Vec<_>>()[0].as_bytes().to_vec()).unwrap()
}

pub(super) fn names(names: &[&str]) -> Arc<Plan> {
    chain(names.iter().map(|name| tried(name, Output, 3, 3)).collect())
}

#[test]
fn what_is_done_is_told_in_the_words_of_the_new_version() {
    let mut saga = Bench::new(names(&["a", "b", "c"]));
    saga.ok(&["do a", "do b"]);
    saga.fails_for_now("do c");
    let to = names(&["x", "b", "c", "d"]);
    let told = migrate(&mut saga, &to, &[same(0), same(1), same(2)]).unwrap();
    let expected = [
        "x started",
        "x succeeded",
        "b started",
        "b succeeded",
        "c started",
        "c failed",
        "c retry_scheduled",
    ];
    assert_eq!(told, expected);
    assert_eq!(
        (output(&saga, "x"), output(&saga, "b")),
        ("do a, once node 0".into(), "do b, once node 1".into())
    );
    // it waits for its second try, and has three
    assert_eq!(saga.calls(), NO_CALLS);
    saga.wait();
    assert_eq!(saga.call("do c").attempt, 2);
    saga.ok(&["do c"]);
    saga.fails("do d");
    saga.ok(&["undo c", "undo b", "undo x"]);
    saga.ended(RolledBack);
}

#[test]
fn nothing_is_migrated_on_its_way_back_or_behind_its_pivot_or_at_its_end() {
    let to = names(&["n0", "n1", "n2"]);
    let all = [same(0), same(1), same(2)];
    let mut saga = Bench::new(names(&["n0", "n1", "n2"]));
    saga.ok(&["do n0"]);
    saga.fails("do n1");
    assert_eq!(migrate(&mut saga, &to, &all), Err(Ineligible::RollingBack));
    saga.ok(&["undo n0"]);
    assert_eq!(migrate(&mut saga, &to, &all), Err(Ineligible::Ended));
    saga.ended(RolledBack);

    let mut saga = pivotal(2);
    saga.ok(&["do a"]);
    let busy = Ineligible::InDoubt { node: "p".into() };
    assert_eq!(migrate(&mut saga, &to, &all), Err(busy));
    saga.ok(&["do p"]);
    assert_eq!(migrate(&mut saga, &to, &all), Err(Ineligible::PastPivot { pivot: "p".into() }));
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn a_pivot_that_has_failed_before_is_still_the_pivot() {
    let mut saga = pivotal(2);
    saga.ok(&["do a"]);
    saga.fails_for_now("do p");
    let nodes = vec![action("a", Output), action("q", Output), tried("z", Output, 2, 2)];
    let to = |pivot| Arc::new(Plan::new(nodes.clone(), &[(0, 1), (1, 2)]).with_pivot(pivot));
    let becomes = Ineligible::BecomesPivot { node: "a".into() };
    assert_eq!(migrate(&mut saga, &to(0), &[same(0), same(1), same(2)]), Err(becomes));
    migrate(&mut saga, &to(1), &[same(0), same(1), same(2)]).unwrap();
    saga.wait();
    saga.ok(&["do q"]);
    assert_eq!(saga.asks(cancel()), refused(Refusal::PastPivot { pivot: "q".into() }));
    saga.ok(&["do z"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn values_are_computed_anew_unless_a_call_was_made_with_them() {
    let value = |name: &str| node(name, PlanKind::Value);
    let nodes = |last: &str| {
        vec![value("used"), value("free"), tried("a", Output, 2, 1), action(last, Output)]
    };
    let mut saga = Bench::new(plan(nodes("b"), &[(0, 2), (1, 3), (2, 3)]));
    saga.fails_for_now("do a");
    let to = plan(nodes("c"), &[(0, 2), (1, 3), (2, 3)]);
    let fates = [same(0), same(1), same(2), Fate::Forgotten];
    let told = migrate(&mut saga, &to, &fates).unwrap();
    assert_eq!(told, ["used succeeded", "a started", "a failed", "a retry_scheduled"]);
    assert_eq!(
        (output(&saga, "used"), output(&saga, "free")),
        ("value, once node 0".into(), "value".into())
    );
}

#[test]
fn a_node_that_has_begun_needs_all_that_comes_before_it() {
    let mut saga = Bench::new(plan(vec![tried("a", Output, 2, 1), action("b", Output)], &[]));
    saga.ok(&["do b"]);
    saga.fails_for_now("do a");
    // the other way round it is
    let to = |edges: &[(u32, u32)]| {
        plan(vec![tried("a", Output, 2, 1), action("b", Output), action("new", Output)], edges)
    };
    let waits = |node: &str, begun: &str| {
        Err(Ineligible::WaitsForOther { node: node.into(), begun: begun.into() })
    };
    assert_eq!(migrate(&mut saga, &to(&[(0, 1)]), &[same(0), same(1)]), waits("a", "b"));
    assert_eq!(migrate(&mut saga, &to(&[(2, 1)]), &[same(0), same(1)]), waits("new", "b"));
    let told = migrate(&mut saga, &to(&[(1, 0), (0, 2)]), &[same(0), same(1)]).unwrap();
    assert_eq!(told, ["b started", "b succeeded", "a started", "a failed", "a retry_scheduled"]);
    saga.wait();
    saga.ok(&["do a"]);
    saga.fails("do new");
    // undone in the order of the new version
    assert_eq!(saga.calls(), ["undo a"]);
    saga.ok(&["undo a", "undo b"]);
    saga.ended(RolledBack);
}

#[test]
fn a_node_that_holds_others_comes_along_as_a_whole() {
    let each = |n| each(plan(vec![tried("x", Output, 2, 1), action("y", Output)], n));
    let xs = |name: &str, body| chain(vec![node(name, body), action("z", Output)]);
    let mut saga = Bench::with(xs("xs", each(&[(0, 1)])), None, &[("xs", 3)]);
    saga.ok(&["do xs[0]/x", "do xs[2]/x", "do xs[2]/y", "do xs[0]/y"]);
    saga.fails_for_now("do xs[1]/x");
    let changed = [Fate::Becomes { node: 0, same_parts: false }, same(1)];
    let to = xs("ys", each(&[(0, 1)]));
    let why = Ineligible::PartsChanged { node: "xs".into() };
    assert_eq!(migrate(&mut saga, &to, &changed), Err(why));
    migrate(&mut saga, &to, &[same(0), same(1)]).unwrap();
    // what is held stays as it is
    assert_eq!(output(&saga, "ys[2]/y"), "do xs[2]/y");
    saga.wait();
    saga.ok(&["do ys[1]/x", "do ys[1]/y"]);
    saga.fails("do z");
    let mut undos = saga.calls();
    undos.sort_unstable();
    assert_eq!(undos, ["undo ys[0]/y", "undo ys[1]/y", "undo ys[2]/y"]);
}

#[test]
fn parts_that_have_not_begun_may_have_changed() {
    let xs = |body| chain(vec![tried("a", Output, 2, 1), node("xs", each(body))]);
    let mut saga = Bench::with(xs(inline_action(Output)), None, &[("xs", 2)]);
    saga.fails_for_now("do a");
    let to = xs(plan(actions(1, NoUndo), &[]));
    migrate(&mut saga, &to, &[same(0), Fate::Becomes { node: 1, same_parts: false }]).unwrap();
    saga.wait();
    saga.ok(&["do a"]);
    assert_eq!(saga.calls(), ["do xs[0]/n0", "do xs[1]/n0"]);
}

#[test]
fn a_dropped_node_must_not_have_begun_unless_its_effect_is_kept() {
    let mut saga = Bench::new(names(&["a", "b", "c", "d"]));
    saga.ok(&["do a", "do b"]);
    saga.fails_for_now("do c");
    let to = names(&["a", "c"]);
    let fates = |b| [same(0), b, same(1), Fate::Dropped];
    let dropped = Ineligible::NodeDropped { node: "b".into() };
    assert_eq!(migrate(&mut saga, &to, &fates(Fate::Dropped)), Err(dropped));
    migrate(&mut saga, &to, &fates(Fate::EffectKept)).unwrap();
    assert_eq!(saga.machine.state().kept_effects(), ["b"]);
    saga.wait();
    saga.fails("do c");
    saga.ok(&["undo a"]);
    saga.ended(RolledBack);
    assert_eq!(saga.machine.state().kept_effects(), ["b"]);
}

#[test]
fn only_effects_that_are_there_are_kept() {
    let mut saga = Bench::new(plan(
        vec![tried("a", Output, 2, 1), tried("b", NoUndo, 2, 1), tried("c", InputsOnly, 2, 1)],
        &[],
    ));
    saga.fails_for_now("do a");
    saga.ok(&["do b"]);
    saga.fails_for_now("do c");
    migrate(&mut saga, &names(&["x"]), &[Fate::EffectKept; 3]).unwrap();
    assert_eq!(saga.machine.state().kept_effects(), [""; 0]);
    assert_eq!(saga.calls(), ["do x"]);
}

#[test]
fn an_output_that_an_operator_replaced_is_told_once() {
    let mut saga = Bench::new(names(&["a", "b"]));
    saga.ok(&["do a"]);
    saga.fails_for_now("do b");
    saga.feed([Event::Park { reason: "it cannot be read".into() }]);
    let decision = Decision::Succeeded("by hand".into());
    let decide = Command::Decide { node: "a".into(), decision, note: "I looked".into() };
    assert_eq!(saga.claimed_for(decide), Answer::Done);
    let told = migrate(&mut saga, &names(&["a", "b", "c"]), &[same(0), same(1)]).unwrap();
    assert_eq!(
        told,
        ["a started", "a succeeded", "b started", "b failed", "b retry_scheduled", "parked"]
    );
    assert_eq!(output(&saga, "a"), "\"by hand\", once node 0");
    assert_eq!(saga.claimed_for(Command::Unpark), Answer::Done);
    saga.wait();
    saga.ok(&["do b", "do c"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn pauses_faults_and_requests_are_remembered() {
    let mut saga = Bench::new(names(&["a", "b"]));
    saga.ok(&["do a"]);
    saga.fails_for_now("do b");
    let inject = |node: &str| Command::Inject { node: node.into(), fault: Fault::Error };
    assert_eq!((saga.asks(inject("b")), saga.asks(inject("a"))), (DONE, DONE));
    let (id, pause) = saga.request(Command::Pause);
    saga.feed([pause.clone()]);
    let fates = [Fate::Forgotten, same(0)];
    let told = migrate(&mut saga, &names(&["b2", "c"]), &fates).unwrap();
    assert_eq!(told, ["b2 started", "b2 failed", "b2 retry_scheduled", "injected", "paused"]);
    // the same request again is not granted again
    saga.answers.clear();
    saga.taken_over([pause]);
    assert_eq!(saga.answers[&id], Answer::Done);
    assert_eq!(saga.words().iter().filter(|word| *word == "paused").count(), 2);
    assert_eq!(saga.asks(Command::Resume), DONE);
    saga.wait();
    // the fault is still there
    assert_eq!(saga.calls(), NO_CALLS);
    assert_eq!(saga.node("b2").failure.unwrap().kind, FailureKind::Injected);
}

#[test]
fn a_step_that_was_granted_and_not_made_is_still_granted() {
    let nodes = |last: &str| vec![tried("a", Output, 3, 1), action(last, Output)];
    let config = Config { permits: true, ..Config::default() };
    let mut saga = Bench::configured(chain(nodes("b")), config, &[]);
    saga.grants("a");
    saga.fails_for_now("do a");
    assert_eq!(saga.asks(Command::Pause), DONE);
    saga.wait();
    // it waits for a permit when its process ends
    assert_eq!((saga.asks(Command::Step), saga.calls()), (DONE, NO_CALLS.to_vec()));
    migrate(&mut saga, &chain(nodes("c")), &[same(0), Fate::Forgotten]).unwrap();
    saga.grants("a");
    saga.ok(&["do a"]);
    // and no other one
    assert_eq!((saga.calls(), saga.wanting.len()), (NO_CALLS.to_vec(), 0));
    assert_eq!(saga.asks(Command::Resume), DONE);
    saga.grants("c");
    saga.ok(&["do c"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn an_output_that_does_not_convert_keeps_the_version() {
    let mut saga = Bench::new(names(&["bad", "b"]));
    saga.ok(&["do bad"]);
    saga.fails_for_now("do b");
    let before = saga.log.clone();
    let error = migrate(&mut saga, &names(&["bad", "b", "c"]), &[same(0), same(1)]).unwrap_err();
    assert_eq!(error.to_string(), "the output of node `bad` cannot be converted: it is bad");
    assert_eq!(saga.log, before);
}

#[test]
fn keys_follow_their_nodes_and_are_used_once() {
    let keys = |saga: &Bench| {
        let keys = saga.machine.state().keys().cloned().unwrap_or_default();
        keys.into_iter().map(|(node, key)| format!("{node}={key}")).collect::<Vec<_>>()
    };
    let mut saga = Bench::new(names(&["a", "b"]));
    saga.ok(&["do a"]);
    saga.fails_for_now("do b");
    // `a` is a new node, and the old one is `x`
    migrate(&mut saga, &names(&["x", "b", "a"]), &[same(0), same(1)]).unwrap();
    assert_eq!(keys(&saga), ["a=a##7", "x=a"]);
    saga.wait();
    saga.ok(&["do b"]);
    saga.fails_for_now("do a");
    // and under the next version everything has the same keys, although `b` is gone and comes back
    let fates = [same(1), Fate::EffectKept, same(2)];
    migrate(&mut saga, &names(&["b", "y", "z"]), &fates).unwrap_err();
    let to = plan(names(&["b", "y", "z"]).nodes().to_vec(), &[]);
    migrate(&mut saga, &to, &fates).unwrap();
    let next = saga.log.iter().rfind(|e| e.kind.name() == "migrated").unwrap().seq;
    assert_eq!(keys(&saga), [format!("b=b##{next}"), "y=a".into(), "z=a##7".into()]);
}

#[test]
fn a_log_with_a_migration_makes_sense_from_its_beginning() {
    let mut saga = Bench::new(names(&["a", "b"]));
    saga.ok(&["do a"]);
    saga.fails_for_now("do b");
    migrate(&mut saga, &names(&["a", "b"]), &[same(0), same(1)]).unwrap();
    let fold =
        |log: &[Entry]| SagaState::fold(saga.plan.clone(), log).map_err(|why| why.to_string());
    assert!(fold(&saga.log).is_ok());
    let mut gap = saga.log.clone();
    gap.remove(1);
    assert_eq!(fold(&gap).unwrap_err(), "entry 3 follows where entry 2 should be");
    let without = saga.log[1..].iter().cloned().zip(1..).map(|(e, seq)| Entry { seq, ..e });
    let error = fold(&without.collect::<Vec<_>>()).unwrap_err();
    assert_eq!(error, "entry 6: illegal event migrated for current load status not created");
    // a process runs one version
    let machine = saga.machine.state();
    assert_eq!(machine.next_seq(), saga.log.len() as u64 + 1);
}

#[test]
fn a_node_that_was_skipped_is_done_with() {
    let mut saga = Bench::new(plan(vec![tried("b", Output, 2, 1), action("a", Output)], &[(1, 0)]));
    // a process of an earlier version of the library has skipped it
    let skipped = NodeEntry::Skipped.about("a", 0);
    saga.log.truncate(1);
    saga.log.push(Entry { seq: 2, epoch: 1, at: saga.now, kind: skipped });
    saga.crash_now();
    saga.fails_for_now("do b");
    let to = plan(vec![tried("b", Output, 2, 1), action("a2", Output)], &[(1, 0)]);
    let told = migrate(&mut saga, &to, &[same(0), same(1)]).unwrap();
    assert_eq!(told, ["a2 skipped", "b started", "b failed", "b retry_scheduled"]);
    saga.wait();
    saga.ok(&["do b"]);
    saga.ended(ENDED_WELL);
}

#[test]
fn the_log_of_a_node_with_many_attempts_does_not_grow_with_each_migration() {
    let nodes = |name: &str| vec![tried("done", Output, 9, 1), tried(name, Output, 31, 1)];
    let mut saga = Bench::new(chain(nodes("n0")));
    saga.fails_for_now("do done");
    saga.wait();
    saga.ok(&["do done"]);
    for _ in 0..20 {
        saga.fails_for_now("do n0");
        saga.wait();
    }
    saga.fails_for_now("do n0");
    for i in 1..=10 {
        let before = saga.log.len();
        let to = chain(nodes(&format!("n{i}")));
        let told = migrate(&mut saga, &to, &[same(0), same(1)]).unwrap();
        let node = |what: &str| format!("n{i} {what}");
        let expected = [node("started"), node("failed"), node("retry_scheduled")];
        assert_eq!(told[..2], ["done started", "done succeeded"]);
        assert_eq!((&told[2..], saga.log.len() - before), (&expected[..], 6));
        saga.wait();
        // the attempts are counted on
        assert_eq!(saga.call(&format!("do n{i}")).attempt, 21 + i);
        saga.fails_for_now(&format!("do n{i}"));
    }
    assert_eq!(saga.node("done").attempts, 2);
    // 31 are allowed
    assert_eq!((saga.node("n10").attempts, saga.calls()), (31, vec!["undo done"]));
}

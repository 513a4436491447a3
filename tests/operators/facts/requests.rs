//! What a request would write, who asked for what, and how long a note may be.

use super::*;
use saga_core::log::{EntryKind, SagaEntry};
use saga_core::operator::{
    Answer, AuditOutcome, Command, Decision, MAX_NAME, MAX_NOTE, OperateError, Prediction, Refusal,
};
use saga_core::store::{Append, RecordChange, WorkerId};

fn predicted(x: &Running, id: &str, command: Command) -> Prediction {
    let before = x.process.until(x.store.load(&id.parse().unwrap())).unwrap();
    let here = x.process.until(x.alice.predict(id, command.clone())).unwrap();
    let outside = Operator::attach(x.store.clone(), "alice", Duration::from_secs(1));
    let mut outside = x.process.until(outside.predict(id, command)).unwrap();
    if outside.unless.take().is_some() {
        assert_eq!(outside.answer, None);
        outside.answer = here.answer.clone();
    }
    assert_eq!(here, outside);
    let after = x.process.until(x.store.load(&id.parse().unwrap())).unwrap();
    assert_eq!(before, after, "nothing is written");
    here
}

fn kinds(x: &Running, id: &str) -> Vec<String> {
    let stored = x.process.until(x.store.load(&id.parse().unwrap())).unwrap().unwrap();
    let kind = |entry: &saga_core::log::Entry| match entry.node() {
        Some(node) => format!("{} {node}", entry.kind.name()),
        None => entry.kind.name().to_string(),
    };
    stored.entries.iter().map(kind).collect()
}

fn words(prediction: &Prediction) -> Vec<String> {
    let word = |entry: &saga_core::operator::PredictedEntry| match &entry.node {
        Some(node) => format!("{} {node}", entry.kind),
        None => entry.kind.to_string(),
    };
    prediction.entries.iter().map(word).collect()
}

fn cancel() -> Command {
    Command::Cancel { reason: "wrong".into() }
}

/// Sends what was predicted, and compares what it writes.
fn comes_true(x: &Running, id: &str, command: Command) -> Prediction {
    let prediction = predicted(x, id, command.clone());
    let before = kinds(x, id).len();
    let answer = x.process.until(x.alice.ask(id, command)).unwrap();
    assert_eq!(prediction.answer, Some(answer), "{prediction}");
    let after = kinds(x, id);
    let written = words(&prediction);
    assert_eq!(after[before..][..written.len()], written[..], "{prediction}");
    prediction
}

#[test]
fn what_is_predicted_for_a_running_saga_is_what_is_written() {
    let x = Running::new(&[("b", &[Do::Waits])]);
    x.start("x");
    x.process.until(x.world.hears("do b", 1));
    let pause = comes_true(&x, "x", Command::Pause);
    assert_eq!(words(&pause), ["requested", "paused"]);
    let again = predicted(&x, "x", Command::Pause);
    assert!(matches!(again.answer, Some(Answer::NothingToDo { .. })) && again.changes_nothing());
    let step = predicted(&x, "x", Command::Step);
    assert_eq!(step.answer, Some(Answer::Refused(Refusal::NothingToStart)));
    comes_true(&x, "x", Command::Resume);
    let cancelled = comes_true(&x, "x", cancel());
    assert_eq!(words(&cancelled), ["requested", "unwinding"]);
    assert_eq!(cancelled.then, ["tells the calls in flight that the saga rolls back"]);
    x.rests("x");
    let late = predicted(&x, "x", cancel());
    assert!(late.to_string().contains("would be refused: the saga has already ended"), "{late}");
}

/// The same store and world, run by the next process.
fn restarted(x: Running) -> Running {
    let Running { world, store, process, .. } = x;
    drop(process);
    let process = Process::start(&world, &store, sagas);
    let alice = process.sec.operator("alice");
    let x = Running { world, store, process, alice };
    x.sleeps(Duration::from_secs(10));
    x
}

#[test]
fn calls_that_ended_with_an_earlier_process_are_not_taken_for_calls_in_flight() {
    // paused with an action in flight, and with an undo
    for (scripts, call) in [
        ([("c", Do::Waits), ("undo a", Do::Works)], "do c"),
        ([("c", Do::Fails), ("undo a", Do::Waits)], "undo a"),
    ] {
        let scripts = scripts.map(|(call, how)| (call, [how]));
        let scripts = scripts.iter().map(|(call, how)| (*call, &how[..])).collect::<Vec<_>>();
        let paused = || {
            let x = Running::new(&scripts);
            x.start("x");
            x.process.until(x.world.hears(call, 1));
            x.process.until(x.alice.pause("x")).unwrap();
            let x = restarted(x);
            assert_eq!(x.world.count(call), 1, "a paused saga calls nothing");
            x
        };
        for command in [Command::Resume, Command::Step] {
            let x = paused();
            let prediction = comes_true(&x, "x", command);
            let again = if call == "do c" { "started c" } else { "undo_started a" };
            assert!(words(&prediction).contains(&again.to_string()), "{prediction}");
            assert_eq!(prediction.then.len(), 1, "{prediction}");
        }
        if call == "do c" {
            let prediction = comes_true(&paused(), "x", cancel());
            assert!(words(&prediction).contains(&"in_doubt c".to_string()), "{prediction}");
            assert!(!prediction.to_string().contains("calls in flight"), "{prediction}");
        }
    }
}

#[test]
fn a_call_of_a_saga_that_was_parked_before_it_was_paused_is_not_taken_for_one_in_flight() {
    let x = Running::new(&[("c", &[Do::Waits])]);
    x.start("x");
    x.process.until(x.world.hears("do c", 1));
    let Running { world, store, process, .. } = x;
    drop(process);
    park(&store);
    let process = Process::start(&world, &store, sagas);
    let alice = process.sec.operator("alice");
    let x = Running { world, store, process, alice };
    x.sleeps(Duration::from_secs(10));
    comes_true(&x, "x", Command::Pause);
    comes_true(&x, "x", Command::Unpark);
    let resume = comes_true(&x, "x", Command::Resume);
    assert!(words(&resume).contains(&"started c".to_string()), "{resume}");
    assert_eq!(resume.then, ["calls `c`, attempt 2"]);
}

#[test]
fn what_is_predicted_for_a_saga_at_rest_is_what_is_written() {
    let x = Running::new(&[("c", &[Do::Fails]), ("undo a", &[Do::FailsForGood])]);
    x.start("stuck");
    x.rests("stuck");
    let node = "a".into();
    let retry = predicted(&x, "stuck", Command::RetryUndo { node });
    assert_eq!(words(&retry), ["requested", "undo_started a"]);
    assert_eq!(retry.then, ["calls the undo of `a`, attempt 2"]);
    let unknown = predicted(&x, "stuck", Command::RetryUndo { node: "z".into() });
    assert!(matches!(unknown.answer, Some(Answer::Refused(Refusal::NoSuchNode { .. }))));
    let (node, note) = ("a".into(), "paid back by hand".into());
    let resolve = comes_true(&x, "stuck", Command::Resolve { node, note });
    assert_eq!(words(&resolve), ["requested", "resolved a", "ended"]);
    assert!(resolve.to_string().contains("paid back by hand"), "{resolve}");
    x.start("done");
    x.rests("done");
    let back = comes_true(&x, "done", Command::Rollback { reason: "a mistake".into() });
    assert_eq!(words(&back), ["requested", "unwinding", "undo_started c"]);
}

/// What stays is said before and after, so that nobody takes "everything is undone" by its word.
#[test]
fn what_cannot_be_undone_is_said_before_a_rollback() {
    let x = Running::new(&[]);
    x.start("done");
    x.rests("done");
    let leaves = "leaves `b` as it is, because it cannot be undone";
    let back = comes_true(&x, "done", Command::Rollback { reason: "a mistake".into() });
    assert!(back.then.iter().any(|line| line == leaves), "{back}");
    x.rests("done");
    let facts = x.process.until(x.alice.inspect("done")).unwrap();
    let stays = facts.staying_effects().map(|node| node.node.as_str()).collect::<Vec<_>>();
    assert_eq!(stays, ["b"]);
    assert!(facts.to_string().contains("stays, because it cannot be undone: `b`"), "{facts}");
}

#[test]
fn what_is_refused_writes_nothing_though_whoever_takes_the_saga_over_does() {
    let x = Running::new(&[("c", &[Do::Waits])]);
    x.start("x");
    x.process.until(x.world.hears("do c", 1));
    let Running { world, store, process, alice } = x;
    process.until(store.release(process.sec.worker_id())).unwrap();
    let x = Running { world, store, process, alice };
    for command in [Command::Resume, Command::Step, Command::Unpark, Command::RetryAll] {
        let prediction = x.process.until(x.attached().predict("x", command)).unwrap();
        let refused =
            matches!(prediction.answer, Some(Answer::Refused(_) | Answer::NothingToDo { .. }));
        assert!(refused, "{prediction}");
        assert!(prediction.changes_nothing() && prediction.then.is_empty(), "{prediction}");
    }
}

#[test]
fn a_value_that_does_not_fit_is_refused_where_the_definition_is_known() {
    let x = Running::new(&[("p", &[Do::Panics; 20])]);
    x.start_pivoted("x");
    x.rests("x");
    let decide = |decision| Command::Decide { node: "p".into(), decision, note: "looked".into() };
    let wrong = decide(Decision::Succeeded(serde_json::json!([1])));
    let outside = x.process.until(x.attached().predict("x", wrong.clone())).unwrap();
    assert_eq!(outside.answer, None, "only the worker can tell");
    let said = "decide of x, unless its worker says that this is no output of `p`, would write:\n";
    assert!(outside.to_string().starts_with(said), "{outside}");
    assert_eq!(serde_json::to_value(&outside).unwrap()["answer"], serde_json::Value::Null);
    let unpark = x.process.until(x.attached().predict("x", Command::Unpark)).unwrap();
    assert!(unpark.answer.is_none() && unpark.to_string().contains("cannot read one of its"));
    assert_eq!(x.process.until(x.alice.predict("x", Command::Unpark)).unwrap().unless, None);
    let wrong = x.process.until(x.alice.predict("x", wrong)).unwrap();
    assert!(matches!(wrong.answer, Some(Answer::Refused(Refusal::Invalid { .. }))), "{wrong}");
    let cancelled = predicted(&x, "x", cancel());
    assert!(matches!(cancelled.answer, Some(Answer::Refused(Refusal::PivotInDoubt { .. }))));
    let failed = comes_true(&x, "x", decide(Decision::Failed));
    let expected = ["requested", "unparked", "failed p", "unwinding", "undo_started a"];
    assert_eq!(words(&failed), expected);
}

#[test]
fn a_parked_saga_is_undone_when_it_is_cancelled() {
    for (unwinds, outside) in [(false, false), (false, true), (true, false), (true, true)] {
        let script: &[Do] = if unwinds { &[Do::Fails] } else { &[Do::Waits] };
        let x = Running::new(&[("c", script), ("undo a", &[Do::Waits])]);
        x.start("x");
        x.process.until(x.world.hears(if unwinds { "undo a" } else { "do c" }, 1));
        let Running { world, store, process, .. } = x;
        drop(process);
        park(&store);
        let process = Process::start(&world, &store, sagas);
        let alice = process.sec.operator("alice");
        let x = Running { world, store, process, alice };
        x.sleeps(Duration::from_secs(10));
        assert_eq!(x.ids(in_states(&[ListedState::Parked])), ["x"]);
        assert!(x.world.effects().contains(&"a".to_string()));
        x.world.script("undo a", []);
        let prediction = predicted(&x, "x", cancel());
        let first = if unwinds { "unparked" } else { "unwinding" };
        assert!(words(&prediction).contains(&first.to_string()), "{prediction}");
        let operator = if outside {
            Operator::attach(x.store.clone(), "bob", Duration::from_secs(60))
        } else {
            x.alice.clone()
        };
        let answer = x.process.until(operator.cancel("x", "no")).unwrap();
        assert_eq!(answer, Answer::Done);
        x.rests("x");
        let record = x.process.until(x.alice.inspect("x")).unwrap();
        assert_eq!(record.saga.state, ListedState::RolledBack, "{record}");
        // `b` has no undo
        assert_eq!(x.world.effects(), ["b"], "unwinds: {unwinds}, from outside: {outside}");
    }
}

/// Parks the saga `x`, as a worker does whose process the saga has crashed.
fn park(store: &MemoryStore) {
    let reason = "it crashed its process".to_string();
    let kind = EntryKind::Saga(SagaEntry::Parked { reason: reason.clone() });
    write(store, kind, Some(reason));
}

/// Writes an entry to the log of the saga `x`, as another worker.
pub(super) fn write(store: &MemoryStore, kind: EntryKind, parked: Option<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (worker, id) = (WorkerId::from("crashed"), "x".parse().unwrap());
        let record = store.take(&worker, &id).await.unwrap().unwrap();
        let parked_reason = parked.map(Some);
        let change = RecordChange { parked_reason, ..RecordChange::status(record.status) };
        let (seq, epoch, at) = (record.next_seq, record.epoch, record.updated_at);
        let append = Append {
            saga: id,
            owner: worker,
            epoch,
            expected_next_seq: seq,
            entries: vec![saga_core::log::Entry { seq, epoch, at, kind }],
            change,
            answers: Vec::new(),
        };
        store.append(append).await.unwrap();
    });
}

#[test]
fn the_audit_tells_who_asked_for_what_and_what_became_of_it() {
    let x = Running::new(&[("b", &[Do::Waits])]);
    x.start("x");
    x.process.until(x.world.hears("do b", 1));
    x.process.until(x.alice.pause("x")).unwrap();
    let bob = Operator::attach(x.store.clone(), "bob", Duration::from_secs(60));
    x.process.until(bob.unpark("x")).unwrap_err();
    x.sleeps(Duration::from_secs(1));
    x.process.until(bob.cancel("x", "the customer changed their mind")).unwrap();
    let audit = x.process.until(bob.audit("x")).unwrap();
    let told = audit.iter().map(|of| (&*of.by, of.command, of.note.as_deref(), of.outcome));
    let expected = [
        ("alice", "pause", None, AuditOutcome::Done),
        ("bob", "unpark", None, AuditOutcome::Refused),
        ("bob", "cancel", Some("the customer changed their mind"), AuditOutcome::Done),
    ];
    let mut told = told.collect::<Vec<_>>();
    told.sort_by_key(|of| expected.iter().position(|other| other == of));
    assert_eq!(told, expected, "{audit:?}");
    let refused = audit.iter().find(|of| of.command == "unpark").unwrap();
    assert_eq!(refused.refusal.as_deref(), Some("the saga is not parked"));
    assert_eq!(serde_json::to_value(refused).unwrap()["outcome"], "refused");
}

#[test]
fn a_note_and_a_name_that_are_too_long_are_refused_before_they_are_sent() {
    let x = Running::new(&[("b", &[Do::Waits])]);
    x.start("x");
    let (fits, long) = ("n".repeat(MAX_NOTE), "n".repeat(MAX_NOTE + 1));
    for operator in [x.alice.clone(), x.attached()] {
        let error = x.process.until(operator.cancel("x", long.clone())).unwrap_err();
        let expected = "the note has 4097 bytes, and at most 4096 are kept; shorten it";
        assert_eq!(error.to_string(), expected);
        let command = Command::Cancel { reason: long.clone() };
        let error = x.process.until(operator.predict("x", command)).unwrap_err();
        assert!(matches!(error, OperateError::TooLong { .. }), "{error}");
    }
    let somebody = x.process.sec.operator("n".repeat(MAX_NAME + 1));
    let error = x.process.until(somebody.pause("x")).unwrap_err();
    assert!(error.to_string().starts_with("the name of the operator has 257 bytes"), "{error}");
    assert!(x.process.until(x.alice.audit("x")).unwrap().is_empty());
    x.process.until(x.alice.cancel("x", fits)).unwrap();
}

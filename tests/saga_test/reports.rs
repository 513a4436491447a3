//! What a report says about a failure, and whether the tests in it show the same.

use std::sync::Mutex;

use saga_core::prelude::*;
use saga_core::testing::{CallFault, Ended, MockAction, MockFailure, SagaTest, TestReport};

use crate::messages::message;

/// What was done, in order.
#[derive(Default)]
struct Done(Mutex<Vec<String>>);

impl Done {
    fn add(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

#[saga_action(undo = put_back(what), retry(max = 2))]
async fn take(cx: &ActionContext<Done>, what: &str) -> Result<u32, String> {
    cx.add(what.to_string());
    Ok(1)
}
async fn put_back(cx: &ActionContext<Done>, what: &str) -> Result<(), String> {
    cx.add(format!("no {what}"));
    Ok(())
}

saga! {
    Shelf<Done>() -> u32 {
        parallel {
            let bread = take { what: "bread" };
            let milk = take { what: "milk" };
            let salt = take { what: "salt" };
        }
        let sum = { bread + milk + salt };
        let more = take { what: "more" };
        { sum + more }
    }
}

fn shelf() -> SagaTest<Shelf> {
    SagaTest::new(Done::default, Shelf {})
}

/// Wrong in several ways, some of which depend on the order in which calls end.
async fn in_order(ended: &Ended<Shelf>) {
    let done = ended.context().0.lock().unwrap().clone();
    if done.len() > 4 {
        assert!(done.first().is_none_or(|first| first != "milk"), "milk came first: {done:?}");
    }
    let twice = done.iter().filter(|what| *what == "salt").count();
    assert!(twice < 2, "salt was taken twice");
    assert!(done.len() < 8, "too much was done: {}", done.len());
}

/// The test with what this text of a test sets.
fn pasted(mut test: SagaTest<Shelf>, text: &str) -> SagaTest<Shelf> {
    let faults = [
        CallFault::Error,
        CallFault::EffectThenError,
        CallFault::InDoubt,
        CallFault::EffectThenInDoubt,
        CallFault::Panic,
        CallFault::EffectThenPanic,
        CallFault::Hang,
        CallFault::EffectThenHang,
        CallFault::Repeated,
        CallFault::Late,
        CallFault::ForGood,
    ];
    for line in text.lines().filter_map(|line| line.trim().strip_prefix('.')) {
        let (method, rest) = line.split_once('(').unwrap();
        let (node, fault) =
            rest.trim_end_matches([')', ';']).split_once(", ").unwrap_or((rest, ""));
        let node = node.trim_end_matches([')', ';']).trim_matches('"');
        let fault = faults.into_iter().find(|known| format!("CallFault::{known:?}") == fault);
        let number = || node.parse::<u64>().unwrap();
        test = match method {
            "fault" => test.fault(node, fault.unwrap()),
            "fault_always" => test.fault_always(node, fault.unwrap()),
            "fault_undo" => test.fault_undo(node, fault.unwrap()),
            "fault_undo_always" => test.fault_undo_always(node, fault.unwrap()),
            "cancel_during" => test.cancel_during(node),
            "deadline_during" => test.deadline_during(node),
            "deadline_during_undo" => test.deadline_during_undo(node),
            "crash_before" => test.crash_before(number() as usize),
            "crash_after" => test.crash_after(number() as usize),
            "cancel_after" => test.cancel_after(number() as usize),
            "seed" => test.seed(number()),
            "check" => test,
            other => panic!("{other} in {text}"),
        };
    }
    test
}

#[test]
fn every_test_to_paste_fails_as_the_report_says() {
    let report = shelf().interleavings(6).try_all(in_order);
    assert!(report.failures().len() > 10, "{report}");
    let (mut seeds, mut crashes) = (0, 0);
    for failure in report.failures() {
        let said = message(|| pasted(shelf(), failure).check(in_order));
        let said = said.strip_prefix("Shelf: ").unwrap();
        assert!(failure.contains(said), "the report has\n{failure}\nand the test says\n{said}");
        seeds += usize::from(failure.contains(".seed("));
        crashes += usize::from(failure.contains(".crash_"));
    }
    assert!(seeds > 0 && crashes > 0, "{seeds} {crashes}");
}

#[test]
fn a_failed_invariant_says_how_the_saga_ended() {
    let test = shelf().fault("more", CallFault::Error).fault_undo("milk", CallFault::Error);
    let said = message(|| test.cancel_during("more").check(async |_: &Ended<Shelf>| panic!("no")));
    assert!(said.contains("no (at tests/saga_test/reports.rs:"), "{said}");
    assert!(said.contains("the saga and its nodes:\n  Shelf: rolled_back"), "{said}");
    assert!(said.contains("\n    bread undone\n    milk undone"), "{said}");
    let stuck = shelf().cancel_during("more").fault_undo_always("milk", CallFault::Error);
    let said = message(|| stuck.check(async |_: &Ended<Shelf>| {}));
    assert!(said.contains("the saga and its nodes:\n  Shelf: stuck"), "{said}");
}

#[test]
fn failures_of_one_kind_are_shown_once_and_the_others_are_listed() {
    let said = message(|| {
        shelf().check_all(async |ended: &Ended<Shelf>| assert!(ended.completed(), "not completed"))
    });
    let shown = said.matches("not completed (at ").count();
    assert_eq!(shown, 1, "{said}");
    assert!(said.contains("other runs fail in the same way:\n  `bread`, "), "{said}");
    assert!(said.contains("\n  `milk`, error, always\n"), "{said}");
}

#[test]
fn a_crash_between_the_ends_of_parallel_nodes_is_tried() {
    let plain = shelf().try_all(async |_: &Ended<Shelf>| {}).runs();
    let report = shelf().interleavings(1).try_all(async |_: &Ended<Shelf>| {});
    // in the first order all three end at once, in one append
    assert!(plain > report.runs(), "{report}");
}

#[test]
fn another_order_in_which_nothing_goes_wrong_is_tried_too() {
    let said = message(|| {
        shelf().interleavings(6).check_all(async |ended: &Ended<Shelf>| {
            let done = ended.context().0.lock().unwrap().clone();
            assert_eq!(done, ["bread", "milk", "salt", "more"]);
        })
    });
    assert!(said.contains("the whole saga, nothing goes wrong: "), "{said}");
    assert!(said.contains("\n            .seed("), "{said}");
}

#[saga_action(no_undo, retry(forever))]
async fn poll(cx: &ActionContext<Done>) -> Result<(), String> {
    cx.add("poll".to_string());
    Err("the queue is empty".to_string())
}
#[saga_action(undo = never_back(), undo_retry(forever))]
async fn send(cx: &ActionContext<Done>) -> Result<(), String> {
    cx.add("send".to_string());
    Ok(())
}
async fn never_back(cx: &ActionContext<Done>) -> Result<(), String> {
    cx.add("back".to_string());
    Err("it is gone".to_string())
}
#[saga_action(no_undo)]
async fn refuse() -> Result<(), String> {
    Err("refused".to_string())
}
#[saga_action(no_undo)]
async fn wait_for_ever() -> Result<(), String> {
    std::future::pending().await
}

saga! {
    Poll<Done>() { poll {}; }
    Send<Done>() { send {}; refuse {}; }
    Wait<Done>() { let _waits = wait_for_ever {}; }
}

#[test]
fn an_action_that_is_tried_forever_and_always_fails_is_named_soon() {
    let said = message(|| {
        SagaTest::<Poll>::new(Done::default, Poll {}).check_all(async |_: &Ended<Poll>| {})
    });
    let why = "never ended: the action of `poll` failed 200 times, and its `retry(forever)` does not give up; its last \
               error: the queue is empty";
    assert!(said.contains(why), "{said}");
    let said = message(|| {
        SagaTest::<Send>::new(Done::default, Send {}).rolls_back().check(async |_: &Ended<Send>| {})
    });
    let why = "never ended: the undo of `send` failed 200 times, and its `undo_retry(forever)` does not give up; its last \
               error: it is gone";
    assert!(said.contains(why), "{said}");
}

#[test]
fn a_call_that_never_returns_is_named() {
    let said =
        message(|| SagaTest::<Wait>::new(Done::default, Wait {}).check(async |_: &Ended<Wait>| {}));
    let why = "never ended: the action of `_waits` does not return, and it has no `timeout`";
    assert!(said.contains(why), "{said}");
}

#[test]
fn a_saga_that_completes_does_not_roll_back() {
    let said = message(|| shelf().rolls_back().check(async |_: &Ended<Shelf>| {}));
    let why = "Shelf: it completed, and `SagaTest::rolls_back` says that it rolls back";
    assert!(said.starts_with(why), "{said}");
    let said = message(|| shelf().rolls_back().check_all(async |_: &Ended<Shelf>| {}));
    assert!(said.contains("it completed, and `SagaTest::rolls_back` says"), "{said}");
    assert!(said.contains(".rolls_back()\n"), "{said}");
    shelf().rolls_back().fault_always("more", CallFault::Error).check(async |_: &Ended<Shelf>| {});
}

#[test]
fn an_undo_that_fails_for_good_leaves_the_saga_stuck_and_may() {
    let checked = Mutex::new(0);
    let stuck = shelf().cancel_during("more").fault_undo("milk", CallFault::ForGood);
    stuck.check(async |_: &Ended<Shelf>| *checked.lock().unwrap() += 1);
    assert_eq!(*checked.lock().unwrap(), 0, "it has not ended");
}

#[test]
fn an_action_that_fails_for_good_is_not_retried() {
    let test = shelf().fault("more", CallFault::ForGood);
    test.check(async |ended: &Ended<Shelf>| {
        assert!(!ended.completed());
        let more = ended.nodes().iter().find(|node| node.node.as_str() == "more").unwrap();
        assert_eq!(more.attempts, 1);
    });
}

#[test]
fn the_faults_of_a_node_happen_one_after_the_other() {
    let test = shelf().fault("more", CallFault::InDoubt).fault("more", CallFault::Error);
    test.check(async |ended: &Ended<Shelf>| {
        assert!(!ended.completed(), "both attempts have failed");
        let done = ended.context().0.lock().unwrap().clone();
        assert!(done.contains(&"no more".to_string()), "it was in doubt: {done:?}");
    });
    let test = shelf().fault("more", CallFault::Repeated).fault("more", CallFault::Error);
    let said = message(|| test.check(async |_: &Ended<Shelf>| {}));
    assert!(
        said.starts_with("Shelf: the action of `more` was called only once, and the fault `error`"),
        "{said}"
    );
    let said = message(|| {
        shelf().fault_always("more", CallFault::Error).fault_always("more", CallFault::Hang)
    });
    assert_eq!(said, "`more` has a fault for every call of its action already: CallFault::Error");
}

#[test]
fn what_was_not_called_is_said_without_an_empty_list() {
    let test = shelf().fault_undo("more", CallFault::Error);
    let said = message(|| test.check(async |_: &Ended<Shelf>| {}));
    assert_eq!(
        said,
        "Shelf: the undo of `more` was not called, and neither was any other undo: the saga completed"
    );
}

#[saga_action(no_undo)]
async fn pay(cents: u32) -> Result<u32, String> {
    Ok(cents)
}
#[saga_action(no_undo)]
async fn pay_twice(cents: u32) -> Result<u32, String> {
    Ok(2 * cents)
}
saga! {
    Tip<()>(rich: bool) -> u32 {
        let first = pay { cents: 1 };
        let second = if *rich { pay_twice { cents: 5 } };
        { first + second.unwrap_or(0) }
    }
    Bill<()>(rich: bool) -> u32 {
        let tips: Vec<u32> = for _n in 0..2 { Tip { rich: *rich } };
        let tip: u32 = match tips.as_slice() {
            [first, ..] => { pay { cents: *first } }
            _ => { pay { cents: 0 } }
        };
        { *tip }
    }
}
fn bill(rich: bool) -> SagaTest<Bill> {
    SagaTest::new(|| (), Bill { rich })
}

#[test]
fn a_mock_of_an_action_that_the_saga_does_not_have_is_refused() {
    let said = message(|| bill(true).mock_action::<refuse>(&MockAction::returns(())));
    assert_eq!(
        said,
        "Bill cannot mock the action `refuse`: it has no node that calls it; its actions are pay, pay_twice"
    );
    drop(bill(true).mock_action::<pay_twice>(&MockAction::returns(1)));
}

#[test]
fn a_mock_that_was_never_called_is_in_the_report() {
    let test = |rich| bill(rich).mock_action::<pay_twice>(&MockAction::returns(1));
    let report: TestReport = test(false).check_all(async |_: &Ended<Bill>| {});
    let line = "  never called: the mock of the action `pay_twice`\n";
    assert!(report.to_string().contains(line), "{report}");
    let report = test(true).check_all(async |_: &Ended<Bill>| {});
    assert!(!report.to_string().contains("never called"), "{report}");
    let said = message(|| test(false).check(async |_: &Ended<Bill>| panic!("wrong")));
    assert!(said.contains("never called: the mock of the action `pay_twice`"), "{said}");
}

#[test]
fn a_mock_of_a_choice_says_what_mocks_its_arms() {
    let said = message(|| bill(true).mock(Bill::tip, &MockAction::returns(1)));
    let why = "node `tip` of Bill cannot be mocked: it is an `if` or a `match`, which has no action of its own; mock the \
               action that its arms call, with `mock_action`";
    assert_eq!(said, why);
}

#[test]
fn a_test_to_paste_has_everything_that_the_test_has() {
    let bank = MockAction::always(MockFailure::Error("declined".to_string()));
    let test = bill(true).mock_action::<pay>(&bank).mock(Bill::tips.at(1).node(Tip::first), &bank);
    let said = message(|| test.always(|()| ()).check_all(async |_: &Ended<Bill>| panic!("wrong")));
    // it is rolled back, which the test to paste must not be told
    let text = "SagaTest::<Bill>::new(context, params())
            .mock_action::<pay>(&mock_of_pay())
            .mock(/* the key of `tips[1]/first` */, &mock_of_first())
            .always(always)
            .check(invariant);";
    assert!(said.contains(text), "{said}");
}

#[test]
fn a_test_to_paste_has_the_tables() {
    let test = shelf().sqlite(|db| db.execute_batch("CREATE TABLE shelf (items)"));
    let said = message(|| test.check_all(async |_: &Ended<Shelf>| panic!("wrong")));
    assert!(said.contains("\n            .sqlite(tables)\n"), "{said}");
}

#[saga_action(no_undo)]
async fn count(cx: &ActionContext<()>) -> Result<u32, saga_core::store::rusqlite::Error> {
    cx.transaction(|tx| tx.query_row("SELECT 1", [], |row| row.get(0))).await
}
saga! { Count<()>() -> u32 { count {} } }

#[test]
fn a_transaction_without_tables_says_how_a_test_has_some() {
    let test = SagaTest::<Count>::new(|| (), Count {});
    let said = message(|| test.check(async |_: &Ended<Count>| {}));
    let why = "Count: an action calls `cx.transaction`, and this test has no tables; create them with `SagaTest::sqlite`";
    assert!(said.starts_with(why), "{said}");
}

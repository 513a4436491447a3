//! Expressions that are not the same each time.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use saga_core::prelude::*;
use saga_core::testing::{Ended, SagaTest, TestReport};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Another number each time.
fn next() -> u64 {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

async fn nothing<S: saga_core::Saga>(_: &Ended<S>) {}

fn check<S: saga_core::Saga<Context = ()>>(params: S) -> TestReport {
    SagaTest::<S>::new(|| (), params).try_all(nothing::<S>)
}

/// What the test says, which is one thing.
fn said<S: saga_core::Saga<Context = ()>>(params: S) -> String {
    let report = check(params);
    assert_eq!((report.runs(), report.failures().len()), (1, 1), "{:#?}", report.failures());
    report.failures()[0].clone()
}

fn says<S: saga_core::Saga<Context = ()>>(params: S, what: &str) {
    let said = said(params);
    assert!(said.contains(what), "{said}");
    assert!(said.contains("belongs in an action"), "{said}");
}

#[saga_action(undo = close(account))]
async fn open(account: String) -> Result<String, String> {
    Ok(account)
}
async fn close(account: String) -> Result<(), String> {
    drop(account);
    Ok(())
}

#[saga_action(no_undo)]
async fn wait(seconds: u64, r#type: &str) -> Result<(), String> {
    let _ = (seconds, r#type);
    Ok(())
}

mod argument {
    use super::*;

    saga! { Impure<()>() { open { account: Uuid::new_v4().to_string() }; fail_if { condition: false, message: "" }; } }

    #[test]
    fn is_found_and_named() {
        let said = said(Impure {});
        let start = "the whole saga, nothing goes wrong: the argument `account` of node `open` is \
                     impure: it was \"";
        assert!(said.starts_with(start), "{said}");
        assert!(said.contains("`let id = new_uuid {};`"), "{said}");
    }

    #[test]
    fn fails_a_single_run_and_says_the_same() {
        let test = SagaTest::<Impure>::new(|| (), Impure {});
        let panic = catch_unwind(AssertUnwindSafe(|| test.check(nothing::<Impure>))).unwrap_err();
        let said = *panic.downcast::<String>().unwrap();
        assert!(
            said.starts_with("Impure: the argument `account` of node `open` is impure"),
            "{said}"
        );
    }

    saga! { Clock<()>() {
        wait {
            seconds: SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64,
            r#type: "x",
        };
    } }

    #[test]
    fn that_reads_a_clock_in_milliseconds_is_found() {
        says(Clock {}, "the argument `seconds` of node `wait` is impure: it was 1");
    }

    saga! { Raw<()>() { wait { seconds: 1, r#type: &next().to_string() }; } }

    #[test]
    fn with_a_raw_name_is_named_as_it_is_read() {
        says(Raw {}, "the argument `type` of node `wait`");
    }

    saga! { Tail<()>() -> String { open { account: next().to_string() } } }

    #[test]
    fn of_the_last_line_is_found() {
        says(Tail {}, "the argument `account` of node `open`");
    }
}

mod other_expressions {
    use super::*;

    saga! { Inner<()>(n: u64) -> u64 { let m = { n + 1 }; m } }

    saga! { Computed<()>() -> u64 { let total = { next() }; total } }
    saga! { Choice<()>() { if next().is_multiple_of(2) { wait { seconds: 1, r#type: "" }; } } }
    saga! { Width<()>() {
        let _waits = for i in 0..next() % 3 + 1 { wait { seconds: i, r#type: "" } };
    } }
    saga! { Item<()>() {
        let _opened = for id in [next(), next()] { open { account: id.to_string() } };
    } }
    saga! { Params<()>() -> u64 { Inner { n: next() } } }

    #[test]
    fn a_computed_value_is_found() {
        says(Computed {}, "the value of node `total` is impure: it was ");
    }

    #[test]
    fn the_condition_of_an_if_is_found() {
        says(Choice {}, "is impure: it decided for arm ");
    }

    #[test]
    fn the_list_of_a_for_is_found_by_its_length_and_by_its_items() {
        says(Width {}, "the list of node `_waits` is impure: it had ");
        says(Item {}, "the argument `account` of node `_opened[0]` is impure");
    }

    #[test]
    fn the_parameters_of_a_saga_are_found() {
        let said = said(Params {});
        assert!(
            said.contains(
                "the parameters of the saga that is node `Inner` are impure: they were {\"n\":"
            ),
            "{said}"
        );
    }
}

mod other_types {
    use super::*;

    /// Neither serde nor a debugger can show it.
    pub(super) struct Secret(u64);
    /// Only a debugger.
    #[derive(Debug)]
    pub(super) struct Shown(u64);

    #[saga_action(no_undo)]
    async fn keep(secret: Secret) -> Result<u64, String> {
        Ok(secret.0)
    }
    #[saga_action(no_undo)]
    async fn show(shown: &Shown) -> Result<u64, String> {
        Ok(shown.0)
    }

    saga! { Keep<()>() -> u64 { keep { secret: Secret(next()) } } }
    saga! { Show<()>() -> u64 { show { shown: &Shown(next()) } } }

    #[test]
    fn what_has_only_a_debug_form_is_compared_by_it() {
        says(Show {}, "the argument `shown` of node `show` is impure: it was Shown(");
    }

    #[test]
    fn what_cannot_be_compared_is_listed() {
        let report = check(Keep {});
        assert!(report.failures().is_empty(), "{:#?}", report.failures());
        let shown = report.to_string();
        let line = "  not compared: the argument `secret` of node `keep` (saga_test::impure::other_types::Secret)";
        assert!(shown.contains(line), "{shown}");
    }
}

mod pure {
    use super::*;

    #[derive(Serialize, Deserialize, Clone)]
    pub(super) struct Order {
        tags: HashSet<String>,
        prices: HashMap<String, f64>,
    }

    #[saga_action(undo = cancel(order))]
    async fn place(order: &Order, tags: HashSet<String>, rate: f64) -> Result<Order, String> {
        let _ = (tags, rate);
        Ok(order.clone())
    }
    async fn cancel(order: &Order) -> Result<(), String> {
        let _ = order;
        Ok(())
    }

    saga! {
        Pure<()>(order: Order) {
            let placed = place { order, tags: order.tags.iter().cloned().collect(), rate: f64::NAN };
            let sorted = {
                let mut tags = placed.tags.iter().cloned().collect::<Vec<_>>();
                tags.sort();
                tags
            };
            let other: HashSet<String> = { sorted.iter().cloned().collect() };
            let _opened = for tag in sorted { open { account: format!("{tag} of {}", other.len()) } };
        }
    }

    #[test]
    fn sets_and_maps_may_have_another_order_after_a_crash() {
        let tags = (0..9).map(|tag| tag.to_string()).collect::<HashSet<_>>();
        let prices = tags.iter().map(|tag| (tag.clone(), 0.1)).collect();
        let report = check(Pure { order: Order { tags, prices } });
        assert!(report.failures().is_empty(), "{:#?}", report.failures());
    }

    #[saga_action(no_undo)]
    async fn send(tags: Vec<String>) -> Result<(), String> {
        drop(tags);
        Ok(())
    }

    saga! { OfASet<()>(order: Order) { send { tags: order.tags.iter().cloned().collect() }; } }

    #[test]
    fn a_list_that_was_made_of_a_set_is_found_after_a_crash() {
        let tags = (0..9).map(|tag| tag.to_string()).collect::<HashSet<_>>();
        let report = check(OfASet { order: Order { tags, prices: HashMap::new() } });
        let failures = report.failures();
        assert!(!failures.is_empty(), "{report}");
        for failure in failures {
            assert!(failure.contains("crash "), "{failure}");
            assert!(failure.contains("the argument `tags` of node `send` is impure"), "{failure}");
            assert!(failure.contains("in another order"), "{failure}");
        }
    }
}

/// How often an argument is evaluated where no test compares it.
static EVALUATED: Mutex<u32> = Mutex::new(0);

#[tokio::test]
async fn outside_of_a_test_an_argument_is_evaluated_once_for_each_attempt() {
    saga! { Once<()>() -> String {
        open { account: { *EVALUATED.lock().unwrap() += 1; "a".to_string() } }
    } }
    let sec = Coordinator::builder(()).saga::<Once>().build().await.unwrap();
    sec.run(Once {}).await.unwrap();
    assert_eq!(*EVALUATED.lock().unwrap(), 1);
}

//! Mistakes that the compiler cannot see, and by which run each is found.

use std::sync::Mutex;

use saga_core::Saga;
use saga_core::prelude::*;
use saga_core::testing::{Ended, SagaTest, TestReport};
use uuid::Uuid;

/// A service that does what it is told, as often as it is told.
#[derive(Default)]
struct Bank {
    cents: Mutex<i64>,
    /// The keys of the calls that it has carried out.
    keys: Mutex<Vec<Uuid>>,
    accounts: Mutex<Vec<String>>,
}

impl Bank {
    fn is_new(&self, key: Uuid) -> bool {
        let mut keys = self.keys.lock().unwrap();
        let is_new = !keys.contains(&key);
        keys.extend(is_new.then_some(key));
        is_new
    }

    fn add(&self, cents: i64) {
        *self.cents.lock().unwrap() += cents;
    }

    fn open(&self, account: &str) {
        self.accounts.lock().unwrap().push(account.to_string());
    }

    /// True if it was there.
    fn close(&self, account: &str) -> bool {
        let mut accounts = self.accounts.lock().unwrap();
        let place = accounts.iter().position(|known| known == account);
        place.map(|place| accounts.remove(place)).is_some()
    }
}

/// Everything that the bank has if the saga completed, and nothing otherwise.
#[track_caller]
fn all_or_nothing<S: Saga<Context = Bank>>(params: S, cents: i64, accounts: usize) -> TestReport {
    SagaTest::<S>::new(Bank::default, params).try_all(async |ended: &Ended<S>| {
        let there = match ended.completed() {
            true => (cents, accounts),
            false => (0, 0),
        };
        let bank = ended.context();
        assert_eq!((*bank.cents.lock().unwrap(), bank.accounts.lock().unwrap().len()), there);
    })
}

/// The failure that begins so.
#[track_caller]
fn failure(report: &TestReport, begins: &str) -> String {
    let failure = report.failures().iter().find(|failure| failure.starts_with(begins));
    failure.unwrap_or_else(|| panic!("no {begins:?} in {:#?}", report.failures())).clone()
}

#[saga_action(no_undo)]
async fn fail(when: bool) -> Result<(), String> {
    if when { Err("no".to_string()) } else { Ok(()) }
}

mod undo_is_not_idempotent {
    use super::*;

    #[saga_action(undo = pay_back(output))]
    async fn pay(cx: &ActionContext<Bank>) -> Result<i64, String> {
        if cx.is_new(cx.idempotency_key()) {
            cx.add(5);
        }
        Ok(5)
    }
    async fn pay_back(cx: &ActionContext<Bank>, cents: &i64) -> Result<(), String> {
        cx.add(-cents);
        Ok(())
    }

    saga! { Pay<Bank>() { pay {}; fail { when: false }; } }

    #[test]
    fn is_found() {
        let report = all_or_nothing(Pay {}, 5, 0);
        let repeated = failure(&report, "`pay`, undo: repeated: ");
        println!("{repeated}");
        assert!(repeated.contains("left: (-5, 0)"), "{repeated}");
        let test = "SagaTest::<Pay>::new(context, params())\n            .cancel_during(\"pay\")\n            \
             .fault_undo(\"pay\", CallFault::Repeated)\n            .check(invariant);";
        assert!(repeated.contains(test), "{repeated}");
        failure(&report, "`pay`, undo: effect, then error: ");
    }
}

mod effect_before_the_check {
    use super::*;

    #[saga_action(undo = pay_back(), retry(max = 2))]
    async fn pay(cx: &ActionContext<Bank>) -> Result<(), String> {
        cx.add(5);
        match cx.is_new(cx.idempotency_key()) {
            true => Ok(()),
            false => Err("paid already".to_string()),
        }
    }
    async fn pay_back(cx: &ActionContext<Bank>) -> Result<(), String> {
        if cx.is_new(cx.idempotency_key()) && cx.keys.lock().unwrap().contains(&cx.action_key()) {
            cx.add(-5);
        }
        Ok(())
    }

    saga! { Pay<Bank>() { pay {}; } }

    #[test]
    fn is_found() {
        let report = all_or_nothing(Pay {}, 5, 0);
        failure(&report, "`pay`, repeated: ");
        failure(&report, "`pay`, effect, then in doubt: ");
        failure(&report, "append 1: `pay` succeeded, ended, crash before: ");
    }
}

mod output_that_may_never_come {
    use super::*;

    #[saga_action(undo = close(output))]
    async fn open(cx: &ActionContext<Bank>) -> Result<String, String> {
        if !cx.is_new(cx.idempotency_key()) {
            // and does not tell which account
            return Err("it was opened already".to_string());
        }
        cx.open("a");
        Ok("a".to_string())
    }
    async fn close(cx: &ActionContext<Bank>, account: &str) -> Result<(), String> {
        Bank::close(cx, account);
        Ok(())
    }

    saga! { Open<Bank>() { let _a = open {}; fail { when: false }; } }

    #[test]
    fn is_found() {
        let report = all_or_nothing(Open {}, 0, 1);
        let stuck = failure(&report, "`_a`, effect, then in doubt: ");
        assert!(stuck.contains("stuck") && stuck.contains("may remain: `_a`"), "{stuck}");
    }
}

mod undos_that_depend_on_their_order {
    use super::*;

    #[saga_action(undo = close(name))]
    async fn open(cx: &ActionContext<Bank>, name: &str) -> Result<(), String> {
        if cx.is_new(cx.idempotency_key()) {
            cx.open(name);
        }
        Ok(())
    }
    async fn close(cx: &ActionContext<Bank>, name: &str) -> Result<(), UndoError> {
        let has_card = cx.accounts.lock().unwrap().iter().any(|account| account == "card");
        if name == "account" && has_card {
            return Err(UndoError::permanent("there is still a card for this account"));
        }
        Bank::close(cx, name);
        Ok(())
    }

    saga! {
        Open<Bank>() {
            parallel {
                let _account = open { name: "account" };
                let _card = open { name: "card" };
            }
            fail { when: false };
        }
    }

    #[test]
    fn are_found() {
        let report = all_or_nothing(Open {}, 0, 2);
        let stuck = report.failures().iter().find(|failure| failure.contains("still a card"));
        let stuck = stuck.unwrap_or_else(|| panic!("{:#?}", report.failures()));
        assert!(stuck.contains("stuck"), "{stuck}");
    }
}

mod undo_that_reads_what_another_undo_removed {
    use super::*;

    #[saga_action(undo = close())]
    async fn open(cx: &ActionContext<Bank>) -> Result<(), String> {
        if cx.is_new(cx.idempotency_key()) {
            cx.open("a");
        }
        Ok(())
    }
    async fn close(cx: &ActionContext<Bank>) -> Result<(), String> {
        Bank::close(cx, "a");
        Ok(())
    }

    #[saga_action(undo = pay_out())]
    async fn pay_in(cx: &ActionContext<Bank>) -> Result<(), String> {
        if cx.is_new(cx.idempotency_key()) {
            cx.add(5);
        }
        Ok(())
    }
    async fn pay_out(cx: &ActionContext<Bank>) -> Result<(), String> {
        // nothing says that the account must be there
        if cx.accounts.lock().unwrap().is_empty() {
            return Err("there is no account".to_string());
        }
        let paid = cx.keys.lock().unwrap().contains(&cx.action_key());
        if paid && cx.is_new(cx.idempotency_key()) {
            cx.add(-5);
        }
        Ok(())
    }

    saga! {
        Open<Bank>() {
            parallel {
                open {};
                pay_in {};
            }
            fail { when: false };
        }
    }

    #[test]
    fn is_found() {
        let report = all_or_nothing(Open {}, 5, 1);
        let stuck =
            report.failures().iter().find(|failure| failure.contains("there is no account"));
        assert!(stuck.is_some(), "{:#?}", report.failures());
    }
}

mod error_after_a_committed_effect {
    use super::*;

    #[saga_action(undo = pay_back())]
    async fn pay(cx: &ActionContext<Bank>, cents: i64) -> Result<(), String> {
        if cx.is_new(cx.idempotency_key()) {
            cx.add(cents);
        }
        // an `Err` says that nothing has happened
        if cents > 100 { Err("that is too much".to_string()) } else { Ok(()) }
    }
    async fn pay_back(cx: &ActionContext<Bank>) -> Result<(), String> {
        let _ = cx;
        Ok(())
    }

    saga! { Pay<Bank>(cents: i64) { pay { cents: *cents }; } }

    #[test]
    fn is_found() {
        let report = all_or_nothing(Pay { cents: 500 }, 500, 0);
        let plain = failure(&report, "the whole saga, nothing goes wrong: ");
        assert!(plain.contains("left: (500, 0)"), "{plain}");
        assert_eq!(report.runs(), 1);
    }
}

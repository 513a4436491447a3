//! Actions with `probe = ..`: asked whether they took effect when that is in doubt, and not run again to find out.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Mutex;

use saga_core::action::ActionFunc;
use saga_core::dag::{DagBuilder, DagError, Node};
use saga_core::log::Uuid;
use saga_core::prelude::*;
use saga_core::store::DatabaseKind;
use saga_core::{BoxError, Probe, Retry};

/// What the bank says when it is asked.
#[derive(Debug, Clone, Copy)]
enum Says {
    Done,
    NotDone,
    Unknown,
    /// It cannot be asked.
    Fails,
    Panics,
    /// It never answers.
    Hangs,
}

/// A bank whose answers to charges do not come, as often as it is told.
#[derive(Default)]
struct Bank {
    silent: Mutex<u32>,
    says: Mutex<VecDeque<Says>>,
    /// What it was asked to do, with the key and the amount.
    calls: Mutex<Vec<(&'static str, Uuid, u32)>>,
}

impl Bank {
    fn new(silent: u32, says: &[Says]) -> Self {
        let says = Mutex::new(says.iter().copied().collect());
        Self { silent: Mutex::new(silent), says, calls: Mutex::default() }
    }

    fn note(&self, what: &'static str, key: Uuid, cents: u32) {
        self.calls.lock().unwrap().push((what, key, cents));
    }

    fn words(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().iter().map(|(what, ..)| *what).collect()
    }

    fn keys_of(&self, what: &str) -> Vec<Uuid> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|(of, ..)| *of == what).map(|(_, key, _)| *key).collect()
    }

    async fn charge(&self, key: Uuid, cents: u32) -> Result<u32, BoxError> {
        self.note("charge", key, cents);
        let silent = {
            let mut left = self.silent.lock().unwrap();
            let silent = *left > 0;
            *left = left.saturating_sub(1);
            silent
        };
        if silent {
            pending::<()>().await;
        }
        Ok(cents)
    }

    async fn find(&self, key: Uuid, cents: u32) -> Result<Probe<u32>, BoxError> {
        self.note("find", key, cents);
        let says = self.says.lock().unwrap().pop_front().unwrap_or(Says::Unknown);
        match says {
            Says::Done => Ok(Probe::Done(cents)),
            Says::NotDone => Ok(Probe::NotDone),
            Says::Unknown => Ok(Probe::Unknown),
            Says::Fails => Err("the bank is closed".into()),
            Says::Panics => std::panic::resume_unwind(Box::new("a bug in the probe")),
            Says::Hangs => pending().await,
        }
    }
}

type Cx = ActionContext<Bank>;

#[saga_action(undo = refund(output), probe = find, timeout = "1s", undo_retry(max = 2, base = "1ms"))]
async fn charge(cx: &Cx, cents: u32) -> Result<u32, BoxError> {
    cx.charge(cx.idempotency_key(), cents).await
}

#[saga_action(undo = refund(output), probe = find, timeout = "1s", retry(max = 2, base = "1ms"))]
async fn charge_twice(cx: &Cx, cents: u32) -> Result<u32, BoxError> {
    cx.charge(cx.idempotency_key(), cents).await
}

async fn find(cx: &Cx, cents: u32) -> Result<Probe<u32>, BoxError> {
    cx.find(cx.idempotency_key(), cents).await
}

async fn refund(cx: &Cx, cents: &u32) -> Result<(), BoxError> {
    cx.note("refund", cx.action_key(), *cents);
    Ok(())
}

saga! {
    Order<Bank>(cents: u32) -> u32 {
        let paid = charge { cents: *cents };
        paid
    }
}

saga! {
    OrderTwice<Bank>(cents: u32) -> u32 {
        let paid = charge_twice { cents: *cents };
        paid
    }
}

saga! {
    OrderForGood<Bank>(cents: u32) -> u32 {
        #[pivot]
        #[retry(max = 1)]
        let paid = charge { cents: *cents };
        paid
    }
}

async fn bank<S: Saga<Context = Bank>>(silent: u32, says: &[Says]) -> Coordinator<Bank> {
    Coordinator::builder(Bank::new(silent, says)).saga::<S>().build().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_is_found_by_asking() {
    let sec = bank::<Order>(1, &[Says::Done]).await;
    assert_eq!(sec.run(Order { cents: 500 }).await.unwrap(), 500);
    assert_eq!(sec.context().words(), ["charge", "find"]);
    let calls = sec.context().calls.lock().unwrap().clone();
    assert_eq!((calls[0].1, calls[0].2), (calls[1].1, calls[1].2), "the same key and inputs");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_did_not_happen_leaves_nothing_to_undo() {
    let sec = bank::<Order>(1, &[Says::NotDone]).await;
    let handle = sec.saga(Order { cents: 500 }).id("order").start().await.unwrap();
    let error = handle.await.unwrap_err();
    assert!(error.to_string().contains("rolled back"), "{error}");
    assert_eq!(sec.context().words(), ["charge", "find"]);
    let log = sec.inspect("order").await.unwrap().unwrap().log.pretty();
    assert!(log.contains("not_done"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_did_not_happen_is_made_again_under_another_key() {
    let sec = bank::<OrderTwice>(1, &[Says::NotDone]).await;
    assert_eq!(sec.run(OrderTwice { cents: 500 }).await.unwrap(), 500);
    let bank = sec.context();
    assert_eq!(bank.words(), ["charge", "find", "charge"]);
    let (charged, asked) = (bank.keys_of("charge"), bank.keys_of("find"));
    assert_eq!(charged[0], asked[0]);
    assert_ne!(charged[0], charged[1]);
}

#[tokio::test(start_paused = true)]
async fn a_card_is_not_charged_again_in_order_to_be_refunded() {
    // nobody knows when it is given up, but the bank answers when the saga rolls back
    let sec = bank::<Order>(1, &[Says::Unknown, Says::Done]).await;
    sec.run(Order { cents: 500 }).await.unwrap_err();
    assert_eq!(sec.context().words(), ["charge", "find", "find", "refund"]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_panics_or_hangs_is_as_none() {
    for says in [Says::Unknown, Says::Fails, Says::Panics, Says::Hangs] {
        let sec = bank::<Order>(1, &[says, says]).await;
        sec.run(Order { cents: 500 }).await.unwrap_err();
        let words = sec.context().words();
        assert_eq!(words, ["charge", "find", "find", "charge", "refund"], "{says:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_parked_pivot_is_asked_again_when_it_is_unparked() {
    let sec = bank::<OrderForGood>(1, &[Says::Unknown, Says::Done]).await;
    let order = OrderForGood { cents: 500 };
    let handle = sec.saga(order).id("order").start().await.unwrap();
    let error = handle.await.unwrap_err();
    assert!(matches!(error, SagaError::Parked { .. }), "{error}");
    sec.operator("me").unpark("order").await.unwrap();
    assert_eq!(sec.get::<OrderForGood>("order").await.unwrap().unwrap().await.unwrap(), 500);
    assert_eq!(sec.context().words(), ["charge", "find", "find"]);
}

fn by_hand(probe: bool) -> Result<ActionFunc<Bank, u32>, saga_core::dag::InvalidName> {
    let act = |cx: Cx| async move { cx.charge(cx.idempotency_key(), 500).await };
    let undo = |cx: Cx, cents: std::sync::Arc<u32>| async move {
        cx.note("refund", cx.action_key(), *cents);
        Ok::<_, BoxError>(())
    };
    let action = ActionFunc::new("charge", act, undo)?.timeout(std::time::Duration::from_secs(1));
    let action = action.retry(Retry::never());
    Ok(match probe {
        true => action.probe(|cx: Cx| async move { cx.find(cx.idempotency_key(), 500).await }),
        false => action,
    })
}

fn dag_of(action: ActionFunc<Bank, u32>) -> Result<saga_core::dag::Dag<Bank>, DagError> {
    let mut dag = DagBuilder::new("Charge")?;
    dag.append(Node::action("paid", action)?)?;
    dag.build()
}

#[test]
fn a_probe_is_not_part_of_the_fingerprint() {
    let with = dag_of(by_hand(true).unwrap()).unwrap();
    let without = dag_of(by_hand(false).unwrap()).unwrap();
    assert_eq!(with.fingerprint(), without.fingerprint());
    let probes = |dag: &saga_core::dag::Dag<Bank>| {
        dag.plan().nodes()[0].kind.policy().is_some_and(|policy| policy.probe)
    };
    assert!(probes(&with) && !probes(&without));
}

#[test]
fn a_transaction_is_never_in_doubt_and_has_no_probe() {
    let action = by_hand(true).unwrap().transaction(DatabaseKind::Sqlite);
    let error = dag_of(action).err().unwrap().to_string();
    assert!(error.contains("`probe`") && error.contains("never in doubt"), "{error}");
}

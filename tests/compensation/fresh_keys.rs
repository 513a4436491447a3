//! Actions with `retry(.., fresh_key)` and a service that keeps the first answer to each key, refusals included.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use saga_core::log::Uuid;
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use saga_core::testing::{IdempotentService, ServiceError};

#[derive(Default)]
struct Bank {
    payments: IdempotentService<Uuid>,
    /// How often the card has been refused.
    refusals: AtomicU32,
    /// What undos were told.
    undone: std::sync::Mutex<Vec<Vec<Uuid>>>,
}

impl Bank {
    fn charge(&self, cx: &ActionContext<Self>) -> Result<Uuid, ServiceError> {
        self.payments.call(cx, || match self.refusals.fetch_add(1, Relaxed) {
            0 => Err("insufficient funds"),
            _ => Ok(cx.idempotency_key()),
        })
    }
}

#[saga_action(undo = refund(), retry(max = 3, base = "1ms", fresh_key))]
async fn charge(cx: &ActionContext<Bank>) -> Result<Uuid, ServiceError> {
    cx.charge(cx)
}

#[saga_action(undo = refund(), retry(max = 3, base = "1ms"))]
async fn charge_under_one_key(cx: &ActionContext<Bank>) -> Result<Uuid, ServiceError> {
    cx.charge(cx)
}

async fn refund(cx: &ActionContext<Bank>) -> Result<(), ServiceError> {
    let keys = cx.action_keys().collect::<Vec<_>>();
    assert_eq!(keys.last(), Some(&cx.action_key()));
    cx.undone.lock().expect("no panic").push(keys);
    cx.payments.undo(cx).map(drop)
}

#[saga_action(no_undo)]
async fn ship(fails: bool) -> Result<(), String> {
    if fails { Err("sold out".into()) } else { Ok(()) }
}

saga! {
    Pay<Bank>(fails: bool) -> Uuid {
        let paid = charge {};
        ship { fails: *fails };
        paid
    }
}

saga! {
    PayUnderOneKey<Bank>() -> Uuid {
        charge_under_one_key {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final_under_one_key_and_not_under_a_fresh_one() {
    let sec = Coordinator::builder(Bank::default()).saga::<PayUnderOneKey>();
    let sec = sec.build().await.expect("a coordinator");
    let refused = sec.run(PayUnderOneKey {}).await.expect_err("refused three times");
    assert!(refused.to_string().contains("insufficient funds"), "{refused}");

    let sec = Coordinator::builder(Bank::default()).saga::<Pay>();
    let sec = sec.build().await.expect("a coordinator");
    sec.run(Pay { fails: false }).await.expect("accepted under the second key");
}

#[tokio::test(start_paused = true)]
async fn an_undo_is_told_all_keys_and_an_operator_sees_them() {
    let store = MemoryStore::new();
    let sec = Coordinator::builder(Bank::default()).saga::<Pay>().store(store);
    let sec = sec.build().await.expect("a coordinator");
    let handle = sec.saga(Pay { fails: true }).id("o-1".parse::<SagaId>().expect("an id"));
    let outcome = handle.start().await.expect("started").outcome().await.expect("an outcome");
    assert_eq!(outcome.status(), SagaStatus::RolledBack);
    let undone = sec.context().undone.lock().expect("no panic").clone();
    let [keys] = undone.as_slice() else { panic!("{undone:?}") };
    let [first, last] = keys.as_slice() else { panic!("{keys:?}") };
    assert_ne!(first, last);
    let facts = sec.operator("ada").inspect("o-1").await.expect("facts");
    let charged = facts.nodes.iter().find(|node| node.node == "paid").expect("the node");
    assert_eq!((charged.action_key, &charged.earlier_action_keys), (*last, &vec![*first]));
}

//! The same for hand-written actions, contexts with state, and outputs of transactions.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use saga_core::BoxError;
use saga_core::action::{Action, ActionFunc, ActionOutput, AttemptError, Value};
use saga_core::dag::{ActionName, DagBuilder, Node, SagaDag};
use saga_core::executor::SagaExecutor;
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, SqliteStore};
use serde::{Deserialize, Serialize};

use super::{Cx, Receipt, World, rolled_back};
type Called<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// An action by hand whose reader knows another type than it returns.
struct Mixed {
    name: ActionName,
}

impl Action<Arc<World>> for Mixed {
    fn name(&self) -> &ActionName {
        &self.name
    }

    fn do_it(&self, cx: Cx) -> Called<'_, ActionOutput, AttemptError> {
        Box::pin(async move {
            cx.say("mixed");
            Ok(ActionOutput::new("seven".to_string())?)
        })
    }

    fn undo_it(&self, cx: Cx, output: Option<Value>) -> Called<'_, (), UndoError> {
        let output = output.and_then(|output| output.downcast::<String>().ok());
        cx.say(format!("undo {output:?}"));
        Box::pin(async { Ok(()) })
    }

    fn decode(&self, stored: &saga_core::log::Payload) -> Result<ActionOutput, ActionError> {
        ActionOutput::decode::<u32>(stored)
    }
}

#[tokio::test]
async fn a_hand_written_action_sees_its_deserialized_output() {
    let (world, store) = (World::new(true), MemoryStore::new());
    let mut dag = DagBuilder::new("ByHand").unwrap();
    let mixed = Mixed { name: ActionName::new("mixed").unwrap() };
    let mut actions = saga_core::action::ActionRegistry::new();
    let mixed = actions.register(mixed).unwrap();
    dag.append(Node::shared_action("mixed", mixed).unwrap()).unwrap();
    let sec = Coordinator::builder(world.clone()).store(store).actions(actions);
    let sec = sec.build().await.unwrap();
    let saga = SagaDag::new(dag.build().unwrap(), &()).unwrap();
    let (report, error) = rolled_back(sec.saga_dag(saga).start().await.unwrap().await);
    assert!(report.contains("node `mixed`"), "{report}");
    assert!(error.ends_with("read back: invalid type: string, expected u32 at line 1 column 7"));
    assert_eq!(world.said(), ["mixed", "undo Some(\"seven\")"]);
}

/// A context that is state, and is written down.
#[derive(Serialize, Deserialize)]
struct Till {
    receipts: Mutex<Vec<Receipt>>,
}

#[tokio::test]
async fn a_context_that_cannot_be_read_back_stops_the_saga() {
    let pay = ActionFunc::new_noop_undo("pay", |cx: ActionContext<Till>| async move {
        cx.receipts.lock().map_err(|e| e.to_string())?.push(Receipt::Chain { wei: 5 });
        Ok::<_, BoxError>(())
    });
    let mut dag = DagBuilder::new("Paying").unwrap();
    dag.append(Node::action("payment", pay.unwrap()).unwrap()).unwrap();
    let saga = SagaDag::new(dag.build().unwrap(), &()).unwrap();
    let till = Till { receipts: Mutex::default() };
    let executor = SagaExecutor::new("x", saga, till, MemoryStore::new()).await.unwrap();
    let ended = executor.execute().await.unwrap_err().to_string();
    assert!(ended.contains("the context of the saga"), "{ended}");
    assert!(ended.contains("read back: `receipts[0]`: u128 is not supported"), "{ended}");
}

#[tokio::test]
async fn a_transaction_with_an_unreadable_output_is_rolled_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let store = SqliteStore::open(&path).unwrap();
    let shop = rusqlite::Connection::open(&path).unwrap();
    shop.execute_batch("CREATE TABLE paid (how TEXT)").unwrap();
    let pay = ActionFunc::new_noop_undo("pay", |cx: ActionContext<()>| async move {
        cx.transaction(|tx| {
            tx.execute("INSERT INTO paid VALUES ('chain')", [])?;
            Ok::<_, rusqlite::Error>(Receipt::Chain { wei: 5 })
        })
        .await
        .map_err(BoxError::from)
    });
    let mut actions = saga_core::action::ActionRegistry::new();
    let pay = actions.register(pay.unwrap()).unwrap();
    let mut dag = DagBuilder::new("Paying").unwrap();
    dag.append(Node::shared_action("payment", pay).unwrap()).unwrap();
    let sec = Coordinator::builder(()).store(store).actions(actions).build().await.unwrap();
    let saga = SagaDag::new(dag.build().unwrap(), &()).unwrap();
    let (report, error) = rolled_back(sec.saga_dag(saga).start().await.unwrap().await);
    assert!(
        report.contains("node `payment`") && error.contains("u128 is not supported"),
        "{report}"
    );
    let paid: u32 = shop.query_row("SELECT count(*) FROM paid", [], |row| row.get(0)).unwrap();
    assert_eq!(paid, 0);
}

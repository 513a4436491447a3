//! A shop whose shelf is a table in the database of the log, and sagas that take items from it.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::prelude::*;
use saga_core::store::SqliteStore;
use saga_core::store::rusqlite::{self, Connection};
use saga_core::{BoxError, Limits};

pub(super) type Any = Box<dyn std::error::Error + Send + Sync>;

/// A file with a log and a table, and what the actions are told and tell.
pub(super) struct Shop {
    pub(super) file: PathBuf,
    pub(super) told: Mutex<Vec<String>>,
    pub(super) gate: Mutex<Option<mpsc::Receiver<()>>>,
}

pub(super) type Cx = ActionContext<Arc<Shop>>;

#[derive(Debug, PartialEq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("only {left} left")]
pub(super) struct SoldOut {
    pub(super) left: u32,
}

/// Takes `n` items; the value is what is left.
pub(super) fn take_items(tx: &Connection, n: u32) -> Result<u32, SoldOut> {
    let sql = "UPDATE shelf SET items = items - ?1 RETURNING items";
    let left: i64 = tx.query_row(sql, [n], |row| row.get(0)).unwrap();
    match u32::try_from(left) {
        Ok(left) => Ok(left),
        // the row is written by now, and must be rolled back
        Err(_) => Err(SoldOut { left: u32::try_from(left + i64::from(n)).unwrap() }),
    }
}

#[saga_action(undo = put_back(output?, n))]
pub(super) async fn take(cx: &Cx, n: u32) -> Result<u32, SoldOut> {
    let done = cx.transaction(move |tx| take_items(tx, n)).await;
    cx.told.lock().unwrap().push(format!("after the transaction: {done:?}"));
    done
}

/// Nothing was taken where there is no output.
pub(super) async fn put_back(cx: &Cx, left: Option<&u32>, n: u32) -> Result<(), rusqlite::Error> {
    if left.is_none() {
        cx.told.lock().unwrap().push("nothing to put back".to_string());
        return Ok(());
    }
    cx.transaction(move |tx| tx.execute("UPDATE shelf SET items = items + ?1", [n]).map(|_| ()))
        .await
}

#[saga_action(no_undo)]
async fn fail_if(fails: bool, left: u32) -> Result<u32, String> {
    if fails { Err("told to fail".to_string()) } else { Ok(left) }
}

saga! {
    pub(super) Buy<Arc<Shop>>(n: u32, fails: bool) -> u32 {
        let left = take { n: *n };
        let doubled = { *left * 2 };
        let checked = fail_if { fails: *fails, left: *doubled };
        checked
    }
}

pub(super) struct Place {
    _directory: tempfile::TempDir,
    pub(super) shop: Arc<Shop>,
}

impl Place {
    pub(super) fn new() -> Result<Self, Any> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("shop.db");
        drop(SqliteStore::open(&file)?);
        let tables = "CREATE TABLE shelf (items INTEGER NOT NULL); INSERT INTO shelf VALUES (10)";
        Connection::open(&file)?.execute_batch(tables)?;
        let shop = Shop { file, told: Mutex::default(), gate: Mutex::default() };
        Ok(Self { _directory: directory, shop: Arc::new(shop) })
    }

    pub(super) fn file(&self) -> &Path {
        &self.shop.file
    }

    pub(super) async fn coordinator(&self) -> Result<Coordinator<Arc<Shop>>, Any> {
        let builder =
            Coordinator::builder(self.shop.clone()).store(SqliteStore::open(self.file())?);
        Ok(builder.limits(Limits::default().max_payload(1000)).saga::<Buy>().build().await?)
    }

    /// A coordinator with one action, and a saga of it alone.
    pub(super) async fn alone<T: saga_core::action::ActionData>(
        &self,
        action: ActionFunc<Arc<Shop>, T>,
    ) -> Result<(Coordinator<Arc<Shop>>, SagaDag<Arc<Shop>>), Any> {
        let mut registry = ActionRegistry::new();
        let action = registry.register(action)?;
        let mut dag = DagBuilder::new("Alone")?;
        dag.append(Node::shared_action("only", action)?)?;
        let saga = SagaDag::new(dag.build()?, &())?;
        let builder =
            Coordinator::builder(self.shop.clone()).store(SqliteStore::open(self.file())?);
        let limits = Limits::default().max_payload(1000);
        Ok((builder.limits(limits).actions(registry).build().await?, saga))
    }

    pub(super) fn items(&self) -> i64 {
        let conn = Connection::open(self.file()).unwrap();
        conn.query_row("SELECT items FROM shelf", [], |row| row.get(0)).unwrap()
    }

    /// The kinds of a node's entries.
    pub(super) fn log(&self, node: &str) -> Vec<String> {
        let conn = Connection::open(self.file()).unwrap();
        let sql = "SELECT kind FROM saga_event WHERE node = ?1 ORDER BY number, seq";
        let mut select = conn.prepare(sql).unwrap();
        select.query_map([node], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    pub(super) fn told(&self) -> Vec<String> {
        self.shop.told.lock().unwrap().clone()
    }
}

/// An action that only waits for its transaction and has no undo.
pub(super) fn only<T, E>(
    work: impl Fn(&rusqlite::Transaction<'_>) -> Result<T, E> + Clone + Send + Sync + 'static,
) -> ActionFunc<Arc<Shop>, T>
where
    T: saga_core::action::ActionData,
    E: Into<BoxError> + Send + 'static,
{
    let action = ActionFunc::new_noop_undo("only", move |cx: Cx| {
        let work = work.clone();
        async move { cx.transaction(work).await }
    });
    action.unwrap()
}

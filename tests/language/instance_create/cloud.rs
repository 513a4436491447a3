//! A cloud in memory: every effect is a row, and a node can be made to fail or to hang.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use saga_core::UndoError;
use saga_core::log::Uuid;
use saga_core::prelude::*;
use tokio::sync::Notify;

pub(crate) type Cloud = Arc<Rows>;
pub(crate) type Cx = ActionContext<Cloud>;

/// What one node does instead of working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Says no, before it does anything.
    Refuses,
    /// Makes its first row, and then says no.
    BreaksOff,
    /// Makes all of its rows, and never answers.
    Hangs,
}

/// Something that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    node: String,
    table: &'static str,
    id: String,
    /// What it stands on, which cannot be deleted while this row is there.
    on: String,
}

#[derive(Default)]
pub(crate) struct Rows {
    /// By the key of the call that made it, and its number among the rows of that call.
    rows: Mutex<BTreeMap<(Uuid, usize), Row>>,
    trouble: Mutex<Option<(String, Trouble)>>,
    hangs: Notify,
    gate: Notify,
}

impl Rows {
    /// A cloud that is empty, in which this node is in trouble.
    pub(crate) fn with(node: &str, trouble: Trouble) -> Cloud {
        let trouble = Mutex::new(Some((node.to_string(), trouble)));
        Arc::new(Self { trouble, ..Self::default() })
    }

    /// All nodes work from now on.
    pub(crate) fn mend(&self) {
        *self.trouble.lock().unwrap() = None;
    }

    /// Waits until a node stands still.
    pub(crate) async fn stands_still(&self) {
        self.hangs.notified().await;
    }

    /// Lets through who waits at the gate.
    pub(crate) fn open_gate(&self) {
        self.gate.notify_one();
    }

    pub(crate) async fn wait_at_gate(&self) {
        self.gate.notified().await;
    }

    /// How many rows there are in each table.
    pub(crate) fn tables(&self) -> BTreeMap<&'static str, usize> {
        let mut tables = BTreeMap::new();
        for row in self.rows.lock().unwrap().values() {
            *tables.entry(row.table).or_default() += 1;
        }
        tables
    }

    /// The nodes that made something, and whether it was more than one row.
    pub(crate) fn nodes(&self) -> Vec<(String, bool)> {
        let rows = self.rows.lock().unwrap();
        let nodes = rows.values().map(|row| row.node.clone()).collect::<BTreeSet<_>>();
        let many = |node: &String| rows.values().filter(|row| row.node == *node).count() > 1;
        nodes.into_iter().map(|node| (node.clone(), many(&node))).collect()
    }

    /// The ids in a table.
    pub(crate) fn ids(&self, table: &str) -> Vec<String> {
        let rows = self.rows.lock().unwrap();
        let ids = rows.values().filter(|row| row.table == table).map(|row| row.id.clone());
        let mut ids = ids.collect::<Vec<_>>();
        ids.sort();
        ids
    }
}

/// Makes rows, once however often it is called with this key.
pub(crate) async fn insert(
    cx: &Cx,
    table: &'static str,
    on: impl ToString,
    ids: impl IntoIterator<Item = impl ToString>,
) -> Result<(), String> {
    let node = cx.node_path().to_string();
    let trouble = cx.trouble.lock().unwrap().clone();
    let trouble = trouble.and_then(|(at, trouble)| (at == node).then_some(trouble));
    for (n, id) in ids.into_iter().enumerate() {
        if trouble == Some(Trouble::Refuses) || (trouble == Some(Trouble::BreaksOff) && n == 1) {
            return Err(format!("no more {table}"));
        }
        let row = Row { node: node.clone(), table, id: id.to_string(), on: on.to_string() };
        cx.rows.lock().unwrap().insert((cx.idempotency_key(), n), row);
    }
    if trouble == Some(Trouble::Hangs) {
        cx.hangs.notify_one();
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// Takes back what the action of this node made.
pub(crate) async fn delete(cx: &Cx) -> Result<(), UndoError> {
    let mut rows = cx.rows.lock().unwrap();
    let key = cx.action_key();
    let mine = |row: &&Row| rows.iter().any(|(made, mine)| made.0 == key && mine.id == row.on);
    if let Some(other) = rows.values().find(mine) {
        // undone in a wrong order
        return Err(UndoError::permanent(format!("{other:?} stands on it")));
    }
    rows.retain(|made, _| made.0 != key);
    Ok(())
}

//! A context with state: what was done, in order, and which nodes fail.

use std::collections::BTreeMap;
use std::sync::Mutex;

use saga_core::action::ActionFunc;
use saga_core::dag::{Dag, DagBuilder, Node, SagaDag};
use saga_core::executor::SagaExecutor;
use saga_core::{ActionContext, BoxError, UndoError};
use serde::{Deserialize, Serialize};

pub(crate) type Any = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Cx = ActionContext<Journal>;

/// What actions wrote down, and how often each call is to fail.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Journal {
    lines: Mutex<Vec<String>>,
    /// `do B`, `undo B`: how many more times it fails.
    fails: Mutex<BTreeMap<String, u32>>,
}

impl Journal {
    pub(crate) fn failing<const N: usize>(calls: [(&str, u32); N]) -> Self {
        let fails = calls.map(|(call, times)| (call.to_string(), times)).into_iter().collect();
        Self { fails: Mutex::new(fails), ..Self::default() }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Writes the line down, or fails instead.
    pub(crate) fn note(&self, call: String) -> Result<(), String> {
        if let Some(left) = self.fails.lock().unwrap().get_mut(&call)
            && *left > 0
        {
            *left -= 1;
            return Err(format!("{call} fails"));
        }
        self.lines.lock().unwrap().push(call);
        Ok(())
    }
}

/// An action that writes `do NODE` and `undo NODE`, and returns `result_NODE`. An undo that fails does so
/// for good.
pub(crate) fn act() -> Result<ActionFunc<Journal, String>, Any> {
    let act = ActionFunc::new(
        "act",
        |cx: Cx| async move {
            cx.note(format!("do {}", cx.node_path()))?;
            Ok::<_, BoxError>(format!("result_{}", cx.node_path()))
        },
        |cx: Cx, output: std::sync::Arc<String>| async move {
            assert_eq!(*output, format!("result_{}", cx.node_path()));
            let noted = cx.note(format!("undo {}", cx.node_path()));
            noted.map_err(UndoError::permanent)
        },
    );
    Ok(act?)
}

/// Stages of such actions, as in `A | B C | D`.
pub(crate) fn stages(stages: &str) -> Result<Dag<Journal>, Any> {
    let mut dag = DagBuilder::new("Stages")?;
    for stage in stages.split('|') {
        let nodes = stage.split_whitespace().map(|name| Ok(Node::action(name, act()?)?));
        dag.append_parallel(nodes.collect::<Result<Vec<_>, Any>>()?)?;
    }
    Ok(dag.build()?)
}

pub(crate) fn saga(shape: &str) -> Result<SagaDag<Journal>, Any> {
    Ok(SagaDag::new(stages(shape)?, &())?)
}

pub(crate) fn lines(executor: &SagaExecutor<Journal>) -> Vec<String> {
    executor.user_context().lines()
}

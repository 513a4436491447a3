//! steno. Its DAG is built once and cloned for each saga, which is the cheapest way that its API has. Its
//! actions read nothing.

use std::sync::Arc;

use futures_util::future::{BoxFuture, LocalBoxFuture};
use steno::{
    ActionContext, ActionError, ActionFunc, ActionRegistry, Dag, DagBuilder, InMemorySecStore,
    Node, SagaDag, SagaId, SagaName, SagaResult, SagaType, SecClient, SecStore,
};

use super::{Contestant, Waiting};
use crate::Any;
use crate::booking::Booking;
use crate::gate::Gate;
use crate::workload::Workload;

#[derive(Debug)]
struct Travel;

impl SagaType for Travel {
    type ExecContextType = Gate;
}

type Cx = ActionContext<Travel>;

async fn book(_cx: Cx) -> Result<Booking, ActionError> {
    Ok(Booking::new(1))
}

async fn wait(cx: Cx) -> Result<Booking, ActionError> {
    cx.user_data().pass().await;
    Ok(Booking::new(1))
}

async fn fail(_cx: Cx) -> Result<Booking, ActionError> {
    Err(ActionError::action_failed("one too many".to_string()))
}

async fn cancel(_cx: Cx) -> Result<(), anyhow::Error> {
    Ok(())
}

/// A coordinator of steno, and one DAG.
pub(crate) struct Steno {
    sec: SecClient,
    actions: Arc<ActionRegistry<Travel>>,
    gate: Arc<Gate>,
    dag: Dag,
}

impl Steno {
    fn new(store: Arc<dyn SecStore>, shape: Workload, waiting: bool) -> Result<Self, Any> {
        let mut actions = ActionRegistry::new();
        let [book, wait, fail] = [
            ActionFunc::new_action("book", book, cancel),
            ActionFunc::new_action("wait", wait, cancel),
            ActionFunc::new_action("fail", fail, cancel),
        ];
        for action in [&book, &wait, &fail] {
            actions.register(action.clone());
        }
        let mut dag = DagBuilder::new(SagaName::new("Shaped"));
        let node = |name: &str| Node::action(name, name, book.as_ref());
        if let Some((layers, width)) = shape.layers() {
            for layer in 0..layers {
                let nodes = (0..width).map(|i| node(&format!("node{}", layer * width + i)));
                dag.append_parallel(nodes.collect());
            }
            dag.append(node("last"));
        } else {
            let nodes = if let Workload::Many(_) = shape { 5 } else { shape.nodes() };
            for i in 0..nodes {
                let action = if waiting && i == 2 { &wait } else { &book };
                let name = format!("node{i}");
                dag.append(Node::action(&name, &name, action.as_ref()));
            }
            if let Workload::Unwind(_) = shape {
                dag.append(Node::action("fail", "fail", fail.as_ref()));
            }
        }
        let dag = dag.build()?;
        let log = slog::Logger::root(slog::Discard, slog::o!());
        let sec = steno::sec(log, store);
        Ok(Self { sec, actions: Arc::new(actions), gate: Arc::default(), dag })
    }

    /// A coordinator for sagas of five steps on this store.
    pub(crate) fn five_steps(store: Arc<dyn SecStore>) -> Result<Self, Any> {
        Self::new(store, Workload::Chain(5), false)
    }

    async fn start(&self) -> Result<BoxFuture<'static, SagaResult>, Any> {
        let id = SagaId::new_v4();
        let dag = Arc::new(SagaDag::new(self.dag.clone(), serde_json::json!({ "number": 1 })));
        let ended = self.sec.saga_create(id, self.gate.clone(), dag, self.actions.clone()).await?;
        self.sec.saga_start(id).await?;
        Ok(ended)
    }

    /// Runs one saga to its end.
    pub(crate) async fn complete(&self) -> Result<(), Any> {
        completed(self.start().await?.await)
    }

    /// Stops the coordinator.
    pub(crate) async fn shut_down(self) {
        self.sec.shutdown().await;
    }
}

fn completed(result: SagaResult) -> Result<(), Any> {
    result.kind.map(|_| ()).map_err(|error| error.error_source.into())
}

struct InMemory {
    steno: Steno,
    workload: Workload,
}

pub(super) fn prepare(workload: Workload) -> Result<Option<Box<dyn Contestant>>, Any> {
    // it has no `for`
    if let Workload::For(_) = workload {
        return Ok(None);
    }
    let steno = Steno::new(Arc::new(InMemorySecStore::new()), workload, false)?;
    Ok(Some(Box::new(InMemory { steno, workload })))
}

impl InMemory {
    async fn run_once(&self) -> Result<(), Any> {
        match self.workload {
            Workload::Many(sagas) => {
                let mut running = Vec::with_capacity(sagas);
                for _ in 0..sagas {
                    running.push(self.steno.start().await?);
                }
                for ended in running {
                    completed(ended.await)?;
                }
                Ok(())
            }
            Workload::Unwind(_) => match self.steno.start().await?.await.kind {
                Err(failed) if failed.undo_failure.is_none() => Ok(()),
                Err(_) => Err("an undo failed".into()),
                Ok(_) => Err("it did not fail".into()),
            },
            Workload::Chain(_) | Workload::BuiltChain(_) | Workload::For(_) => {
                self.steno.complete().await
            }
            Workload::FanOut(_) | Workload::Ladder(_) | Workload::Layers(_) => {
                self.steno.complete().await
            }
        }
    }
}

impl Contestant for InMemory {
    fn run(&self) -> LocalBoxFuture<'_, Result<(), Any>> {
        Box::pin(self.run_once())
    }

    fn close(self: Box<Self>) -> LocalBoxFuture<'static, Result<(), Any>> {
        Box::pin(async {
            self.steno.shut_down().await;
            Ok(())
        })
    }
}

/// Sagas that wait in their third step.
pub(super) struct Parked {
    steno: Steno,
    running: Vec<BoxFuture<'static, SagaResult>>,
}

impl Parked {
    pub(super) fn new() -> Result<Self, Any> {
        let store = Arc::new(InMemorySecStore::new());
        let steno = Steno::new(store, Workload::Chain(5), true)?;
        Ok(Self { steno, running: Vec::new() })
    }
}

impl Waiting for Parked {
    fn start(&mut self, sagas: usize) -> LocalBoxFuture<'_, Result<(), Any>> {
        Box::pin(async move {
            self.running.reserve_exact(sagas);
            for _ in 0..sagas {
                self.running.push(self.steno.start().await?);
            }
            self.steno.gate.until_arrived(sagas).await;
            Ok(())
        })
    }

    fn finish(&mut self) -> LocalBoxFuture<'_, Result<(), Any>> {
        Box::pin(async {
            self.steno.gate.open();
            for ended in std::mem::take(&mut self.running) {
                completed(ended.await)?;
            }
            Ok(())
        })
    }
}

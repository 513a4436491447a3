//! Workloads on a `MemoryStore`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use saga_core::{Limits, SagaError};

use super::sagas::{FiveSteps, Items};
use super::shaped::{self, Shaped};
use crate::Any;
use crate::booking::Booking;
use crate::engine::Contestant;
use crate::gate::Gate;
use crate::workload::Workload;

/// A coordinator on a `MemoryStore`, on which the sagas of a workload are registered.
pub struct Ours {
    workload: Workload,
    sec: Coordinator<Gate>,
    actions: ActionRegistry<Gate>,
}

impl Ours {
    /// Builds the coordinator.
    ///
    /// # Errors
    /// Those of building a coordinator.
    pub async fn new(workload: Workload) -> Result<Self, Any> {
        let actions = actions()?;
        let builder = Coordinator::builder(Gate::new())
            .store(MemoryStore::new())
            .limits(Limits::default().max_nodes(20_000).max_width(20_000))
            .actions(actions.clone());
        let sec = match workload {
            Workload::For(_) => builder.saga::<Items>().build().await?,
            Workload::Many(_) => builder.saga::<FiveSteps>().build().await?,
            Workload::BuiltChain(_) => builder.build().await?,
            Workload::Chain(_) | Workload::FanOut(_) | Workload::Ladder(_) => {
                shaped::build(builder, workload).await?
            }
            Workload::Layers(_) | Workload::Unwind(_) => shaped::build(builder, workload).await?,
        };
        Ok(Self { workload, sec, actions })
    }

    async fn run_once(&self) -> Result<(), Any> {
        match self.workload {
            Workload::Chain(_) | Workload::FanOut(_) | Workload::Ladder(_) => {
                self.sec.run(Shaped { number: 1 }).await?;
            }
            Workload::Layers(_) => {
                self.sec.run(Shaped { number: 1 }).await?;
            }
            Workload::Unwind(_) => match self.sec.run(Shaped { number: 1 }).await {
                Err(SagaError::RolledBack(_)) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Err("it did not fail".into()),
            },
            Workload::For(items) => self.sec.run(Items { count: items as u64 }).await?,
            Workload::Many(sagas) => self.many(sagas).await?,
            Workload::BuiltChain(nodes) => self.built(nodes).await?,
        }
        // the floor drops its log too; without this, what is measured is how memory fills with logs
        self.sec.purge(Duration::ZERO, &[]).await?;
        Ok(())
    }

    async fn many(&self, sagas: usize) -> Result<(), Any> {
        let mut handles = Vec::with_capacity(sagas);
        for number in 0..sagas {
            handles.push(self.sec.saga(FiveSteps { number: number as u64 }).start().await?);
        }
        for handle in handles {
            handle.await?;
        }
        Ok(())
    }

    async fn built(&self, nodes: usize) -> Result<(), Any> {
        let mut dag = DagBuilder::new("Built")?;
        let book = self.actions.get("book_by_name")?;
        for i in 0..nodes {
            dag.append(Node::shared_action(format!("node{i}"), book.clone())?)?;
        }
        self.sec.saga_dag(SagaDag::new(dag.build()?, &1)?).start().await?.await?;
        Ok(())
    }
}

impl Contestant for Ours {
    fn run(&self) -> LocalBoxFuture<'_, Result<(), Any>> {
        Box::pin(self.run_once())
    }

    fn close(self: Box<Self>) -> LocalBoxFuture<'static, Result<(), Any>> {
        Box::pin(async move {
            self.sec.shutdown(Duration::from_secs(5)).await?;
            Ok(())
        })
    }
}

/// The action of DAGs that are built at run time.
fn actions() -> Result<ActionRegistry<Gate>, Any> {
    let mut actions = ActionRegistry::new();
    actions.register(ActionFunc::new_undo_maybe(
        "book_by_name",
        |_cx: ActionContext<Gate>| async { Ok::<_, Any>(Booking::new(1)) },
        |_cx: ActionContext<Gate>, _: Option<Arc<Booking>>| async { Ok::<_, Any>(()) },
    )?)?;
    Ok(actions)
}

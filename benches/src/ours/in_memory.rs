//! Workloads on a `MemoryStore`, by name and size.

use std::sync::Arc;

use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use saga_core::{Limits, Saga, SagaError};

use super::sagas::fixed::{FiveSteps, Items, Parked};
use super::sagas::{Chain, Layers, Unwind, World};
use crate::Any;
use crate::booking::Booking;

/// What a workload runs again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// One node after the other: 10, 100, 1 000 or 10 000.
    Chain(usize),
    /// The same chain, with its DAG built anew at run time for each saga.
    BuiltChain(usize),
    /// Nodes that run concurrently, and a last one: 10, 100, 1 000 or 10 000.
    FanOut(usize),
    /// Pairs of nodes, each waiting for both of the pair before, and a last one: 12 or 16 pairs.
    Ladder(usize),
    /// Layers of ten nodes, each waiting for all of the layer before, and a last one: 4
    /// layers.
    Layers(usize),
    /// A `for` over so many items.
    For(usize),
    /// A chain of 100 nodes, and then one that fails, so that all are undone.
    Unwind(usize),
    /// So many sagas of five steps at once.
    Many(usize),
}

impl Workload {
    /// Reads the name and the size of a workload.
    ///
    /// # Errors
    /// Says that there is no such workload.
    pub fn named(name: &str, size: usize) -> Result<Self, Any> {
        Ok(match (name, size) {
            ("chain", 10 | 100 | 1_000 | 10_000) => Self::Chain(size),
            ("built", _) => Self::BuiltChain(size),
            ("fanout", 10 | 100 | 1_000 | 10_000) => Self::FanOut(size),
            ("ladder", 12 | 16) => Self::Ladder(size),
            ("layers", 4) => Self::Layers(size),
            ("for", _) => Self::For(size),
            ("unwind", 10 | 100 | 1_000) => Self::Unwind(size),
            ("many", _) => Self::Many(size),
            _ => return Err(format!("there is no workload `{name}` of size {size}").into()),
        })
    }

    /// How many nodes one run has. Costs are divided by it.
    pub fn nodes(self) -> usize {
        match self {
            Self::Chain(n) | Self::BuiltChain(n) | Self::For(n) | Self::Unwind(n) => n,
            Self::FanOut(n) => n + 1,
            Self::Ladder(n) => 2 * n + 1,
            Self::Layers(n) => 10 * n + 1,
            Self::Many(n) => 5 * n,
        }
    }
}

/// A coordinator on a `MemoryStore`, with all sagas of the workloads registered that this workload needs.
pub struct Bench {
    workload: Workload,
    sec: Coordinator<World>,
    actions: ActionRegistry<World>,
}

impl Bench {
    /// Builds the coordinator.
    ///
    /// # Errors
    /// Those of building a coordinator.
    pub async fn new(workload: Workload) -> Result<Self, Any> {
        let limits = Limits::default().max_nodes(20_000).max_width(20_000);
        let actions = actions()?;
        let builder = Coordinator::builder(World::new())
            .store(MemoryStore::new())
            .limits(limits)
            .actions(actions.clone());
        let builder = match workload {
            Workload::Chain(10) => builder.saga::<Chain<10>>(),
            Workload::Chain(100) => builder.saga::<Chain<100>>(),
            Workload::Chain(1_000) => builder.saga::<Chain<1_000>>(),
            Workload::Chain(_) => builder.saga::<Chain<10_000>>(),
            Workload::FanOut(10) => builder.saga::<Layers<1, 10>>(),
            Workload::FanOut(100) => builder.saga::<Layers<1, 100>>(),
            Workload::FanOut(1_000) => builder.saga::<Layers<1, 1_000>>(),
            Workload::FanOut(_) => builder.saga::<Layers<1, 10_000>>(),
            Workload::Ladder(12) => builder.saga::<Layers<12, 2>>(),
            Workload::Ladder(_) => builder.saga::<Layers<16, 2>>(),
            Workload::Layers(_) => builder.saga::<Layers<4, 10>>(),
            Workload::For(_) => builder.saga::<Items>(),
            Workload::Unwind(10) => builder.saga::<Unwind<10>>(),
            Workload::Unwind(100) => builder.saga::<Unwind<100>>(),
            Workload::Unwind(_) => builder.saga::<Unwind<1_000>>(),
            Workload::Many(_) => builder.saga::<FiveSteps>(),
            Workload::BuiltChain(_) => builder,
        };
        Ok(Self { workload, sec: builder.build().await?, actions })
    }

    /// Runs it once, to the end.
    ///
    /// # Errors
    /// If a saga ends in another way than it should.
    pub async fn run(&self) -> Result<(), Any> {
        let number = 1;
        match self.workload {
            Workload::Chain(10) => self.complete(Chain::<10> { number }).await,
            Workload::Chain(100) => self.complete(Chain::<100> { number }).await,
            Workload::Chain(1_000) => self.complete(Chain::<1_000> { number }).await,
            Workload::Chain(_) => self.complete(Chain::<10_000> { number }).await,
            Workload::FanOut(10) => self.complete(Layers::<1, 10> { number }).await,
            Workload::FanOut(100) => self.complete(Layers::<1, 100> { number }).await,
            Workload::FanOut(1_000) => self.complete(Layers::<1, 1_000> { number }).await,
            Workload::FanOut(_) => self.complete(Layers::<1, 10_000> { number }).await,
            Workload::Ladder(12) => self.complete(Layers::<12, 2> { number }).await,
            Workload::Ladder(_) => self.complete(Layers::<16, 2> { number }).await,
            Workload::Layers(_) => self.complete(Layers::<4, 10> { number }).await,
            Workload::For(items) => self.complete(Items { count: items as u64 }).await,
            Workload::Unwind(10) => self.roll_back(Unwind::<10> { number }).await,
            Workload::Unwind(100) => self.roll_back(Unwind::<100> { number }).await,
            Workload::Unwind(_) => self.roll_back(Unwind::<1_000> { number }).await,
            Workload::Many(sagas) => self.many(sagas).await,
            Workload::BuiltChain(nodes) => self.built(nodes).await,
        }
    }

    async fn complete<S: Saga<Context = World>>(&self, saga: S) -> Result<(), Any> {
        self.sec.run(saga).await?;
        Ok(())
    }

    async fn roll_back<S: Saga<Context = World>>(&self, saga: S) -> Result<(), Any> {
        match self.sec.run(saga).await {
            Err(SagaError::RolledBack(_)) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => Err("it did not fail".into()),
        }
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

/// The actions for DAGs that are built at run time.
fn actions() -> Result<ActionRegistry<World>, Any> {
    let mut actions = ActionRegistry::new();
    actions.register(ActionFunc::new_undo_maybe(
        "book_by_name",
        |_cx: ActionContext<World>| async { Ok::<_, Any>(Booking::new(1)) },
        |_cx: ActionContext<World>, _: Option<Arc<Booking>>| async { Ok::<_, Any>(()) },
    )?)?;
    Ok(actions)
}

/// Sagas that wait in the middle of their run.
pub struct ParkedSagas {
    sec: Coordinator<World>,
    handles: Vec<SagaHandle<Parked>>,
}

impl ParkedSagas {
    /// Builds a coordinator without sagas.
    ///
    /// # Errors
    /// Those of building a coordinator.
    pub async fn new() -> Result<Self, Any> {
        let builder = Coordinator::builder(World::new()).store(MemoryStore::new());
        Ok(Self { sec: builder.saga::<Parked>().build().await?, handles: Vec::new() })
    }

    /// Starts so many sagas, and waits until all of them wait in their third step.
    ///
    /// # Errors
    /// If one does not start.
    pub async fn start(&mut self, sagas: usize) -> Result<(), Any> {
        self.handles.reserve(sagas);
        for number in 0..sagas {
            self.handles.push(self.sec.saga(Parked { number: number as u64 }).start().await?);
        }
        while self.sec.context().waiting() < self.handles.len() {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Lets the sagas end, and waits until they have.
    ///
    /// # Errors
    /// If one does not complete.
    pub async fn finish(&mut self) -> Result<(), Any> {
        self.sec.context().let_pass();
        for handle in std::mem::take(&mut self.handles) {
            handle.await?;
        }
        Ok(())
    }
}

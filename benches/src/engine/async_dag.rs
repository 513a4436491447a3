//! async_dag. A graph of it runs once, so it is built for each run. An output is cloned for each node that reads
//! it, so outputs are in an `Arc`.

use std::sync::Arc;

use async_dag::{Graph, NodeIndex};
use futures_util::future::LocalBoxFuture;

use super::Contestant;
use crate::Any;
use crate::booking::Booking;
use crate::workload::Workload;

type B = Arc<Booking>;

async fn first() -> B {
    Arc::new(Booking::new(1))
}

async fn next(before: B) -> B {
    Arc::new(Booking::new(before.number + 1))
}

async fn both(left: B, right: B) -> B {
    Arc::new(Booking::new(left.number + right.number))
}

#[allow(clippy::too_many_arguments)] // a task has one argument for each node that it waits for
async fn all(a: B, _: B, _: B, _: B, _: B, _: B, _: B, _: B, _: B, _: B) -> B {
    Arc::new(Booking::new(a.number + 1))
}

struct AsyncDag(Workload);

pub(super) fn prepare(workload: Workload) -> Option<Box<dyn Contestant>> {
    match workload {
        Workload::Chain(_) | Workload::BuiltChain(_) | Workload::FanOut(_) => {}
        Workload::Ladder(_) | Workload::Layers(_) => {}
        // there is no `for`, no undo and no saga
        Workload::For(_) | Workload::Unwind(_) | Workload::Many(_) => return None,
    }
    Some(Box::new(AsyncDag(workload)))
}

/// Makes a node wait for these.
fn wait_for(graph: &mut Graph<'_>, node: NodeIndex, before: &[NodeIndex]) -> Result<(), Any> {
    for (argument, before) in (0..).zip(before) {
        let done = graph.update_dependency(*before, node, argument);
        done.map_err(|error| format!("{error:?}"))?;
    }
    Ok(())
}

impl AsyncDag {
    fn build(&self) -> Result<Graph<'static>, Any> {
        let mut graph = Graph::new();
        match self.0 {
            Workload::FanOut(width) => {
                for _ in 0..=width {
                    graph.add_task(first);
                }
            }
            Workload::Ladder(pairs) => {
                let mut before = [graph.add_task(first), graph.add_task(first)];
                for _ in 1..pairs {
                    let pair = [graph.add_task(both), graph.add_task(both)];
                    for node in pair {
                        wait_for(&mut graph, node, &before)?;
                    }
                    before = pair;
                }
                let last = graph.add_task(both);
                wait_for(&mut graph, last, &before)?;
            }
            Workload::Layers(layers) => {
                let mut before = [(); 10].map(|()| graph.add_task(first));
                for _ in 1..layers {
                    let layer = [(); 10].map(|()| graph.add_task(all));
                    for node in layer {
                        wait_for(&mut graph, node, &before)?;
                    }
                    before = layer;
                }
                let last = graph.add_task(all);
                wait_for(&mut graph, last, &before)?;
            }
            Workload::Chain(_)
            | Workload::BuiltChain(_)
            | Workload::For(_)
            | Workload::Unwind(_)
            | Workload::Many(_) => {
                let mut last = graph.add_task(first);
                for _ in 1..self.0.nodes() {
                    let node = graph.add_child_task(last, next, 0);
                    last = node.map_err(|error| format!("{:?}", error.error))?;
                }
            }
        }
        Ok(graph)
    }
}

impl Contestant for AsyncDag {
    fn run(&self) -> LocalBoxFuture<'_, Result<(), Any>> {
        Box::pin(async {
            self.build()?.run().await;
            Ok(())
        })
    }
}

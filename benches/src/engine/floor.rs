//! The floor: the awaits that the user would write without an engine. Each output is encoded, its bytes are kept
//! until the end, as in a log, and it is decoded again for those who read it.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::task::JoinHandle;

use super::{Contestant, Waiting};
use crate::Any;
use crate::booking::Booking;
use crate::gate::Gate;
use crate::workload::Workload;

type Log = Vec<Vec<u8>>;

async fn book(number: u64) -> Result<Booking, Any> {
    Ok(Booking::new(number))
}

async fn cancel(_booking: &Booking) -> Result<(), Any> {
    Ok(())
}

/// One node: the await, and what becomes of its output.
async fn node(number: u64, log: &mut Log) -> Result<Booking, Any> {
    let bytes = serde_json::to_vec(&book(number).await?)?;
    let booking = serde_json::from_slice(&bytes)?;
    log.push(bytes);
    Ok(booking)
}

async fn five_steps(number: u64, gate: Option<Arc<Gate>>) -> Result<(Booking, Log), Any> {
    let mut log = Log::new();
    let mut last = node(number, &mut log).await?;
    for step in 1..5 {
        if let (2, Some(gate)) = (step, &gate) {
            gate.pass().await;
        }
        last = node(last.number + 1, &mut log).await?;
    }
    Ok((last, log))
}

/// Nodes that run concurrently.
async fn layer(width: usize, log: &mut Log) -> Result<Vec<Booking>, Any> {
    let mut calls = (0..width as u64).map(book).collect::<FuturesUnordered<_>>();
    let mut layer = Vec::with_capacity(width);
    while let Some(booking) = calls.next().await {
        let bytes = serde_json::to_vec(&booking?)?;
        layer.push(serde_json::from_slice(&bytes)?);
        log.push(bytes);
    }
    Ok(layer)
}

struct Floor(Workload);

pub(super) fn prepare(workload: Workload) -> Option<Box<dyn Contestant>> {
    Some(Box::new(Floor(workload)))
}

impl Floor {
    async fn run_once(&self) -> Result<(), Any> {
        let mut log = Log::new();
        match self.0 {
            Workload::Chain(nodes) | Workload::BuiltChain(nodes) => {
                chain(nodes, &mut log).await?;
            }
            Workload::Unwind(nodes) => {
                let done = chain(nodes, &mut log).await?;
                for booking in done.iter().rev() {
                    cancel(booking).await?;
                    log.push(b"null".to_vec());
                }
            }
            Workload::FanOut(_) | Workload::Ladder(_) | Workload::Layers(_) => {
                let (layers, width) = self.0.layers().unwrap_or_default();
                for _ in 0..layers {
                    layer(width, &mut log).await?;
                }
                node(1, &mut log).await?;
            }
            Workload::For(items) => {
                layer(items, &mut log).await?;
            }
            Workload::Many(sagas) => {
                let tasks = (0..sagas).map(|number| tokio::spawn(five_steps(number as u64, None)));
                for task in tasks.collect::<Vec<_>>() {
                    task.await??;
                }
            }
        }
        std::hint::black_box(log);
        Ok(())
    }
}

async fn chain(nodes: usize, log: &mut Log) -> Result<Vec<Booking>, Any> {
    let mut done = Vec::with_capacity(nodes);
    let mut number = 1;
    for _ in 0..nodes {
        let booking = node(number, log).await?;
        number = booking.number + 1;
        done.push(booking);
    }
    Ok(done)
}

impl Contestant for Floor {
    fn run(&self) -> LocalBoxFuture<'_, Result<(), Any>> {
        Box::pin(self.run_once())
    }
}

/// Tasks that wait after their second step.
#[derive(Default)]
pub(super) struct Parked {
    gate: Arc<Gate>,
    tasks: Vec<JoinHandle<Result<(Booking, Log), Any>>>,
}

impl Waiting for Parked {
    fn start(&mut self, sagas: usize) -> LocalBoxFuture<'_, Result<(), Any>> {
        Box::pin(async move {
            self.tasks.reserve_exact(sagas);
            for number in 0..sagas as u64 {
                self.tasks.push(tokio::spawn(five_steps(number, Some(self.gate.clone()))));
            }
            self.gate.until_arrived(sagas).await;
            Ok(())
        })
    }

    fn finish(&mut self) -> LocalBoxFuture<'_, Result<(), Any>> {
        Box::pin(async {
            self.gate.open();
            for task in std::mem::take(&mut self.tasks) {
                task.await??;
            }
            Ok(())
        })
    }
}

//! The sagas of the workloads. Those of a fixed, small shape are written with `saga!`; those of `N` nodes are
//! written by hand, in a loop.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use saga_core::Saga;
use saga_core::dag::DagBuilder;
use saga_core::prelude::*;
use saga_core::typed::SagaOutput;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::booking::Booking;

/// The context of all actions.
pub struct World {
    /// Parked sagas wait here until it is closed.
    gate: Semaphore,
    /// How many sagas have arrived at the gate.
    waiting: AtomicUsize,
}

impl World {
    /// A world whose gate is closed.
    pub fn new() -> Self {
        Self { gate: Semaphore::new(0), waiting: AtomicUsize::new(0) }
    }

    /// How many sagas have arrived at the gate.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Lets all sagas pass, for good.
    pub fn let_pass(&self) {
        self.gate.close();
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes a booking.
#[saga_action(undo = cancel(output?))]
pub async fn book(number: u64) -> Result<Booking, String> {
    Ok(Booking::new(number))
}

/// Makes a booking after another one.
#[saga_action(undo = cancel(output?))]
pub async fn book_next(before: &Booking) -> Result<Booking, String> {
    Ok(Booking::new(before.number + 1))
}

async fn cancel(_booking: Option<&Booking>) -> Result<(), String> {
    Ok(())
}

/// Waits until the gate opens.
#[saga_action(no_undo)]
pub async fn wait(cx: &ActionContext<World>, before: &Booking) -> Result<Booking, String> {
    cx.waiting.fetch_add(1, Ordering::Relaxed);
    // It has no permits, so this ends when it is closed.
    let _closed = cx.gate.acquire().await;
    Ok(Booking::new(before.number + 1))
}

/// Fails.
#[saga_action(no_undo)]
pub async fn fail(before: &Booking) -> Result<Booking, String> {
    Err(format!("booking {} is one too many", before.number))
}

/// Says how many items there are.
#[saga_action(no_undo)]
pub async fn list(count: u64) -> Result<Vec<u64>, String> {
    Ok((0..count).collect())
}

/// The sagas that are written with the macro.
#[allow(missing_docs)] // the macro writes items for each node
pub mod fixed {
    use super::*;

    saga! {
        /// Five steps, one after the other.
        pub FiveSteps<World>(number: u64) -> Booking {
            let first = book { number: *number };
            let second = book_next { before: first };
            let third = book_next { before: second };
            let fourth = book_next { before: third };
            book_next { before: fourth }
        }

        /// Five steps, the third of which waits.
        pub Parked<World>(number: u64) -> Booking {
            let first = book { number: *number };
            let second = book_next { before: first };
            let third = wait { before: second };
            let fourth = book_next { before: third };
            book_next { before: fourth }
        }

        /// One booking for each item of a list.
        pub Items<World>(count: u64) {
            let numbers = list { count: *count };
            for number in numbers { book { number: *number } }
        }
    }
}

/// The names of nodes. They are made once, because a typed step wants a `&'static str`.
static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| (0..20_000).map(|i| &*format!("node{i}").leak()).collect());

fn name(i: usize) -> &'static str {
    NAMES.get(i).copied().unwrap_or("too_many_nodes")
}

/// One node after the other, each reading the one before.
#[derive(Serialize, Deserialize)]
pub struct Chain<const N: usize> {
    /// The number of the first booking.
    pub number: u64,
}

impl<const N: usize> Saga for Chain<N> {
    type Context = World;
    type Output = Booking;
    const NAME: &'static str = "Chain";

    fn define(dag: &mut DagBuilder<World>) -> SagaOutput<Booking> {
        let number = dag.param("number", |saga: &Self| &saga.number);
        let mut last = dag.step(name(0), &[("number", &[number.id()])], move |cx| {
            cx.call(book { number: *number.get(cx) })
        });
        for i in 1..N {
            let before = last;
            last = dag.step(name(i), &[("before", &[before.id()])], move |cx| {
                cx.call(book_next { before: before.get(cx) })
            });
        }
        dag.ends_with(last)
    }
}

/// The same chain, and then a node that fails.
#[derive(Serialize, Deserialize)]
pub struct Unwind<const N: usize> {
    /// The number of the first booking.
    pub number: u64,
}

impl<const N: usize> Saga for Unwind<N> {
    type Context = World;
    type Output = Booking;
    const NAME: &'static str = "Unwind";

    fn define(dag: &mut DagBuilder<World>) -> SagaOutput<Booking> {
        let number = dag.param("number", |saga: &Self| &saga.number);
        let mut last = dag.step(name(0), &[("number", &[number.id()])], move |cx| {
            cx.call(book { number: *number.get(cx) })
        });
        for i in 1..N {
            let before = last;
            last = dag.step(name(i), &[("before", &[before.id()])], move |cx| {
                cx.call(book_next { before: before.get(cx) })
            });
        }
        let failed = dag.step("fail", &[("before", &[last.id()])], move |cx| {
            cx.call(fail { before: last.get(cx) })
        });
        dag.ends_with(failed)
    }
}

/// Layers of nodes that run concurrently, and a last node; each node waits for all nodes of the layer before.
#[derive(Serialize, Deserialize)]
pub struct Layers<const LAYERS: usize, const WIDTH: usize> {
    /// The number of all bookings.
    pub number: u64,
}

impl<const LAYERS: usize, const WIDTH: usize> Saga for Layers<LAYERS, WIDTH> {
    type Context = World;
    type Output = Booking;
    const NAME: &'static str = "Layers";

    fn define(dag: &mut DagBuilder<World>) -> SagaOutput<Booking> {
        let number = dag.param("number", |saga: &Self| &saga.number);
        for layer in 0..LAYERS {
            dag.parallel();
            for i in 0..WIDTH {
                let name = name(layer * WIDTH + i);
                dag.step(name, &[("number", &[number.id()])], move |cx| {
                    cx.call(book { number: *number.get(cx) })
                });
            }
            dag.end();
        }
        let last = dag.step("last", &[("number", &[number.id()])], move |cx| {
            cx.call(book { number: *number.get(cx) })
        });
        dag.ends_with(last)
    }
}

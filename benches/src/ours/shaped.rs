//! A saga whose shape is chosen when its coordinator is built. It is one type for all shapes, because rustc takes
//! long to compile a saga.

use std::sync::{LazyLock, Mutex, PoisonError};

use saga_core::dag::DagBuilder;
use saga_core::prelude::*;
use saga_core::typed::{OutputRef, SagaOutput};
use saga_core::{CoordinatorBuilder, Saga};
use serde::{Deserialize, Serialize};

use super::sagas::{book, book_next, fail};
use crate::Any;
use crate::booking::Booking;
use crate::gate::Gate;
use crate::workload::Workload;

/// One run of a saga with the shape of a workload.
#[derive(Serialize, Deserialize)]
pub struct Shaped {
    /// The number of the first booking.
    pub number: u64,
}

/// The shape of the next definition.
static SHAPE: Mutex<Workload> = Mutex::new(Workload::Chain(1));

/// Held while a coordinator is built, so that `SHAPE` is that of its definition.
static BUILDING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The names of nodes. They are made once, because a typed step wants a `&'static str`.
static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| (0..20_000).map(|i| &*format!("node{i}").leak()).collect());

fn name(i: usize) -> &'static str {
    NAMES.get(i).copied().unwrap_or("too_many_nodes")
}

/// Builds a coordinator on which [`Shaped`] has the shape of this workload.
///
/// # Errors
/// Those of building a coordinator.
pub async fn build(
    builder: CoordinatorBuilder<Gate>,
    shape: Workload,
) -> Result<Coordinator<Gate>, Any> {
    let _building = BUILDING.lock().await;
    *SHAPE.lock().unwrap_or_else(PoisonError::into_inner) = shape;
    Ok(builder.saga::<Shaped>().build().await?)
}

impl Saga for Shaped {
    type Context = Gate;
    type Output = Booking;
    const NAME: &'static str = "Shaped";

    fn define(dag: &mut DagBuilder<Gate>) -> SagaOutput<Booking> {
        let shape = *SHAPE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((layers, width)) = shape.layers() {
            for layer in 0..layers {
                dag.parallel();
                for i in 0..width {
                    first(dag, name(layer * width + i));
                }
                dag.end();
            }
            let last = first(dag, "last");
            return dag.ends_with(last);
        }
        let mut last = first(dag, name(0));
        for i in 1..shape.nodes() {
            let before = last;
            last = dag.step(name(i), &[("before", &[before.id()])], move |cx| {
                cx.call(book_next { before: before.get(cx) })
            });
        }
        if let Workload::Unwind(_) = shape {
            let before = last;
            last = dag.step("fail", &[("before", &[before.id()])], move |cx| {
                cx.call(fail { before: before.get(cx) })
            });
        }
        dag.ends_with(last)
    }
}

/// A node that reads nothing but the parameter.
fn first(dag: &mut DagBuilder<Gate>, name: &'static str) -> OutputRef<Booking> {
    let number = dag.param("number", |saga: &Shaped| &saga.number);
    dag.step(name, &[("number", &[number.id()])], move |cx| {
        cx.call(book { number: *number.get(cx) })
    })
}

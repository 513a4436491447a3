//! Sagas that a life begins with one version and goes on with another: one that is at rest when its process dies, one that
//! is rolled back under the new version, and one that must first find out how a call has ended.

use std::time::Duration;

use futures_util::future::try_join_all;
use saga_core::Migration;
use saga_core::prelude::*;

use crate::life::{Trouble, ask, end, get, start_saga};
use crate::sagas::Outside;

pub(crate) mod v1 {
    use crate::sagas::{Outside, approve, pay, reserve, wait};
    use saga_core::prelude::*;

    saga! {
        /// Has all of its effects, or none, like every trip.
        #[allow(unused_variables, reason = "nodes with a name have keys")]
        pub(crate) Moves<Outside>(gate: usize, approved: bool) {
            let flight = reserve { what: "flight" };
            let hotel = reserve { what: "hotel" };
            pay {};
            wait { gate: *gate };
            let car = reserve { what: "car" };
            approve { approved: *approved };
        }
    }
}

saga! {
    /// The same effects by other nodes.
    #[version = 2]
    #[allow(unused_variables, reason = "nodes with a name have keys")]
    pub(crate) Moves<Outside>(gate: usize, approved: bool, guests: u32) {
        let plane = reserve { what: "flight" };
        let hotel = reserve { what: "hotel" };
        pay {};
        wait { gate: *gate };
        let _is_group = { *guests > 9 };
        let coach = reserve { what: "car" };
        approve { approved: *approved };
    }
}

use crate::sagas::{approve, pay, reserve, wait};

pub(crate) fn migration() -> Migration<v1::Moves, Moves> {
    Migration::new(|old: v1::Moves| Moves { gate: old.gate, approved: old.approved, guests: 1 })
        .node(v1::Moves::flight, Moves::plane)
        .node(v1::Moves::car, Moves::coach)
}

/// Those that are paused behind their gate, so that no call of theirs is in flight when the process dies.
const AT_REST: [&str; 2] = ["moves", "moves_back"];
/// It waits at its gate.
const SETTLES: &str = "moves_later";

/// A process that knows the old version only begins them.
pub(crate) async fn begin(sec: &Coordinator<Outside>) -> Result<(), Trouble> {
    let world = sec.context();
    let starts = [(AT_REST[0], 3, true), (AT_REST[1], 3, false), (SETTLES, 1, true)];
    let starts =
        starts.map(|(id, gate, approved)| start_saga(sec, id, v1::Moves { gate, approved }));
    try_join_all(starts).await?;
    // until they wait at their gates
    tokio::time::sleep(Duration::from_millis(100)).await;
    let operator = sec.operator("bob");
    for id in AT_REST {
        ask(world, id, "pause", operator.pause(id)).await?;
    }
    world.open(3);
    // until these are behind it
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(())
}

/// The next process has migrated them, or waits for the call.
pub(crate) async fn go_on(sec: &Coordinator<Outside>) -> Result<(), Trouble> {
    let world = sec.context();
    // one that was paused before it had come to its gate
    world.open(3);
    let operator = sec.operator("bob");
    for id in AT_REST {
        ask(world, id, "resume", operator.resume(id)).await?;
    }
    for id in AT_REST.into_iter().chain([SETTLES]) {
        end(world, get::<Moves>(sec, id).await?).await?;
    }
    Ok(())
}

//! The life of a coordinator: where its sagas run, what a failed `build` leaves behind, and what holds
//! once a shutdown has returned.

mod build;
mod failing_store;
mod runtimes;
mod sagas_in_actions;
mod shutdown;

use std::sync::Arc;
use std::time::Duration;

use crate::common::world::{self, World, bare, out};
use saga_core::prelude::*;
use saga_core::store::Store;
use saga_core::{BuildError, CoordinatorBuilder};

type W = Arc<World>;
type Any = Box<dyn std::error::Error + Send + Sync>;

saga! {
    Pair<W>() -> String {
        let a = out {};
        let b = bare {};
        { format!("{a}{b}") }
    }
}

/// An action that keeps its thread until it is let go.
#[saga_action(no_undo, timeout = "1h")]
async fn block(cx: &ActionContext<W>) -> Result<String, String> {
    let said = world::act(cx).await;
    tokio::task::yield_now().await;
    while cx.count("go on") == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    said
}

saga! {
    Blocks<W>() -> String {
        let a = block {};
        let b = out {};
        { format!("{a}{b}") }
    }
}

fn builder(world: &W, store: impl Store) -> CoordinatorBuilder<W> {
    Coordinator::builder(world.clone()).store(store).saga::<Pair>().saga::<Blocks>()
}

async fn coordinator(world: &W, store: impl Store) -> Result<Coordinator<W>, BuildError> {
    builder(world, store).build().await
}

/// Waits for longer than anything here takes, so that a hang is a failure.
async fn soon<T>(future: impl IntoFuture<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future.into_future()).await.expect("no hang")
}

//! Processes that can be killed, and tests that run again as a process of their own.

use std::future::Future;

use saga_core::CoordinatorBuilder;
use saga_core::prelude::*;
use saga_core::store::Store;

/// A process that runs sagas, with a paused clock that skips every wait. Dropping it kills the process.
pub(crate) struct Process<C> {
    pub(crate) sec: Coordinator<C>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl<C: Clone + Send + Sync + 'static> Process<C> {
    pub(crate) fn start(
        context: &C,
        store: &(impl Store + Clone),
        sagas: fn(CoordinatorBuilder<C>) -> CoordinatorBuilder<C>,
    ) -> Self {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        let builder = sagas(Coordinator::builder(context.clone()).store(store.clone()));
        let sec = runtime.block_on(builder.build()).unwrap();
        Self { sec, runtime: Some(runtime) }
    }

    /// Runs the process until the future completes.
    pub(crate) fn until<T>(&self, done: impl Future<Output = T>) -> T {
        let limit = std::time::Duration::from_secs(100_000);
        let runtime = self.runtime.as_ref().unwrap();
        runtime.block_on(async { tokio::time::timeout(limit, done).await.expect("no hang") })
    }
}

impl<C> Drop for Process<C> {
    fn drop(&mut self) {
        // Aborts calls in flight, as a kill would.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// This program again, as a process that runs nothing but one test: `module` is `module_path!()`.
pub(crate) fn again(module: &str, test: &str) -> std::process::Command {
    // a module's path begins with the name of the program, and the path of a test does not
    let path = match module.split_once("::") {
        Some((_program, module)) => format!("{module}::{test}"),
        None => test.to_string(),
    };
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", &path, "--nocapture"]);
    child
}

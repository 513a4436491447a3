//! Sagas that wait in the middle of their run.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use saga_core::prelude::*;
use saga_core::store::MemoryStore;

use super::sagas::Parked;
use crate::Any;
use crate::engine::Waiting;
use crate::gate::Gate;

/// Sagas on a `MemoryStore`, each waiting in its third step.
pub struct ParkedSagas {
    sec: Coordinator<Gate>,
    handles: Vec<SagaHandle<Parked>>,
}

impl ParkedSagas {
    /// Builds a coordinator, without sagas.
    ///
    /// # Errors
    /// Those of building a coordinator.
    pub async fn new() -> Result<Self, Any> {
        let builder = Coordinator::builder(Gate::new()).store(MemoryStore::new());
        Ok(Self { sec: builder.saga::<Parked>().build().await?, handles: Vec::new() })
    }
}

impl Waiting for ParkedSagas {
    fn start(&mut self, sagas: usize) -> LocalBoxFuture<'_, Result<(), Any>> {
        Box::pin(async move {
            self.handles.reserve_exact(sagas);
            for number in 0..sagas {
                self.handles.push(self.sec.saga(Parked { number: number as u64 }).start().await?);
            }
            self.sec.context().until_arrived(sagas).await;
            Ok(())
        })
    }

    fn finish(&mut self) -> LocalBoxFuture<'_, Result<(), Any>> {
        Box::pin(async {
            self.sec.context().open();
            for handle in std::mem::take(&mut self.handles) {
                handle.await?;
            }
            Ok(())
        })
    }

    fn forget(&mut self) -> LocalBoxFuture<'_, Result<bool, Any>> {
        Box::pin(async {
            // purged are those that ended before now
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.sec.purge(Duration::ZERO, &[]).await?;
            Ok(true)
        })
    }
}

//! A saga seen from outside.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::action::{ActionData, decode};
use crate::driver::{Events, Observers, Progress};
use crate::error::SagaError;
use crate::log::{SagaId, SagaStatus};

/// What awaiting a [`SagaHandle`] is.
pub type SagaFuture<O> = BoxFuture<'static, Result<O, SagaError>>;

/// A saga that was started. `handle.await` waits for its end and gives its output; dropping the handle
/// does not stop the saga. Any number of handles may wait for one saga.
pub struct SagaHandle<O> {
    id: SagaId,
    progress: watch::Receiver<Progress>,
    observers: Observers,
    output: PhantomData<fn() -> O>,
}

impl<O> Clone for SagaHandle<O> {
    fn clone(&self) -> Self {
        let (id, progress) = (self.id.clone(), self.progress.clone());
        Self { id, progress, observers: self.observers.clone(), output: PhantomData }
    }
}

impl<O> fmt::Debug for SagaHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SagaHandle").field("id", &self.id).field("status", &self.status()).finish()
    }
}

impl<O> SagaHandle<O> {
    pub(super) fn new(
        id: SagaId,
        progress: watch::Receiver<Progress>,
        observers: &Observers,
    ) -> Self {
        Self { id, progress, observers: observers.clone(), output: PhantomData }
    }

    /// The saga's id.
    pub fn id(&self) -> &SagaId {
        &self.id
    }

    /// What it does from now on, entry by entry, until it has ended. What it did before is in its log
    /// ([`Coordinator::inspect`](crate::Coordinator::inspect)).
    pub fn events(&self) -> Events {
        self.observers.events_until(self.id.clone(), self.progress.clone())
    }

    /// What it is doing, as far as it is in the log.
    pub fn status(&self) -> SagaStatus {
        self.progress.borrow().status
    }
}

impl<O: ActionData> IntoFuture for SagaHandle<O> {
    type Output = Result<O, SagaError>;
    type IntoFuture = SagaFuture<O>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let ended = self.progress.wait_for(|progress| progress.outcome.is_some()).await;
            let outcome = match ended {
                Ok(progress) => progress.outcome.clone(),
                // the runtime dropped the saga's task
                Err(_) => None,
            };
            let saga = self.id;
            match outcome.as_deref() {
                Some(Ok(output)) => {
                    let unit = crate::log::Payload::from(&b"null"[..]);
                    let payload = output.as_ref().map_or(&unit, |output| &output.payload);
                    decode(payload).map_err(|e| SagaError::Corrupt { saga, why: e.to_string() })
                }
                Some(Err(error)) => Err(error.clone()),
                None => Err(SagaError::ShutDown { saga }),
            }
        })
    }
}

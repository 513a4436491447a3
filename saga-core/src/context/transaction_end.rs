//! How the store's side of a transaction tells the call what became of its work.

use std::future::pending;
use std::panic::resume_unwind;
#[cfg(feature = "postgres")]
use std::pin::pin;

#[cfg(feature = "postgres")]
use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use super::{WorkEnd, WorkEndCell};
use crate::error::ActionError;
use crate::log::{Payload, SagaId};
use crate::panics::Contained;
use crate::store::StoreError;
use crate::value::{ActionData, write_down};

/// The result of the work: its value as bytes, or why it cannot be stored; or the work's own error. The store may be the
/// one that drops that error, and must not panic.
pub(super) type Written<E> = Result<Result<Payload, ActionError>, Contained<E>>;

pub(super) fn written<T: ActionData, E>(worked: Result<T, E>) -> Written<E> {
    worked.map(write_down).map_err(Contained::new)
}

/// The end of the channel that the work has.
pub(super) struct WorkTeller<E> {
    saga: SagaId,
    tell: oneshot::Sender<Result<Contained<E>, String>>,
    end: WorkEndCell,
}

/// The end of the channel that the call has.
pub(super) struct WorkWaiter<E> {
    told: oneshot::Receiver<Result<Contained<E>, String>>,
}

/// Both ends, and the cell in which the driver finds what the work has come to.
pub(super) fn channel<E>(saga: &SagaId) -> (WorkTeller<E>, WorkWaiter<E>, WorkEndCell) {
    let (tell, told) = oneshot::channel();
    let end = WorkEndCell::default();
    (WorkTeller { saga: saga.clone(), tell, end: end.clone() }, WorkWaiter { told }, end)
}

impl<E> WorkTeller<E> {
    /// Waits for work that is awaited, but not for longer than the call waits: one that has ended, by its timeout or because
    /// its saga stops, has no use for the result. The work is then dropped, and what it wrote is rolled back.
    #[cfg(feature = "postgres")]
    pub(super) async fn as_long_as_called<T>(
        &mut self,
        work: impl Future<Output = Result<Option<T>, String>>,
    ) -> Result<Option<T>, String> {
        match select(pin!(work), pin!(self.tell.closed())).await {
            Either::Left((worked, _)) => worked,
            Either::Right(((), _)) => Ok(None),
        }
    }

    /// What the store is told about work that has ended: with a result, by a panic, or because it was gone.
    pub(super) fn tell(
        self,
        worked: Result<Option<Written<E>>, String>,
    ) -> Result<Option<Payload>, StoreError> {
        let (end, why) = match worked {
            Ok(Some(Ok(Ok(payload)))) => return Ok(Some(payload)),
            Ok(Some(Ok(Err(error)))) => {
                let why = error.to_string();
                (WorkEnd::Refused(error), why)
            }
            Ok(Some(Err(error))) => {
                let _ = self.tell.send(Ok(error));
                (WorkEnd::Told, "the action's own work failed".to_string())
            }
            // The work runs once, so it was there.
            Ok(None) => (WorkEnd::Open, "the action ended before its transaction".to_string()),
            Err(message) => {
                let why = format!("the action's own work panicked: {message}");
                let _ = self.tell.send(Err(message));
                (WorkEnd::Told, why)
            }
        };
        self.end.set(end);
        Err(StoreError::RolledBack { saga: self.saga, why })
    }
}

impl<E> WorkWaiter<E> {
    /// Waits for the error of the work; a panic of the work becomes one of the call.
    pub(super) async fn error(self) -> E {
        match self.told.await {
            Ok(Ok(error)) => match error.take() {
                Some(error) => error,
                None => pending().await,
            },
            Ok(Err(panic)) => resume_unwind(Box::new(panic)),
            // It is committed, or the call ends in another way: whoever finds out drops this call.
            Err(_) => pending().await,
        }
    }
}

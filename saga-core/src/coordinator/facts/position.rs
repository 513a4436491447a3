//! How far sagas have come, for those who watch them.

use std::time::{Duration, Instant};

use crate::clock::real_pause;
use crate::coordinator::operator::Operator;
use crate::error::OperateError;
use crate::log::SagaId;
use crate::store::Position;

/// How often somebody looks who waits for the end of a saga.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Operator {
    /// How far a saga has come; `None` if there is none with this id. It is cheap enough to be asked several times a second:
    /// the saga has changed if the sequence number has.
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
    /// sec.saga(Stamp {}).id("stamp-1").start().await?.await?;
    /// let alice = sec.operator("alice");
    /// let position = alice.position("stamp-1").await?.ok_or("there is one")?;
    /// assert!(position.status.is_ended());
    /// assert_eq!(alice.position("stamp-2").await?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`OperateError::InvalidId`], [`OperateError::Store`].
    pub async fn position(&self, id: &str) -> Result<Option<Position>, OperateError> {
        let id: SagaId = id.parse()?;
        self.read(|reader| {
            Box::pin(async move {
                Ok(reader.store.positions(vec![id]).await?.into_iter().next().flatten())
            })
        })
        .await
    }

    /// How many requests to a saga wait in the store for an answer, as those do that were left while no worker runs it. As cheap as
    /// [`position`](Self::position). A request that an operator from a coordinator makes does not go through the store.
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
    /// sec.saga(Stamp {}).id("stamp-1").start().await?.await?;
    /// assert_eq!(sec.operator("alice").unanswered("stamp-1").await?, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`OperateError::InvalidId`], [`OperateError::Store`].
    pub async fn unanswered(&self, id: &str) -> Result<usize, OperateError> {
        let id: SagaId = id.parse()?;
        self.read(|reader| {
            Box::pin(async move {
                let requests = reader.store.requests_of(&id).await?;
                Ok(requests.iter().filter(|(_, answer)| answer.is_none()).count())
            })
        })
        .await
    }

    /// Waits until a saga has ended, but not longer than this, and returns how far it has come.
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// use std::time::Duration;
    /// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
    /// sec.saga(Stamp {}).id("stamp-1").start().await?;
    /// let position = sec.operator("alice").until_ended("stamp-1", Duration::from_secs(10)).await?;
    /// assert_eq!(position.ok_or("there is one")?.status, SagaStatus::Completed);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`position`](Self::position).
    pub async fn until_ended(
        &self,
        id: &str,
        patience: Duration,
    ) -> Result<Option<Position>, OperateError> {
        let (id, since): (SagaId, _) = (id.parse()?, Instant::now());
        self.read(|reader| {
            Box::pin(async move {
                loop {
                    let positions = reader.store.positions(vec![id.clone()]).await?;
                    let position = positions.into_iter().next().flatten();
                    let goes_on = position.is_some_and(|position| !position.status.is_ended());
                    if !goes_on || since.elapsed() >= patience {
                        return Ok(position);
                    }
                    real_pause(LOOK_EVERY.min(patience)).await;
                }
            })
        })
        .await
    }
}

//! How far sagas have come, for those who watch them.

use crate::coordinator::operator::Operator;
use crate::error::OperateError;
use crate::log::SagaId;
use crate::store::Position;

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
}

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
}

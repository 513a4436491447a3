//! Telling a saga of an event for which it waits, or is going to wait.

use std::future::IntoFuture;

use futures_util::future::BoxFuture;

use super::{Coordinator, Operator};
use crate::ambient::uuid_by_time;
use crate::error::OperateError;
use crate::log::{Answer, Command, Refusal};
use crate::typed::{ExternalEvent, event_type};
use crate::value::encode;

/// The longest id of an event, in bytes. Each is kept in the saga's log.
pub const MAX_EVENT_ID: usize = 256;

/// An event on its way to a saga: [`Coordinator::signal`] and [`Operator::signal`] return it. Await it to send the event.
#[must_use = "an event is sent when this is awaited"]
pub struct SendSignal<E> {
    operator: Operator,
    saga: String,
    event: E,
    event_id: Option<String>,
}

impl<E: ExternalEvent> SendSignal<E> {
    fn new(operator: Operator, saga: &str, event: E) -> Self {
        Self { operator, saga: saga.to_string(), event, event_id: None }
    }

    /// What tells this event from others of its type, for the life of the saga: for example the id that a webhook came with. An
    /// event that is sent again under the same id is answered with [`Answer::Duplicate`], whatever it carries. Without an id,
    /// each is a new one.
    pub fn event_id(self, id: impl Into<String>) -> Self {
        Self { event_id: Some(id.into()), ..self }
    }

    async fn send(self) -> Result<Answer, OperateError> {
        let saga = self.saga.parse()?;
        let refused = |why: String| {
            let refusal = Refusal::Invalid { why };
            OperateError::Refused { saga, refusal }
        };
        let event_id = self.event_id.unwrap_or_else(|| uuid_by_time().to_string());
        let event = match event_type::<E>() {
            Ok(event) => event,
            Err(why) => return Err(refused(why.to_string())),
        };
        let payload = match encode(&self.event) {
            Ok(payload) => payload,
            Err(why) => return Err(refused(format!("the event {event} cannot be stored: {why}"))),
        };
        self.operator.ask(&self.saga, Command::Signal { event, event_id, payload }).await
    }
}

impl<E: ExternalEvent> IntoFuture for SendSignal<E> {
    type Output = Result<Answer, OperateError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl Operator {
    /// Tells a saga of an event; see [`Coordinator::signal`].
    pub fn signal<E: ExternalEvent>(&self, saga: &str, event: E) -> SendSignal<E> {
        SendSignal::new(self.clone(), saga, event)
    }
}

impl<C: Send + Sync + 'static> Coordinator<C> {
    /// Tells a saga of an event for which it waits, or is going to wait: wherever it runs, or at rest. Await what this returns.
    ///
    /// The log of the saga is the mailbox. When the answer is [`Answer::Done`], the event is in it, and survives a crash. If a node
    /// waits for it, the node completes in the same write; otherwise the event is kept until one does. Events of one type are
    /// taken in the order in which they came, each by the wait that began first.
    ///
    /// [`Answer::Duplicate`] says that the saga has an event of this name and [id](SendSignal::event_id) already.
    ///
    /// # Errors
    /// [`OperateError::Refused`] if nothing can take the event: the saga has [ended](Refusal::AlreadyEnded), or
    /// [rolls back](Refusal::Unwinding), or has [no wait](Refusal::NoSuchWait) that is still to come and that no earlier event
    /// is kept for; or if it keeps [too many](Refusal::MailboxFull). An event that was accepted may remain without a taker all
    /// the same, if the saga rolls back or takes another way.
    ///
    /// ```
    /// use saga_core::operator::{Answer, OperateError, Refusal};
    /// use saga_core::prelude::*;
    ///
    /// #[saga_event]
    /// struct Approved { by: String }
    ///
    /// saga! {
    ///     Publish<()>() -> String {
    ///         let approved = wait_for::<Approved> {};
    ///         { approved.by.clone() }
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Publish>().build().await?;
    /// let handle = sec.saga(Publish {}).id("article-7").start().await?;
    /// let approved = || Approved { by: "Ada".to_string() };
    /// sec.signal("article-7", approved()).event_id("e-17").await?;
    /// assert_eq!(handle.await?, "Ada");
    ///
    /// let again = sec.signal("article-7", approved()).event_id("e-17").await?;
    /// assert_eq!(again, Answer::Duplicate);
    /// let late = sec.signal("article-7", approved()).event_id("e-18").await;
    /// let Err(OperateError::Refused { refusal: Refusal::AlreadyEnded { .. }, .. }) = late else {
    ///     return Err("it has ended".into());
    /// };
    /// # Ok(()) }
    /// ```
    pub fn signal<E: ExternalEvent>(&self, saga: &str, event: E) -> SendSignal<E> {
        self.operator("coordinator").signal(saga, event)
    }
}

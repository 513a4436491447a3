//! The events that a test tells a saga of.

use std::time::Duration;

use tokio::time::sleep;

use super::run::ID;
use super::{SagaTest, fail};
use crate::coordinator::Coordinator;
use crate::error::OperateError;
use crate::log::{Command, Payload, Refusal};
use crate::names::EventType;
use crate::typed::{ExternalEvent, Saga, event_type};
use crate::value::encode;

/// An event, and when the saga is told of it.
struct Told {
    /// By the saga's clock, after its start.
    after: Duration,
    event: EventType,
    payload: Payload,
}

/// The events of each run, in the order in which the saga is told of them.
#[derive(Default)]
pub(super) struct Events(Vec<Told>);

impl Events {
    fn add<E: ExternalEvent>(&mut self, after: Duration, event: &E) -> Result<(), String> {
        let ty = event_type::<E>().map_err(|why| why.to_string())?;
        let payload =
            encode(event).map_err(|why| format!("the event {ty} cannot be stored: {why}"))?;
        self.0.push(Told { after, event: ty, payload });
        self.0.sort_by_key(|told| told.after);
        Ok(())
    }

    /// Tells the saga of each event when its time has come. The next process tells it again of all of them, as a sender does that
    /// has not heard an answer. Fails if the saga cannot take one.
    pub(super) async fn tell<C: Send + Sync + 'static>(
        &self,
        sec: &Coordinator<C>,
        since_start: Duration,
    ) -> Result<(), String> {
        let (operator, mut now) = (sec.operator("the test"), since_start);
        for (n, Told { after, event, payload }) in self.0.iter().enumerate() {
            if *after > now {
                sleep(*after - now).await;
                now = *after;
            }
            let (event, payload, event_id) = (event.clone(), payload.clone(), format!("event-{n}"));
            match operator.ask(ID, Command::Signal { event, event_id, payload }).await {
                Err(OperateError::Refused { refusal: why @ Refusal::Invalid { .. }, .. }) => {
                    return Err(why.to_string());
                }
                // later, it may have gone on without it
                Err(OperateError::Refused {
                    refusal: why @ Refusal::NoSuchWait { .. }, ..
                }) if after.is_zero() => {
                    return Err(why.to_string());
                }
                // one that has ended, rolls back, or whose process is about to die
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }
}

impl<S: Saga> SagaTest<S> {
    /// Tells the saga of an event as soon as it has started, in every run: before it waits, so it is kept until it does. After a crash
    /// it is told again under the same [event id](crate::operator::SendSignal::event_id).
    ///
    /// A test that tells it of none lets the time of a `timeout` come; a wait without one then never ends, which the test says.
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// use saga_core::testing::{Ended, SagaTest};
    /// use std::time::Duration;
    ///
    /// #[saga_event]
    /// struct Approved { by: String }
    ///
    /// saga! {
    ///     Publish<()>() -> String {
    ///         let approved = wait_for::<Approved> { timeout: Duration::from_secs(3600) };
    ///         { approved.as_ref().map_or("nobody".to_string(), |it| it.by.clone()) }
    ///     }
    /// }
    ///
    /// let ada = || Approved { by: "Ada".to_string() };
    /// let by = |expected: &'static str| async move |ended: &Ended<Publish>| {
    ///     if let Ok(by) = ended.result() { assert_eq!(by, expected) }
    /// };
    /// SagaTest::<Publish>::new(|| (), Publish {}).signal(ada()).check_all(by("Ada"));
    /// SagaTest::<Publish>::new(|| (), Publish {}).check_all(by("nobody"));
    /// let late = Duration::from_secs(7200);
    /// SagaTest::<Publish>::new(|| (), Publish {}).signal_after(late, ada()).check_all(by("nobody"));
    /// ```
    ///
    /// # Panics
    /// If the event cannot be stored.
    #[track_caller]
    pub fn signal<E: ExternalEvent>(self, event: E) -> Self {
        self.signal_after(Duration::ZERO, event)
    }

    /// Tells the saga of an event so long after its start, by the test's clock: see [`signal`](Self::signal).
    ///
    /// # Panics
    /// As `signal`.
    #[track_caller]
    pub fn signal_after<E: ExternalEvent>(mut self, after: Duration, event: E) -> Self {
        if let Err(why) = self.events.add(after, &event) {
            fail(why);
        }
        self
    }
}

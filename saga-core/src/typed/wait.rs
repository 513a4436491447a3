//! Steps that wait: for an event from outside, or for a time.

use std::sync::Arc;

use futures_util::FutureExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StepResult;
use super::closures::TypedClosure;
use crate::context::Frame;
use crate::dag::{AnyNode, NodeBody, ReadEvent, TimerTime, Wait, WaitFor, WaitOutput};
use crate::error::ActionError;
use crate::log::Payload;
use crate::machine::Due;
use crate::names::{EventType, InvalidName, NodeName, Source};
use crate::value::{ActionOutput, OutputType};

/// A type of event that sagas wait for, and that somebody tells them of with
/// [`Coordinator::signal`](crate::Coordinator::signal). [`#[saga_event]`](crate::saga_event) implements it.
///
/// An event is kept in the log of the saga that it is for, so a later version of a program must be able to read it: change
/// `REV` when the fields change in another way.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "annotate the struct with `#[saga_event]` to wait for it and to signal it"
)]
pub trait ExternalEvent: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its durable name.
    const NAME: &'static str;
    /// Its revision.
    const REV: u32 = 0;
    /// `W`: a type that only an event has.
    #[doc(hidden)]
    type Same<W>: From<W>;
}

/// The type of an event, as the log has it.
pub(crate) fn event_type<E: ExternalEvent>() -> Result<EventType, InvalidName> {
    EventType::new(E::NAME, E::REV)
}

/// What a step waits for.
pub struct WaitSpec {
    event: Option<EventSpec>,
    timer: Option<WallClock>,
    output: WaitOutput,
}

struct EventSpec {
    event: fn() -> Result<EventType, InvalidName>,
    read: ReadEvent,
}

/// Whether a timer waits for a point in wall time, and not for some length of time.
#[derive(Clone, Copy)]
struct WallClock(bool);

impl WaitSpec {
    /// A wait for a time.
    pub(crate) fn sleep(follows_wall_clock: bool) -> Self {
        let output = WaitOutput {
            output_type: OutputType::of::<()>(),
            make: |_, _| ActionOutput::new(()),
            decode: |_, payload| ActionOutput::decode::<()>(payload),
        };
        Self { event: None, timer: Some(WallClock(follows_wall_clock)), output }
    }

    /// A wait for an event.
    pub(crate) fn event<E: ExternalEvent>() -> Self {
        let output = WaitOutput {
            output_type: OutputType::of::<E>(),
            make: |_, waited| ActionOutput::decode::<E>(&event_or_null(waited.event.as_ref())),
            decode: |_, payload| ActionOutput::decode::<E>(payload),
        };
        Self { event: Some(EventSpec::of::<E>()), timer: None, output }
    }

    /// A wait for an event, for some length of time at most.
    pub(crate) fn event_within<E: ExternalEvent>() -> Self {
        let output = WaitOutput {
            output_type: OutputType::of::<Option<E>>(),
            make: |_, waited| {
                ActionOutput::decode::<Option<E>>(&event_or_null(waited.event.as_ref()))
            },
            decode: |_, payload| ActionOutput::decode::<Option<E>>(payload),
        };
        Self { event: Some(EventSpec::of::<E>()), timer: Some(WallClock(false)), output }
    }
}

/// No event is `null`: see [`Coordinator::signal`](crate::Coordinator::signal).
fn event_or_null(event: Option<&Payload>) -> Payload {
    event.cloned().unwrap_or_else(|| Payload::from(&b"null"[..]))
}

impl EventSpec {
    fn of<E: ExternalEvent>() -> Self {
        Self { event: event_type::<E>, read: ActionOutput::decode::<E> }
    }
}

/// The result of a step that computes when its timer is due.
pub(crate) fn due(due: Due) -> StepResult {
    StepResult::Output(ActionOutput::of(due, Payload::default()))
}

/// A step that computes when a timer is due.
impl<C: Send + Sync + 'static> TimerTime for TypedClosure<C> {
    fn due(&self, frame: &Arc<Frame>, sources: &Arc<[Source]>) -> Result<Due, ActionError> {
        if let Some(error) = frame.refused.as_deref() {
            return Err(error.clone());
        }
        let failed =
            |why: &str| ActionError::from_error(format!("its time cannot be computed: {why}"));
        match self.evaluate(frame, sources).now_or_never() {
            Some(Ok(StepResult::Output(output))) => {
                output.get::<Due>().copied().ok_or_else(|| failed("it is no time"))
            }
            Some(Ok(StepResult::Failed(why))) => Err(why.error),
            Some(Ok(StepResult::Undone(_) | StepResult::Probed(_) | StepResult::UndoInputs(_)))
            | None => Err(failed("it awaits something")),
            Some(Err(panic)) => Err(failed(&panic)),
        }
    }
}

impl<C: Send + Sync + 'static> TypedClosure<C> {
    /// The node of a typed step that waits.
    pub(super) fn wait(
        self,
        name: NodeName,
        spec: WaitSpec,
        sources: &Arc<[Source]>,
    ) -> Result<AnyNode, InvalidName> {
        let output = spec.output;
        let alternatives = self.alternatives(spec, sources)?.into();
        Ok(AnyNode::with(name, NodeBody::Wait(Wait { alternatives, output })))
    }

    /// What such a step waits for.
    pub(super) fn alternatives(
        self,
        spec: WaitSpec,
        sources: &Arc<[Source]>,
    ) -> Result<Vec<WaitFor>, InvalidName> {
        let mut alternatives = Vec::new();
        if let Some(EventSpec { event, read }) = spec.event {
            alternatives.push(WaitFor::Event(event()?, read));
        }
        if let Some(WallClock(follows_wall_clock)) = spec.timer {
            let (time, sources) = (Arc::new(self), sources.clone());
            alternatives.push(WaitFor::Timer { follows_wall_clock, time, sources });
        }
        Ok(alternatives)
    }
}

//! Nodes that wait for events and times: what they wait for, and what their output is made of.

use std::sync::Arc;

use crate::context::Frame;
use crate::error::ActionError;
use crate::log::Payload;
use crate::machine::{Due, Waited};
use crate::names::{EventType, Source};
use crate::plan::Alternative;
use crate::value::{ActionOutput, OutputType};

/// A node that waits for the first of several things.
#[derive(Clone)]
pub(crate) struct Wait {
    pub(crate) alternatives: Arc<[WaitFor]>,
    pub(crate) output: WaitOutput,
}

/// Reads an event.
pub(crate) type ReadEvent = fn(&Payload) -> Result<ActionOutput, ActionError>;

/// One of the things that a node waits for.
pub(crate) enum WaitFor {
    /// An event, and how it is read.
    Event(EventType, ReadEvent),
    /// A time, and the sources that it is computed from.
    Timer { follows_wall_clock: bool, time: Arc<dyn TimerTime>, sources: Arc<[Source]> },
}

/// The output of a node that waits.
#[derive(Clone, Copy)]
pub(crate) struct WaitOutput {
    pub(crate) output_type: OutputType,
    /// Made of what came first.
    pub(crate) make: fn(&[WaitFor], &Waited) -> Result<ActionOutput, ActionError>,
    /// Read from its own bytes.
    pub(crate) decode: fn(&[WaitFor], &Payload) -> Result<ActionOutput, ActionError>,
}

/// Computes when a timer is due.
pub(crate) trait TimerTime: Send + Sync {
    fn due(&self, frame: &Arc<Frame>, sources: &Arc<[Source]>) -> Result<Due, ActionError>;
}

impl WaitFor {
    /// The type of the event, if it is one.
    pub(crate) fn event(&self) -> Option<&EventType> {
        match self {
            Self::Event(event, _) => Some(event),
            Self::Timer { .. } => None,
        }
    }

    pub(crate) fn alternative(&self) -> Alternative {
        match self {
            Self::Event(event, _) => Alternative::Event(event.clone()),
            Self::Timer { follows_wall_clock: false, .. } => Alternative::Sleep,
            Self::Timer { follows_wall_clock: true, .. } => Alternative::SleepUntil,
        }
    }
}

impl Wait {
    pub(crate) fn alternatives(&self) -> Vec<Alternative> {
        self.alternatives.iter().map(WaitFor::alternative).collect()
    }

    /// When its timers are due, in their order.
    pub(crate) fn times(&self, frame: &Arc<Frame>) -> Result<Vec<Due>, ActionError> {
        let times = self.alternatives.iter().filter_map(|alternative| match alternative {
            WaitFor::Event(..) => None,
            WaitFor::Timer { time, sources, .. } => Some(time.due(frame, sources)),
        });
        times.collect()
    }

    /// How an event of this type is read, if the node waits for it.
    pub(crate) fn reader(&self, event: &EventType) -> Option<ReadEvent> {
        self.alternatives.iter().find_map(|alternative| match alternative {
            WaitFor::Event(other, read) if other == event => Some(*read),
            WaitFor::Event(..) | WaitFor::Timer { .. } => None,
        })
    }

    pub(crate) fn make(&self, waited: &Waited) -> Result<ActionOutput, ActionError> {
        (self.output.make)(&self.alternatives, waited)
    }

    pub(crate) fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError> {
        (self.output.decode)(&self.alternatives, payload)
    }
}

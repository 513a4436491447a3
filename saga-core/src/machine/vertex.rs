//! What the log says about one vertex.

use std::sync::Arc;

use super::mailbox::WaitDetails;
use super::progress::{Activity, Progress};
use crate::log::{Failure, Timestamp, TryFailure};

/// Where a vertex stands in the order of unwinding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settling {
    /// It waits for this many successors, or is being undone if there are none left.
    Unsettled { successors: u32 },
    /// There is nothing (more) to undo.
    Settled,
}

/// How far its undo has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UndoProgress {
    NotStarted,
    Started,
    /// The next attempt is due at [`Details::undo_at`].
    Scheduled,
    Finished,
    Failed,
    Resolved,
}

/// What stands behind a gate that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    /// The first frame.
    pub(super) first: u32,
    pub(super) count: u32,
    /// How many of them may run: a `for` can have a limit.
    pub(super) released: u32,
    /// What was chosen: the width, or the arm.
    pub(super) chosen: u64,
}

/// What the log says about one vertex. A saga can have a million of them, so what few of them have is apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Vertex {
    pub(super) frame: u32,
    /// How many predecessors have not completed.
    pub(super) waiting: u32,
    /// How often the action was started.
    pub(super) attempts: u32,
    /// How often the undo was started.
    pub(super) undo_tries: u32,
    /// The entry of the first start: undo goes back in this order.
    pub(super) first_start: u64,
    /// Means something only while unwinding.
    pub(super) settling: Settling,
    pub(super) progress: Progress,
    pub(super) undo: UndoProgress,
    pub(super) details: Option<Box<Details>>,
}

/// A key that its receiver refuses from now on, because it was asked and nothing was done under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClosedKey {
    /// True if the last attempt was cut off by the end of its process, which does not use up a try.
    pub(super) cut_off: bool,
}

/// What the log says about few vertices: those at which something went wrong, and gates.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Details {
    /// How many of them do not count as tries: those that were cut off by the end of their process, and all
    /// that came before an operator said to try again.
    pub(super) tries_from: u32,
    /// How often while unwinding, since an operator last said to try again.
    pub(super) reruns: u32,
    /// How many attempts of the undo do not count as tries, as above.
    pub(super) undo_from: u32,
    /// How the last attempt ended, if not well.
    pub(super) failure: Option<Arc<Failure>>,
    pub(super) undo_failure: Option<Arc<Failure>>,
    /// When the next attempt is due, if one is scheduled.
    pub(super) retry_at: Timestamp,
    /// When the next attempt of the undo is due, if one is scheduled.
    pub(super) undo_at: Timestamp,
    /// For a gate: its frames, once it is open. For the node of a `try`: what runs instead of its scope.
    pub(super) parts: Option<Parts>,
    /// For a wait that has begun.
    pub(super) wait: Option<Box<WaitDetails>>,
    /// The generation of the key of the last attempt of the action.
    pub(super) generation: u32,
    /// What the receiver was told since the last attempt, if it was told to refuse its key.
    pub(super) closed: Option<ClosedKey>,
    /// For the gate before a scope: why the scope unwinds.
    pub(super) scope_failure: Option<Arc<TryFailure>>,
}

impl Details {
    const fn none() -> Self {
        Self {
            tries_from: 0,
            reruns: 0,
            undo_from: 0,
            failure: None,
            undo_failure: None,
            retry_at: Timestamp(0),
            undo_at: Timestamp(0),
            parts: None,
            wait: None,
            generation: 0,
            closed: None,
            scope_failure: None,
        }
    }
}

static NO_DETAILS: Details = Details::none();

impl Vertex {
    pub(super) fn new(frame: u32, waiting: u32) -> Self {
        Self {
            frame,
            waiting,
            attempts: 0,
            undo_tries: 0,
            first_start: 0,
            settling: Settling::Unsettled { successors: 0 },
            progress: Progress::Open(Activity::Idle { doubt: false }),
            undo: UndoProgress::NotStarted,
            details: None,
        }
    }

    /// What few vertices have; what it is at first, if this one has nothing of it.
    pub(super) fn details(&self) -> &Details {
        self.details.as_deref().unwrap_or(&NO_DETAILS)
    }

    pub(super) fn details_mut(&mut self) -> &mut Details {
        self.details.get_or_insert_with(|| Box::new(Details::none()))
    }

    /// When the next attempt is due, if one is scheduled.
    pub(super) fn retry_at(&self) -> Option<Timestamp> {
        self.progress.is_scheduled().then(|| self.details().retry_at)
    }

    /// For a gate: what stands behind it, once it is open.
    pub(super) fn parts(&self) -> Option<Parts> {
        self.details.as_ref()?.parts
    }

    /// True if an attempt that was started going forward is in flight, or was cut off.
    pub(super) fn runs_forward(&self) -> bool {
        self.progress.is_running() && self.details().reruns == 0
    }
}

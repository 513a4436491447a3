//! What becomes of a call: what the world lets go wrong with it. Zeros on the tape let it succeed at once.

use std::time::Duration;

use super::World;
use crate::sagas::Call as Node;

/// Where it ends, if it does not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Answered,
    /// A definite error before anything left the process.
    Fails {
        permanent: bool,
    },
    /// The service says no.
    Refused,
    /// An error after half of it, where `undo_on_failure` allows that.
    Half,
    /// It is not known what became of it.
    NoAnswer {
        sent: bool,
    },
    Panics {
        sent: bool,
    },
    /// Nothing comes back while there are faults.
    Hangs {
        sent: bool,
    },
    /// The answer is too large to be stored.
    TooLarge,
    /// An undo that fails although it has done its work.
    FailsAfter {
        permanent: bool,
    },
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Fate {
    pub(super) end: End,
    /// How long the request is under way, and the reply.
    pub(super) request: Duration,
    pub(super) reply: Duration,
    /// The request arrives a second time, after so long.
    pub(super) twice: Option<Duration>,
    /// The receiver does not answer before this time is over.
    pub(super) blocked: Option<Duration>,
    /// It stops waiting once its saga is cancelled.
    pub(super) heeds_cancel: bool,
}

impl World {
    fn delay(&self) -> Duration {
        let tape = &self.tape;
        match tape.byte() {
            0..=159 => Duration::ZERO,
            160..=209 => Duration::from_millis(1 + tape.below(64)),
            210..=239 => Duration::from_millis(500 << tape.pick(6)),
            // beyond the end of its caller, or of its saga
            240..=255 => Duration::from_secs(60 << tape.pick(7)),
        }
    }

    pub(super) fn fate_of_do(&self, node: &Node) -> Fate {
        let forever = node.retry.is_some_and(|retry| retry.max().is_none());
        // an `ActionFunc` cannot say that it is of no use to try again
        let permanent = || !node.action.closures && self.tape.chance(100);
        let end = if self.tape.chance(72) {
            match self.tape.pick(11) {
                0 | 1 => End::Fails { permanent: permanent() },
                2 if node.action.closures && forever => End::Fails { permanent: false },
                2 => End::Refused,
                3 | 4 if node.action.cleans_up => End::Half,
                3 => End::NoAnswer { sent: false },
                4 => End::NoAnswer { sent: true },
                5 => End::Panics { sent: false },
                6 => End::Panics { sent: true },
                7 => End::Hangs { sent: false },
                8 => End::Hangs { sent: true },
                // it would be in doubt for ever
                9 if forever => End::NoAnswer { sent: true },
                9 => End::TooLarge,
                _ => End::NoAnswer { sent: true },
            }
        } else {
            End::Answered
        };
        self.under(end)
    }

    pub(super) fn fate_of_undo(&self, node: &Node) -> Fate {
        let _ = node;
        let permanent = || self.tape.chance(60);
        let end = if self.tape.chance(64) {
            match self.tape.pick(6) {
                0 => End::Fails { permanent: permanent() },
                1 => End::FailsAfter { permanent: permanent() },
                2 => End::Panics { sent: false },
                3 => End::Panics { sent: true },
                4 => End::Hangs { sent: false },
                _ => End::Hangs { sent: true },
            }
        } else {
            End::Answered
        };
        self.under(end)
    }

    fn under(&self, end: End) -> Fate {
        let seconds = |tape: &crate::tape::Tape| Duration::from_millis(200 << tape.pick(9));
        Fate {
            end,
            request: self.delay(),
            reply: if self.tape.chance(60) {
                Duration::from_millis(1 << self.tape.pick(12))
            } else {
                Duration::ZERO
            },
            twice: self.tape.chance(24).then(|| seconds(&self.tape)),
            blocked: self.tape.chance(8).then(|| seconds(&self.tape)),
            heeds_cancel: self.tape.chance(80),
        }
    }
}

//! The receivers of the calls: one for each node, which has one idempotency key.

use crate::setup::{Obligation, Setup};

/// What a receiver has done about one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Receiver {
    /// How many effects are there. Below zero if more was removed than there was.
    pub(crate) effects: i8,
    /// The answer that it remembers: `true` for a result, `false` for a refusal.
    answer: Option<bool>,
    /// True if it remembers an undo, and refuses the action for that.
    blocked: bool,
    /// The highest token so far: epoch and sequence number. Not kept unless it is compared.
    token: (u64, u64),
    /// True once an undo has removed the effect, whether the receiver remembers that or not.
    pub(crate) was_removed: bool,
    /// True once a call was refused, whether the receiver remembers that or not.
    pub(crate) has_refused: bool,
}

/// A call as its receiver sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    /// The node, which determines the key.
    pub(crate) node: usize,
    /// True for an undo.
    pub(crate) undo: bool,
    /// Epoch and sequence number.
    pub(crate) token: (u64, u64),
    /// True if the action is not possible, such as a flight that is sold out.
    pub(crate) refuse: bool,
}

/// What a receiver makes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Stale,
    Known(bool),
    Blocked,
    Refuse,
    Act,
    Remove,
    RemoveAgain,
    NothingToRemove,
}

impl Receiver {
    /// Handles a call. `seen` is the state that the receiver has read: its own, unless it handles several calls at a time.
    /// Returns whether the call succeeded.
    pub(crate) fn handle(&mut self, seen: &Self, request: Request, setup: &Setup) -> bool {
        let honours = |obligation| setup.honours(request.node, obligation);
        if honours(Obligation::Token) {
            self.token = self.token.max(request.token);
        }
        match seen.decide(request, setup) {
            Decision::Stale | Decision::Blocked => false,
            Decision::Known(answer) => answer,
            Decision::Refuse => {
                self.has_refused = true;
                if honours(Obligation::RefusalsAreKept) {
                    self.answer = Some(false);
                }
                false
            }
            Decision::Act => {
                self.effects = self.effects.saturating_add(1);
                if honours(Obligation::OneEffectPerKey) {
                    self.answer = Some(true);
                }
                true
            }
            Decision::Remove => {
                self.effects = self.effects.saturating_sub(1);
                self.was_removed = true;
                if honours(Obligation::KeyOutlivesUndo) {
                    self.blocked = true;
                } else {
                    self.answer = None;
                }
                true
            }
            Decision::RemoveAgain => {
                self.effects = self.effects.saturating_sub(1);
                true
            }
            Decision::NothingToRemove => {
                self.blocked |= honours(Obligation::UndoBlocksKey) && !self.was_removed;
                honours(Obligation::UndoOfNothingSucceeds) || self.was_removed
            }
        }
    }

    fn decide(&self, request: Request, setup: &Setup) -> Decision {
        let honours = |obligation| setup.honours(request.node, obligation);
        if honours(Obligation::Token) && request.token < self.token {
            return Decision::Stale;
        }
        if request.undo {
            return match (self.effects > 0, self.was_removed) {
                (true, _) => Decision::Remove,
                (false, true) if !honours(Obligation::IdempotentUndo) => Decision::RemoveAgain,
                (false, _) => Decision::NothingToRemove,
            };
        }
        match self.answer {
            Some(answer) => Decision::Known(answer),
            None if self.blocked => Decision::Blocked,
            None if request.refuse => Decision::Refuse,
            None => Decision::Act,
        }
    }

    /// True if a call for which nobody waits changes nothing, now and at any later time.
    pub(crate) fn ignores_forever(&self, node: usize, undo: bool, setup: &Setup) -> bool {
        if !setup.honours(node, Obligation::OneCallAtATime) {
            return false;
        }
        if undo {
            let for_good = self.blocked || self.answer == Some(false);
            return setup.honours(node, Obligation::IdempotentUndo)
                && for_good
                && self.effects == 0;
        }
        self.blocked || self.answer.is_some() && setup.honours(node, Obligation::KeyOutlivesUndo)
    }
}

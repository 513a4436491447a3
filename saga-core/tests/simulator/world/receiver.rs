//! What the services do that actions call: one receiver for each idempotency key.
//!
//! They fulfil what README.md lists as obligations. Each of these can be left out, which the laws must then notice.

use saga_core::FencingToken;
use saga_core::action::UndoContract;
use serde_json::Value;

use crate::store::Row;

/// What receivers are obliged to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Obligations {
    /// A repeated call has no second effect.
    pub(crate) one_effect_per_key: bool,
    /// A repeated call gets the first answer again.
    pub(crate) same_answer: bool,
    /// Also if that was a refusal.
    pub(crate) same_refusal: bool,
    /// A repeated undo changes nothing.
    pub(crate) idempotent_undo: bool,
    /// An undo that may find nothing blocks the key, by a tombstone or by its token.
    pub(crate) block_after_undo: bool,
}

impl Default for Obligations {
    fn default() -> Self {
        Self {
            one_effect_per_key: true,
            same_answer: true,
            same_refusal: true,
            idempotent_undo: true,
            block_after_undo: true,
        }
    }
}

/// What a request for an action does if it is the first of its key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// All of it, with this answer.
    Whole(Value),
    /// Half of it, and then an error.
    Half,
    /// Nothing: the service says no. If it forgets that, the same request has this answer later.
    Refused(Value),
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Do(Effect),
    Undo,
}

/// A request, which may be on its way when its sender is gone.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) what: What,
    pub(crate) token: FencingToken,
    pub(crate) contract: UndoContract,
    /// True if stale calls are told by their token.
    pub(crate) fenced: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    Done(Value),
    Undone,
    /// It failed halfway.
    Half,
    /// For good.
    Refused(&'static str),
}

/// What a service knows about one key of an action.
#[derive(Debug, Clone, Default)]
pub(crate) struct Receiver {
    /// How often the effect is there. Anything but 0 and 1 is a mistake.
    pub(crate) effects: i32,
    pub(crate) half: bool,
    pub(crate) undos: u32,
    /// The answer that callers got, if a call had its effect.
    pub(crate) answer: Option<Value>,
    refused: bool,
    tombstone: bool,
    highest: Option<FencingToken>,
}

impl Receiver {
    /// With what the tables of the user's say, if its action is a transaction.
    pub(super) fn with_row(self, row: Row) -> Self {
        let Row { effects, undos, answer } = row;
        Self { effects, undos, answer, ..self }
    }

    pub(crate) fn leaves_something(&self) -> bool {
        self.effects != 0 || self.half
    }

    /// What is known under one key and another one.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            effects: self.effects + other.effects,
            half: self.half || other.half,
            undos: self.undos + other.undos,
            answer: self.answer.or(other.answer),
            ..other
        }
    }

    pub(crate) fn arrive(&mut self, request: &Request, rules: Obligations) -> Reply {
        if request.fenced && rules.block_after_undo {
            if self.highest.is_some_and(|highest| request.token < highest) {
                return Reply::Refused("stale");
            }
            self.highest = Some(request.token);
        }
        match &request.what {
            What::Undo => self.undo(request, rules),
            What::Do(effect) => self.act(effect, rules),
        }
    }

    fn undo(&mut self, request: &Request, rules: Obligations) -> Reply {
        if rules.idempotent_undo {
            self.effects = 0;
        } else {
            self.effects -= i32::from(self.answer.is_some());
        }
        self.half = false;
        self.undos += 1;
        // an undo that needs the output finds an effect
        let may_find_nothing = request.contract != UndoContract::Output;
        self.tombstone |= may_find_nothing && rules.block_after_undo && !request.fenced;
        Reply::Undone
    }

    fn act(&mut self, effect: &Effect, rules: Obligations) -> Reply {
        if self.tombstone {
            return Reply::Refused("it was undone");
        }
        if self.refused && rules.same_refusal {
            return Reply::Refused("no");
        }
        if let Some(answer) = &self.answer {
            self.effects += i32::from(!rules.one_effect_per_key);
            return match effect {
                Effect::Whole(Value::Number(another)) if !rules.same_answer => {
                    Reply::Done((another.as_u64().unwrap_or_default() + 1).into())
                }
                Effect::Whole(_) | Effect::Half | Effect::Refused(_) => Reply::Done(answer.clone()),
            };
        }
        match effect {
            Effect::Refused(_) if !self.refused => {
                self.refused = true;
                Reply::Refused("no")
            }
            Effect::Whole(answer) | Effect::Refused(answer) => {
                (self.effects, self.half) = (1, false);
                self.answer = Some(answer.clone());
                Reply::Done(answer.clone())
            }
            Effect::Half => {
                self.half = true;
                Reply::Half
            }
        }
    }

    /// What has become of the action, for an operator who closes the key if nothing has.
    pub(super) fn inquire(&mut self) -> Option<&Value> {
        self.tombstone |= self.answer.is_none();
        self.answer.as_ref()
    }
}

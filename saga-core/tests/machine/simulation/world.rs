//! The receivers of the calls. They fulfil the obligations listed in README.md: one result per key,
//! idempotent undos, and a tombstone for an undo that may come without an output.

use std::collections::BTreeMap;

use saga_core::action::{Policy, UndoContract};
use saga_core::dag::NodeName;
use saga_core::log::{Failure, FailureKind, Payload};
use saga_core::machine::ActionResult;

use super::tape::Tape;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Do {
    Ok,
    /// The output cannot be stored.
    Unstorable,
    /// A definite error before anything happened.
    Fails {
        retryable: bool,
    },
    /// A definite error that leaves something behind, where `undo_on_failure` says that this may happen.
    Partial {
        retryable: bool,
    },
    /// No answer; `effect` says whether it happened.
    Doubt {
        effect: bool,
        retryable: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Un {
    Ok,
    Fails { retryable: bool, removed: bool },
}

/// What an action declares about its undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contract {
    pub(crate) undo: UndoContract,
    pub(crate) on_failure: bool,
    /// Its only effect is a transaction of the database that keeps the log.
    pub(crate) transaction: bool,
}

impl From<Policy> for Contract {
    fn from(policy: Policy) -> Self {
        let transaction = policy.transaction.is_some();
        Self { undo: policy.undo, on_failure: policy.undoes_failures(), transaction }
    }
}

/// What becomes of a call whose caller is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    Lost,
    Late,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Receiver {
    /// What the last action of this key declared.
    pub(crate) of: Option<Contract>,
    pub(crate) effect: bool,
    pub(crate) partial: bool,
    /// A call of this key has had its effect.
    key: bool,
    /// An undo without output was here.
    tomb: bool,
    pub(crate) undos: u32,
}

impl Receiver {
    pub(crate) fn is_left(&self) -> bool {
        self.effect || self.partial
    }
}

/// The name of the node of the outermost DAG that a path begins with, and the rest of the path.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.split_at(path.find(['/', '[', '#']).unwrap_or(path.len()))
}

#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    /// By idempotency key.
    pub(crate) receivers: BTreeMap<String, Receiver>,
    /// Under which names nodes of the outermost DAG have their keys, if not under their own.
    pub(crate) keys: BTreeMap<NodeName, String>,
    /// True if they leave out the tombstones.
    forgetful: bool,
    late: Vec<(String, Contract, Option<Do>)>,
}

impl World {
    pub(crate) fn new(forgetful: bool) -> Self {
        Self { forgetful, ..Self::default() }
    }

    /// The idempotency key of a node of the version that runs.
    pub(crate) fn key(&self, path: &str) -> String {
        let (name, within) = split(path);
        let key = self.keys.iter().find(|(node, _)| node.as_str() == name);
        format!("{}{within}", key.map_or(name, |(_, key)| key.as_str()))
    }

    /// Who got the calls of a node of the version that runs.
    pub(crate) fn receiver(&self, path: &str) -> Option<&Receiver> {
        self.receivers.get(&self.key(path))
    }

    pub(crate) fn run(&mut self, path: &str, of: Contract, what: Do) -> ActionResult {
        match of.transaction {
            true => Self::run_transaction(path, what),
            false => self.run_under(self.key(path), path, of, what),
        }
    }

    /// A transaction has its effect when its `succeeded` is durable, and not before.
    fn run_transaction(path: &str, what: Do) -> ActionResult {
        let fail = |retryable, why: &str| Failure {
            retryable,
            ..Failure::new(FailureKind::Failed, format!("{path}: {why}"))
        };
        match what {
            Do::Ok => ActionResult::Ok(Payload::from(path.as_bytes())),
            Do::Unstorable => ActionResult::Unstorable(fail(false, "the output is too large")),
            Do::Fails { retryable } | Do::Partial { retryable } => {
                ActionResult::Failed(fail(retryable, "rolled back"))
            }
            Do::Doubt { retryable, .. } => ActionResult::InDoubt(fail(retryable, "cut off")),
        }
    }

    /// The `succeeded` of a transaction is durable.
    pub(crate) fn commits(&mut self, path: &str, of: Contract) {
        let r = self.receivers.entry(self.key(path)).or_default();
        (r.of, r.effect) = (Some(of), true);
    }

    /// The `undo_finished` of a transaction is durable.
    pub(crate) fn commits_undo(&mut self, path: &str, of: Contract) {
        let r = self.receivers.entry(self.key(path)).or_default();
        (r.of, r.effect) = (Some(of), false);
        r.undos += 1;
    }

    fn run_under(&mut self, key: String, path: &str, of: Contract, what: Do) -> ActionResult {
        let r = self.receivers.entry(key).or_default();
        r.of = Some(of);
        let fail = |retryable, why: &str| Failure {
            retryable,
            ..Failure::new(FailureKind::Failed, format!("{path}: {why}"))
        };
        if let Do::Fails { retryable } = what {
            return ActionResult::Failed(fail(retryable, "never got there"));
        }
        if let Do::Doubt { effect: false, retryable } = what {
            return ActionResult::InDoubt(fail(retryable, "no answer"));
        }
        if r.tomb {
            return match what {
                Do::Doubt { retryable, .. } => ActionResult::InDoubt(fail(retryable, "no answer")),
                _ => ActionResult::Failed(fail(false, "refused: it was undone")),
            };
        }
        if let Do::Partial { retryable } = what
            && !r.key
        {
            r.partial |= of.on_failure;
            return ActionResult::Failed(fail(retryable, "half of it"));
        }
        // a repeated do gives the same result and has no further effect
        if !r.key {
            (r.key, r.effect, r.partial) = (true, true, false);
        }
        match what {
            Do::Doubt { retryable, .. } => ActionResult::InDoubt(fail(retryable, "no answer")),
            Do::Unstorable => ActionResult::Unstorable(Failure::new(
                FailureKind::SerializeFailed,
                format!("{path}: the output is too large"),
            )),
            _ => ActionResult::Ok(Payload::from(path.as_bytes())),
        }
    }

    pub(crate) fn undo(&mut self, path: &str, of: Contract, what: Un) -> Result<(), Failure> {
        match (of.transaction, what) {
            (true, Un::Ok) => Ok(()),
            (true, Un::Fails { retryable, .. }) => Err(Failure {
                retryable,
                ..Failure::new(FailureKind::Failed, format!("{path}: rolled back"))
            }),
            (false, what) => self.undo_under(self.key(path), path, of, what),
        }
    }

    fn undo_under(
        &mut self,
        key: String,
        path: &str,
        of: Contract,
        what: Un,
    ) -> Result<(), Failure> {
        let r = self.receivers.entry(key).or_default();
        if !matches!(what, Un::Fails { removed: false, .. }) {
            (r.effect, r.partial) = (false, false);
            r.tomb |= of.undo != UndoContract::Output && !self.forgetful;
            r.undos += 1;
        }
        match what {
            Un::Ok => Ok(()),
            Un::Fails { retryable, .. } => Err(Failure {
                retryable,
                ..Failure::new(FailureKind::Failed, format!("{path}: undo failed"))
            }),
        }
    }

    /// The caller of this call is gone; `what` is none for an undo.
    pub(crate) fn orphan(&mut self, path: &str, of: Contract, what: Option<Do>, fate: Fate) {
        match fate {
            // it could only be committed by the worker that owns the saga
            _ if of.transaction => {}
            Fate::Lost => {}
            Fate::Late => self.late.push((self.key(path), of, what)),
            Fate::Delivered => self.deliver(self.key(path), of, what),
        }
    }

    fn deliver(&mut self, key: String, of: Contract, what: Option<Do>) {
        match what {
            Some(what) => drop(self.run_under(key, "a late call", of, what)),
            None => drop(self.undo_under(key, "a late call", of, Un::Ok)),
        }
    }

    pub(crate) fn has_late(&self) -> bool {
        !self.late.is_empty()
    }

    /// A late call arrives.
    pub(crate) fn deliver_late(&mut self, tape: &mut Tape) -> bool {
        if self.late.is_empty() {
            return false;
        }
        let (key, of, what) = self.late.remove(tape.pick(self.late.len()));
        self.deliver(key, of, what);
        true
    }

    /// True if an effect is there, or will be once all calls have arrived.
    pub(crate) fn would_have_effect(&self, path: &str) -> bool {
        let mut world = self.clone();
        while world.deliver_late(&mut Tape::fair()) {}
        world.receiver(path).is_some_and(|r| r.effect)
    }

    /// True if anything is left there.
    pub(crate) fn left(&self, path: &str) -> bool {
        self.receiver(path).is_some_and(Receiver::is_left)
    }
}

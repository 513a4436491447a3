//! The receivers of the calls. They fulfil the obligations listed in README.md: one result per key, which may be a
//! refusal, idempotent undos, and a tombstone for an undo that may come without an output.

use std::collections::BTreeMap;
use std::ops::Range;

use saga_core::Probe;
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
    /// The receiver says no, and keeps that as its answer to this key.
    Refused {
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
    pub(crate) fresh_key: bool,
    /// Its receiver can be asked.
    pub(crate) probe: bool,
    /// It is tried for ever, so its receiver cannot refuse it for ever.
    pub(crate) forever: bool,
}

impl From<Policy> for Contract {
    fn from(policy: Policy) -> Self {
        let Policy { undo, fresh_key, probe, retry, .. } = policy;
        let (on_failure, transaction) = (policy.undoes_failures(), policy.transaction.is_some());
        Self { undo, on_failure, transaction, fresh_key, probe, forever: retry.max().is_none() }
    }
}

/// What receivers are obliged to do, and may neglect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Obligations {
    /// An undo without an output leaves a tombstone.
    pub(crate) tombstones: bool,
    /// A refusal is kept: a copy of the call that comes later is refused, too.
    pub(crate) refusals: bool,
    /// Who says that a call was not done lets none under its key be done later.
    pub(crate) closing: bool,
    /// An action with fresh keys that leaves something behind when it fails cleans that up when it is tried again.
    pub(crate) cleaning: bool,
}

impl Obligations {
    pub(crate) const ALL: Self =
        Self { tombstones: true, refusals: true, closing: true, cleaning: true };
}

/// What becomes of a call whose caller is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    Lost,
    Late,
}

/// What is known of one node's calls, under each of its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Receiver {
    /// How many effects there are.
    pub(crate) effects: usize,
    pub(crate) partial: bool,
    pub(crate) undos: u32,
}

impl Receiver {
    pub(crate) fn is_left(&self) -> bool {
        self.effects > 0 || self.partial
    }
}

/// What is known of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Keyed {
    effect: bool,
    partial: bool,
    /// A call of this key has had its effect.
    key: bool,
    /// The first call of this key was refused, and that is the answer from then on.
    refused: Option<bool>,
    /// An undo without output was here.
    tomb: bool,
    /// Somebody asked, and was told that nothing is done under this key.
    closed: bool,
    undos: u32,
}

/// One call, by the path of its node and the generation of its key.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) path: String,
    pub(crate) generation: u32,
    pub(crate) contract: Contract,
}

/// A call of an action, of its undo, or of its probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Called {
    Do(Do),
    Undo,
    Probe,
}

/// The name of the node of the outermost DAG that a path begins with, and the rest of the path.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.split_at(path.find(['/', '[', '#']).unwrap_or(path.len()))
}

#[derive(Debug, Clone)]
pub(crate) struct World {
    /// By the name and the generation of the idempotency key.
    keyed: BTreeMap<(String, u32), Keyed>,
    /// Under which names nodes of the outermost DAG have their keys, if not under their own.
    pub(crate) keys: BTreeMap<NodeName, String>,
    obligations: Obligations,
    /// Calls under way whose caller is gone, or has its answer already.
    late: Vec<(String, Site, Called)>,
}

impl World {
    pub(crate) fn new(obligations: Obligations) -> Self {
        Self { keyed: BTreeMap::new(), keys: BTreeMap::new(), obligations, late: Vec::new() }
    }

    /// The idempotency key of a node of the version that runs.
    pub(crate) fn key(&self, path: &str) -> String {
        let (name, within) = split(path);
        let key = self.keys.iter().find(|(node, _)| node.as_str() == name);
        format!("{}{within}", key.map_or(name, |(_, key)| key.as_str()))
    }

    /// Who got the calls of a node of the version that runs, under all of its keys.
    pub(crate) fn receiver(&self, path: &str) -> Option<Receiver> {
        let key = self.key(path);
        let all = self.keyed.range((key.clone(), 0)..=(key, u32::MAX)).map(|(_, r)| r);
        all.fold(None, |sum: Option<Receiver>, r| {
            let sum = sum.unwrap_or_default();
            Some(Receiver {
                effects: sum.effects + usize::from(r.effect),
                partial: sum.partial || r.partial,
                undos: sum.undos + r.undos,
            })
        })
    }

    pub(crate) fn run(&mut self, site: &Site, what: Do) -> ActionResult {
        match site.contract.transaction {
            true => Self::run_transaction(&site.path, what),
            false => self.run_under(self.key(&site.path), site, what),
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
            Do::Fails { retryable } | Do::Partial { retryable } | Do::Refused { retryable } => {
                ActionResult::Failed(fail(retryable, "rolled back"))
            }
            Do::Doubt { retryable, .. } => ActionResult::InDoubt(fail(retryable, "cut off")),
        }
    }

    /// The `succeeded` of a transaction is durable.
    pub(crate) fn commits(&mut self, path: &str, generation: u32) {
        self.keyed.entry((self.key(path), generation)).or_default().effect = true;
    }

    /// The `undo_finished` of a transaction is durable.
    pub(crate) fn commits_undo(&mut self, path: &str, generation: u32) {
        let r = self.keyed.entry((self.key(path), generation)).or_default();
        r.effect = false;
        r.undos += 1;
    }

    fn run_under(&mut self, key: String, site: &Site, what: Do) -> ActionResult {
        let Site { path, generation, contract: of } = site;
        let reached = !matches!(what, Do::Fails { .. } | Do::Doubt { effect: false, .. });
        if of.on_failure && reached && self.obligations.cleaning {
            self.clean(&key, 0..*generation);
        }
        let keeps_refusals = self.obligations.refusals;
        let r = self.keyed.entry((key, *generation)).or_default();
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
        if r.closed && !r.key {
            return match what {
                Do::Doubt { retryable, .. } => ActionResult::InDoubt(fail(retryable, "no answer")),
                // the next attempt has another key
                _ => ActionResult::Failed(fail(
                    of.forever,
                    "refused: nothing is done under this key",
                )),
            };
        }
        if let Do::Refused { retryable } = what
            && !r.key
        {
            if of.forever {
                return ActionResult::Failed(fail(retryable, "not yet"));
            }
            r.refused.get_or_insert(retryable);
        }
        if let (Some(retryable), false) = (r.refused, r.key)
            && (keeps_refusals || matches!(what, Do::Refused { .. }))
        {
            return match what {
                Do::Doubt { retryable, .. } => ActionResult::InDoubt(fail(retryable, "no answer")),
                _ => ActionResult::Failed(fail(retryable, "the answer is no")),
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

    pub(crate) fn undo(&mut self, site: &Site, what: Un) -> Result<(), Failure> {
        match (site.contract.transaction, what) {
            (true, Un::Ok) => Ok(()),
            (true, Un::Fails { retryable, .. }) => Err(Failure {
                retryable,
                ..Failure::new(FailureKind::Failed, format!("{}: rolled back", site.path))
            }),
            (false, what) => self.undo_under(self.key(&site.path), site, what),
        }
    }

    /// Removes what calls under these generations of a key have left, and lets no later one leave anything.
    fn clean(&mut self, key: &str, generations: Range<u32>) {
        for generation in generations {
            let r = self.keyed.entry((key.to_string(), generation)).or_default();
            (r.effect, r.partial, r.tomb) = (false, false, true);
        }
    }

    fn undo_under(&mut self, key: String, site: &Site, what: Un) -> Result<(), Failure> {
        let Site { path, generation, contract: of } = site;
        if !matches!(what, Un::Fails { removed: false, .. }) {
            // only who says that failures leave something looks for what earlier attempts have left
            if of.on_failure {
                self.clean(&key, 0..*generation);
            }
            let tombstones = self.obligations.tombstones;
            let r = self.keyed.entry((key, *generation)).or_default();
            (r.effect, r.partial) = (false, false);
            r.tomb |= of.undo != UndoContract::Output && tombstones;
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

    /// Whether calls under this key have been done. If not, none will be.
    pub(crate) fn probe(&mut self, site: &Site) -> Probe<Payload> {
        self.probe_under(self.key(&site.path), site)
    }

    fn probe_under(&mut self, key: String, site: &Site) -> Probe<Payload> {
        let closing = self.obligations.closing;
        let r = self.keyed.entry((key, site.generation)).or_default();
        if r.key {
            return Probe::Done(Payload::from(site.path.as_bytes()));
        }
        r.closed |= closing;
        Probe::NotDone
    }

    /// The caller of this call is gone.
    pub(crate) fn orphan(&mut self, site: Site, what: Called, fate: Fate) {
        let key = self.key(&site.path);
        match fate {
            // it could only be committed by the worker that owns the saga
            _ if site.contract.transaction => {}
            Fate::Lost => {}
            Fate::Late => self.late.push((key, site, what)),
            Fate::Delivered => self.deliver(key, &site, what),
        }
    }

    /// A copy of a call that has been answered is still under way.
    pub(crate) fn copy(&mut self, site: &Site, what: Do) {
        let what = match what {
            _ if site.contract.transaction => return,
            Do::Fails { .. } | Do::Doubt { .. } => return,
            // a receiver that has forgotten its refusal need not refuse again
            Do::Ok | Do::Unstorable | Do::Refused { .. } => Do::Ok,
            Do::Partial { .. } => what,
        };
        self.late.push((self.key(&site.path), site.clone(), Called::Do(what)));
    }

    fn deliver(&mut self, key: String, site: &Site, what: Called) {
        match what {
            Called::Do(what) => drop(self.run_under(key, site, what)),
            Called::Undo => drop(self.undo_under(key, site, Un::Ok)),
            Called::Probe => drop(self.probe_under(key, site)),
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
        let (key, site, what) = self.late.remove(tape.pick(self.late.len()));
        self.deliver(key, &site, what);
        true
    }

    /// True if an effect is there, or will be once all calls have arrived.
    pub(crate) fn would_have_effect(&self, path: &str) -> bool {
        let mut world = self.clone();
        while world.deliver_late(&mut Tape::fair()) {}
        world.receiver(path).is_some_and(|r| r.effects > 0)
    }

    /// True if the last key of this node has had a refusal for an answer.
    pub(crate) fn refuses(&self, path: &str) -> bool {
        let key = self.key(path);
        let last = self.keyed.range((key.clone(), 0)..=(key, u32::MAX)).next_back();
        last.is_some_and(|(_, r)| r.refused.is_some() && !r.key)
    }

    /// True if anything is left there.
    pub(crate) fn left(&self, path: &str) -> bool {
        self.receiver(path).is_some_and(|r| r.is_left())
    }
}

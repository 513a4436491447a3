//! What is checked: a saga, a protocol, what may happen how often, what its receivers honour, and what is left out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use saga_core::Retry;
use saga_core::action::{Policy, UndoContract};
use saga_core::dag::{NodeName, Plan, PlanKind, PlanNode};

/// Who may run the saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// One process at a time holds a lock, as with `SqliteStore` and `FileStore`. When it dies, the next one claims the saga.
    Embedded,
    /// Processes with leases by the database's clock, as with `PostgresStore`.
    Leases,
}

/// What a service that the saga calls does about repeated, late and overlapping calls with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obligation {
    /// A repeated call has no effect of its own, and returns the result of the first one that took effect.
    OneEffectPerKey,
    /// A call that was refused is refused again.
    RefusalsAreKept,
    /// A call that comes after the undo of its effect has no effect either: the undo does not forget the key.
    KeyOutlivesUndo,
    /// An undo that finds nothing blocks the key.
    UndoBlocksKey,
    /// An undo that finds nothing succeeds.
    UndoOfNothingSucceeds,
    /// A repeated undo removes nothing more.
    IdempotentUndo,
    /// Calls with one key are handled one after the other.
    OneCallAtATime,
    /// A call with a lower token than an earlier one is refused.
    Token,
}

impl Obligation {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::OneEffectPerKey,
        Self::RefusalsAreKept,
        Self::KeyOutlivesUndo,
        Self::UndoBlocksKey,
        Self::UndoOfNothingSucceeds,
        Self::IdempotentUndo,
        Self::OneCallAtATime,
        Self::Token,
    ];
}

impl fmt::Display for Obligation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneEffectPerKey => "a repeated call has no second effect",
            Self::RefusalsAreKept => "a refused call is refused again",
            Self::KeyOutlivesUndo => "an undo that found the effect does not forget the key",
            Self::UndoBlocksKey => "an undo that found nothing blocks the key",
            Self::UndoOfNothingSucceeds => "an undo that finds nothing succeeds",
            Self::IdempotentUndo => "a repeated undo removes nothing more",
            Self::OneCallAtATime => "one call per key at a time",
            Self::Token => "a call with a lower token is refused",
        })
    }
}

/// A rule of the protocol that is left out, to show what it is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// The store appends without comparing owner, epoch and sequence number.
    NoFence,
    /// Taking a saga over does not raise its epoch.
    EpochNotRaised,
    /// A call begins whatever has become of the lease since its append was asked for.
    NoLeaseCheck,
    /// A call begins if the lease is held, even if it had a gap since.
    LeaseGapsIgnored,
    /// A lease counts from when the answer to its renewal arrives.
    LeaseFromAnswer,
    /// A saga is taken from a worker whose lease has not ended.
    TakenFromTheLiving,
    /// An append whose reply was lost counts as not written, and the saga goes on in memory.
    LostReplyMeansNotWritten,
}

/// How often what may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Processes that die.
    pub crashes: u8,
    /// Calls whose caller stops waiting for the answer.
    pub timeouts: u8,
    /// Calls that are refused: of the last node, or of the pivot if there is one.
    pub refusals: u8,
    /// Calls that something between the caller and the receiver repeats by itself, such as a proxy.
    pub duplicates: u8,
    /// Replies of the store that are lost.
    pub lost_replies: u8,
    /// Cancels by an operator.
    pub cancels: u8,
    /// Units of time that pass; a lease lasts two.
    pub ticks: u8,
    /// Units of time that pass without the clock of a worker noticing.
    pub drift: u8,
}

impl Budget {
    /// Nothing goes wrong, and no time passes.
    pub const NONE: Self = Self {
        crashes: 0,
        timeouts: 0,
        refusals: 0,
        duplicates: 0,
        lost_replies: 0,
        cancels: 0,
        ticks: 0,
        drift: 0,
    };
}

/// How long a lease lasts, in units of time.
pub const LEASE: u64 = 2;

/// What is checked.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Who may run the saga.
    pub protocol: Protocol,
    /// The saga: a chain.
    pub plan: Arc<Plan>,
    /// How often what may happen.
    pub budget: Budget,
    /// What receivers do not honour.
    pub without: Vec<Obligation>,
    /// The node whose receiver does not honour it; all of them if none.
    pub careless: Option<usize>,
    /// What is left out of the protocol.
    pub mistake: Option<Mistake>,
    /// True if a worker that has lost the saga, or whose saga has ended, is taken to do nothing more, once there is no append of
    /// which it has yet to hear that it was written: the store refuses whatever else it asks for. Smaller searches without this
    /// show that it is so.
    pub skips_the_lost: bool,
    /// True if a worker may begin a call after another one has taken the saga over, as it does where clocks drift.
    pub tolerates_late_starts: bool,
}

impl Setup {
    /// A chain of actions with these undo contracts, whose receivers honour everything but tokens.
    pub fn chain(protocol: Protocol, undos: &[UndoContract], budget: Budget) -> Self {
        let nodes = undos.iter().enumerate().map(|(i, undo)| action(i, *undo, Retry::up_to(2)));
        Self::new(protocol, Plan::new(nodes.collect(), &edges(undos.len())), budget)
    }

    /// An action, the point of no return, and an action that is retried until it succeeds.
    pub fn pivot(protocol: Protocol, pivot: UndoContract, budget: Budget) -> Self {
        let nodes = vec![
            action(0, UndoContract::InputsOnly, Retry::up_to(2)),
            action(1, pivot, Retry::up_to(2)),
            action(2, UndoContract::None, Retry::forever()),
        ];
        Self::new(protocol, Plan::new(nodes, &edges(3)).with_pivot(1), budget)
    }

    fn new(protocol: Protocol, plan: Plan, budget: Budget) -> Self {
        Self {
            protocol,
            plan: Arc::new(plan),
            budget,
            without: vec![Obligation::Token],
            careless: None,
            mistake: None,
            skips_the_lost: true,
            tolerates_late_starts: false,
        }
    }

    /// The same with receivers that do not honour this.
    pub fn without(mut self, obligation: Obligation) -> Self {
        self.without.push(obligation);
        self
    }

    /// The same with receivers that also compare tokens, which no saga needs.
    pub fn with_tokens(mut self) -> Self {
        self.without.retain(|obligation| *obligation != Obligation::Token);
        self
    }

    /// The same where only the receiver of this node leaves out what is left out.
    pub fn only_at(mut self, node: usize) -> Self {
        self.careless = Some(node);
        self
    }

    /// The same with this rule of the protocol left out.
    pub fn with_mistake(mut self, mistake: Mistake) -> Self {
        self.mistake = Some(mistake);
        self.thoroughly()
    }

    /// The same, where it is no mistake if a worker that has lost the saga begins a call that it was authorized to make.
    pub fn tolerating_late_starts(mut self) -> Self {
        self.tolerates_late_starts = true;
        self.thoroughly()
    }

    /// The same, and workers that have lost the saga go on until they notice it.
    pub fn thoroughly(mut self) -> Self {
        self.skips_the_lost = false;
        self
    }

    /// True if the receiver of a node honours this.
    pub fn honours(&self, node: usize, obligation: Obligation) -> bool {
        let is_careless = self.careless.is_none_or(|careless| careless == node);
        let left_out = is_careless || obligation == Obligation::Token;
        !(left_out && self.without.contains(&obligation))
    }

    /// The node whose action may be refused. After the point of no return none may.
    pub fn may_refuse(&self) -> usize {
        let last = self.nodes().saturating_sub(1);
        self.plan.pivot().map_or(last, |pivot| pivot as usize)
    }

    /// What the action of a node declares about its undo.
    pub fn undo(&self, node: usize) -> UndoContract {
        match self.plan.nodes().get(node).map(|node| &node.kind) {
            Some(PlanKind::Action(policy)) => policy.undo,
            _ => UndoContract::None,
        }
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.plan.nodes().len()
    }
}

/// The name of a node.
pub fn name(node: usize) -> &'static str {
    ["a", "b", "c"].get(node).copied().unwrap_or("d")
}

fn edges(nodes: usize) -> Vec<(u32, u32)> {
    (1..nodes as u32).map(|i| (i - 1, i)).collect()
}

/// Retries wait for no time: an order of steps in which they waited is among those that are explored.
fn action(node: usize, undo: UndoContract, retry: Retry) -> PlanNode {
    let at_once = |retry: Retry| retry.base(Duration::ZERO);
    let undo_retry = at_once(Retry::up_to(4));
    let policy = Policy { retry: at_once(retry), undo_retry, ..Policy::new(undo) };
    let name = NodeName::new(name(node)).expect("a name");
    PlanNode { name, kind: PlanKind::Action(policy) }
}

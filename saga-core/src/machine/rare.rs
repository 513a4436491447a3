//! What few sagas have while they run: waits, events that came too early, and outputs that cannot be stored. It is
//! apart, because there may be very many sagas at once.

use std::collections::{BTreeSet, VecDeque};

use super::crash_suspicion::Watched;
use super::settle::Settles;
use super::start_order::Candidates;
use super::state::VertexId;
use super::{Effect, Event, Machine};
use crate::log::Timestamp;

/// What few sagas have, as far as this process knows it.
#[derive(Debug, Clone)]
pub(super) struct Rare {
    /// Events that wait for the end of an append or of an evaluation.
    pub(super) inbox: VecDeque<Event>,
    /// When vertices are decided about again that wait for some length of time.
    pub(super) timers: BTreeSet<(Timestamp, VertexId)>,
    /// The same for those that wait for a point in wall time.
    pub(super) alarms: BTreeSet<(Timestamp, VertexId)>,
    /// Waits that may begin: in the order of their declaration, because the first one gets the first event.
    pub(super) begins: Candidates,
    /// Set while the saga is watched because it was running when its process died.
    pub(super) watched: Option<Watched>,
    /// When the actions still in flight are dropped, once unwinding has begun.
    pub(super) abandon_at: Option<Timestamp>,
    /// Calls of actions whose scope unwinds, and when they are dropped.
    pub(super) abandon_calls: BTreeSet<(Timestamp, VertexId)>,
    /// Undos of scopes that may start, and actions that are run again for them. Those of a saga that unwinds are
    /// candidates like any other.
    pub(super) undos: Candidates,
    /// True once [`Effect::Overdue`](super::Effect::Overdue) has been returned.
    pub(super) overdue: bool,
    /// Vertices whose output exists in the memory of this process only.
    pub(super) kept_outputs: BTreeSet<VertexId>,
    /// Vertices in doubt that were asked whether they took effect, and nobody knew.
    pub(super) asked_in_vain: BTreeSet<VertexId>,
    /// What is asked in this turn.
    pub(super) questions: Vec<Effect>,
    /// The time of the last [`Effect::WakeAt`](super::Effect::WakeAt).
    pub(super) woken: Option<Timestamp>,
    /// Why this machine cannot go on: an entry of its own was illegal.
    pub(super) broken: Option<String>,
    /// Whether it finds out how calls have ended before another version goes on.
    pub(super) settles: Settles,
    /// A node that was in doubt when a saga that settles last looked for one.
    pub(super) in_doubt: VertexId,
}

impl Rare {
    const fn none() -> Self {
        Self {
            inbox: VecDeque::new(),
            timers: BTreeSet::new(),
            alarms: BTreeSet::new(),
            begins: Candidates::none(),
            watched: None,
            abandon_at: None,
            abandon_calls: BTreeSet::new(),
            undos: Candidates::none(),
            overdue: false,
            kept_outputs: BTreeSet::new(),
            asked_in_vain: BTreeSet::new(),
            questions: Vec::new(),
            woken: None,
            broken: None,
            settles: Settles::Never,
            in_doubt: 0,
        }
    }

    /// True if no time can make a difference.
    pub(super) fn waits_for_no_time(&self) -> bool {
        let alone = matches!(self.settles, Settles::Alone { .. });
        let timers = self.timers.is_empty() && self.alarms.is_empty();
        let abandons = self.abandon_at.is_some() || !self.abandon_calls.is_empty();
        timers && !abandons && self.watched.is_none() && !alone
    }
}

static NOTHING_RARE: Rare = Rare::none();

impl Machine {
    /// What few sagas have; what it is at first, if this one has nothing of it.
    pub(super) fn rare(&self) -> &Rare {
        self.rare.as_deref().unwrap_or(&NOTHING_RARE)
    }

    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(|| Box::new(Rare::none()))
    }

    /// True once an entry of this machine was illegal.
    pub(super) fn is_broken(&self) -> bool {
        self.rare().broken.is_some()
    }
}

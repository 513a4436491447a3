//! The state that a log describes, computed independently of the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use saga_core::SagaStatus;
use saga_core::action::UndoContract;
use saga_core::dag::{EventType, Plan};
use saga_core::log::{
    EarlierAttempts, Entry, EntryKind, Failure, NodeEntry, NodePath, Payload, SagaEntry, Timestamp,
    Uuid,
};
use saga_core::machine::Config;
use saga_core::operator::{Command, Refusal};

use super::expand::Expanded;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Undo {
    #[default]
    No,
    Started,
    Waits(Timestamp),
    Done,
    Failed,
    Resolved,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Status {
    pub(super) starts: u32,
    /// How many of them came before somebody said to try again.
    pub(super) from: u32,
    /// The generation of the last one's key.
    pub(super) generation: u32,
    /// The receiver was told since then to refuse that key; true if the last attempt was cut off.
    pub(super) closed: Option<bool>,
    pub(super) first: u64,
    /// The entry of the last start, and whether the saga was unwinding then.
    pub(super) last: (u64, bool),
    pub(super) open: bool,
    pub(super) doubt: bool,
    /// Succeeded, skipped, or chosen.
    pub(super) done: bool,
    pub(super) skipped: bool,
    /// Its scope has begun to unwind.
    pub(super) scope_unwinds: bool,
    pub(super) failure: Option<(Failure, bool)>,
    pub(super) retry_at: Option<Timestamp>,
    pub(super) undo: Undo,
    /// How many attempts of the undo count as tries.
    pub(super) undo_starts: u32,
    /// When the timers of a wait are due.
    pub(super) until: Vec<Timestamp>,
}

/// An event in the log that no wait has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) seq: u64,
    pub(super) event: EventType,
}

pub(super) struct Book<'a> {
    pub(super) dag: &'a Expanded,
    pub(super) status: Vec<Status>,
    pub(super) unwinding: bool,
    pub(super) ended: Option<SagaStatus>,
    pub(super) one_at_a_time: bool,
    pub(super) deadline: Option<Timestamp>,
    pub(super) paused: bool,
    pub(super) steps: u32,
    pub(super) parked: bool,
    earlier: Earlier,
    /// Requests that have not had their effect, and those that were refused after all.
    pub(super) open: BTreeMap<Uuid, Command>,
    pub(super) refused: BTreeMap<Uuid, Refusal>,
    pub(super) requested: BTreeSet<Uuid>,
    /// The last output of each node.
    pub(super) outputs: BTreeMap<String, Payload>,
    /// Waits that have begun and not ended, in that order.
    pub(super) waits: Vec<usize>,
    /// Events that no wait has taken, in the order of the log, and the ids of all.
    pub(super) kept: Vec<Kept>,
    pub(super) known: BTreeSet<(String, String)>,
    pub(super) max_kept: usize,
    /// How long the log was when nodes were asked whether they took effect.
    pub(super) probes: BTreeMap<String, Vec<u64>>,
}

/// The part of a log that is about one version, from the entry behind its `migrated` on.
pub(super) struct Chapter<'l> {
    pub(super) entries: &'l [Entry],
    /// How many of them tell again what the version before has done.
    pub(super) retold: usize,
    pub(super) earlier: Earlier,
}

/// The attempts of each node that are not told again.
pub(super) type Earlier = BTreeMap<NodePath, EarlierAttempts>;

/// A log, version by version.
pub(super) fn chapters(log: &[Entry]) -> Vec<Chapter<'_>> {
    let mut chapters = Vec::new();
    let (mut from, mut retold, mut earlier) = (0, 0, Earlier::new());
    for (at, entry) in log.iter().enumerate() {
        if let Some(SagaEntry::Migrated(migrated)) = entry.saga_entry() {
            let before = std::mem::replace(&mut earlier, migrated.earlier.clone());
            chapters.push(Chapter { entries: &log[from..at], retold, earlier: before });
            (from, retold) = (at + 1, migrated.retold as usize);
        }
    }
    chapters.push(Chapter { entries: &log[from..], retold, earlier });
    chapters
}

/// The expanded DAG of each version.
pub(super) fn dags_of(plans: &[Arc<Plan>], log: &[Entry]) -> Vec<Expanded> {
    let chapters = chapters(log);
    assert_eq!(plans.len(), chapters.len(), "a `migrated` for each version");
    plans.iter().zip(chapters).map(|(plan, chapter)| Expanded::of(plan, chapter.entries)).collect()
}

/// What a log says, without a look at whether it may say so.
pub(super) fn book_of<'a>(dags: &'a [Expanded], config: &Config, log: &[Entry]) -> Book<'a> {
    let mut book = Book::new(&dags[0], config);
    for (i, chapter) in chapters(log).iter().enumerate() {
        if i > 0 {
            book = book.under(&dags[i], config, &chapter.earlier);
        }
        chapter.entries.iter().for_each(|entry| book.apply(entry));
    }
    book
}

impl<'a> Book<'a> {
    /// The book of another version, of a saga that is migrated now.
    pub(super) fn under<'b>(
        &self,
        dag: &'b Expanded,
        config: &Config,
        earlier: &Earlier,
    ) -> Book<'b> {
        Book {
            earlier: earlier.clone(),
            steps: self.steps,
            requested: self.requested.clone(),
            refused: self.refused.clone(),
            kept: self.kept.clone(),
            known: self.known.clone(),
            ..Book::new(dag, config)
        }
    }

    pub(super) fn new(dag: &'a Expanded, config: &Config) -> Self {
        Self {
            status: vec![Status::default(); dag.nodes.len()],
            dag,
            unwinding: false,
            ended: None,
            one_at_a_time: config.max_concurrency == Some(1),
            deadline: config.deadline,
            paused: false,
            steps: 0,
            parked: false,
            earlier: Earlier::new(),
            open: BTreeMap::new(),
            refused: BTreeMap::new(),
            requested: BTreeSet::new(),
            outputs: BTreeMap::new(),
            waits: Vec::new(),
            kept: Vec::new(),
            known: BTreeSet::new(),
            max_kept: config.max_kept_events,
            probes: BTreeMap::new(),
        }
    }

    pub(super) fn index(&self, entry: &Entry) -> Option<usize> {
        let path = entry.node()?;
        Some(*self.dag.by_path.get(path.as_str()).unwrap_or_else(|| panic!("no node {path}")))
    }

    pub(super) fn done_before(&self, i: usize) -> bool {
        let chosen = |scope: &usize| self.status[*scope].done;
        let same_scope = |a: usize| {
            self.scope_back(a).is_some_and(|scope| self.dag.nodes[i].scopes.contains(&scope))
        };
        let over = |a: usize| self.is_over(a) || self.status[a].done && same_scope(a);
        self.dag.ancestors(i).into_iter().all(over)
            && self.dag.nodes[i].instead_of.iter().all(chosen)
    }

    /// True if the saga has what it needs of this node, or goes on without.
    pub(super) fn is_over(&self, i: usize) -> bool {
        let done = self.status[i].done && self.scope_back(i).is_none();
        done || !self.dag.nodes[i].has_entry || self.left_behind(i)
    }

    /// True if the node stands in a scope that was undone, and that the saga goes on without.
    pub(super) fn left_behind(&self, i: usize) -> bool {
        self.dag.nodes[i].scopes.iter().any(|scope| self.status[*scope].done)
    }

    /// The outermost scope that unwinds, or was undone, and takes this node with it.
    pub(super) fn scope_back(&self, i: usize) -> Option<usize> {
        let unwinds = |scope: &&usize| self.status[**scope].scope_unwinds;
        self.dag.nodes[i].scopes.iter().find(unwinds).copied()
    }

    /// True if the node has nothing to do but to be undone.
    pub(super) fn goes_back(&self, i: usize) -> bool {
        self.unwinding || self.scope_back(i).is_some()
    }

    /// The table of §5, for this node alone.
    pub(super) fn needs_nothing(&self, i: usize) -> bool {
        let (Some(policy), s) = (self.dag.nodes[i].policy, &self.status[i]) else { return true };
        if matches!(s.undo, Undo::Done | Undo::Resolved) || s.skipped || s.starts == 0 {
            return true;
        }
        match policy.undo {
            UndoContract::None => !s.open,
            UndoContract::Output => !s.done && !s.open && !s.doubt,
            UndoContract::MaybeOutput | UndoContract::InputsOnly => {
                !s.done && !s.open && !s.doubt && !policy.undoes_failures()
            }
        }
    }

    /// True if what the action does is in the log or has not happened.
    pub(super) fn is_transaction(&self, i: usize) -> bool {
        self.dag.nodes[i].policy.is_some_and(|policy| policy.transaction.is_some())
    }

    pub(super) fn descendants_settled(&self, i: usize) -> bool {
        self.dag.descendants(i).into_iter().all(|d| self.needs_nothing(d))
    }

    pub(super) fn blocked(&self, i: usize) -> bool {
        self.status[i].undo == Undo::Failed
            || self.dag.descendants(i).iter().any(|d| self.status[*d].undo == Undo::Failed)
    }

    /// True if the pivot succeeded.
    pub(super) fn past(&self) -> bool {
        self.dag.pivot.is_some_and(|p| self.status[p].done)
    }

    /// True while nobody knows whether it does.
    pub(super) fn busy(&self) -> bool {
        self.dag.pivot.is_some_and(|p| {
            let s = &self.status[p];
            !s.done && (s.open || s.doubt)
        })
    }

    /// True if a `for` with a limit lets this node run: as many of its first instances as have places.
    pub(super) fn has_place(&self, i: usize) -> bool {
        self.dag.nodes[i].inside.iter().all(|(which, number)| {
            let each = &self.dag.loops[*which];
            let over = |i: usize| self.is_over(i);
            let done = each.instances.iter().filter(|nodes| (*nodes).clone().all(over)).count();
            *number < each.at_once + done
        })
    }

    /// True if an operator said how this node ended.
    pub(super) fn decides(&self, i: usize) -> bool {
        let path = self.dag.nodes[i].path.as_str();
        let decides = |c: &Command| matches!(c, Command::Decide { node, .. } if node == path);
        (self.dag.pivot == Some(i) || self.status[i].done) && self.open.values().any(decides)
    }

    /// True if the node failed, and only an operator goes on with it.
    pub(super) fn given_up(&self, i: usize) -> bool {
        let s = &self.status[i];
        !s.done && !s.open && s.failure.is_some() && s.retry_at.is_none()
    }

    fn try_again(&mut self, i: usize) {
        let s = &mut self.status[i];
        (s.failure, s.from) = (None, s.starts);
        self.ended = None;
    }

    fn undo_again(&mut self, i: usize) {
        assert_eq!(self.status[i].undo, Undo::Failed);
        let s = &mut self.status[i];
        (s.undo, s.retry_at, s.undo_starts) = (Undo::No, None, 0);
        self.ended = None;
    }

    fn requested(&mut self, id: Uuid, command: &Command, seq: u64) {
        self.requested.insert(id);
        match command {
            Command::Signal { event, event_id, .. } => {
                self.known.insert((event.name.to_string(), event_id.clone()));
                self.kept.push(Kept { seq, event: event.clone() });
            }
            Command::Step => self.steps += 1,
            Command::RetryUndo { node } => self.undo_again(self.dag.by_path[node.as_str()]),
            Command::RetryAll => {
                let failed = |i: &usize| self.status[*i].undo == Undo::Failed;
                let failed = (0..self.status.len()).filter(failed).collect::<Vec<_>>();
                failed.into_iter().for_each(|i| self.undo_again(i));
            }
            Command::Retry { node } => self.try_again(self.dag.by_path[node.as_str()]),
            command => {
                if let Command::Resolve { .. } = command {
                    self.ended = None;
                }
                self.open.insert(id, command.clone());
            }
        }
    }

    /// Open requests for this have had their effect.
    fn close(&mut self, what: fn(&Command) -> bool) {
        self.open.retain(|_, command| !what(command));
    }

    fn apply_to_saga(&mut self, entry: &SagaEntry, seq: u64) {
        match entry {
            SagaEntry::Unwinding(_) => {
                self.waits.clear();
                (self.unwinding, self.ended) = (true, None);
                self.close(|c| matches!(c, Command::Cancel { .. } | Command::Rollback { .. }));
            }
            SagaEntry::Ended(status) => {
                self.ended = Some(*status);
                (self.paused, self.steps) = (false, 0);
            }
            SagaEntry::Requested { id, command, .. } => self.requested(*id, command, seq),
            SagaEntry::Refused { id, why } => {
                self.open.remove(id);
                self.refused.insert(*id, Refusal::clone(why));
            }
            SagaEntry::Paused => {
                self.paused = true;
                self.close(|c| matches!(c, Command::Pause));
            }
            SagaEntry::Resumed => {
                (self.paused, self.steps) = (false, 0);
                self.close(|c| matches!(c, Command::Resume));
            }
            SagaEntry::Parked { .. } => self.parked = true,
            SagaEntry::Unparked => {
                self.parked = false;
                self.close(|c| matches!(c, Command::Unpark));
                if self.unwinding {
                    self.close(|c| matches!(c, Command::Cancel { .. }));
                }
                if let Some(pivot) = self.dag.pivot.filter(|p| self.given_up(*p) && !self.unwinding)
                {
                    self.try_again(pivot);
                }
            }
            SagaEntry::Injected { .. } => self.close(|c| matches!(c, Command::Inject { .. })),
            SagaEntry::Created { .. }
            | SagaEntry::Suspected { .. }
            | SagaEntry::Cleared
            | SagaEntry::Migrated(_) => {}
        }
    }

    pub(super) fn apply(&mut self, entry: &Entry) {
        match &entry.kind {
            EntryKind::Saga(recorded) => self.apply_to_saga(recorded, entry.seq),
            EntryKind::Node { entry, .. } => match entry {
                NodeEntry::Resolved(_) => self.close(|c| matches!(c, Command::Resolve { .. })),
                NodeEntry::Started | NodeEntry::UndoStarted if self.paused => self.steps -= 1,
                _ => {}
            },
        }
        let decided = self.index(entry).is_some_and(|i| self.decides(i));
        if decided {
            self.close(|c| matches!(c, Command::Decide { .. }));
        }
        let Some(i) = self.index(entry) else { return };
        let unwinding = self.goes_back(i);
        let leaves_doubt = !self.is_transaction(i);
        let fresh_key = self.dag.nodes[i].policy.is_some_and(|policy| policy.fresh_key);
        if let Some(NodeEntry::ScopeUnwinding(_)) = entry.node_entry() {
            // they end at once
            let nodes = &self.dag.nodes;
            self.waits.retain(|wait| !nodes[*wait].scopes.contains(&i));
        }
        let s = &mut self.status[i];
        let Some(recorded) = entry.node_entry() else { return };
        if let NodeEntry::Succeeded(output) = recorded {
            self.outputs.insert(self.dag.nodes[i].path.clone(), output.clone());
        }
        match recorded {
            NodeEntry::Started => {
                s.doubt |= s.open && leaves_doubt;
                let closed = s.closed.take();
                let fresh = closed.is_some() || fresh_key && s.starts > 0 && !s.doubt;
                s.generation += u32::from(fresh);
                if let Some(earlier) = entry.node().and_then(|node| self.earlier.remove(node)) {
                    (s.starts, s.from) = (earlier.attempts, earlier.uncounted);
                    s.generation = earlier.generation;
                }
                // one that was cut off does not use up a try
                s.from += u32::from((s.open || closed == Some(true)) && !unwinding);
                s.starts += 1;
                s.first = if s.first == 0 { entry.seq } else { s.first };
                (s.last, s.open, s.retry_at) = ((entry.seq, unwinding), true, None);
                (s.undo, s.failure) = (Undo::No, None);
            }
            NodeEntry::Succeeded(_) | NodeEntry::Chosen(_) => {
                (s.done, s.open, s.doubt) = (true, false, false);
            }
            NodeEntry::ScopeUnwinding(_) => s.scope_unwinds = true,
            NodeEntry::Skipped => (s.done, s.skipped) = (true, true),
            NodeEntry::Failed(failure) => {
                (s.open, s.failure) = (false, Some((Failure::clone(failure), false)));
                // a decision ends a retry that was scheduled; of one that follows, the next entry tells
                (s.doubt, s.retry_at) = (s.doubt && !decided, None);
            }
            NodeEntry::Resolved(_) => s.undo = Undo::Resolved,
            NodeEntry::InDoubt(failure) => {
                (s.open, s.doubt, s.failure) = (false, true, Some((Failure::clone(failure), true)));
            }
            NodeEntry::NotDone => {
                s.closed = Some(s.open);
                (s.open, s.doubt) = (false, false);
                if let Some((_, in_doubt)) = &mut s.failure {
                    *in_doubt = false;
                }
            }
            NodeEntry::RetryScheduled { at } => s.retry_at = Some(*at),
            NodeEntry::UndoStarted => {
                s.doubt |= s.open && leaves_doubt;
                // one that was cut off does not use up a try
                s.undo_starts += u32::from(s.undo != Undo::Started);
                (s.undo, s.open) = (Undo::Started, false);
            }
            NodeEntry::Waiting { until } => {
                s.until = until.clone();
                self.waits.push(i);
            }
            NodeEntry::Waited(won) => {
                s.done = true;
                self.waits.retain(|wait| *wait != i);
                self.kept.retain(|kept| Some(kept.seq) != won.event);
            }
            NodeEntry::UndoFinished => s.undo = Undo::Done,
            NodeEntry::UndoRetryScheduled { at, .. } => s.undo = Undo::Waits(*at),
            NodeEntry::UndoFailed(_) => {
                s.doubt |= s.open && leaves_doubt;
                (s.undo, s.open) = (Undo::Failed, false);
            }
        }
    }
}

//! What must hold of every log, of the calls that went out, and of what is left in the end: the rules of the log,
//! §4 and §5, read off the log alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use saga_core::UndoKind;
use saga_core::dag::Plan;
use saga_core::log::{
    ActionState, Answer, Cause, Command, Entry, EntryKind, Failure, FailureKind, Refusal,
    SagaStatus, Timestamp, Uuid,
};
use saga_core::machine::{Config, State};

use super::expand::Expanded;
use super::operators::Asked;
use super::run::{Issued, Ran};
use super::tape::Tape;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Undo {
    #[default]
    No,
    Started,
    Waits(Timestamp),
    Done,
    Failed,
    Resolved,
}

#[derive(Debug, Clone, Default)]
struct Status {
    starts: u32,
    /// How many of them came before somebody said to try again.
    from: u32,
    first: u64,
    /// The entry of the last start, and whether the saga was unwinding then.
    last: (u64, bool),
    open: bool,
    doubt: bool,
    /// Succeeded, skipped, or chosen.
    done: bool,
    skipped: bool,
    failure: Option<(Failure, bool)>,
    retry_at: Option<Timestamp>,
    undo: Undo,
}

struct Book<'a> {
    dag: &'a Expanded,
    status: Vec<Status>,
    unwinding: bool,
    ended: Option<SagaStatus>,
    one_at_a_time: bool,
    deadline: Option<Timestamp>,
    paused: bool,
    steps: u32,
    parked: bool,
    /// Requests that have not had their effect, and those that were refused after all.
    open: BTreeMap<Uuid, Command>,
    refused: BTreeMap<Uuid, Refusal>,
    requested: BTreeSet<Uuid>,
}

/// Checks everything about a run.
pub fn check(plan: &Plan, config: &Config, ran: &mut Ran) {
    let dag = Expanded::of(plan, &ran.log);
    let mut book = Book {
        status: vec![Status::default(); dag.nodes.len()],
        dag: &dag,
        unwinding: false,
        ended: None,
        one_at_a_time: config.max_concurrency == Some(1),
        deadline: config.deadline,
        paused: false,
        steps: 0,
        parked: false,
        open: BTreeMap::new(),
        refused: BTreeMap::new(),
        requested: BTreeSet::new(),
    };
    let mut issued = ran.issued.iter().peekable();
    for entry in &ran.log {
        book.before(entry);
        book.apply(entry);
        while let Some(call) = issued.next_if(|call| call.durable == entry.seq) {
            book.call(call, &ran.log);
        }
    }
    assert!(issued.peek().is_none());
    assert_eq!(book.ended, Some(ran.status));
    book.answers(&ran.asked);
    end(&dag, ran);
    // what was under way when a process died arrives after all
    while ran.world.deliver_late(&mut Tape::fair()) {}
    end(&dag, ran);
    paths(&dag, &ran.state);
}

impl Book<'_> {
    fn index(&self, entry: &Entry) -> Option<usize> {
        let path = entry.node.as_ref()?;
        Some(*self.dag.by_path.get(path.as_str()).unwrap_or_else(|| panic!("no node {path}")))
    }

    fn done_before(&self, i: usize) -> bool {
        let ready = |a: &usize| self.status[*a].done || !self.dag.nodes[*a].has_entry;
        self.dag.ancestors(i).iter().all(ready)
    }

    /// The table of §5, for this node alone.
    fn needs_nothing(&self, i: usize) -> bool {
        let (Some(policy), s) = (self.dag.nodes[i].policy, &self.status[i]) else { return true };
        if matches!(s.undo, Undo::Done | Undo::Resolved) || s.skipped || s.starts == 0 {
            return true;
        }
        match policy.undo {
            UndoKind::Nothing => !s.open,
            UndoKind::Output => !s.done && !s.open && !s.doubt,
            UndoKind::MaybeOutput | UndoKind::NoOutput => false,
        }
    }

    fn descendants_settled(&self, i: usize) -> bool {
        self.dag.descendants(i).into_iter().all(|d| self.needs_nothing(d))
    }

    fn blocked(&self, i: usize) -> bool {
        self.status[i].undo == Undo::Failed
            || self.dag.descendants(i).iter().any(|d| self.status[*d].undo == Undo::Failed)
    }

    /// True if the pivot succeeded.
    fn past(&self) -> bool {
        self.dag.pivot.is_some_and(|p| self.status[p].done)
    }

    /// True while nobody knows whether it does.
    fn busy(&self) -> bool {
        self.dag.pivot.is_some_and(|p| {
            let s = &self.status[p];
            !s.done && (s.open || s.doubt)
        })
    }

    /// True if a `for` with a limit lets this node run: as many of its first instances as have places.
    fn has_place(&self, i: usize) -> bool {
        self.dag.nodes[i].inside.iter().all(|(which, number)| {
            let each = &self.dag.loops[*which];
            let over = |i: usize| self.status[i].done || !self.dag.nodes[i].has_entry;
            let done = each.instances.iter().filter(|nodes| (*nodes).clone().all(over)).count();
            *number < each.at_once + done
        })
    }

    fn may_start(&self, entry: &Entry) {
        assert!(!self.parked && (!self.paused || self.steps > 0), "{entry:?} although it stands");
        let cancels = |c: &Command| matches!(c, Command::Cancel { .. });
        if self.busy() {
            let pivot = entry.node.as_ref().map(|n| self.dag.by_path[n.as_str()]);
            assert!(pivot == self.dag.pivot && !self.unwinding, "{entry:?} beside the pivot");
        } else {
            assert!(!self.open.values().any(cancels), "{entry:?} although it is cancelled");
        }
    }

    fn before(&self, entry: &Entry) {
        if self.ended.is_some() {
            let asks = matches!(entry.kind, EntryKind::Requested { .. });
            let back = matches!(entry.kind, EntryKind::Unwinding(Cause::Rollback { .. }));
            assert!(asks || back, "{entry:?} after the end");
        }
        if matches!(entry.kind, EntryKind::Started | EntryKind::UndoStarted) {
            self.may_start(entry);
        }
        let Some(i) = self.index(entry) else { return self.before_of_saga(entry) };
        let (s, node) = (&self.status[i], &self.dag.nodes[i]);
        match &entry.kind {
            EntryKind::Started => {
                let policy = node.policy.expect("an action");
                assert_eq!(entry.attempt, s.starts + 1);
                assert!(self.done_before(i), "{entry:?} before its predecessors are done");
                assert!(!s.done);
                assert!(s.open || s.retry_at.is_none_or(|at| self.unwinding || entry.at >= at));
                if self.unwinding {
                    assert_eq!(policy.undo, UndoKind::Output, "{entry:?} while unwinding");
                    assert!(s.open || s.doubt, "{entry:?} while unwinding, without doubt");
                    self.goes_back_in_order(i, entry);
                } else {
                    let again = s.open || s.retry_at.is_some() || s.starts == s.from;
                    assert!(again, "{entry:?} again");
                    assert!(self.has_place(i), "{entry:?} before its turn");
                    let late = self.deadline.is_some_and(|at| entry.at >= at);
                    assert!(!late || self.past() || self.busy(), "{entry:?} after the deadline");
                    self.goes_forward_in_order(i, entry);
                }
            }
            EntryKind::RetryScheduled { .. } => {
                let policy = node.policy.expect("an action");
                let (failure, in_doubt) = s.failure.as_ref().expect("a failure");
                if self.unwinding {
                    assert!(policy.undo == UndoKind::Output && s.doubt);
                } else {
                    assert!(failure.retryable || *in_doubt);
                    assert!(policy.retry.allows_after(s.starts - s.from));
                }
            }
            EntryKind::Succeeded(_) | EntryKind::InDoubt(_) => {
                let decided = self.decides(i);
                assert!(s.open || node.policy.is_none() || decided);
            }
            EntryKind::UndoStarted => {
                assert!(!self.past() && !self.busy(), "{entry:?} behind the pivot");
                assert!(self.unwinding && !self.needs_nothing(i), "{entry:?}");
                assert!(self.descendants_settled(i), "{entry:?} before what came after it");
                if let Undo::Waits(at) = s.undo {
                    assert!(entry.at >= at, "{entry:?} too early");
                }
                self.goes_back_in_order(i, entry);
            }
            EntryKind::UndoFinished | EntryKind::UndoRetryScheduled { .. } => {
                assert_eq!(s.undo, Undo::Started);
            }
            EntryKind::UndoFailed(_) => {
                assert!(s.undo == Undo::Started || (s.open || s.doubt) && !s.done);
            }
            EntryKind::Resolved { .. } => {
                assert_eq!(s.undo, Undo::Failed);
                let open = |c: &Command| matches!(c, Command::Resolve { node, .. } if Some(node) == entry.node.as_ref());
                assert!(self.open.values().any(open), "{entry:?} that nobody asked for");
            }
            _ => {}
        }
    }

    /// True if an operator said how this node ended.
    fn decides(&self, i: usize) -> bool {
        let decides = |c: &Command| matches!(c, Command::Decide { .. });
        self.dag.pivot == Some(i) && self.open.values().any(decides)
    }

    fn goes_forward_in_order(&self, i: usize, entry: &Entry) {
        if !self.one_at_a_time || self.status[i].starts > 0 {
            return;
        }
        let first = (0..i).find(|j| {
            let s = &self.status[*j];
            let fresh = self.dag.nodes[*j].policy.is_some() && s.starts == 0 && !s.skipped;
            fresh && self.done_before(*j) && self.has_place(*j)
        });
        assert_eq!(first.map(|j| &self.dag.nodes[j].path), None, "comes before {entry:?}");
    }

    fn goes_back_in_order(&self, i: usize, entry: &Entry) {
        if !self.one_at_a_time {
            return;
        }
        let later = (0..self.status.len()).find(|j| {
            let later = self.status[*j].first > self.status[i].first;
            later && !self.needs_nothing(*j) && !self.blocked(*j)
        });
        assert_eq!(later.map(|j| &self.dag.nodes[j].path), None, "goes back before {entry:?}");
    }

    fn before_of_saga(&self, entry: &Entry) {
        match &entry.kind {
            EntryKind::Created { .. } => assert_eq!(entry.seq, 1),
            EntryKind::Unwinding(_) if self.past() || self.busy() => {
                panic!("{entry:?}, and the pivot")
            }
            EntryKind::Unwinding(Cause::DeadlineExceeded) => {
                assert!(!self.unwinding && self.deadline.is_some_and(|at| at <= entry.at));
            }
            EntryKind::Unwinding(Cause::Cancelled { .. }) => {
                assert!(!self.unwinding);
                assert!(self.open.values().any(|c| matches!(c, Command::Cancel { .. })));
            }
            EntryKind::Unwinding(Cause::Rollback { .. }) => {
                assert_eq!(self.ended, Some(SagaStatus::Completed));
                assert!(self.open.values().any(|c| matches!(c, Command::Rollback { .. })));
            }
            EntryKind::Paused => assert!(!self.paused),
            EntryKind::Resumed => assert!(self.paused),
            EntryKind::Parked { .. } => assert!(!self.parked),
            EntryKind::Unparked => assert!(self.parked),
            EntryKind::Injected { .. } => {}
            EntryKind::Requested { id, .. } => assert!(!self.requested.contains(id)),
            EntryKind::Refused { id, why } => {
                let cancels = |c: &Command| matches!(c, Command::Cancel { .. });
                assert!(self.open.get(id).is_some_and(cancels), "{entry:?}");
                assert!(matches!(why, Refusal::PastPivot { .. }) && self.past());
            }
            EntryKind::Unwinding(Cause::Failed { node }) => {
                assert!(!self.unwinding);
                let i = self.dag.by_path[node.as_str()];
                let (failure, in_doubt) = self.status[i].failure.as_ref().expect("a failure");
                let again = failure.retryable || *in_doubt;
                // an output that cannot be stored is not in doubt for this process
                let unstorable = failure.kind == FailureKind::SerializeFailed;
                if let Some(policy) = self.dag.nodes[i].policy {
                    let tries_left =
                        policy.retry.allows_after(self.status[i].starts - self.status[i].from);
                    assert!(!again || unstorable || !tries_left, "{node} has tries left");
                }
            }
            EntryKind::Ended(SagaStatus::Completed) => {
                assert!(!self.unwinding);
                let done =
                    |(i, n): (usize, &super::expand::Node)| self.status[i].done || !n.has_entry;
                assert!(self.dag.nodes.iter().enumerate().all(done));
            }
            EntryKind::Ended(SagaStatus::RolledBack) => {
                assert!(self.unwinding && (0..self.status.len()).all(|i| self.needs_nothing(i)));
            }
            EntryKind::Ended(_) if !self.unwinding => {
                assert!(self.past() && (0..self.status.len()).any(|i| self.given_up(i)));
                for (i, node) in self.dag.nodes.iter().enumerate() {
                    let waits = self.status[i].done || !node.has_entry || self.given_up(i);
                    assert!(waits || !self.done_before(i) || !self.has_place(i), "{}", node.path);
                }
            }
            EntryKind::Ended(_) => {
                assert!(self.status.iter().any(|s| s.undo == Undo::Failed));
                for i in 0..self.status.len() {
                    let path = &self.dag.nodes[i].path;
                    assert!(self.needs_nothing(i) || self.blocked(i), "{path} was not undone");
                }
            }
            other => panic!("{other:?} about the saga"),
        }
    }

    /// True if the node failed, and only an operator goes on with it.
    fn given_up(&self, i: usize) -> bool {
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
        (self.status[i].undo, self.status[i].retry_at) = (Undo::No, None);
        self.ended = None;
    }

    fn requested(&mut self, id: Uuid, command: &Command) {
        self.requested.insert(id);
        match command {
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

    /// Everybody who asked was told once, and nothing else than the log says.
    fn answers(&self, asked: &[Asked]) {
        assert!(self.open.is_empty(), "never done: {:?}", self.open);
        for Asked { id, command, answer } in asked {
            let requested = self.requested.contains(id);
            match answer.as_ref().unwrap_or_else(|| panic!("no answer to {command:?}")) {
                Answer::Done => assert!(requested && !self.refused.contains_key(id)),
                Answer::NothingToDo { .. } => assert!(!requested),
                Answer::Refused(why) if requested => assert_eq!(self.refused.get(id), Some(why)),
                Answer::Refused(_) => {}
            }
        }
    }

    fn apply(&mut self, entry: &Entry) {
        match &entry.kind {
            EntryKind::Unwinding(_) => {
                (self.unwinding, self.ended) = (true, None);
                self.close(|c| matches!(c, Command::Cancel { .. } | Command::Rollback { .. }));
            }
            EntryKind::Ended(status) => {
                self.ended = Some(*status);
                (self.paused, self.steps) = (false, 0);
            }
            EntryKind::Requested { id, command, .. } => self.requested(*id, command),
            EntryKind::Refused { id, why } => {
                self.open.remove(id);
                self.refused.insert(*id, why.clone());
            }
            EntryKind::Paused => {
                self.paused = true;
                self.close(|c| matches!(c, Command::Pause));
            }
            EntryKind::Resumed => {
                (self.paused, self.steps) = (false, 0);
                self.close(|c| matches!(c, Command::Resume));
            }
            EntryKind::Parked { .. } => self.parked = true,
            EntryKind::Unparked => {
                self.parked = false;
                self.close(|c| matches!(c, Command::Unpark));
                if let Some(pivot) = self.dag.pivot.filter(|p| self.given_up(*p) && !self.unwinding)
                {
                    self.try_again(pivot);
                }
            }
            EntryKind::Injected { .. } => self.close(|c| matches!(c, Command::Inject { .. })),
            EntryKind::Resolved { .. } => self.close(|c| matches!(c, Command::Resolve { .. })),
            EntryKind::Started | EntryKind::UndoStarted if self.paused => self.steps -= 1,
            _ => {}
        }
        let decided = self.index(entry).is_some_and(|i| self.decides(i));
        if decided {
            self.close(|c| matches!(c, Command::Decide { .. }));
        }
        let (Some(i), unwinding) = (self.index(entry), self.unwinding) else { return };
        let s = &mut self.status[i];
        match &entry.kind {
            EntryKind::Started => {
                s.doubt |= s.open;
                s.starts += 1;
                s.first = if s.first == 0 { entry.seq } else { s.first };
                (s.last, s.open, s.retry_at) = ((entry.seq, unwinding), true, None);
                (s.undo, s.failure) = (Undo::No, None);
            }
            EntryKind::Succeeded(_) | EntryKind::Chosen(_) => {
                (s.done, s.open, s.doubt) = (true, false, false);
            }
            EntryKind::Skipped => (s.done, s.skipped) = (true, true),
            EntryKind::Failed(failure) => {
                (s.open, s.failure) = (false, Some((failure.clone(), false)));
                s.doubt &= !decided;
            }
            EntryKind::Resolved { .. } => s.undo = Undo::Resolved,
            EntryKind::InDoubt(failure) => {
                (s.open, s.doubt, s.failure) = (false, true, Some((failure.clone(), true)));
            }
            EntryKind::RetryScheduled { at } => s.retry_at = Some(*at),
            EntryKind::UndoStarted => {
                s.doubt |= s.open;
                (s.undo, s.open) = (Undo::Started, false);
            }
            EntryKind::UndoFinished => s.undo = Undo::Done,
            EntryKind::UndoRetryScheduled { at, .. } => s.undo = Undo::Waits(*at),
            EntryKind::UndoFailed(_) => {
                s.doubt |= s.open;
                (s.undo, s.open) = (Undo::Failed, false);
            }
            _ => {}
        }
    }

    /// Durable before what: the calls that went out when the log was this long.
    fn call(&self, issued: &Issued, log: &[Entry]) {
        let Issued { durable, call, path, undo, effects } = issued;
        let i = self.dag.by_path[path];
        let s = &self.status[i];
        assert!(call.seq <= *durable);
        let entry = &log[call.seq as usize - 1];
        assert_eq!(entry.node.as_ref().map(|n| n.as_str()), Some(path.as_str()));
        assert_eq!(entry.attempt, call.attempt);
        if !undo {
            assert_eq!(entry.kind, EntryKind::Started);
            assert!(s.open && s.starts == call.attempt, "{path}: its own `started` is not durable");
            assert_eq!(s.last, (call.seq, call.unwinding));
            assert!(self.done_before(i), "{path}: an ancestor's output is not durable");
            return;
        }
        assert!(self.unwinding, "{path}: undo before `unwinding` is durable");
        assert_eq!((&entry.kind, s.undo), (&EntryKind::UndoStarted, Undo::Started));
        assert!(self.descendants_settled(i), "{path}: undo before what came after it is settled");
        for d in self.dag.descendants(i) {
            let node = &self.dag.nodes[d];
            let kept = node.policy.is_some_and(|p| p.undo != UndoKind::Nothing);
            assert!(!kept || !effects.contains(&node.path), "{path} undone before {}", node.path);
        }
    }
}

/// What is left in the end is what the saga says is left.
fn end(dag: &Expanded, ran: &Ran) {
    let states = ran.nodes.iter().map(|n| (n.path.as_str(), n)).collect::<HashMap<_, _>>();
    for node in &dag.nodes {
        let Some(policy) = node.policy else { continue };
        let path = &node.path;
        let Some(state) = states.get(path.as_str()) else {
            assert!(!ran.world.receivers.contains_key(path), "{path}: called and not listed");
            continue; // of a subsaga that was not reached
        };
        let receiver = ran.world.receivers.get(path).cloned().unwrap_or_default();
        let left = receiver.effect || receiver.partial;
        // a human took care of what is left, the test's human did not
        if state.resolved {
            continue;
        }
        let forward = ran.status == SagaStatus::Stuck && ran.state.cause().is_none();
        let lists = matches!(state.state, ActionState::Completed | ActionState::UndoFailed);
        match ran.status {
            SagaStatus::Completed if state.state == ActionState::Skipped => assert!(!left),
            SagaStatus::Completed => {
                assert_eq!(state.state, ActionState::Completed);
                assert!(receiver.effect && receiver.undos == 0, "{path}: no effect");
            }
            // it stopped behind the pivot
            SagaStatus::Stuck if forward => {
                assert_eq!(receiver.undos, 0, "{path}: undone behind the pivot");
                assert!(state.state != ActionState::Completed || receiver.effect);
                assert!(state.state != ActionState::Pending || !left);
            }
            _ if policy.undo == UndoKind::Nothing => {
                assert_eq!(receiver.undos, 0, "{path}: undone without an undo");
            }
            SagaStatus::RolledBack => assert!(!left, "{path}: rolled back, its effect is left"),
            _ => {
                assert!(lists || !left, "{path}: its effect is left and not listed: {state:?}");
                let blocked = state.state == ActionState::Completed;
                assert!(!blocked || receiver.effect, "{path}: listed, and not there");
                // without an output nobody can say that the effect *is* there
                let known = state.state == ActionState::Completed
                    || ran.log.iter().any(|e| {
                        e.node.as_ref().is_some_and(|n| n.as_str() == path)
                            && matches!(e.kind, EntryKind::Succeeded(_))
                    });
                assert!(
                    !lists || state.in_doubt != known,
                    "{path}: remains or may remain? {state:?}"
                );
            }
        }
    }
}

/// Every vertex has a path, every path its vertex.
fn paths(dag: &Expanded, state: &State) {
    for v in 0..state.len() {
        let (path, gate) = (state.path(v), state.place(v).is_some_and(|(_, _, gate)| gate));
        let found = state.resolve(path.as_str()).unwrap_or_else(|| panic!("{path} is not found"));
        assert!(gate || found == v, "{path} is {found}, not {v}");
        assert_eq!(state.path(found), path);
        for tail in ["/", "[", "[0", "[7]", "#", "#9", "/x", "]"] {
            assert_eq!(state.resolve(&format!("{path}{tail}")), None, "{path}{tail}");
        }
    }
    let listed = state.nodes().iter().map(|n| n.path.to_string()).collect::<BTreeSet<_>>();
    let expanded = dag.by_path.keys().cloned().collect::<BTreeSet<_>>();
    assert!(listed.is_subset(&expanded), "{listed:?} {expanded:?}");
}

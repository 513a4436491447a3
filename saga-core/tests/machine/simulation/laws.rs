//! What must hold of every log, of the calls that went out, and of what is left in the end: the rules of the log,
//! §4 to §6, read off the log alone.

use std::time::Duration;

use saga_core::action::UndoContract;
use saga_core::log::{Cause, Entry, EntryKind, NodeEntry, SagaEntry, SagaLog, Timestamp};
use saga_core::machine::Config;
use saga_core::operator::{Answer, Command, Refusal};
use saga_core::{SagaId, SagaStatus};

use super::law::Law;
use super::log_view::{Book, Status, Undo, chapters, dags_of};
use super::mailbox::refused_events;
use super::operators::Asked;
use super::remaining::{end, paths};
use super::retold::Retold;
use super::run::{Issued, Kind, Ran};
use super::tape::Tape;

/// Checks everything about a run.
pub(crate) fn check(config: &Config, ran: &mut Ran) {
    let dags = dags_of(&ran.versions.plans, &ran.log);
    let dag = dags.last().expect("a version");
    end(dag, ran);
    // what was under way when a process died arrives after all
    while ran.world.deliver_late(&mut Tape::fair()) {}
    end(dag, ran);
    let mut book = Book::new(&dags[0], config);
    let mut issued = ran.issued.iter().peekable();
    for (i, chapter) in chapters(&ran.log).iter().enumerate() {
        let new = &chapter.entries[chapter.retold..];
        if i > 0 {
            let (old, version) = (&ran.versions.plans[i - 1], &ran.versions.versions[i - 1]);
            let before = std::mem::replace(&mut book, Book::new(&dags[i], config));
            book = Retold { before: &before, old, version }.book(&dags[i], config, chapter);
        }
        for entry in new {
            if let Some(since) = ran.versions.settling.get(&entry.epoch) {
                book.before_while_settling(entry, *since);
            }
            book.before(entry);
            book.apply(entry);
            while let Some(call) = issued.next_if(|call| call.durable == entry.seq) {
                book.call(call);
            }
        }
    }
    Law::DurableBeforeCalled.holds(issued.peek().is_none(), || format!("{:?}", issued.peek()));
    Law::EndIsTrue.holds(book.ended == Some(ran.status), || format!("{:?}", ran.status));
    book.answers(&ran.asked);
    if dags.len() == 1 {
        refused_events(&ran.log, &ran.asked, &book);
    }
    paths(dag, &ran.state);
    read_again(&ran.log);
}

/// The events of any log are a log again.
fn read_again(log: &[Entry]) {
    let id: SagaId = "x".parse().unwrap();
    let read = SagaLog::of(id.clone(), log.to_vec(), Vec::new());
    let events = read.events().collect::<Vec<_>>();
    let again = SagaLog::recover(id, events.clone());
    let broken = |why: String| Law::EventsAreALog.is_broken(format!("{why}: {}", read.pretty()));
    let again = again.unwrap_or_else(|why| broken(why.to_string()));
    let same = again.events().collect::<Vec<_>>() == events;
    Law::EventsAreALog.holds(same, || format!("they are others: {}", read.pretty()));
}

impl Book<'_> {
    fn may_start(&self, entry: &Entry) {
        let stands = self.parked || self.paused && self.steps == 0;
        Law::StandsStill.holds(!stands, || format!("{entry:?} although it stands"));
        let cancels = |c: &Command| matches!(c, Command::Cancel { .. });
        if self.busy() {
            let pivot = entry.node().map(|n| self.dag.by_path[n.as_str()]);
            let is_pivot = pivot == self.dag.pivot && !self.unwinding;
            Law::PivotHolds.holds(is_pivot, || format!("{entry:?} beside the pivot"));
        } else {
            let cancelled = self.open.values().any(cancels);
            Law::AnswerIsTrue.holds(!cancelled, || format!("{entry:?} although it is cancelled"));
        }
    }

    fn before(&self, entry: &Entry) {
        if self.ended.is_some() {
            let asks = matches!(entry.saga_entry(), Some(SagaEntry::Requested { .. }));
            let back =
                matches!(entry.saga_entry(), Some(SagaEntry::Unwinding(Cause::Rollback { .. })));
            Law::EndIsTrue.holds(asks || back, || format!("{entry:?} after the end"));
        }
        if matches!(entry.node_entry(), Some(NodeEntry::Started | NodeEntry::UndoStarted)) {
            self.may_start(entry);
        }
        let recorded = match &entry.kind {
            EntryKind::Saga(recorded) => return self.before_of_saga(entry, recorded),
            EntryKind::Node { entry, .. } => entry,
        };
        let Some(i) = self.index(entry) else { return };
        let (s, node) = (&self.status[i], &self.dag.nodes[i]);
        if self.is_transaction(i) {
            self.before_of_transaction(i, entry, recorded);
        }
        if let NodeEntry::Started | NodeEntry::UndoStarted | NodeEntry::UndoFailed(_) = recorded {
            self.is_asked_first(i, entry);
        }
        let back = self.goes_back(i);
        let decided = self.decides(i) && self.parked;
        Law::UndoneScopeIsOver.holds(!self.left_behind(i) || decided, || format!("{entry:?}"));
        match recorded {
            NodeEntry::Started => {
                let policy = node.policy.expect("an action");
                let next = entry.attempt() == s.starts + 1 && !s.done;
                Law::AttemptsCount.holds(next, || format!("{entry:?} after {} starts", s.starts));
                Law::AncestorsFirst.holds(self.done_before(i), || format!("{entry:?}"));
                let waited = s.open || s.retry_at.is_none_or(|at| back || entry.at >= at);
                Law::RetriesWait.holds(waited, || format!("{entry:?} before {:?}", s.retry_at));
                if back {
                    let rerun = policy.undo == UndoContract::Output && (s.open || s.doubt);
                    Law::OnlyBackWhileUnwinding.holds(rerun, || format!("{entry:?}"));
                    self.goes_back_in_order(i, entry);
                } else {
                    let cut_off = s.open || s.closed == Some(true);
                    let again = cut_off || s.retry_at.is_some() || s.starts == s.from;
                    Law::TriesCount.holds(again, || format!("{entry:?} without a retry"));
                    Law::ForLimit.holds(self.has_place(i), || format!("{entry:?}"));
                    let late = self.deadline.is_some_and(|at| entry.at >= at);
                    let may = !late || self.past() || self.busy();
                    Law::DeadlineHolds.holds(may, || format!("{entry:?} after it"));
                    self.goes_forward_in_order(i, entry);
                }
            }
            NodeEntry::RetryScheduled { .. } => {
                let policy = node.policy.expect("an action");
                let (failure, in_doubt) = s.failure.as_ref().expect("a failure");
                if back {
                    let rerun = policy.undo == UndoContract::Output && s.doubt;
                    Law::OnlyBackWhileUnwinding.holds(rerun, || format!("{entry:?}"));
                } else {
                    let tries = s.starts - s.from;
                    // a pivot that says nothing about tries has ten while it is in doubt
                    let pivot = self.dag.pivot == Some(i) && s.doubt && tries < 10;
                    let more = policy.retry.allows_after(tries) || pivot;
                    let again = (failure.retryable || *in_doubt) && more;
                    Law::TriesCount.holds(again, || format!("{entry:?} after {tries} tries"));
                }
            }
            NodeEntry::Succeeded(_) | NodeEntry::InDoubt(_) => {
                let decided = self.decides(i);
                let again = s.done && !(decided && self.parked);
                let told = s.doubt && matches!(recorded, NodeEntry::Succeeded(_));
                let open = s.open || told && self.was_asked(i) || node.policy.is_none() || decided;
                Law::AttemptsCount.holds(!again && open, || format!("{entry:?} again"));
                if let (NodeEntry::Succeeded(output), Some(_), false) =
                    (recorded, node.policy, decided)
                {
                    // the simulated receivers return the path of the node
                    let kept = output.as_bytes() == node.path.as_bytes();
                    Law::OutputIsKept.holds(kept, || format!("{entry:?}"));
                }
            }
            NodeEntry::UndoStarted => {
                Law::SmallFailuresStaySmall.holds(back, || format!("{entry:?} outside its scope"));
                let may = !self.unwinding || !self.past() && !self.busy();
                Law::PivotHolds.holds(may, || format!("{entry:?}"));
                Law::UndoTable.holds(!self.needs_nothing(i), || format!("{entry:?}"));
                let settled = self.descendants_settled(i);
                Law::UndoOrder.holds(settled, || format!("{entry:?} before what came after it"));
                if let Undo::Waits(at) = s.undo {
                    Law::RetriesWait.holds(entry.at >= at, || format!("{entry:?} before {at:?}"));
                }
                self.goes_back_in_order(i, entry);
            }
            NodeEntry::UndoFinished | NodeEntry::UndoRetryScheduled { .. } => {
                Law::AttemptsCount.holds(s.undo == Undo::Started, || format!("{entry:?}"));
                if let NodeEntry::UndoRetryScheduled { failure, .. } = recorded {
                    let retry = node.policy.expect("an action").undo_retry;
                    let again = failure.retryable && retry.allows_after(s.undo_starts);
                    let tries = s.undo_starts;
                    Law::TriesCount.holds(again, || format!("{entry:?} after {tries} tries"));
                }
            }
            NodeEntry::UndoFailed(failure) => {
                let undone = s.undo == Undo::Started;
                let failed = undone || (s.open || s.doubt) && !s.done;
                Law::AttemptsCount.holds(failed, || format!("{entry:?}"));
                let retry = node.policy.expect("an action").undo_retry;
                let again = failure.retryable && retry.allows_after(s.undo_starts);
                let tries = s.undo_starts;
                Law::TriesCount
                    .holds(!undone || !again, || format!("{entry:?} after {tries} tries"));
            }
            NodeEntry::Resolved(_) => {
                Law::UndoTable.holds(s.undo == Undo::Failed, || format!("{entry:?}"));
                let open = |c: &Command| matches!(c, Command::Resolve { node, .. } if Some(node) == entry.node());
                let asked = self.open.values().any(open);
                Law::AnswerIsTrue.holds(asked, || format!("{entry:?} that nobody asked for"));
            }
            NodeEntry::Chosen(_) => {
                Law::ChosenOnce.holds(!s.done, || format!("{entry:?} again"));
                Law::AncestorsFirst.holds(self.done_before(i), || format!("{entry:?}"));
                Law::OnlyBackWhileUnwinding.holds(!back, || format!("{entry:?}"));
                if s.scope_unwinds {
                    let undone =
                        |i| self.needs_nothing(i) && !matches!(self.status[i].undo, Undo::Failed);
                    let left = self.within(i).find(|i| !undone(*i));
                    let left = left.map(|i| &self.dag.nodes[i].path);
                    Law::UndoneScopeLeavesNothing
                        .holds(left.is_none(), || format!("{entry:?} before {left:?} is undone"));
                }
            }
            NodeEntry::ScopeUnwinding(why) => self.scope_may_unwind(i, entry, why),
            NodeEntry::Waiting { .. } => self.before_waiting(i, entry),
            NodeEntry::Waited(won) => self.before_waited(i, *won, entry),
            NodeEntry::NotDone => {
                let in_doubt = !s.done && (s.open || s.doubt) && self.was_asked(i);
                Law::AskedFirst.holds(in_doubt, || format!("{entry:?}"));
            }
            NodeEntry::Failed(_) | NodeEntry::Skipped => {}
        }
    }

    /// Whether a transaction happened is in the log: nobody has to find out, and nothing is undone in case it did.
    fn before_of_transaction(&self, i: usize, entry: &Entry, recorded: &NodeEntry) {
        let known = match recorded {
            NodeEntry::InDoubt(_) => false,
            NodeEntry::Started => !self.goes_back(i),
            NodeEntry::UndoStarted | NodeEntry::UndoFailed(_) => self.status[i].done,
            _ => true,
        };
        Law::TransactionsLeaveNoDoubt.holds(known, || format!("{entry:?}"));
    }

    /// Before a migration only what is in doubt is found out; after half a minute other things may begin, too, but only as long
    /// as something is in doubt.
    fn before_while_settling(&self, entry: &Entry, since: Timestamp) {
        let value = |i: usize| self.dag.nodes[i].policy.is_none();
        let in_doubt = |s: &Status| !s.done && (s.open || s.doubt);
        let open = |(i, s): (usize, &Status)| in_doubt(s) && !self.left_behind(i);
        let unwinds = |(i, s): (usize, &Status)| s.scope_unwinds && !s.done && !self.goes_back(i);
        let fresh = match (self.index(entry), entry.node_entry()) {
            (Some(i), Some(NodeEntry::Started)) => !in_doubt(&self.status[i]),
            (_, Some(NodeEntry::Chosen(_) | NodeEntry::Waiting { .. } | NodeEntry::Waited(_))) => {
                true
            }
            (Some(i), Some(NodeEntry::Succeeded(_))) => value(i) && !self.decides(i),
            _ => false,
        };
        let known = self.open.is_empty() && !self.status.iter().enumerate().any(open);
        let known = known && !self.status.iter().enumerate().any(unwinds);
        let leaves = matches!(entry.node_entry(), Some(NodeEntry::Chosen(_)))
            && self.index(entry).is_some_and(|i| self.status[i].scope_unwinds);
        let may =
            self.unwinding || leaves || entry.at >= since.after(Duration::from_secs(30)) && !known;
        Law::SettlingFindsOut.holds(!fresh || may, || format!("{entry:?} is not in doubt"));
    }

    fn goes_forward_in_order(&self, i: usize, entry: &Entry) {
        if !self.one_at_a_time || self.status[i].starts > 0 {
            return;
        }
        let first = (0..i).find(|j| {
            let s = &self.status[*j];
            let fresh = self.dag.nodes[*j].policy.is_some() && s.starts == 0 && !s.skipped;
            let fresh = fresh && !self.goes_back(*j);
            fresh && self.done_before(*j) && self.has_place(*j)
        });
        let first = first.map(|j| &self.dag.nodes[j].path);
        Law::DeclarationOrder.holds(first.is_none(), || format!("{first:?} before {entry:?}"));
    }

    fn goes_back_in_order(&self, i: usize, entry: &Entry) {
        if !self.one_at_a_time {
            return;
        }
        let later = (0..self.status.len()).find(|j| {
            let later = self.status[*j].first > self.status[i].first;
            let later = later && (self.unwinding || self.scope_back(*j) == self.scope_back(i));
            later && !self.needs_nothing(*j) && !self.blocked(*j)
        });
        let later = later.map(|j| &self.dag.nodes[j].path);
        Law::ReverseOrder.holds(later.is_none(), || format!("{later:?} before {entry:?}"));
    }

    fn before_of_saga(&self, entry: &Entry, recorded: &SagaEntry) {
        let this = || format!("{entry:?}");
        match recorded {
            SagaEntry::Created { .. } => Law::LogIsLegal.holds(entry.seq == 1, this),
            SagaEntry::Unwinding(_) if self.past() || self.busy() => {
                Law::PivotHolds.is_broken(this());
            }
            SagaEntry::Unwinding(_) if self.parked => Law::StandsStill.is_broken(this()),
            SagaEntry::Unwinding(Cause::DeadlineExceeded) => {
                let over = !self.unwinding && self.deadline.is_some_and(|at| at <= entry.at);
                Law::DeadlineHolds.holds(over, this);
            }
            SagaEntry::Unwinding(Cause::Cancelled { .. }) => {
                let asked = self.open.values().any(|c| matches!(c, Command::Cancel { .. }));
                Law::UnwindsForAReason.holds(!self.unwinding && asked, this);
            }
            SagaEntry::Unwinding(Cause::Rollback { .. }) => {
                let asked = self.open.values().any(|c| matches!(c, Command::Rollback { .. }));
                let completed = self.ended == Some(SagaStatus::Completed);
                Law::UnwindsForAReason.holds(completed && asked, this);
            }
            SagaEntry::Paused => Law::AnswerIsTrue.holds(!self.paused, this),
            SagaEntry::Resumed => Law::AnswerIsTrue.holds(self.paused, this),
            SagaEntry::Parked { reason } => {
                Law::StandsStill.holds(!self.parked, this);
                let gave_up = reason.starts_with("nobody knows whether the pivot");
                let pivot = self.dag.pivot.map(|pivot| &self.status[pivot]);
                // what it is parked for is over once an operator says so
                let failed = pivot.is_some_and(|pivot| pivot.failure.is_some());
                Law::TriesCount.holds(!gave_up || failed, this);
                if let Some(pivot) = self.dag.pivot.filter(|_| gave_up) {
                    self.is_asked_first(pivot, entry);
                }
            }
            SagaEntry::Suspected { .. } | SagaEntry::Cleared => {
                Law::StandsStill.holds(!self.parked, this);
            }
            SagaEntry::Unparked => Law::StandsStill.holds(self.parked, this),
            SagaEntry::Injected { .. } => {}
            SagaEntry::Requested { id, command, .. } => {
                Law::AnsweredOnce.holds(!self.requested.contains(id), this);
                self.before_signal(command, entry);
            }
            SagaEntry::Refused { id, why } => {
                let cancels = |c: &Command| matches!(c, Command::Cancel { .. });
                let held = self.open.get(id).is_some_and(cancels);
                let past = matches!(**why, Refusal::PastPivot { .. }) && self.past();
                Law::AnswerIsTrue.holds(held && past, this);
            }
            SagaEntry::Unwinding(Cause::Failed { node }) => {
                self.fails_the_saga(self.dag.by_path[node.as_str()], entry);
            }
            SagaEntry::Ended(SagaStatus::Completed) => {
                let all = (0..self.status.len()).all(|i| self.is_over(i));
                Law::EndIsTrue.holds(!self.unwinding && all, this);
            }
            SagaEntry::Ended(SagaStatus::RolledBack) => {
                let undone = (0..self.status.len()).all(|i| self.needs_nothing(i));
                Law::EndIsTrue.holds(self.unwinding && undone, this);
            }
            SagaEntry::Ended(_) if !self.unwinding => {
                let remains =
                    |i| self.scope_back(i).is_some() && self.status[i].undo == Undo::Failed;
                let stops = |i| self.given_up(i) && self.scope_back(i).is_none() || remains(i);
                let stopped = self.past() && (0..self.status.len()).any(stops);
                Law::EndIsTrue.holds(stopped, this);
                for (i, node) in self.dag.nodes.iter().enumerate() {
                    if self.scope_back(i).is_some() {
                        let over = self.needs_nothing(i) || self.blocked(i);
                        Law::EndIsTrue.holds(over, || format!("{} was not undone", node.path));
                        continue;
                    }
                    let waits = self.is_over(i) || self.given_up(i);
                    let waits = waits || !self.done_before(i) || !self.has_place(i);
                    Law::EndIsTrue.holds(waits, || format!("{} could go on", node.path));
                }
            }
            SagaEntry::Ended(_) => {
                Law::EndIsTrue.holds(self.status.iter().any(|s| s.undo == Undo::Failed), this);
                for i in 0..self.status.len() {
                    let over = self.needs_nothing(i) || self.blocked(i);
                    Law::EndIsTrue
                        .holds(over, || format!("{} was not undone", self.dag.nodes[i].path));
                }
            }
            SagaEntry::Migrated(_) => panic!("{entry:?}, which no saga writes"),
        }
    }

    /// Everybody who asked was told once, and nothing else than the log says.
    fn answers(&self, asked: &[Asked]) {
        Law::EveryRequestIsAnswered.holds(self.open.is_empty(), || format!("{:?}", self.open));
        for Asked { id, command, answer, .. } in asked {
            let requested = self.requested.contains(id);
            let Some(answer) = answer else {
                Law::EveryRequestIsAnswered.is_broken(format!("{command:?}"));
            };
            let is_true = match answer {
                Answer::Done => requested && !self.refused.contains_key(id),
                Answer::NothingToDo { .. } | Answer::Duplicate => !requested,
                // the machine answers once it is settled
                Answer::Held => false,
                Answer::Refused(why) if requested => self.refused.get(id) == Some(why),
                Answer::Refused(_) => true,
            };
            Law::AnswerIsTrue.holds(is_true, || format!("{answer:?} to {command:?}"));
        }
    }

    /// Durable before what: the calls that went out when the log was this long.
    fn call(&mut self, issued: &Issued) {
        let Issued { call, path, kind, effects, durable } = issued;
        let i = self.dag.by_path[path];
        let s = &self.status[i];
        let key = call.generation == s.generation;
        Law::FreshKeys.holds(key, || format!("{issued:?} after {} failures", s.generation));
        if *kind == Kind::Probe {
            // it may be in doubt by an entry that is not durable yet
            let in_doubt = !s.done && s.starts > 0;
            Law::AskedFirst.holds(in_doubt, || format!("{issued:?} is not in doubt"));
            let stands = self.parked || self.paused && self.steps == 0;
            Law::StandsStill.holds(!stands, || format!("{issued:?} although it stands"));
            self.probes.entry(path.clone()).or_default().push(*durable);
            return;
        }
        if *kind == Kind::Action {
            let own = s.open && s.starts == call.attempt && s.last == (call.seq, call.unwinding);
            Law::DurableBeforeCalled.holds(own, || format!("its own `started`: {issued:?}"));
            Law::AncestorsFirst.holds(self.done_before(i), || format!("{issued:?}"));
            return;
        }
        let own = self.goes_back(i) && s.undo == Undo::Started;
        Law::DurableBeforeCalled
            .holds(own, || format!("`unwinding` or `undo_started`: {issued:?}"));
        let settled = self.descendants_settled(i);
        Law::UndoOrder.holds(settled, || format!("{path} before what came after it is settled"));
        for d in self.dag.descendants(i) {
            let node = &self.dag.nodes[d];
            let kept = node.policy.is_some_and(|p| p.undo != UndoContract::None);
            let left = kept && effects.contains(&node.path);
            Law::UndoOrder.holds(!left, || format!("{path} is undone before {}", node.path));
        }
    }
}

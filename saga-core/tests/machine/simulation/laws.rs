//! What must hold of every log, of the calls that went out, and of what is left in the end: the rules of the log,
//! §4 to §6, read off the log alone.

use saga_core::action::UndoContract;
use saga_core::dag::Plan;
use saga_core::log::{Cause, Entry, EntryKind, FailureKind, NodeEntry, SagaEntry, SagaLog};
use saga_core::machine::Config;
use saga_core::operator::{Answer, Command, Refusal};
use saga_core::{SagaId, SagaStatus};

use super::expand::Expanded;
use super::log_view::{Book, Undo};
use super::operators::Asked;
use super::remaining::{end, paths};
use super::run::{Issued, Ran};
use super::tape::Tape;

/// Checks everything about a run.
pub(crate) fn check(plan: &Plan, config: &Config, ran: &mut Ran) {
    let dag = Expanded::of(plan, &ran.log);
    let mut book = Book::new(&dag, config);
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
    read_again(&ran.log);
}

/// The events of any log are a log again.
fn read_again(log: &[Entry]) {
    let id: SagaId = "x".parse().unwrap();
    let read = SagaLog::of(id.clone(), log.to_vec(), Vec::new());
    let events = read.events().collect::<Vec<_>>();
    let again = SagaLog::recover(id, events.clone());
    let again = again.unwrap_or_else(|why| panic!("{why}: {}", read.pretty()));
    assert_eq!(again.events().collect::<Vec<_>>(), events);
}

impl Book<'_> {
    fn may_start(&self, entry: &Entry) {
        assert!(!self.parked && (!self.paused || self.steps > 0), "{entry:?} although it stands");
        let cancels = |c: &Command| matches!(c, Command::Cancel { .. });
        if self.busy() {
            let pivot = entry.node().map(|n| self.dag.by_path[n.as_str()]);
            assert!(pivot == self.dag.pivot && !self.unwinding, "{entry:?} beside the pivot");
        } else {
            assert!(!self.open.values().any(cancels), "{entry:?} although it is cancelled");
        }
    }

    fn before(&self, entry: &Entry) {
        if self.ended.is_some() {
            let asks = matches!(entry.saga_entry(), Some(SagaEntry::Requested { .. }));
            let back =
                matches!(entry.saga_entry(), Some(SagaEntry::Unwinding(Cause::Rollback { .. })));
            assert!(asks || back, "{entry:?} after the end");
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
        match recorded {
            NodeEntry::Started => {
                let policy = node.policy.expect("an action");
                assert_eq!(entry.attempt(), s.starts + 1);
                assert!(self.done_before(i), "{entry:?} before its predecessors are done");
                assert!(!s.done);
                assert!(s.open || s.retry_at.is_none_or(|at| self.unwinding || entry.at >= at));
                if self.unwinding {
                    assert_eq!(policy.undo, UndoContract::Output, "{entry:?} while unwinding");
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
            NodeEntry::RetryScheduled { .. } => {
                let policy = node.policy.expect("an action");
                let (failure, in_doubt) = s.failure.as_ref().expect("a failure");
                if self.unwinding {
                    assert!(policy.undo == UndoContract::Output && s.doubt);
                } else {
                    assert!(failure.retryable || *in_doubt);
                    let tries = s.starts - s.from;
                    // a pivot that says nothing about tries has ten while it is in doubt
                    let pivot = self.dag.pivot == Some(i) && s.doubt && tries < 10;
                    assert!(policy.retry.allows_after(tries) || pivot);
                }
            }
            NodeEntry::Succeeded(_) | NodeEntry::InDoubt(_) => {
                let decided = self.decides(i);
                assert!(!s.done || decided && self.parked, "{entry:?} again");
                assert!(s.open || node.policy.is_none() || decided);
            }
            NodeEntry::UndoStarted => {
                assert!(!self.past() && !self.busy(), "{entry:?} behind the pivot");
                assert!(self.unwinding && !self.needs_nothing(i), "{entry:?}");
                assert!(self.descendants_settled(i), "{entry:?} before what came after it");
                if let Undo::Waits(at) = s.undo {
                    assert!(entry.at >= at, "{entry:?} too early");
                }
                self.goes_back_in_order(i, entry);
            }
            NodeEntry::UndoFinished | NodeEntry::UndoRetryScheduled { .. } => {
                assert_eq!(s.undo, Undo::Started);
            }
            NodeEntry::UndoFailed(_) => {
                assert!(s.undo == Undo::Started || (s.open || s.doubt) && !s.done);
            }
            NodeEntry::Resolved(_) => {
                assert_eq!(s.undo, Undo::Failed);
                let open = |c: &Command| matches!(c, Command::Resolve { node, .. } if Some(node) == entry.node());
                assert!(self.open.values().any(open), "{entry:?} that nobody asked for");
            }
            NodeEntry::Failed(_) | NodeEntry::Chosen(_) | NodeEntry::Skipped => {}
        }
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

    fn before_of_saga(&self, entry: &Entry, recorded: &SagaEntry) {
        match recorded {
            SagaEntry::Created { .. } => assert_eq!(entry.seq, 1),
            SagaEntry::Unwinding(_) if self.past() || self.busy() => {
                panic!("{entry:?}, and the pivot")
            }
            SagaEntry::Unwinding(_) if self.parked => panic!("{entry:?}, and it stays parked"),
            SagaEntry::Unwinding(Cause::DeadlineExceeded) => {
                assert!(!self.unwinding && self.deadline.is_some_and(|at| at <= entry.at));
            }
            SagaEntry::Unwinding(Cause::Cancelled { .. }) => {
                assert!(!self.unwinding);
                assert!(self.open.values().any(|c| matches!(c, Command::Cancel { .. })));
            }
            SagaEntry::Unwinding(Cause::Rollback { .. }) => {
                assert_eq!(self.ended, Some(SagaStatus::Completed));
                assert!(self.open.values().any(|c| matches!(c, Command::Rollback { .. })));
            }
            SagaEntry::Paused => assert!(!self.paused),
            SagaEntry::Resumed => assert!(self.paused),
            SagaEntry::Parked { .. } => assert!(!self.parked),
            SagaEntry::Suspected { .. } | SagaEntry::Cleared => assert!(!self.parked),
            SagaEntry::Unparked => assert!(self.parked),
            SagaEntry::Injected { .. } => {}
            SagaEntry::Requested { id, .. } => assert!(!self.requested.contains(id)),
            SagaEntry::Refused { id, why } => {
                let cancels = |c: &Command| matches!(c, Command::Cancel { .. });
                assert!(self.open.get(id).is_some_and(cancels), "{entry:?}");
                assert!(matches!(**why, Refusal::PastPivot { .. }) && self.past());
            }
            SagaEntry::Unwinding(Cause::Failed { node }) => {
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
            SagaEntry::Ended(SagaStatus::Completed) => {
                assert!(!self.unwinding);
                let done =
                    |(i, n): (usize, &super::expand::Node)| self.status[i].done || !n.has_entry;
                assert!(self.dag.nodes.iter().enumerate().all(done));
            }
            SagaEntry::Ended(SagaStatus::RolledBack) => {
                assert!(self.unwinding && (0..self.status.len()).all(|i| self.needs_nothing(i)));
            }
            SagaEntry::Ended(_) if !self.unwinding => {
                assert!(self.past() && (0..self.status.len()).any(|i| self.given_up(i)));
                for (i, node) in self.dag.nodes.iter().enumerate() {
                    let waits = self.status[i].done || !node.has_entry || self.given_up(i);
                    assert!(waits || !self.done_before(i) || !self.has_place(i), "{}", node.path);
                }
            }
            SagaEntry::Ended(_) => {
                assert!(self.status.iter().any(|s| s.undo == Undo::Failed));
                for i in 0..self.status.len() {
                    let path = &self.dag.nodes[i].path;
                    assert!(self.needs_nothing(i) || self.blocked(i), "{path} was not undone");
                }
            }
            SagaEntry::Migrated(_) => panic!("{entry:?}, which no saga writes"),
        }
    }

    /// Everybody who asked was told once, and nothing else than the log says.
    fn answers(&self, asked: &[Asked]) {
        assert!(self.open.is_empty(), "never done: {:?}", self.open);
        for Asked { id, command, answer } in asked {
            let requested = self.requested.contains(id);
            match answer.as_ref().unwrap_or_else(|| panic!("no answer to {command:?}")) {
                Answer::Done => assert!(requested && !self.refused.contains_key(id)),
                Answer::NothingToDo { .. } => assert!(!requested),
                Answer::Held => panic!("the machine answers once it is settled"),
                Answer::Refused(why) if requested => assert_eq!(self.refused.get(id), Some(why)),
                Answer::Refused(_) => {}
            }
        }
    }

    /// Durable before what: the calls that went out when the log was this long.
    fn call(&self, issued: &Issued, log: &[Entry]) {
        let Issued { durable, call, path, undo, effects } = issued;
        let i = self.dag.by_path[path];
        let s = &self.status[i];
        assert!(call.seq <= *durable);
        let entry = &log[call.seq as usize - 1];
        assert_eq!(entry.node().map(|n| n.as_str()), Some(path.as_str()));
        assert_eq!(entry.attempt(), call.attempt);
        if !undo {
            assert_eq!(entry.node_entry(), Some(&NodeEntry::Started));
            assert!(s.open && s.starts == call.attempt, "{path}: its own `started` is not durable");
            assert_eq!(s.last, (call.seq, call.unwinding));
            assert!(self.done_before(i), "{path}: an ancestor's output is not durable");
            return;
        }
        assert!(self.unwinding, "{path}: undo before `unwinding` is durable");
        assert_eq!((entry.node_entry(), s.undo), (Some(&NodeEntry::UndoStarted), Undo::Started));
        assert!(self.descendants_settled(i), "{path}: undo before what came after it is settled");
        for d in self.dag.descendants(i) {
            let node = &self.dag.nodes[d];
            let kept = node.policy.is_some_and(|p| p.undo != UndoContract::None);
            assert!(!kept || !effects.contains(&node.path), "{path} undone before {}", node.path);
        }
    }
}

//! What may follow in a log: the rules of the log and of the order of things, read off the log alone.
//! Times are not compared, since the clocks of a run are set forward and back.

use saga_core::SagaStatus;
use saga_core::action::UndoContract;
use saga_core::log::{Cause, Entry, EntryKind, FailureKind, NodeEntry, SagaEntry};
use saga_core::operator::{Command, Refusal};

use super::log_view::{Book, Undo};
use super::{Holds, holds};

pub(super) fn may_follow(book: &Book<'_>, entry: &Entry) -> Holds {
    let legal = |is: bool, why: &str| holds("I2", is, || format!("{entry:?}: {why}"));
    if book.ended.is_some() {
        let asks = matches!(entry.saga_entry(), Some(SagaEntry::Requested { .. }));
        let rollback = Some(SagaEntry::Unwinding(Cause::Rollback { reason: String::new() }));
        let kind = |e: Option<&SagaEntry>| match e {
            Some(SagaEntry::Unwinding(cause)) => Some(std::mem::discriminant(cause)),
            _ => None,
        };
        let back = kind(entry.saga_entry()).is_some()
            && kind(entry.saga_entry()) == kind(rollback.as_ref());
        legal(asks || back, "after the end")?;
    }
    match &entry.kind {
        EntryKind::Saga(recorded) => of_saga(book, entry, recorded),
        EntryKind::Node { node, entry: recorded, .. } => {
            let known = book.dag.by_path.get(node.as_str());
            let Some(i) = known else { return legal(false, "there is no such node") };
            let start = matches!(recorded, NodeEntry::Started | NodeEntry::UndoStarted);
            if start {
                may_start(book, entry, *i)?;
            }
            of_node(book, entry, recorded, *i)
        }
    }
}

fn may_start(book: &Book<'_>, entry: &Entry, i: usize) -> Holds {
    let legal = |is: bool, why: &str| holds("I2", is, || format!("{entry:?}: {why}"));
    let cancels = |c: &Command| matches!(c, Command::Cancel { .. });
    legal(!book.parked, "the saga is parked")?;
    legal(!book.paused || book.steps > 0, "the saga is paused")?;
    if book.busy() {
        legal(Some(i) == book.dag.pivot && !book.unwinding, "beside the pivot")
    } else {
        legal(!book.open.values().any(cancels), "the saga is cancelled")
    }
}

fn of_node(book: &Book<'_>, entry: &Entry, recorded: &NodeEntry, i: usize) -> Holds {
    let legal = |is: bool, why: &str| holds("I2", is, || format!("{entry:?}: {why}"));
    let (s, node) = (&book.status[i], &book.dag.nodes[i]);
    let action = node.policy.is_some();
    match recorded {
        NodeEntry::Started => {
            let Some(policy) = node.policy else { return legal(false, "it is no action") };
            legal(entry.attempt() == s.starts + 1, "attempts are numbered one after the other")?;
            legal(!s.done, "it is done")?;
            let ready = || format!("{entry:?}: its predecessors are not done");
            holds("I4", book.done_before(i), ready)?;
            if book.unwinding {
                let repeats = policy.undo == UndoContract::Output && (s.open || s.doubt);
                holds("I6", repeats, || format!("{entry:?}: after the decision"))?;
                return goes_back_in_order(book, entry, i);
            }
            let cut_off = s.open || s.closed == Some(true);
            let again = cut_off || s.retry_at.is_some() || s.starts == s.from;
            legal(again, "it starts again, and no retry is scheduled")?;
            holds("limits", book.has_place(i), || {
                format!("{entry:?}: before its turn in a `for`")
            })?;
            goes_forward_in_order(book, entry, i)
        }
        NodeEntry::RetryScheduled { .. } => {
            let Some(policy) = node.policy else { return legal(false, "it is no action") };
            if book.unwinding {
                let repeats = policy.undo == UndoContract::Output && s.doubt;
                return holds("I6", repeats, || format!("{entry:?}: after the decision"));
            }
            let Some((failure, in_doubt)) = &s.failure else {
                return legal(false, "it has not failed");
            };
            legal(failure.retryable || *in_doubt, "it failed for good")?;
            let tries = s.starts - s.from;
            // a pivot that says nothing about tries has ten while it is in doubt
            let pivot = book.dag.pivot == Some(i) && s.doubt && tries < 10;
            legal(policy.retry.allows_after(tries) || pivot, "it has no tries left")
        }
        NodeEntry::Succeeded(_) | NodeEntry::InDoubt(_) | NodeEntry::Failed(_) => {
            let decided = book.decides(i);
            legal(!s.done || decided && book.parked, "it is done")?;
            // a gate fails without having started
            let failed = matches!(recorded, NodeEntry::Failed(_));
            // one that was in doubt may be asked whether it took effect
            let told = s.doubt && matches!(recorded, NodeEntry::Succeeded(_));
            legal(s.open || told || !action || decided, "it is not in flight")?;
            legal(action || !matches!(recorded, NodeEntry::InDoubt(_)), "it is no action")?;
            let forward = action || !book.unwinding;
            holds("I6", forward, || format!("{entry:?}: after the decision"))?;
            legal(!failed || !book.unwinding || s.open || decided, "it is not in flight")
        }
        NodeEntry::NotDone => legal(!s.done && (s.open || s.doubt), "it is not in doubt"),
        // no saga of the simulator has a scope
        NodeEntry::ScopeUnwinding(_) => legal(false, "there is no scope"),
        NodeEntry::Chosen(_) | NodeEntry::Skipped => {
            legal(!s.done && s.starts == 0, "it is done, or has started")?;
            holds("I4", book.done_before(i), || {
                format!("{entry:?}: its predecessors are not done")
            })?;
            holds("I6", !book.unwinding, || format!("{entry:?}: after the decision"))
        }
        NodeEntry::Waiting { .. } => {
            let begun = s.done || book.waits.contains(&i);
            legal(!node.waits_for.is_empty() && !begun, "it is no wait, or has begun")?;
            holds("I4", book.done_before(i), || {
                format!("{entry:?}: its predecessors are not done")
            })?;
            holds("I6", !book.unwinding, || format!("{entry:?}: after the decision"))
        }
        NodeEntry::Waited(won) => {
            legal(book.waits.contains(&i), "it has not begun, or has ended")?;
            let taken = |seq| book.kept.iter().any(|kept| kept.seq == seq);
            legal(won.event.is_none_or(taken), "another wait has taken its event")?;
            holds("I6", !book.unwinding, || format!("{entry:?}: after the decision"))
        }
        NodeEntry::UndoStarted => {
            legal(!book.past() && !book.busy(), "behind the pivot")?;
            holds("I5", book.unwinding, || format!("{entry:?}: before the decision"))?;
            legal(!book.needs_nothing(i), "there is nothing to undo")?;
            let settled = book.descendants_settled(i);
            holds("I5", settled, || format!("{entry:?}: before what came after it is settled"))?;
            goes_back_in_order(book, entry, i)
        }
        NodeEntry::UndoFinished | NodeEntry::UndoRetryScheduled { .. } => {
            legal(s.undo == Undo::Started, "its undo is not in flight")
        }
        NodeEntry::UndoFailed(_) => {
            let undone = s.undo == Undo::Started;
            legal(
                book.unwinding && (undone || (s.open || s.doubt) && !s.done),
                "its undo is not in flight",
            )
        }
        NodeEntry::Resolved(_) => {
            legal(s.undo == Undo::Failed, "its undo has not failed")?;
            let asks = |c: &Command| matches!(c, Command::Resolve { node, .. } if Some(node) == entry.node());
            legal(book.open.values().any(asks), "nobody has asked for it")
        }
    }
}

/// With one call at a time, actions start in the order of declaration.
fn goes_forward_in_order(book: &Book<'_>, entry: &Entry, i: usize) -> Holds {
    if !book.one_at_a_time || book.status[i].starts > 0 {
        return Ok(());
    }
    let first = (0..i).find(|j| {
        let s = &book.status[*j];
        let fresh = book.dag.nodes[*j].policy.is_some() && s.starts == 0 && !s.skipped;
        fresh && book.done_before(*j) && book.has_place(*j)
    });
    let path = |j: usize| &book.dag.nodes[j].path;
    holds("limits", first.is_none(), || format!("{entry:?}: {:?} comes first", first.map(path)))
}

/// And undos in its reverse.
fn goes_back_in_order(book: &Book<'_>, entry: &Entry, i: usize) -> Holds {
    if !book.one_at_a_time {
        return Ok(());
    }
    let later = (0..book.status.len()).find(|j| {
        let later = book.status[*j].first > book.status[i].first;
        later && !book.needs_nothing(*j) && !book.blocked(*j)
    });
    let path = |j: usize| &book.dag.nodes[j].path;
    holds("I5", later.is_none(), || format!("{entry:?}: {:?} goes back first", later.map(path)))
}

fn of_saga(book: &Book<'_>, entry: &Entry, recorded: &SagaEntry) -> Holds {
    let legal = |is: bool, why: &str| holds("I2", is, || format!("{entry:?}: {why}"));
    let asked = |what: fn(&Command) -> bool| book.open.values().any(what);
    match recorded {
        SagaEntry::Created { .. } => legal(entry.seq == 1, "it comes first"),
        SagaEntry::Unwinding(cause) => {
            legal(!book.past() && !book.busy(), "the pivot has succeeded, or may have")?;
            match cause {
                // an operator gets it out of there by a cancel
                Cause::Cancelled { .. } => {
                    legal(!book.unwinding, "it unwinds")?;
                    legal(asked(|c| matches!(c, Command::Cancel { .. })), "nobody has asked for it")
                }
                Cause::DeadlineExceeded => legal(!book.unwinding && !book.parked, "it unwinds"),
                Cause::Rollback { .. } => {
                    legal(book.ended == Some(SagaStatus::Completed), "it has not completed")?;
                    legal(
                        asked(|c| matches!(c, Command::Rollback { .. })),
                        "nobody has asked for it",
                    )
                }
                Cause::Failed { node } => failed(book, entry, node.as_str()),
            }
        }
        SagaEntry::Paused => legal(!book.paused, "it is paused"),
        SagaEntry::Resumed => legal(book.paused, "it is not paused"),
        SagaEntry::Parked { .. } | SagaEntry::Suspected { .. } | SagaEntry::Cleared => {
            legal(!book.parked, "it is parked")
        }
        SagaEntry::Unparked => legal(book.parked, "it is not parked"),
        SagaEntry::Injected { .. } => Ok(()),
        SagaEntry::Requested { id, command, .. } => {
            legal(!book.requested.contains(id), "it is in the log")?;
            let undo_failed = |i: &usize| book.status[*i].undo == Undo::Failed;
            match &**command {
                Command::RetryUndo { node } | Command::Resolve { node, .. } => {
                    let known = book.dag.by_path.get(node.as_str());
                    legal(known.is_some_and(undo_failed), "its undo has not failed")
                }
                Command::Retry { node } => {
                    let known = book.dag.by_path.get(node.as_str());
                    legal(known.is_some_and(|i| book.given_up(*i)), "it has not failed")
                }
                _ => Ok(()),
            }
        }
        SagaEntry::Refused { id, why } => {
            let cancels = |c: &Command| matches!(c, Command::Cancel { .. });
            legal(book.open.get(id).is_some_and(cancels), "no cancel is held")?;
            legal(matches!(**why, Refusal::PastPivot { .. }) && book.past(), "not past the pivot")
        }
        SagaEntry::Ended(SagaStatus::Completed) => {
            legal(!book.unwinding && !book.parked, "it unwinds, or is parked")?;
            let mut nodes = book.dag.nodes.iter().enumerate();
            let left = nodes.find(|(i, n)| n.has_entry && !book.status[*i].done);
            holds("I3", left.is_none(), || {
                format!("{entry:?}: {:?} is not done", left.map(|(_, n)| &n.path))
            })
        }
        SagaEntry::Ended(SagaStatus::RolledBack) => {
            legal(book.unwinding, "it does not unwind")?;
            let left = (0..book.status.len()).find(|i| !book.needs_nothing(*i));
            holds("I3", left.is_none(), || {
                format!("{entry:?}: {:?} is not undone", left.map(|i| &book.dag.nodes[i].path))
            })
        }
        SagaEntry::Ended(_) if !book.unwinding => {
            let gave_up = (0..book.status.len()).any(|i| book.given_up(i));
            legal(book.past() && gave_up, "no node behind the pivot has given up")
        }
        SagaEntry::Ended(_) => {
            let failed = book.status.iter().any(|s| s.undo == Undo::Failed);
            legal(failed, "no undo has failed")?;
            let left =
                (0..book.status.len()).find(|i| !book.needs_nothing(*i) && !book.blocked(*i));
            legal(left.is_none(), "a node that could be undone is not")
        }
        SagaEntry::Migrated(_) => legal(false, "no machine writes this"),
    }
}

fn failed(book: &Book<'_>, entry: &Entry, node: &str) -> Holds {
    let legal = |is: bool, why: &str| holds("I2", is, || format!("{entry:?}: {why}"));
    legal(!book.unwinding && !book.parked, "it unwinds, or is parked")?;
    let Some(i) = book.dag.by_path.get(node) else { return legal(false, "there is no such node") };
    let status = &book.status[*i];
    let Some((failure, in_doubt)) = &status.failure else {
        return legal(false, "the node has not failed");
    };
    let Some(policy) = book.dag.nodes[*i].policy else { return Ok(()) };
    // an output that cannot be stored is not in doubt for this process
    let unstorable = failure.kind == FailureKind::SerializeFailed;
    let tries_left = policy.retry.allows_after(status.starts - status.from);
    let again = failure.retryable || *in_doubt;
    legal(!again || unstorable || !tries_left, "the node has tries left")
}

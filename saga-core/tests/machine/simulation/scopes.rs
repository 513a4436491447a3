//! The bodies of `try`, as a log tells about them: which of them unwind, and why.

use std::collections::HashSet;

use saga_core::log::{Entry, FailureKind, NodeEntry, NodePath, TryFailure};

use super::expand::{Expanded, Node};
use super::law::Law;
use super::log_view::{Book, Undo};

/// The scopes of a log that have begun to unwind, and those of them that the saga goes on without.
pub(super) struct Unwound<'l> {
    begun: HashSet<&'l str>,
    left: HashSet<&'l str>,
}

impl<'l> Unwound<'l> {
    pub(super) fn of(log: &'l [Entry]) -> Self {
        let (mut begun, mut left) = (HashSet::new(), HashSet::new());
        for entry in log {
            let node = entry.node().map(NodePath::as_str);
            match entry.node_entry() {
                Some(NodeEntry::ScopeUnwinding(_)) => begun.extend(node),
                Some(NodeEntry::Chosen(_)) => left.extend(node),
                _ => {}
            }
        }
        Self { begun, left }
    }

    /// True if a scope that the node stands in has begun to unwind.
    pub(super) fn took_back(&self, dag: &Expanded, node: &Node) -> bool {
        node.scopes.iter().any(|scope| self.begun.contains(&*dag.nodes[*scope].path))
    }

    /// True if the saga goes on without such a scope.
    pub(super) fn left_behind(&self, dag: &Expanded, node: &Node) -> bool {
        node.scopes.iter().any(|scope| self.left.contains(&*dag.nodes[*scope].path))
    }
}

impl Book<'_> {
    /// The nodes in the scope of this one.
    pub(super) fn within(&self, scope: usize) -> impl Iterator<Item = usize> {
        let within = move |i: &usize| self.dag.nodes[*i].scopes.contains(&scope);
        (0..self.status.len()).filter(within)
    }

    /// A scope begins to unwind.
    pub(super) fn scope_may_unwind(&self, i: usize, entry: &Entry, why: &TryFailure) {
        let (s, back) = (&self.status[i], self.goes_back(i));
        Law::OnlyBackWhileUnwinding.holds(!back, || format!("{entry:?}"));
        let again = s.scope_unwinds || s.done;
        Law::ChosenOnce.holds(!again, || format!("{entry:?} again"));
        let failed = self.dag.by_path[why.node.as_str()];
        let innermost = self.dag.nodes[failed].scopes.last() == Some(&i);
        Law::SmallFailuresStaySmall.holds(innermost, || format!("{entry:?}"));
        self.has_no_tries_left(failed, entry);
        let message = self.status[failed].failure.as_ref().map(|(failure, _)| failure);
        Law::UnwindsForAReason.holds(message == Some(&why.failure), || format!("{entry:?}"));
    }

    /// The node has failed, and is not to be tried again.
    pub(super) fn has_no_tries_left(&self, i: usize, entry: &Entry) {
        let (s, node) = (&self.status[i], &self.dag.nodes[i].path);
        let Some((failure, in_doubt)) = &s.failure else {
            Law::UnwindsForAReason.is_broken(format!("{entry:?}"));
        };
        self.is_asked_first(i, entry);
        let again = failure.retryable || *in_doubt;
        // an output that cannot be stored is not in doubt for this process
        let unstorable = failure.kind == FailureKind::SerializeFailed;
        if let Some(policy) = self.dag.nodes[i].policy {
            let tries_left = policy.retry.allows_after(s.starts - s.from);
            let over = !again || unstorable || !tries_left;
            Law::TriesCount.holds(over, || format!("{node} has tries left"));
        }
    }

    /// The saga unwinds because of this node: it stands in no scope, or an undo in that scope has failed for good.
    pub(super) fn fails_the_saga(&self, i: usize, entry: &Entry) {
        Law::UnwindsForAReason.holds(!self.unwinding, || format!("{entry:?}"));
        let Some(scope) = self.scope_back(i) else {
            let outside = self.dag.nodes[i].scopes.is_empty();
            Law::SmallFailuresStaySmall.holds(outside, || format!("{entry:?}"));
            return self.has_no_tries_left(i, entry);
        };
        let remains = self.within(scope).any(|i| self.status[i].undo == Undo::Failed);
        let joins = !self.status[scope].done && remains;
        Law::SmallFailuresStaySmall.holds(joins, || format!("{entry:?}"));
    }
}

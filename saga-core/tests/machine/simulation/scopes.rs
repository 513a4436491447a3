//! The bodies of `try`, as a log tells about them: which of them unwind, and why.

use saga_core::log::{Entry, FailureKind, TryFailure};

use super::law::Law;
use super::log_view::{Book, Undo};

impl Book<'_> {
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

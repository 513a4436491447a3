//! Actions that can be asked whether they took effect: what their receivers answer, and that they are asked.

use saga_core::Probe;
use saga_core::log::{Entry, Payload};

use super::law::Law;
use super::log_view::{Book, Undo};
use super::run::Runner;
use super::world::Site;

impl Runner {
    /// Nobody knows, or the answer is lost, if something goes wrong.
    pub(super) fn probe_outcome(&mut self, site: &Site) -> Probe<Payload> {
        if !self.goes_wrong() {
            return self.world.probe(site);
        }
        if self.tape.chance(128) {
            self.world.probe(site);
        }
        Probe::Unknown
    }
}

impl Book<'_> {
    /// True if the node was asked whether it took effect, since its last attempt began.
    pub(super) fn was_asked(&self, i: usize) -> bool {
        let probes = self.probes.get(&self.dag.nodes[i].path);
        probes.is_some_and(|asked| asked.iter().any(|at| *at >= self.status[i].last.0))
    }

    /// Nothing is done about an attempt in doubt before the node was asked.
    pub(super) fn is_asked_first(&self, i: usize, entry: &Entry) {
        let s = &self.status[i];
        let can = self.dag.nodes[i].policy.is_some_and(|policy| policy.probe);
        let can = can && !self.is_transaction(i);
        let in_doubt = !s.done && (s.open || s.doubt) && s.undo == Undo::No;
        let fine = !(can && in_doubt) || self.was_asked(i);
        Law::AskedFirst.holds(fine, || format!("{entry:?}"));
    }
}

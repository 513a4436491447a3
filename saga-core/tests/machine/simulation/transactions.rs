//! Actions whose only effect is a transaction of the database that keeps the log: rows and `succeeded` are one commit.

use saga_core::dag::PlanKind;
use saga_core::log::{Entry, NodeEntry, NodePath, Payload};

use super::run::{Kind, Runner};

impl Runner {
    /// These entries have become durable, and with them the rows that share their commits.
    pub(super) fn durable(&mut self, batch: Vec<Entry>) {
        for entry in &batch {
            let (Some(path), Some(written)) = (entry.node(), entry.node_entry()) else { continue };
            let Some(generation) = self.transaction(path) else { continue };
            match written {
                NodeEntry::Succeeded(_) => self.world.commits(path.as_str(), generation),
                NodeEntry::UndoFinished => self.world.commits_undo(path.as_str(), generation),
                _ => {}
            }
        }
        self.log.extend(batch);
    }

    /// The generation of the node's key, if it is declared as a transaction. The version that it is migrated to may undo by key
    /// what this one has committed.
    fn transaction(&self, path: &NodePath) -> Option<u32> {
        let state = self.machine.state();
        let v = state.resolve(path.as_str())?;
        match state.kind(v)? {
            PlanKind::Action(policy) if policy.transaction.is_some() => {
                state.node(v).map(|node| node.generation)
            }
            _ => None,
        }
    }

    /// The process dies, and perhaps a transaction was committed of which it has not told its machine.
    pub(super) fn commits_before_it_dies(&mut self) {
        let is_transaction = |i: &usize| self.flights[*i].site.contract.transaction;
        let transactions = (0..self.flights.len()).filter(is_transaction).collect::<Vec<_>>();
        // nothing else is being written then
        if transactions.is_empty() || self.pending.is_some() || !self.tape.chance(128) {
            return;
        }
        let flight = self.flights.remove(transactions[self.tape.pick(transactions.len())]);
        let undo = flight.kind == Kind::Undo;
        let entry = match undo {
            true => NodeEntry::UndoFinished,
            false => NodeEntry::Succeeded(Payload::from(flight.site.path.as_bytes())),
        };
        let path = NodePath::from(flight.site.path.as_str());
        let starts = |e: &Entry| match undo {
            true => e.node_entry() == Some(&NodeEntry::UndoStarted),
            false => e.node_entry() == Some(&NodeEntry::Started),
        };
        let own = |e: &&Entry| e.node() == Some(&path) && starts(e);
        let attempt = self.log.iter().rev().find(own).map_or(1, Entry::attempt);
        let seq = self.log.last().map_or(1, |entry| entry.seq + 1);
        let kind = entry.about(path.clone(), attempt);
        self.durable(vec![Entry { seq, epoch: self.epoch, at: self.now, kind }]);
    }
}

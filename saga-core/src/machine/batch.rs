//! The batch of a turn: the entries for its append. Each is applied to the state as soon as it is written.

use super::state::VertexId;
use super::under_way::Work;
use super::{Effect, Machine};
use crate::log::{Entry, EntryKind, NodeEntry, SagaEntry};
use crate::planted::{Mistake, planted};

impl Machine {
    /// Adds an entry about the saga to the batch, and applies it to the state.
    pub(super) fn write(&mut self, entry: SagaEntry) {
        let seq = self.state.next_seq;
        if self.is_broken() {
            return;
        }
        if let Err(illegal) = self.state.apply_saga_entry(&entry, &mut self.touched) {
            self.rare_mut().broken = Some(illegal.to_string());
            return;
        }
        self.ask_anew();
        if let SagaEntry::Unwinding(_) = entry {
            self.candidates.clear();
            self.under_way.end_all(Work::Candidate);
            self.under_way.end_all(Work::Evaluation);
            if let Some(rare) = &mut self.rare {
                rare.timers.clear();
                rare.alarms.clear();
                rare.begins.clear();
                rare.undos.clear();
            }
            self.release_permits();
            if self.under_way.count(Work::Action) > 0 && !planted(Mistake::CancelNotTold) {
                self.hold(Effect::SignalCancel);
            }
        }
        self.push(seq, entry.into());
    }

    /// The same for an entry about a node.
    pub(super) fn write_about(&mut self, v: VertexId, entry: NodeEntry) {
        let seq = self.state.next_seq;
        if self.is_broken() {
            return;
        }
        if let Err(illegal) = self.state.apply_node_entry(v, &entry, &mut self.touched) {
            self.rare_mut().broken = Some(illegal.to_string());
            return;
        }
        if matches!(entry, NodeEntry::Chosen(_)) && planted(Mistake::ChoiceNotWritten) {
            return;
        }
        if let NodeEntry::ScopeUnwinding(_) = entry {
            self.ask_anew();
            self.stop_scope(v);
        }
        if entry.is_start()
            && let Some(rare) = &mut self.rare
        {
            rare.asked_in_vain.remove(&v);
        }
        let attempt = self.state.attempt(v, &entry);
        self.push(seq, entry.about(self.state.path(v), attempt));
    }

    /// The saga has changed its course, which may be long after an action in doubt was asked in vain: it is asked again.
    fn ask_anew(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.asked_in_vain.clear();
        }
    }

    /// Keeps an effect until the append is durable.
    pub(super) fn hold(&mut self, effect: Effect) {
        if self.held.capacity() == 0 {
            // in most sagas that is all, for as long as they live
            self.held.reserve_exact(1);
        }
        self.held.push(effect);
    }

    fn push(&mut self, seq: u64, kind: EntryKind) {
        if kind.is_progress() {
            self.end_watch();
        }
        if self.batch.capacity() == 0 {
            // mostly a call ends and the next one starts
            self.batch.reserve_exact(2);
        }
        let at = self.entry_time(self.now);
        let epoch = if planted(Mistake::OldEpochWritten) { 1 } else { self.epoch };
        self.batch.push(Entry { seq, epoch, at, kind });
    }
}

//! Asking an action in doubt whether it took effect, where it says how: instead of running it again, and before it is undone or
//! given up. An answer has an entry, `succeeded` or `not_done`; the question has none, since it has no effect.

use super::state::VertexId;
use super::under_way::Work;
use super::vertex::UndoProgress;
use super::{AuthorizedCall, Effect, Machine};
use crate::log::{NodeEntry, Payload};
use crate::planted::{Mistake, planted};
use crate::probe::Probe;

impl Machine {
    /// True if this vertex can be asked whether it took effect, which nobody knows, and has not been asked in vain since its last
    /// attempt. Once its undo has begun, there is nothing to ask any more.
    pub(super) fn can_be_asked(&self, v: VertexId) -> bool {
        let (Some(x), Some(policy)) = (self.state.vertex(v), self.state.policy(v)) else {
            return false;
        };
        policy.probe
            && x.undo == UndoProgress::NotStarted
            && self.state.is_in_doubt(v)
            && !self.rare().asked_in_vain.contains(&v)
    }

    /// Asks whether it took effect. The token of the question is later than that of the last attempt, and earlier than that of the
    /// next one.
    pub(super) fn ask(&mut self, vertex: VertexId) {
        self.under_way.set(vertex, Work::Probe);
        let call = AuthorizedCall {
            vertex,
            attempt: self.state.vertex(vertex).map_or(1, |x| x.attempts),
            generation: self.state.generation(vertex),
            seq: self.state.next_seq.saturating_sub(1),
            unwinding: true,
            repeat: 1,
        };
        self.rare_mut().questions.push(Effect::Probe(call));
    }

    /// The questions of this turn. They wait for its append, if there is one.
    pub(super) fn take_questions(&mut self, effects: &mut Vec<Effect>) {
        if let Some(rare) = &mut self.rare {
            let questions = &mut rare.questions;
            match self.batch.is_empty() {
                true => effects.append(questions),
                false => self.held.append(questions),
            }
        }
    }

    /// There is an answer.
    pub(super) fn probed(&mut self, v: VertexId, answer: Probe<Payload>) {
        if self.under_way.of(v) != Work::Probe {
            return; // dropped before it came
        }
        self.under_way.end(v);
        if self.state.ended.is_some() || self.state.is_left_behind(v) {
            return; // it has no undo, so nobody has waited for the answer
        }
        match answer {
            Probe::Done(output) => self.write_about(v, NodeEntry::Succeeded(output)),
            Probe::NotDone => self.write_about(v, NodeEntry::NotDone),
            Probe::Unknown if planted(Mistake::UnknownIsNotDone) => {
                self.write_about(v, NodeEntry::NotDone);
            }
            // as if it could not be asked
            Probe::Unknown => {
                self.rare_mut().asked_in_vain.insert(v);
                self.touched.push(v);
            }
        }
    }
}

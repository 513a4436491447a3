//! `signal` tells a saga that something has happened for which it waits, or is going to wait. The entry that grants it is the
//! event, in the mailbox that the log is; it is done with that.

use super::{Granted, Rules};
use crate::log::{Answer, Payload, Refusal};
use crate::machine::Machine;
use crate::machine::state::{SagaState, VertexId};
use crate::names::EventType;

pub(super) struct Signal<'a> {
    pub(super) event: &'a EventType,
    pub(super) event_id: &'a str,
    pub(super) payload: &'a Payload,
}

impl Rules for Signal<'_> {
    fn check(&self, state: &SagaState) -> Result<(), Answer> {
        // first: whoever did not hear the answer must get the same one
        if state.knows_event(self.event, self.event_id) {
            return Err(Answer::Duplicate);
        }
        state.has_not_ended()?;
        if state.unwinding.is_some() {
            return Err(Answer::Refused(Refusal::Unwinding));
        }
        if !state.awaits(self.event) {
            return Err(Answer::Refused(Refusal::NoSuchWait { event: self.event.clone() }));
        }
        Ok(())
    }

    fn check_now(&self, machine: &Machine) -> Result<(), Answer> {
        let kept = machine.state.kept_events();
        match kept < machine.config.max_kept_events || machine.state.is_taken_at_once(self.event) {
            true => Ok(()),
            false => Err(Answer::Refused(Refusal::MailboxFull { kept })),
        }
    }

    fn grant(&self, state: &mut SagaState, touched: &mut Vec<VertexId>) -> Granted {
        // the entry that grants it has just been counted
        let seq = state.next_seq.saturating_sub(1);
        state.keep_event((self.event, self.event_id, self.payload), seq, touched);
        Granted::Done
    }
}

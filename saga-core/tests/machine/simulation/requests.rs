//! Operators in a simulated run: which request is made when, and how it is answered.

use saga_core::log::{Entry, SagaEntry, Uuid};
use saga_core::machine::{Event, SagaState};
use saga_core::operator::{Answer, Command};

use super::law::Law;
use super::operators::{self, Asked};
use super::run::Runner;
use super::tape::Tape;
use super::world::World;

impl Runner {
    /// Something that operators ask of their own accord.
    pub(super) fn ask(
        &mut self,
        share: u8,
        what: fn(&SagaState, &World, &mut Tape) -> Option<Command>,
    ) -> Option<Event> {
        if self.setup.asks == 0 || !self.tape.chance(share) {
            return None;
        }
        self.setup.asks -= 1;
        let mut command = what(self.machine.state(), &self.world, &mut self.tape)?;
        if let Command::Signal { .. } = command
            && self.tape.byte() > 127
            && let Some(same) = self.accepted_event()
        {
            command = same;
        }
        // nobody can find out what is still to happen, unless the request is refused at once because of that
        let at_once = self.pending.is_none() && self.questions.is_empty();
        if let Command::Decide { node, .. } = &command
            && self.flights.iter().any(|f| node == f.site.path.as_str())
            && !at_once
        {
            return None;
        }
        Some(self.request(command))
    }

    /// An event that the saga has already: somebody else tells it once more.
    fn accepted_event(&self) -> Option<Command> {
        let accepted = self.asked.iter().filter(|asked| asked.answer == Some(Answer::Done));
        let mut events = accepted.filter(|asked| matches!(asked.command, Command::Signal { .. }));
        events.next_back().map(|asked| asked.command.clone())
    }

    /// Something that operators must ask, or the saga would never end. When every run is explored, they have as
    /// many whims as requests of their own accord, and then ask for what leads on.
    pub(super) fn demand(
        &mut self,
        what: fn(&SagaState, &mut World, &mut Tape) -> Command,
    ) -> Event {
        let (mut fair, explored) = (Tape::fair(), matches!(self.tape, Tape::Script { .. }));
        let leads_on = explored && self.setup.asks == 0;
        self.setup.asks -= u32::from(explored && !leads_on);
        let tape = if leads_on { &mut fair } else { &mut self.tape };
        let command = what(self.machine.state(), &mut self.world, tape);
        self.request(command)
    }

    pub(super) fn request(&mut self, command: Command) -> Event {
        if let Command::Decide { .. } = command {
            // whoever decides has waited for what was on its way
            while self.world.deliver_late(&mut self.tape) {}
        }
        let asked = Asked::new(self.asked.len(), command);
        let event = asked.event();
        self.asked.push(asked);
        event
    }

    pub(super) fn answered(&mut self, id: Uuid, answer: Answer) {
        let asked = self.asked.iter_mut().find(|asked| asked.id == id).expect("somebody asked");
        let before = asked.answer.replace(answer);
        asked.seen = self.machine.state().next_seq() - 1;
        let again = std::mem::take(&mut asked.again);
        Law::AnsweredOnce
            .holds(before.is_none() || again, || format!("{before:?}, then {asked:?}"));
        let same = before.is_none() || before == asked.answer;
        Law::AnswerIsTrue.holds(same, || format!("{before:?}, then {asked:?}"));
    }

    /// Somebody has not heard the answer, and sends the request again to the process that takes over.
    pub(super) fn send_again(&mut self) {
        if self.tape.byte() < 200 {
            return;
        }
        let done = |asked: &&mut Asked| asked.answer == Some(Answer::Done);
        if let Some(asked) = self.asked.iter_mut().filter(done).last() {
            asked.again = true;
        }
    }

    /// What somebody found out about a pivot may be out of date when it is not in the log yet.
    pub(super) fn look_again(&mut self) {
        for i in 0..self.asked.len() {
            let Asked { id, command, answer, .. } = &self.asked[i];
            let logged = |e: &Entry| matches!(e.saga_entry(), Some(SagaEntry::Requested { id: i, .. }) if i == id);
            if let (Command::Decide { node, .. }, None) = (command, answer)
                && !self.log.iter().any(logged)
            {
                let node = node.clone();
                while self.world.deliver_late(&mut self.tape) {}
                self.asked[i].command = operators::decide(node, &self.world);
            }
        }
    }
}

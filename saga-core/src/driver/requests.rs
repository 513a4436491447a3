//! Requests of operators, on their way through the task of a saga.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::Driver;
use super::call::check_len;
use super::task_state::TaskState;
use super::values::Values;
use crate::crash_points::crash_point;
use crate::error::SagaError;
use crate::log::{ActionState, Answer, Command, Refusal, Request, SagaId, Uuid};
use crate::machine::{Event, SagaState};
use crate::planted::{Mistake, planted};

/// The answer to a request, or why the saga stopped before it had one.
pub(super) type RequestResult = Result<Answer, SagaError>;

/// A request, and where its answer goes. A task that ends without an answer drops it.
pub(crate) struct PendingRequest {
    request: Request,
    answer: oneshot::Sender<RequestResult>,
}

impl PendingRequest {
    pub(crate) fn new(request: Request) -> (Self, oneshot::Receiver<RequestResult>) {
        let (answer, answered) = oneshot::channel();
        (Self { request, answer }, answered)
    }

    pub(crate) fn id(&self) -> Uuid {
        self.request.id
    }

    pub(crate) fn answer(self, reply: RequestResult) {
        // the operator may have gone away
        let _ = self.answer.send(reply);
    }
}

/// Who waits for the answers of a saga's machine, if anybody does.
#[derive(Default)]
pub(super) struct WaitingOperators(Option<Box<Waiting>>);

#[derive(Default)]
struct Waiting {
    operators: BTreeMap<Uuid, Vec<oneshot::Sender<RequestResult>>>,
    /// The answers that the append in flight carries.
    answers: Vec<(Uuid, Answer)>,
}

impl Waiting {
    fn answer(&mut self, id: Uuid, answer: &Answer) {
        for waiting in self.operators.remove(&id).unwrap_or_default() {
            let _ = waiting.send(Ok(answer.clone()));
        }
    }
}

impl WaitingOperators {
    fn add(&mut self, id: Uuid, answer: oneshot::Sender<RequestResult>) {
        self.0.get_or_insert_default().operators.entry(id).or_default().push(answer);
    }

    pub(super) fn answer(&mut self, id: Uuid, answer: &Answer) {
        if let Some(waiting) = &mut self.0 {
            waiting.answer(id, answer);
        }
    }

    /// These answers are true once the append that begins now is durable.
    pub(super) fn will_answer(&mut self, answers: &[(Uuid, Answer)]) {
        if let Some(waiting) = &mut self.0 {
            waiting.answers = answers.to_vec();
            if planted(Mistake::AnsweredDuringAppend) {
                self.answer_written();
            }
        }
    }

    /// The append is durable.
    pub(super) fn answer_written(&mut self) {
        if let Some(waiting) = &mut self.0 {
            for (id, answer) in std::mem::take(&mut waiting.answers) {
                waiting.answer(id, &answer);
            }
        }
    }

    /// Nobody gets an answer any more, for this reason.
    pub(super) fn fail_all(&mut self, why: &SagaError) {
        let waiting = self.0.take().map(|waiting| waiting.operators).unwrap_or_default();
        for waiting in waiting.into_values().flatten() {
            let _ = waiting.send(Err(why.clone()));
        }
    }

    /// Answers requests that are in the log, and that wait with the saga for an operator's decision.
    pub(super) fn answer_held(&mut self, is_held: impl Fn(Uuid) -> bool) {
        let Some(waiting) = &mut self.0 else { return };
        for (_, waiting) in waiting.operators.extract_if(.., |id, _| is_held(*id)) {
            for waiting in waiting {
                let _ = waiting.send(Ok(Answer::Held));
            }
        }
    }
}

impl Driver {
    /// Takes a request in. `None` if it is refused right away, because of a value that the machine does not
    /// know; otherwise the machine answers it.
    pub(super) fn accept(
        &self,
        pending: PendingRequest,
        task: &mut TaskState<'_>,
    ) -> Option<Event> {
        let (state, max_payload) = (self.machine.state(), self.env.limits.max_payload);
        let command = &pending.request.command;
        if let Some(refusal) = self.values.refusal(state, &self.run.id, max_payload, command) {
            pending.answer(Ok(Answer::Refused(refusal)));
            return None;
        }
        crash_point("driver.request.accepted");
        let PendingRequest { request: Request { id, by, command, .. }, answer } = pending;
        task.operators.add(id, answer);
        task.output_decided |= command.replaces_output();
        Some(Event::Operator { id, by, command })
    }
}

impl Values {
    /// Why a command does not fit the values of the saga.
    pub(crate) fn refusal(
        &self,
        state: &SagaState,
        saga: &SagaId,
        max_payload: usize,
        command: &Command,
    ) -> Option<Refusal> {
        if let Command::Decide { node, decision, .. } = command {
            if let Some(output) = decision.output()
                && let Err(why) = check_len(node, output.len(), max_payload)
                    .and_then(|()| self.check(state, node, &output))
            {
                return Some(Refusal::Invalid { why });
            }
            let found = state.resolve(node.as_str()).and_then(|v| state.node(v));
            if let Some(found) = found
                && found.state == ActionState::Completed
                && !self.is_unreadable(&found.path)
            {
                let (node, state) = (found.path, found.state);
                return Some(Refusal::NotInDoubt { node, state });
            }
        }
        if let (Command::Unpark, Some(why)) = (command, self.why_unreadable(saga, state))
            && state.parked().is_some()
        {
            return Some(Refusal::Unreadable { why });
        }
        None
    }
}

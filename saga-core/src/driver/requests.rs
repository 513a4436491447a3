//! Requests of operators, on their way through the task of a saga.

use std::collections::BTreeMap;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use super::Driver;
use super::call::check_len;
use super::task_state::TaskState;
use super::values::Values;
use crate::crash_points::crash_point;
use crate::error::SagaError;
use crate::log::{ActionState, Answer, Command, Entry, Refusal, Request, SagaEntry, SagaId, Uuid};
use crate::machine::{Event, SagaState};
use crate::planted::{Mistake, planted};

/// The answer to a request, or why the saga stopped before it had one.
pub(super) type RequestResult = Result<Answer, SagaError>;

/// A request, and where its answer goes. A task that ends without an answer drops it.
pub(crate) struct PendingRequest {
    request: Request,
    reply: Reply,
}

/// Where the answer to a request goes.
struct Reply {
    /// Told if the request is in the log, and waits there.
    held: Option<oneshot::Sender<()>>,
    answer: oneshot::Sender<RequestResult>,
}

/// What becomes of a request that was sent to the task of its saga.
pub(crate) struct PendingAnswer {
    held: oneshot::Receiver<()>,
    answer: oneshot::Receiver<RequestResult>,
}

/// A request that has had its turn: what is asked later cannot come before it any more.
pub(crate) enum Heard {
    Answered(RequestResult),
    /// It is in the log, and its answer may take long, as that to a cancel which waits for the pivot.
    Held(HeldAnswer),
}

/// The answer to a request that is held.
pub(crate) struct HeldAnswer(oneshot::Receiver<RequestResult>);

impl PendingAnswer {
    /// Waits until the request is answered or held; `None` if the task ended before.
    pub(crate) async fn heard(self) -> Option<Heard> {
        // an answer comes first
        let answer = match select(self.answer, self.held).await {
            Either::Left((answer, _)) => answer,
            Either::Right((Ok(()), answer)) => return Some(Heard::Held(HeldAnswer(answer))),
            Either::Right((Err(_), answer)) => answer.await,
        };
        answer.ok().map(Heard::Answered)
    }
}

impl HeldAnswer {
    /// Waits for the answer; `None` if the task ended before.
    pub(crate) async fn answer(self) -> Option<RequestResult> {
        self.0.await.ok()
    }
}

impl PendingRequest {
    pub(crate) fn new(request: Request) -> (Self, PendingAnswer) {
        let ((held, is_held), (answer, answered)) = (oneshot::channel(), oneshot::channel());
        let reply = Reply { held: Some(held), answer };
        (Self { request, reply }, PendingAnswer { held: is_held, answer: answered })
    }

    pub(crate) fn id(&self) -> Uuid {
        self.request.id
    }

    pub(crate) fn answer(self, answer: RequestResult) {
        self.reply.answer(answer);
    }
}

impl Reply {
    fn answer(self, answer: RequestResult) {
        // the operator may have gone away
        let _ = self.answer.send(answer);
    }

    fn is_held(&mut self) {
        if let Some(held) = self.held.take() {
            let _ = held.send(());
        }
    }
}

/// Who waits for the answers of a saga's machine, if anybody does.
#[derive(Default)]
pub(super) struct WaitingOperators(Option<Box<Waiting>>);

#[derive(Default)]
struct Waiting {
    operators: BTreeMap<Uuid, Vec<Reply>>,
    /// The answers that the append in flight carries.
    answers: Vec<(Uuid, Answer)>,
    /// The requests that it puts into the log.
    granted: Vec<Uuid>,
}

impl Waiting {
    fn answer(&mut self, id: Uuid, answer: &Answer) {
        for reply in self.operators.remove(&id).unwrap_or_default() {
            reply.answer(Ok(answer.clone()));
        }
    }
}

impl WaitingOperators {
    fn add(&mut self, id: Uuid, reply: Reply) {
        self.0.get_or_insert_default().operators.entry(id).or_default().push(reply);
    }

    /// True if nobody waits for an answer.
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|waiting| waiting.operators.is_empty())
    }

    pub(super) fn answer(&mut self, id: Uuid, answer: &Answer) {
        if let Some(waiting) = &mut self.0 {
            waiting.answer(id, answer);
        }
    }

    /// These answers are true once the append of these entries, which begins now, is durable.
    pub(super) fn will_answer(&mut self, answers: &[(Uuid, Answer)], entries: &[Entry]) {
        if let Some(waiting) = &mut self.0 {
            let granted = entries.iter().filter_map(|entry| match entry.saga_entry() {
                Some(SagaEntry::Requested { id, .. }) => Some(*id),
                Some(_) | None => None,
            });
            waiting.granted = granted.collect();
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
            // what was granted and is not answered with that is held
            for id in std::mem::take(&mut waiting.granted) {
                waiting.operators.get_mut(&id).into_iter().flatten().for_each(Reply::is_held);
            }
        }
    }

    /// Nobody gets an answer any more, for this reason.
    pub(super) fn fail_all(&mut self, why: &SagaError) {
        let waiting = self.0.take().map(|waiting| waiting.operators).unwrap_or_default();
        for reply in waiting.into_values().flatten() {
            reply.answer(Err(why.clone()));
        }
    }

    /// Answers requests that are in the log, and that wait with the saga for an operator's decision.
    pub(super) fn answer_held(&mut self, is_held: impl Fn(Uuid) -> bool) {
        let Some(waiting) = &mut self.0 else { return };
        for (_, waiting) in waiting.operators.extract_if(.., |id, _| is_held(*id)) {
            for reply in waiting {
                reply.answer(Ok(Answer::Held));
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
        let PendingRequest { request: Request { id, by, command, .. }, mut reply } = pending;
        if state.is_held(id) {
            // it is delivered again, and in the log already
            reply.is_held();
        }
        task.operators.add(id, reply);
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
        if let Command::Signal { event, payload, .. } = command {
            let (len, max) = (payload.len(), max_payload);
            let checked = match len <= max {
                true => self.check_event(event, payload),
                false => Err(format!(
                    "the event {event} has {len} bytes, more than the limit of {max}; raise `Limits::max_payload`"
                )),
            };
            if let Err(why) = checked {
                return Some(Refusal::Invalid { why });
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

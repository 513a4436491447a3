//! What a request would write, before it is sent.

use std::cell::OnceCell;

use super::nodes::nodes;
use super::{NodeFacts, PredictedEntry, Prediction, Reader, WaitsFor, Why};
use crate::coordinator::operator::Operator;
use crate::coordinator::stored::{Stored, StoredError};
use crate::dag::StoredActions;
use crate::driver::Values;
use crate::error::OperateError;
use crate::log::{
    ActionState, Answer, Command, Request, SagaEntry, SagaId, SagaStatus, Timestamp, Uuid,
};
use crate::machine::{Config, Effect, Event, Machine, SagaState};
use crate::store::CurrentWorker;

/// The word of the entry with which a rollback begins.
const UNWINDING: &str = "unwinding";

/// The request that is not sent.
const REQUEST: Uuid = Uuid::nil();

/// A saga as the worker has it to whom a request comes. It is read and recovered once, however much is asked about it.
struct Present {
    stored: Stored,
    state: SagaState,
    machine: Machine,
    /// True if a worker takes the saga over for the request: one that is at rest, or that nobody goes on with.
    taken_over: bool,
    now: Timestamp,
    /// The saga's values and how large one may be, if this program knows the definition: only then can they be read.
    values: Option<(Values, usize)>,
    before: Vec<String>,
    /// What a rollback leaves as it is.
    staying: OnceCell<Vec<String>>,
}

impl Present {
    fn predict(&self, by: &str, command: Command) -> Prediction {
        let Self { stored, state, .. } = self;
        let id = &stored.saga.record.id;
        let refused = |(values, max): &(Values, usize)| values.refusal(state, id, *max, &command);
        if let Some(why) = self.values.as_ref().and_then(refused) {
            return Prediction::refused(id, &command, Answer::Refused(why));
        }
        let (name, unless) = (command.name(), unless(state, &command));
        let ask = Event::Operator { id: REQUEST, by: by.to_string(), command };
        let (mut machine, mut effects) = (self.machine.clone(), Vec::new());
        let first = self.taken_over.then_some(Event::Recovered);
        machine.step_all(self.now, first.into_iter().chain([ask]), &mut effects);
        let mut prediction = prediction(id, name, machine, self.now, effects);
        if stored.definition.is_none() && matches!(prediction.answer, Some(Answer::Done)) {
            prediction.unless = unless;
            prediction.answer = prediction.answer.filter(|_| prediction.unless.is_none());
        }
        if prediction.entries.iter().any(|entry| entry.kind == UNWINDING) {
            let staying = self.staying.get_or_init(|| staying(stored, state));
            prediction.then.extend(staying.iter().cloned());
        }
        prediction.before.clone_from(&self.before);
        prediction
    }
}

impl Reader<'_> {
    /// What a request of somebody would do.
    pub(in crate::coordinator) async fn predict(
        &self,
        id: &SagaId,
        by: &str,
        command: Command,
    ) -> Result<Prediction, OperateError> {
        Ok(self.present(id).await?.predict(by, command))
    }

    async fn present(&self, id: &SagaId) -> Result<Present, OperateError> {
        let stored = self.stored(id).await?;
        let (record, log) = (&stored.saga.record, &stored.saga.entries);
        let Some((state, plan)) = stored.state_by_shape()? else {
            let (saga, name) = (id.clone(), record.name.to_string());
            return Err(OperateError::UnknownVersion { saga, name });
        };
        let before = self.before(&stored).await?;
        let base = self.home.map(|home| *home.config).unwrap_or_default();
        let config = Config { deadline: record.deadline, permits: false, ..base };
        let mut machine = Machine::recover(plan, config, record.epoch + 1, log)
            .map_err(|error| StoredError::corrupt_log(id, error))?;
        let is_at_rest = record.status.is_ended() || record.parked_reason.is_some();
        let taken_over = is_at_rest || self.is_orphaned(record);
        let now = self.now.max(record.updated_at);
        if !taken_over {
            machine.assume_calls(record.epoch, log);
            let mut effects = Vec::new();
            machine.step_all(now, [Event::Recovered], &mut effects);
            // what the worker writes by itself
            while effects.iter().any(|effect| matches!(effect, Effect::Append { .. })) {
                effects.clear();
                machine.step_all(now, [Event::Appended], &mut effects);
            }
        }
        let values = match self.home.filter(|_| stored.definition.is_some()) {
            Some(home) => {
                let limits = &home.env.limits;
                Some((stored.values(&state, limits.max_width)?, limits.max_payload))
            }
            None => None,
        };
        let staying = OnceCell::new();
        Ok(Present { stored, state, machine, taken_over, now, values, before, staying })
    }

    /// What to know before a request is sent.
    async fn before(&self, stored: &Stored) -> Result<Vec<String>, OperateError> {
        let record = &stored.saga.record;
        let mut before = Vec::new();
        let ended = record.status.is_ended();
        let Why { fact, sentence } = self.facts_of(stored).why;
        if let WaitsFor::Worker { .. } = fact {
            before.push(format!("{sentence}; a request waits until one runs the saga"));
        } else if self.current == CurrentWorker::Absent && !ended {
            before
                .push("no worker is running; a request waits until one runs the saga".to_string());
        }
        for (request, answer) in self.store.requests_of(&record.id).await? {
            if answer.is_none() {
                let Request { at, by, command, .. } = &request;
                let name = command.name();
                before.push(format!("another request waits already: {name} by {by}, {at}"));
            }
        }
        Ok(before)
    }
}

/// What a rollback leaves as it is.
fn staying(stored: &Stored, state: &SagaState) -> Vec<String> {
    let record = &stored.saga.record;
    let actions = StoredActions::read(record.dag.as_bytes());
    let definition = stored.definition.as_ref().map(|known| &*known.dag);
    let nodes = nodes(state, record.run_key, &actions, definition, &[]).into_iter();
    let staying = nodes.filter(NodeFacts::stays).map(|node| {
        let why = node.no_undo.map(|why| format!(": {why}")).unwrap_or_default();
        format!("leaves `{}` as it is, because it cannot be undone{why}", node.node)
    });
    staying.collect()
}

/// On which condition a program that can read the saga's values refuses what its log allows.
fn unless(state: &SagaState, command: &Command) -> Option<String> {
    match command {
        Command::Decide { node, decision, .. } => {
            let found = state.resolve(node.as_str()).and_then(|v| state.node(v));
            if found.is_some_and(|found| found.state == ActionState::Completed) {
                return Some(format!("its worker can read the output of `{node}` that is stored"));
            }
            decision.output().map(|_| format!("its worker says that this is no output of `{node}`"))
        }
        Command::Unpark => {
            state.parked().map(|_| "its worker cannot read one of its stored values".to_string())
        }
        Command::Signal { event, .. } => {
            Some(format!("its worker says that this is no value of the event `{}`", event.name))
        }
        Command::Cancel { .. }
        | Command::Pause
        | Command::Resume
        | Command::Step
        | Command::RetryUndo { .. }
        | Command::RetryAll
        | Command::Resolve { .. }
        | Command::Rollback { .. }
        | Command::Retry { .. }
        | Command::Inject { .. } => None,
    }
}

/// What follows from the effects of the turn in which the request arrived.
fn prediction(
    id: &SagaId,
    command: &'static str,
    mut machine: Machine,
    now: Timestamp,
    effects: Vec<Effect>,
) -> Prediction {
    let (mut answer, mut entries, mut then) = (None, Vec::new(), Vec::new());
    let mut appends = false;
    for effect in effects {
        match effect {
            Effect::Append { entries: written, answers } => {
                appends = true;
                entries = written;
                let mut answers = answers.into_iter();
                answer =
                    answer.or(answers.find(|(id, _)| *id == REQUEST).map(|(_, answer)| answer));
            }
            Effect::Answer(REQUEST, given) => answer = Some(given),
            Effect::Choose(v) | Effect::Compute(v) | Effect::Times(v) => {
                then.push(format!("evaluates `{}`", machine.state().path(v)));
            }
            Effect::Probe(call) => {
                let node = machine.state().path(call.vertex);
                then.push(format!("asks whether `{node}` took effect"));
            }
            Effect::DropCall(v) => {
                then.push(format!("drops the call of `{}`", machine.state().path(v)))
            }
            Effect::Answer(..)
            | Effect::RequestPermit(_)
            | Effect::ReleasePermit(_)
            | Effect::RunAction(_)
            | Effect::RunUndo(_)
            | Effect::SignalCancel
            | Effect::SignalCancelOf(_)
            | Effect::WakeAt(_)
            | Effect::Overdue
            | Effect::Finish(_) => {}
        }
    }
    if !appends {
        // an append that waits for an evaluation
        entries = machine.unwritten().to_vec();
    }
    let is_granted = entries
        .iter()
        .any(|entry| matches!(entry.saga_entry(), Some(SagaEntry::Requested { id: REQUEST, .. })));
    if is_granted && answer.is_none() {
        let held = machine.state().is_held(REQUEST);
        answer = Some(if held { Answer::Held } else { Answer::Done });
    }
    if appends {
        let calls = machine.step(now, Event::Appended);
        then.extend(calls.iter().filter_map(|effect| in_the_end(&machine, effect)));
    }
    if let Some(Answer::Refused(_) | Answer::NothingToDo { .. } | Answer::Duplicate) = answer {
        // what is written and done then has nothing to do with the request: whoever takes the saga over does it anyway
        entries.clear();
        then.clear();
    }
    let is_done = matches!(answer, Some(Answer::Done));
    if is_done && machine.status() == SagaStatus::RolledBack && then.is_empty() {
        then.push("the saga is rolled back".to_string());
    }
    let entries = entries.iter().map(PredictedEntry::from).collect();
    Prediction {
        saga: id.clone(),
        command,
        answer,
        unless: None,
        before: Vec::new(),
        entries,
        then,
    }
}

/// What is done once the entries are durable.
fn in_the_end(machine: &Machine, effect: &Effect) -> Option<String> {
    let path = |v| machine.state().path(v);
    match effect {
        Effect::RunAction(call) => {
            Some(format!("calls `{}`, attempt {}", path(call.vertex), call.attempt))
        }
        Effect::RunUndo(call) => {
            Some(format!("calls the undo of `{}`, attempt {}", path(call.vertex), call.attempt))
        }
        Effect::Probe(call) => Some(format!("asks whether `{}` took effect", path(call.vertex))),
        Effect::SignalCancel => {
            Some("tells the calls in flight that the saga rolls back".to_string())
        }
        Effect::SignalCancelOf(v) => {
            Some(format!("tells the call of `{}` that its scope is undone", path(*v)))
        }
        Effect::Append { .. }
        | Effect::Answer(..)
        | Effect::RequestPermit(_)
        | Effect::ReleasePermit(_)
        | Effect::Choose(_)
        | Effect::Compute(_)
        | Effect::Times(_)
        | Effect::DropCall(_)
        | Effect::WakeAt(_)
        | Effect::Overdue
        | Effect::Finish(_) => None,
    }
}

impl Operator {
    /// What a request would write and do, or why it would be refused. Nothing is written, and nobody is asked.
    ///
    /// ```
    /// use saga_core::operator::Command;
    /// use saga_core::prelude::*;
    /// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
    /// sec.saga(Stamp {}).id("stamp-1").start().await?.await?;
    /// let alice = sec.operator("alice");
    /// let late = Command::Cancel { reason: "never mind".into() };
    /// let late = alice.predict("stamp-1", late).await?;
    /// assert_eq!(late.to_string(), "cancel of stamp-1 would be refused: the saga has already ended: completed\n");
    /// let back = Command::Rollback { reason: "a wrong order".into() };
    /// let back = alice.predict("stamp-1", back).await?;
    /// let kinds = back.entries.iter().map(|entry| entry.kind).collect::<Vec<_>>();
    /// assert_eq!(kinds, ["requested", "unwinding", "ended"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`OperateError::NotFound`], [`OperateError::InvalidId`], [`OperateError::TooLong`], [`OperateError::Store`];
    /// [`OperateError::UnknownVersion`] if the DAG that is stored with the saga cannot be read.
    pub async fn predict(&self, id: &str, command: Command) -> Result<Prediction, OperateError> {
        let id: SagaId = id.parse()?;
        self.check_lengths(&command)?;
        self.read(|reader| {
            Box::pin(async move { Ok(reader.present(&id).await?.predict(self.name(), command)) })
        })
        .await
    }

    /// The same for several requests, each by itself, in their order: what a page needs that offers what would not be refused.
    /// The saga is read once.
    ///
    /// ```
    /// use saga_core::operator::Command;
    /// use saga_core::prelude::*;
    /// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
    /// sec.saga(Stamp {}).id("stamp-1").start().await?.await?;
    /// let rollback = Command::Rollback { reason: "a wrong order".into() };
    /// let each = sec.operator("alice").predict_each("stamp-1", vec![Command::Pause, rollback]).await?;
    /// let changes = each.iter().map(|prediction| !prediction.changes_nothing()).collect::<Vec<_>>();
    /// assert_eq!(changes, [false, true]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub async fn predict_each(
        &self,
        id: &str,
        commands: Vec<Command>,
    ) -> Result<Vec<Prediction>, OperateError> {
        let id: SagaId = id.parse()?;
        commands.iter().try_for_each(|command| self.check_lengths(command))?;
        self.read(|reader| {
            Box::pin(async move {
                let present = reader.present(&id).await?;
                let each = commands.into_iter();
                Ok(each.map(|command| present.predict(self.name(), command)).collect())
            })
        })
        .await
    }
}

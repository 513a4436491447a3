//! What a request would write, before it is sent.

use std::fmt;

use serde::Serialize;

use super::nodes::nodes;
use super::{NodeFacts, Reader, WaitsFor};
use crate::coordinator::operator::Operator;
use crate::coordinator::stored::{Stored, StoredError};
use crate::dag::StoredActions;
use crate::error::OperateError;
use crate::log::{
    ActionState, Answer, Command, Entry, NodePath, Request, SagaEntry, SagaId, SagaStatus, Uuid,
    in_words,
};
use crate::machine::{Config, Effect, Event, Machine, SagaState};
use crate::store::CurrentWorker;

/// What a request would do, from [`Operator::predict`]. `Display` shows it as text.
///
/// It is what the saga's log leads to at the moment when it is read. The worker that runs the saga may meanwhile go on, and
/// knows whether a call has just ended, so what it writes can differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Prediction {
    /// The saga.
    pub saga: SagaId,
    /// The command's word.
    pub command: &'static str,
    /// The answer to the request; `None` if the log alone does not tell.
    pub answer: Option<Answer>,
    /// On which condition the request is refused after all, although the log allows it: only the program that runs the saga can
    /// read its values. Then [`answer`](Self::answer) is `None`, and an operator that comes from a coordinator can tell.
    pub unless: Option<String>,
    /// What to know first, as clauses: that no worker runs the saga, so that the request waits in the store, and which other
    /// requests wait there.
    pub before: Vec<String>,
    /// The entries that would be written to the log in one append.
    pub entries: Vec<PredictedEntry>,
    /// What would be done once they are written, in words.
    pub then: Vec<String>,
}

/// An entry that would be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PredictedEntry {
    /// The word of its kind.
    pub kind: &'static str,
    /// Which node it is about, if it is about one.
    pub node: Option<NodePath>,
    /// Which attempt, from 1; 0 if it is about none.
    pub attempt: u32,
    /// The entry in words.
    pub text: String,
}

impl Prediction {
    /// True if the saga would refuse the request, or there is nothing to do: nothing is written.
    pub fn changes_nothing(&self) -> bool {
        self.entries.is_empty()
    }

    fn refused(saga: &SagaId, command: &Command, answer: Answer) -> Self {
        let answer = Some(answer);
        let (saga, command) = (saga.clone(), command.name());
        let (before, entries, then) = (Vec::new(), Vec::new(), Vec::new());
        Self { saga, command, answer, unless: None, before, entries, then }
    }
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { saga, command, answer, unless, before, entries, then } = self;
        for line in before {
            writeln!(f, "note: {line}")?;
        }
        match answer {
            Some(Answer::Done) => writeln!(f, "{command} of {saga} would write:")?,
            Some(Answer::Held) => {
                writeln!(f, "{command} of {saga} would wait for the end of the pivot, and write:")?;
            }
            Some(Answer::NothingToDo { status }) => {
                writeln!(f, "{command} of {saga} would change nothing: it is {status} already")?;
            }
            Some(Answer::Duplicate) => {
                writeln!(f, "{command} of {saga} would change nothing: it has this event already")?;
            }
            Some(Answer::Refused(why)) => {
                writeln!(f, "{command} of {saga} would be refused: {why}")?;
            }
            None => match unless {
                Some(unless) => writeln!(f, "{command} of {saga}, unless {unless}, would write:")?,
                None => {
                    writeln!(f, "what {command} of {saga} would do cannot be told from its log")?
                }
            },
        }
        for PredictedEntry { text, .. } in entries {
            // a note with several lines must not look like several entries
            writeln!(f, "  {}", text.replace('\n', "\\n").replace('\r', "\\r"))?;
        }
        for line in then {
            writeln!(f, "then: {line}")?;
        }
        Ok(())
    }
}

impl From<&Entry> for PredictedEntry {
    fn from(entry: &Entry) -> Self {
        Self {
            kind: entry.kind.name(),
            node: entry.node().cloned(),
            attempt: entry.attempt(),
            text: in_words(entry),
        }
    }
}

/// The word of the entry with which a rollback begins.
const UNWINDING: &str = "unwinding";

/// The request that is not sent.
const REQUEST: Uuid = Uuid::nil();

impl Reader<'_> {
    async fn predict(
        &self,
        id: &SagaId,
        by: String,
        command: Command,
    ) -> Result<Prediction, OperateError> {
        let stored = self.stored(id).await?;
        let (record, log) = (&stored.saga.record, &stored.saga.entries);
        let Some((state, plan)) = stored.state_by_shape()? else {
            let (saga, name) = (id.clone(), record.name.to_string());
            return Err(OperateError::UnknownVersion { saga, name });
        };
        if let Some(answer) = self.refused_by_values(&stored, &state, &command)? {
            return Ok(Prediction::refused(id, &command, answer));
        }
        let base = self.home.map(|home| *home.config).unwrap_or_default();
        let config = Config { deadline: record.deadline, permits: false, ..base };
        let mut machine = Machine::recover(plan, config, record.epoch + 1, log)
            .map_err(|error| StoredError::corrupt_log(id, error))?;
        let (name, unless) = (command.name(), unless(&state, &command));
        let ask = Event::Operator { id: REQUEST, by, command };
        let is_at_rest = record.status.is_ended() || record.parked_reason.is_some();
        let (now, mut effects) = (self.now.max(record.updated_at), Vec::new());
        if is_at_rest || self.is_orphaned(record) {
            // as a worker does that takes the saga over for this request
            machine.step_all(now, [Event::Recovered, ask], &mut effects);
        } else {
            machine.assume_calls(record.epoch, log);
            machine.step_all(now, [Event::Recovered], &mut effects);
            // what the worker writes by itself
            while effects.iter().any(|effect| matches!(effect, Effect::Append { .. })) {
                effects.clear();
                machine.step_all(now, [Event::Appended], &mut effects);
            }
            effects.clear();
            machine.step_all(now, [ask], &mut effects);
        }
        let mut prediction = prediction(id, name, machine, now, effects);
        if stored.definition.is_none() && matches!(prediction.answer, Some(Answer::Done)) {
            prediction.unless = unless;
            prediction.answer = prediction.answer.filter(|_| prediction.unless.is_none());
        }
        if prediction.entries.iter().any(|entry| entry.kind == UNWINDING) {
            prediction.then.extend(self.staying(&stored, &state));
        }
        prediction.before = self.before(&stored).await?;
        Ok(prediction)
    }

    /// What a rollback leaves as it is.
    fn staying(&self, stored: &Stored, state: &SagaState) -> Vec<String> {
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

    /// What to know before a request is sent.
    async fn before(&self, stored: &Stored) -> Result<Vec<String>, OperateError> {
        let record = &stored.saga.record;
        let mut before = Vec::new();
        let ended = record.status.is_ended();
        if let WaitsFor::Worker { .. } = self.facts_of(stored).why.fact {
            let why = self.facts_of(stored).why.sentence;
            before.push(format!("{why}; a request waits until one runs the saga"));
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

    /// What is refused because of a value that only a program with the saga's definition can read.
    fn refused_by_values(
        &self,
        stored: &Stored,
        state: &SagaState,
        command: &Command,
    ) -> Result<Option<Answer>, OperateError> {
        let Some(home) = self.home.filter(|_| stored.definition.is_some()) else {
            return Ok(None);
        };
        let limits = &home.env.limits;
        let values = stored.values(state, limits.max_width)?;
        let id = &stored.saga.record.id;
        Ok(values.refusal(state, id, limits.max_payload, command).map(Answer::Refused))
    }
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
    now: crate::log::Timestamp,
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
        let by = self.name().to_string();
        self.read(|reader| Box::pin(async move { reader.predict(&id, by, command).await })).await
    }
}

//! What operators have asked of a saga, and what became of it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Reader;
use crate::coordinator::operator::Operator;
use crate::error::OperateError;
use crate::log::utc::serialize as utc;
use crate::log::{Answer, Command, NodePath, Refusal, SagaEntry, SagaId, Timestamp, Uuid};
use crate::names::EventType;

/// A request of an operator to a saga, from [`Operator::audit`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditRecord {
    /// The request's id.
    pub request: Uuid,
    /// When it was sent; of a request that did not go through the store, when it was granted.
    #[serde(serialize_with = "utc")]
    pub at: Timestamp,
    /// Who sent it.
    pub by: String,
    /// The command's word.
    pub command: &'static str,
    /// The node that it names.
    pub node: Option<NodePath>,
    /// The event that it tells of, for a signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventType>,
    /// The reason or the note that came with it; of a signal, the id of the event.
    pub note: Option<String>,
    /// What became of it.
    pub outcome: AuditOutcome,
    /// Why it was refused, if it was.
    pub refusal: Option<String>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// It was carried out.
    Done,
    /// It is in the log, and waits for the end of the pivot.
    Held,
    /// No worker has answered it yet.
    Waiting,
    /// The saga was already where the command would have brought it.
    NothingToDo,
    /// It was refused.
    Refused,
}

impl AuditRecord {
    fn new(
        request: Uuid,
        at: Timestamp,
        by: &str,
        command: &Command,
        answer: Option<&Answer>,
    ) -> Self {
        let (outcome, refusal) = match answer {
            None => (AuditOutcome::Waiting, None),
            Some(Answer::Done) => (AuditOutcome::Done, None),
            Some(Answer::Held) => (AuditOutcome::Held, None),
            Some(Answer::NothingToDo { .. } | Answer::Duplicate) => {
                (AuditOutcome::NothingToDo, None)
            }
            Some(Answer::Refused(why)) => (AuditOutcome::Refused, Some(why.to_string())),
        };
        Self {
            request,
            at,
            by: by.to_string(),
            command: command.name(),
            node: command.node().cloned(),
            event: command.event().cloned(),
            note: if let Command::Signal { event_id, .. } = command {
                Some(format!("id {event_id}"))
            } else {
                command.note().map(str::to_string)
            },
            outcome,
            refusal,
        }
    }
}

impl Reader<'_> {
    async fn audit(&self, id: &SagaId) -> Result<Vec<AuditRecord>, OperateError> {
        let stored = self.stored(id).await?;
        let log = &stored.saga.entries;
        let refused: BTreeMap<Uuid, &Refusal> = log
            .iter()
            .filter_map(|entry| match entry.saga_entry() {
                Some(SagaEntry::Refused { id, why }) => Some((*id, &**why)),
                Some(_) | None => None,
            })
            .collect();
        // a log that does not fit the saga still tells who asked for what
        let state = stored.state_by_shape().ok().flatten().map(|(state, _)| state);
        let is_held = |id| state.as_ref().is_some_and(|state| state.is_held(id));
        let mut records = BTreeMap::new();
        for entry in log {
            let Some(SagaEntry::Requested { id, by, command }) = entry.saga_entry() else {
                continue;
            };
            let answer = match refused.get(id) {
                Some(why) => Answer::Refused((*why).clone()),
                None if is_held(*id) => Answer::Held,
                None => Answer::Done,
            };
            records.insert(*id, AuditRecord::new(*id, entry.at, by, command, Some(&answer)));
        }
        for (request, answer) in self.store.requests_of(id).await? {
            let sent = request.at;
            let found = records.entry(request.id).or_insert_with(|| {
                AuditRecord::new(request.id, sent, &request.by, &request.command, answer.as_ref())
            });
            found.at = sent;
        }
        let mut records = records.into_values().collect::<Vec<_>>();
        records.sort_by_key(|record| (record.at, record.request));
        Ok(records)
    }
}

impl Operator {
    /// What operators have asked of a saga: who, when, with which note, and what became of it; oldest first.
    ///
    /// The log has every request that was granted. A request that was refused leaves nothing in it, so it is listed only if it
    /// went through the store, as those from other processes do, and the store keeps it.
    ///
    /// ```
    /// use saga_core::operator::AuditOutcome;
    /// use saga_core::prelude::*;
    /// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
    /// sec.saga(Stamp {}).id("stamp-1").start().await?.await?;
    /// let alice = sec.operator("alice");
    /// alice.rollback("stamp-1", "a wrong order").await?;
    /// let audit = alice.audit("stamp-1").await?;
    /// assert_eq!((&*audit[0].by, audit[0].command), ("alice", "rollback"));
    /// assert_eq!(audit[0].note.as_deref(), Some("a wrong order"));
    /// assert_eq!(audit[0].outcome, AuditOutcome::Done);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`OperateError::NotFound`], [`OperateError::InvalidId`], [`OperateError::Store`].
    pub async fn audit(&self, id: &str) -> Result<Vec<AuditRecord>, OperateError> {
        let id: SagaId = id.parse()?;
        self.read(|reader| Box::pin(async move { reader.audit(&id).await })).await
    }
}

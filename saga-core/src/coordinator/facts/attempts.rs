//! What a log says about each attempt of an action or an undo.

use std::collections::HashMap;

use serde::Serialize;

use crate::log::utc::{serialize as utc, serialize_some as maybe_utc};
use crate::log::{ActionState, Entry, EntryKind, NodePath, Timestamp, without_retold};
use crate::store::SagaRecord;

/// One attempt of an action or an undo.
///
/// ```
/// use saga_core::ActionState;
/// use saga_core::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #[saga_action(undo = release(output))]
/// async fn reserve() -> Result<u32, String> { Ok(7) }
/// async fn release(_seat: &u32) -> Result<(), String> { Ok(()) }
///
/// saga! {
///     Order<()>() {
///         let _seat = reserve {};
///         let _check = fail_if { condition: true, message: "sold out" };
///     }
/// }
/// let sec = Coordinator::builder(()).saga::<Order>().build().await?;
/// let _ = sec.saga(Order {}).id("order-42").start().await?.await;
/// let facts = sec.operator("alice").inspect("order-42").await?;
/// let states = facts.timeline.iter().map(|a| (a.node.as_str(), a.undo, a.state));
/// let expected = [
///     ("_seat", false, ActionState::Completed),
///     ("_check", false, ActionState::Failed),
///     ("_seat", true, ActionState::Undone),
/// ];
/// assert_eq!(states.collect::<Vec<_>>(), expected);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExecutionRecord {
    /// The node's path.
    pub node: NodePath,
    /// True for an attempt of the undo.
    pub undo: bool,
    /// Which attempt of the action or of the undo, from 1.
    pub attempt: u32,
    /// How far it got: `running`, `completed`, `failed`, or `undoing`, `undone`, `undo_failed`.
    pub state: ActionState,
    /// When it began.
    #[serde(serialize_with = "utc")]
    pub started_at: Timestamp,
    /// When it ended; `None` while it runs, and if it was [cut off](Self::cut_off).
    #[serde(serialize_with = "maybe_utc")]
    pub ended_at: Option<Timestamp>,
    /// True if it was cut off: its process died, or lost the saga, so that its end is in no log and never will be.
    pub cut_off: bool,
    /// Its error's message, if it failed.
    pub error: Option<String>,
}

/// The attempts that the log of a saga records.
pub(crate) fn trace(record: &SagaRecord, log: &[Entry]) -> Vec<ExecutionRecord> {
    // what is in flight belongs to the present owner
    let is_owned = record.owner.is_some() && !record.status.is_ended();
    let mut records = Vec::<ExecutionRecord>::new();
    // the attempt in flight of each node, as an index into the trace
    let mut open = HashMap::<&NodePath, usize>::new();
    for entry in without_retold(log) {
        let EntryKind::Node { node, attempt, entry: recorded } = &entry.kind else { continue };
        let Some(state) = recorded.attempt_state() else { continue };
        if recorded.is_start() {
            let before = open.insert(node, records.len());
            if let Some(before) = before.and_then(|at| records.get_mut(at)) {
                before.cut_off = true;
            }
            records.push(ExecutionRecord {
                node: node.clone(),
                undo: recorded.is_of_undo(),
                attempt: *attempt,
                state,
                started_at: entry.at,
                ended_at: None,
                cut_off: !is_owned || entry.epoch < record.epoch,
                error: None,
            });
            continue;
        }
        // constants and computed values have no attempts
        let record = open.remove(node).and_then(|at| records.get_mut(at));
        if let Some(record) = record {
            record.state = state;
            record.cut_off = false;
            record.ended_at = Some(entry.at);
            record.error = recorded.failure().map(|failure| failure.message.clone());
        }
    }
    records
}

//! A saga's log as a whole, for people.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::events::{IllegalEvent, SagaNodeEvent, SagaNodeLoadStatus};
use super::utc::Utc;
use super::{Entry, EntryKind, NodeEntry, NodePath, SagaEntry, SagaId, since_migration};

/// The log of one saga: one that was read from a store, or one that is put together event by event.
///
/// [`pretty`](Self::pretty) shows it; payloads are not part of what is shown. Recording events here is for
/// tests and tools: a saga that runs writes its log itself.
///
/// ```
/// use saga_core::log::{SagaLog, SagaNodeEvent, SagaNodeEventType, SagaNodeLoadStatus};
/// let mut log = SagaLog::new("order-42".parse()?);
/// log.record(SagaNodeEvent::new("ship", SagaNodeEventType::Started))?;
/// assert_eq!(log.load_status("ship"), SagaNodeLoadStatus::Started);
/// let again = SagaLog::recover("order-42".parse()?, log.events())?;
/// assert_eq!(again.entries(), log.entries());
/// let error = log.record(SagaNodeEvent::new("bill", SagaNodeEventType::Succeeded(1.into())));
/// assert!(error.is_ok(), "a value may be there from the start");
/// let error = log.record(SagaNodeEvent::new("bill", SagaNodeEventType::UndoFinished));
/// let expected = "illegal event undo_finished for current load status succeeded of node `bill`";
/// assert_eq!(error.unwrap_err().to_string(), expected);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaLog {
    saga: SagaId,
    entries: Vec<Entry>,
    /// The names of the saga's nodes in the order of declaration, as far as they are known.
    nodes: Vec<String>,
    /// What the entries say of each node.
    stands: BTreeMap<NodePath, Stand>,
}

/// The status of a node, and how often it and its undo began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stand {
    status: SagaNodeLoadStatus,
    starts: u32,
    undo_starts: u32,
}

impl SagaLog {
    /// A log that was read from a store. `nodes`: the names of the saga's nodes in the order of
    /// declaration; nodes that are not among them are numbered as they come.
    pub fn of(saga: SagaId, entries: Vec<Entry>, nodes: Vec<String>) -> Self {
        let mut stands = BTreeMap::new();
        for entry in since_migration(&entries) {
            if let EntryKind::Node { node, entry, .. } = &entry.kind {
                note(&mut stands, node, entry);
            }
        }
        Self { saga, entries, nodes, stands }
    }

    /// A log without entries.
    pub fn new(saga: SagaId) -> Self {
        Self::of(saga, Vec::new(), Vec::new())
    }

    /// A log of these events, in their order.
    ///
    /// # Errors
    /// [`IllegalEvent`]: the first one that cannot follow on those before it.
    pub fn recover(
        saga: SagaId,
        events: impl IntoIterator<Item = SagaNodeEvent>,
    ) -> Result<Self, IllegalEvent> {
        let mut log = Self::new(saga);
        events.into_iter().try_for_each(|event| log.record(event))?;
        Ok(log)
    }

    /// Adds an event.
    ///
    /// # Errors
    /// [`IllegalEvent`] if it cannot follow on those before it; the log is then unchanged.
    pub fn record(&mut self, event: SagaNodeEvent) -> Result<(), IllegalEvent> {
        let SagaNodeEvent { node, at, event } = event;
        self.load_status(node.as_str()).then(&event).map_err(|status| IllegalEvent {
            event: event.name(),
            status,
            node: node.clone(),
        })?;
        let entry = event.into_entry();
        let attempt = note(&mut self.stands, &node, &entry);
        let seq = self.entries.last().map_or(0, |entry| entry.seq) + 1;
        self.entries.push(Entry { seq, epoch: 1, at, kind: entry.about(node, attempt) });
        Ok(())
    }

    /// What happened to nodes, oldest first: the entries that are one of the six events of a node. Of a saga that was
    /// [migrated](crate::Migration) they are those of its present version, as far as that tells the others again.
    pub fn events(&self) -> impl Iterator<Item = SagaNodeEvent> {
        since_migration(&self.entries).iter().filter_map(SagaNodeEvent::of)
    }

    /// The status of a node after the last event.
    pub fn load_status(&self, node: &str) -> SagaNodeLoadStatus {
        self.stands.get(node).map_or(SagaNodeLoadStatus::NeverStarted, |stand| stand.status)
    }

    /// Which saga's.
    pub fn saga(&self) -> &SagaId {
        &self.saga
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// True once the saga has begun to unwind.
    pub fn is_unwinding(&self) -> bool {
        // a log that was recorded has no entry of the decision
        self.entries.iter().any(|entry| match &entry.kind {
            EntryKind::Saga(entry) => matches!(entry, SagaEntry::Unwinding(_)),
            EntryKind::Node { entry, .. } => {
                use NodeEntry::{UndoFailed, UndoFinished, UndoStarted};
                matches!(entry, UndoStarted | UndoFinished | UndoFailed(_))
            }
        })
    }

    /// What each entry says, on a line of its own, without numbers and times.
    pub(crate) fn lines(&self) -> String {
        self.entries.iter().map(|entry| format!("  {}\n", in_words(entry))).collect()
    }

    /// The log as text: the saga's id, its direction and the number of entries, then a line for each, with
    /// its number, time, node, attempt, and the messages of errors.
    pub fn pretty(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for SagaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.is_unwinding() { "unwinding" } else { "forward" };
        writeln!(f, "saga id:   {}", self.saga)?;
        writeln!(f, "direction: {direction}")?;
        writeln!(f, "entries:   {}", self.entries.len())?;
        let mut numbers = (0..).zip(&self.nodes).map(|(i, n)| (n.as_str(), i)).collect();
        for entry in &self.entries {
            write!(f, "{:03} {} ", entry.seq, Utc(entry.at))?;
            if let Some(path) = entry.node() {
                write!(f, "N{:03} ", number(&mut numbers, path.as_str()))?;
            }
            writeln!(f, "{}", What(entry))?;
        }
        Ok(())
    }
}

/// What an entry says, without its number and time.
pub(crate) fn in_words(entry: &Entry) -> String {
    What(entry).to_string()
}

/// What an entry says, without its number and time.
struct What<'a>(&'a Entry);

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(entry) = self;
        write!(f, "{}", entry.kind.name())?;
        if let Some(path) = entry.node() {
            write!(f, " {path}")?;
        }
        if entry.attempt() > 1 {
            write!(f, " (attempt {})", entry.attempt())?;
        }
        match entry.kind.message().filter(|message| !message.is_empty()) {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

/// Notes what an entry says of its node, and tells which attempt it is about.
fn note(stands: &mut BTreeMap<NodePath, Stand>, node: &NodePath, entry: &NodeEntry) -> u32 {
    let Some(status) = entry.load_status() else { return 0 };
    let new = Stand { status, starts: 0, undo_starts: 0 };
    let stand = stands.entry(node.clone()).or_insert(new);
    stand.status = status;
    let attempts = if entry.is_of_undo() { &mut stand.undo_starts } else { &mut stand.starts };
    *attempts += u32::from(entry.is_start());
    *attempts
}

/// The number of the declared node that a path begins with.
fn number<'a>(numbers: &mut HashMap<&'a str, usize>, path: &'a str) -> usize {
    let name = path.split(['/', '[', '#']).next().unwrap_or_default();
    let next = numbers.len();
    *numbers.entry(name).or_insert(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Cause, Failure, FailureKind, Timestamp, Uuid};

    #[test]
    fn a_line_says_what_happened_to_which_node() {
        let mut seq = 0;
        let mut entry = |kind| {
            seq += 1;
            Entry { seq, epoch: 1, at: Timestamp(1000), kind }
        };
        let failure = Failure::new(FailureKind::Failed, "sold out");
        let cause = Cause::Failed { node: "nics[2]/ip".into() };
        let entries = vec![
            entry(
                SagaEntry::Created { run_key: Uuid::nil(), traceparent: None, starts_at: None }
                    .into(),
            ),
            entry(NodeEntry::Started.about("flight", 1)),
            entry(NodeEntry::Failed(failure.into()).about("nics[2]/ip", 2)),
            entry(SagaEntry::Unwinding(cause).into()),
        ];
        let nodes = vec!["hotel".to_string(), "flight".to_string()];
        let id = "order-42".parse().unwrap();
        let pretty = SagaLog::of(id, entries, nodes).pretty();
        let expected = "saga id:   order-42\n\
             direction: unwinding\n\
             entries:   4\n\
             001 1970-01-01T00:00:01.000Z created\n\
             002 1970-01-01T00:00:01.000Z N001 started flight\n\
             003 1970-01-01T00:00:01.000Z N002 failed nics[2]/ip (attempt 2): sold out\n\
             004 1970-01-01T00:00:01.000Z unwinding: node `nics[2]/ip` failed\n";
        assert_eq!(pretty, expected);
    }
}

//! The one fact that a saga waits for, in one sentence.

use std::fmt;

use serde::Serialize;

use super::SagaSummary;
use super::saga_facts::SagaFacts;
use super::words::{Age, AtTime};
use crate::driver::StuckBy;
use crate::log::utc::{serialize as utc, serialize_some as maybe_utc};
use crate::log::{
    Command, Entry, EntryKind, ListedState, NodeEntry, NodePath, SagaEntry, Timestamp,
};
use crate::names::EventType;
use crate::store::WorkerId;

/// The one fact that a saga waits for, and the sentence that says it. `Display` shows the sentence. All times are in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Why {
    /// The fact.
    #[serde(flatten)]
    pub fact: WaitsFor,
    /// The fact as a sentence.
    pub sentence: String,
}

/// What a saga waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "waits_for", rename_all = "snake_case")]
#[non_exhaustive]
pub enum WaitsFor {
    /// Nothing: it has completed or was rolled back.
    Nothing,
    /// It is stuck, and waits for an operator to retry or resolve what failed.
    Repair {
        /// The first node, in the order of declaration, that failed for good; `None` if what is stored cannot be understood.
        node: Option<NodePath>,
        /// True if its undo did; false if it is a node after the pivot.
        undo: bool,
        /// How it failed.
        error: Option<String>,
        /// How many other nodes did the same.
        others: usize,
    },
    /// It is parked, and waits for an operator to decide or unpark it.
    Decision {
        /// Since when.
        #[serde(serialize_with = "utc")]
        since: Timestamp,
        /// Why it was parked.
        reason: String,
    },
    /// It is paused, and waits for an operator to resume it.
    Resume {
        /// Since when.
        #[serde(serialize_with = "utc")]
        since: Timestamp,
        /// Who paused it, if the log tells.
        by: Option<String>,
    },
    /// No worker goes on with it.
    Worker {
        /// The worker that owned it and is gone.
        gone: Option<WorkerId>,
        /// True if the program that would run it does not know the saga's definition.
        unknown_version: bool,
    },
    /// A call that is in flight.
    Call {
        /// The node.
        node: NodePath,
        /// True if it is a call of the undo.
        undo: bool,
        /// Which attempt, from 1.
        attempt: u32,
        /// When it began.
        #[serde(serialize_with = "utc")]
        since: Timestamp,
        /// How many other calls are in flight.
        others: usize,
    },
    /// The next attempt of a call that has failed.
    Retry {
        /// The node.
        node: NodePath,
        /// True if it is the undo that is tried again.
        undo: bool,
        /// When.
        #[serde(serialize_with = "utc")]
        at: Timestamp,
        /// Which attempt that will be, from 1, as the log counts them.
        attempt: u32,
        /// Which attempt is the last one; `None` if there is no limit, or it is not known.
        of: Option<u32>,
        /// How the last attempt failed.
        error: Option<String>,
        /// How many other nodes wait for an attempt.
        others: usize,
    },
    /// An event from outside, or a time.
    Event {
        /// The node that waits.
        node: NodePath,
        /// One of these events.
        events: Vec<EventType>,
        /// Since when.
        #[serde(serialize_with = "utc")]
        since: Timestamp,
        /// Until when at most.
        #[serde(serialize_with = "maybe_utc")]
        until: Option<Timestamp>,
        /// How many other nodes wait.
        others: usize,
    },
    /// Its start, for which it was given a time.
    Start {
        /// When.
        #[serde(serialize_with = "utc")]
        at: Timestamp,
    },
    /// Its worker, which goes on with it: nothing is in flight.
    Owner {
        /// The worker.
        worker: WorkerId,
        /// When it last renewed its lease; `None` if the store has no leases.
        #[serde(serialize_with = "maybe_utc")]
        last_heard: Option<Timestamp>,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// What is known of the worker that a saga belongs to.
pub(super) struct OwnerState {
    pub(super) orphaned: bool,
    pub(super) unknown_version: bool,
    /// True if this process would run it.
    pub(super) here: bool,
    /// True if no process has the store open as its only worker.
    pub(super) no_worker: bool,
}

/// Finds the fact. `log` is that of the saga.
pub(super) fn why(
    facts: &SagaFacts,
    log: &[Entry],
    owner: &OwnerState,
    stuck: Option<StuckBy>,
) -> Why {
    if let Some(stuck) = stuck {
        let sentence = format!("stuck: {stuck}");
        let StuckBy { node, undo, error, others, .. } = stuck;
        return Why { fact: WaitsFor::Repair { node: Some(node), undo, error, others }, sentence };
    }
    let fact = fact(facts, log, owner);
    let sentence = sentence(facts, &fact, owner);
    Why { fact, sentence }
}

fn fact(facts: &SagaFacts, log: &[Entry], owner: &OwnerState) -> WaitsFor {
    let saga = &facts.saga;
    match saga.state {
        ListedState::Completed | ListedState::RolledBack => return WaitsFor::Nothing,
        ListedState::Stuck => {
            return WaitsFor::Repair { node: None, undo: false, error: None, others: 0 };
        }
        ListedState::Parked => {
            let is_parked = |entry: &SagaEntry| matches!(entry, SagaEntry::Parked { .. });
            let (since, _) = last(log, is_parked).unwrap_or((saga.updated_at, None));
            let reason = saga.parked_reason.clone().unwrap_or_default();
            return WaitsFor::Decision { since, reason };
        }
        ListedState::Paused
        | ListedState::Waiting
        | ListedState::Running
        | ListedState::Failed
        | ListedState::RollingBack => {}
    }
    // nobody owns a saga that is suspended, until its time comes
    let is_due = saga.wake_at.is_some_and(|at| at < facts.at);
    if owner.orphaned && (saga.state != ListedState::Waiting || is_due && owner.no_worker) {
        let unknown_version = owner.unknown_version;
        return WaitsFor::Worker { gone: saga.owner.clone(), unknown_version };
    }
    if saga.state == ListedState::Paused {
        let is_paused = |entry: &SagaEntry| matches!(entry, SagaEntry::Paused);
        let (since, by) = last(log, is_paused).unwrap_or((saga.updated_at, None));
        return WaitsFor::Resume { since, by };
    }
    let owned = || match &facts.owner {
        Some(owner) => {
            WaitsFor::Owner { worker: owner.worker.clone(), last_heard: owner.last_heard }
        }
        None => WaitsFor::Worker { gone: None, unknown_version: owner.unknown_version },
    };
    let found = call(facts).or_else(|| retry(facts)).or_else(|| wait(facts, log));
    found.or_else(|| start(facts, log)).unwrap_or_else(owned)
}

/// When a saga starts that has not begun to unwind, if that is still to come.
fn start(facts: &SagaFacts, log: &[Entry]) -> Option<WaitsFor> {
    let is_running = matches!(facts.saga.state, ListedState::Running | ListedState::Waiting);
    let SagaEntry::Created { starts_at: Some(at), .. } = log.first()?.saga_entry()? else {
        return None;
    };
    (is_running && *at > facts.at).then_some(WaitsFor::Start { at: *at })
}

/// The time of the last such entry, and who asked for it if it was a pause.
fn last(log: &[Entry], such: impl Fn(&SagaEntry) -> bool) -> Option<(Timestamp, Option<String>)> {
    let at = log.iter().rposition(|entry| entry.saga_entry().is_some_and(&such))?;
    let before = log.get(..at)?.iter().rev();
    let by = before.filter_map(|entry| match &entry.kind {
        EntryKind::Saga(SagaEntry::Requested { by, command, .. })
            if matches!(**command, Command::Pause) =>
        {
            Some(by.clone())
        }
        EntryKind::Saga(_) | EntryKind::Node { .. } => None,
    });
    let by = by.take(1).next();
    Some((log.get(at)?.at, by))
}

/// The call in flight that began first.
fn call(facts: &SagaFacts) -> Option<WaitsFor> {
    let in_flight = || facts.nodes.iter().filter_map(|node| Some((node, node.call.as_ref()?)));
    let (node, call) = in_flight().min_by_key(|(_, call)| call.since)?;
    Some(WaitsFor::Call {
        node: node.node.clone(),
        undo: call.undo,
        attempt: call.attempt,
        since: call.since,
        others: in_flight().count().saturating_sub(1),
    })
}

/// The retry that is due first.
fn retry(facts: &SagaFacts) -> Option<WaitsFor> {
    let waiting = || facts.nodes.iter().filter_map(|node| Some((node, node.retry.as_ref()?)));
    let (node, retry) = waiting().min_by_key(|(_, retry)| retry.at)?;
    let error = if retry.undo { &node.undo_error } else { &node.error };
    Some(WaitsFor::Retry {
        node: node.node.clone(),
        undo: retry.undo,
        at: retry.at,
        attempt: retry.attempt,
        of: retry.of,
        error: error.clone(),
        others: waiting().count().saturating_sub(1),
    })
}

/// The node that has waited longest.
fn wait(facts: &SagaFacts, log: &[Entry]) -> Option<WaitsFor> {
    let waits = facts.nodes.iter().filter_map(|node| Some((&node.node, node.wait.as_ref()?)));
    let since = |node: &NodePath| {
        let began = log.iter().rfind(|entry| {
            entry.node() == Some(node)
                && matches!(entry.node_entry(), Some(NodeEntry::Waiting { .. }))
        });
        began.map_or(facts.saga.updated_at, |entry| entry.at)
    };
    let mut waits = waits.map(|(node, wait)| (since(node), node, wait)).collect::<Vec<_>>();
    waits.sort_by_key(|(since, ..)| *since);
    let (since, node, wait) = waits.first()?;
    Some(WaitsFor::Event {
        node: NodePath::clone(node),
        events: wait.events.clone(),
        since: *since,
        until: wait.until,
        others: waits.len() - 1,
    })
}

/// Why no worker goes on with a saga.
fn worker(
    facts: &SagaFacts,
    gone: Option<&WorkerId>,
    unknown_version: bool,
    owner: &OwnerState,
) -> String {
    if owner.no_worker {
        if let Some(WaitsFor::Call { node, undo, attempt, .. }) = call(facts) {
            let what = if undo { "the undo of " } else { "" };
            let what = format!("{what}`{node}` was in flight (attempt {attempt})");
            return format!("no worker is running; {what} when the last one ended");
        }
        return "no worker is running".to_string();
    }
    if unknown_version && !owner.here {
        return unknown_to_the_worker(&facts.saga);
    }
    let owner = match gone {
        Some(worker) => format!("its worker {worker} is gone"),
        None => "no worker owns it".to_string(),
    };
    match unknown_version {
        true => format!("{owner}, and its version of `{}` is not known here", facts.saga.saga),
        false => owner,
    }
}

/// Says that the only worker of a store, which is another process, has not taken a saga.
pub(super) fn unknown_to_the_worker(saga: &SagaSummary) -> String {
    let SagaSummary { saga: name, version, fingerprint, .. } = saga;
    let short = fingerprint.get(..8).unwrap_or(fingerprint);
    let which = match version {
        Some(version) => format!("version {version} of `{name}` ({short})"),
        None => format!("its version of `{name}` ({short})"),
    };
    format!("no worker runs it: {which} is not known to the worker that has the store")
}

fn sentence(facts: &SagaFacts, fact: &WaitsFor, owner: &OwnerState) -> String {
    let (saga, now) = (&facts.saga, facts.at);
    let ago = |at: Timestamp| Age(now.0.saturating_sub(at.0));
    let what = |node: &NodePath, undo: bool| match undo {
        true => format!("the undo of `{node}`"),
        false => format!("`{node}`"),
    };
    let error = |otherwise: &str| saga.error.clone().unwrap_or_else(|| otherwise.to_string());
    match fact {
        WaitsFor::Nothing if saga.state == ListedState::Completed => {
            format!("completed {} ago", ago(saga.updated_at))
        }
        WaitsFor::Nothing => {
            format!("rolled back {} ago: {}", ago(saga.updated_at), error("no error is recorded"))
        }
        WaitsFor::Repair { .. } => format!("stuck: {}", error("no error is recorded")),
        WaitsFor::Decision { reason, .. } => format!("parked: {reason}"),
        WaitsFor::Resume { since, by } => {
            let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            format!("paused{by} {} ago", ago(*since))
        }
        WaitsFor::Worker { gone, unknown_version } => {
            worker(facts, gone.as_ref(), *unknown_version, owner)
        }
        WaitsFor::Call { node, undo, attempt, since, others } => {
            let what = what(node, *undo);
            let others = match others {
                0 => String::new(),
                1 => ", and 1 other call is in flight".to_string(),
                n => format!(", and {n} other calls are in flight"),
            };
            format!("{what} has been running for {} (attempt {attempt}){others}", ago(*since))
        }
        WaitsFor::Retry { node, undo, at, attempt, of, error, others } => {
            let of = of.map(|of| format!(" of {of}")).unwrap_or_default();
            let error = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            let others = match others {
                0 => String::new(),
                n => format!(" (and {n} more)"),
            };
            let at = AtTime { at: *at, now };
            format!("attempt {attempt}{of} of {} is due at {at}{others}{error}", what(node, *undo))
        }
        WaitsFor::Event { node, events, since, until, others } => {
            let events = events.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
            let until = until.map(|at| AtTime { at, now });
            let others = match others {
                0 => String::new(),
                n => format!(" (and {n} more)"),
            };
            match until {
                Some(until) if events.is_empty() => format!("`{node}` waits until {until}{others}"),
                Some(until) => format!(
                    "`{node}` has waited {} for event {events}, and waits until {until}{others}",
                    ago(*since)
                ),
                None => format!("`{node}` has waited {} for event {events}{others}", ago(*since)),
            }
        }
        WaitsFor::Start { at } => format!("starts at {}", AtTime { at: *at, now }),
        WaitsFor::Owner { worker, last_heard } => {
            let heard = last_heard.map(|at| format!(", last heard {} ago", ago(at)));
            format!("owned by worker {worker}{}", heard.unwrap_or_default())
        }
    }
}

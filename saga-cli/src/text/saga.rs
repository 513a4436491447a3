//! One saga.

use saga_core::operator::{AuditOutcome, AuditRecord, NodeFacts, SagaFacts, WaitFacts};
use saga_core::{ActionState, SagaStatus};

use super::escape::{brief, plain};
use super::list::version;
use super::table::{right, table, text};
use super::time::age;

/// Everything but the attempts.
pub(crate) fn facts(facts: &SagaFacts) -> String {
    let saga = &facts.saga;
    let mut out =
        format!("{}: {} version {}, {}", saga.id, plain(&saga.saga), version(saga), saga.state);
    if saga.state.as_str() != saga.status.as_str() {
        out += &format!(" ({})", saga.status);
    }
    out.push('\n');
    let mut line = |name: &str, value: String| out += &format!("  {name:<13}{value}\n");
    line("why", brief(&facts.why.sentence));
    line("created", format!("{} ({} ago)", saga.created_at, age(saga.created_at, facts.at)));
    line("last entry", format!("{} ({} ago)", saga.updated_at, age(saga.updated_at, facts.at)));
    if let Some(deadline) = saga.deadline {
        line("deadline", deadline.to_string());
    }
    if let Some(wake_at) = saga.wake_at {
        line("goes on", wake_at.to_string());
    }
    if let Some(owner) = &facts.owner {
        let alive = match (owner.alive, owner.last_heard) {
            (Some(false), _) => "gone".to_string(),
            (_, Some(heard)) => format!("last heard {} ago", age(heard, facts.at)),
            (Some(true), None) => "alive".to_string(),
            (None, None) => "another process; whether it is alive is not known".to_string(),
        };
        line("worker", format!("{} ({alive})", owner.worker));
    }
    for (name, text) in [("cause", &facts.cause), ("problem", &facts.problem)] {
        if let Some(text) = text {
            line(name, brief(text));
        }
    }
    if let Some(pivot) = facts.passed_pivot().filter(|_| !saga.status.is_ended()) {
        let node = plain(pivot.node.as_str());
        line(
            "pivot",
            format!("`{node}` has succeeded: it can only go forward, a cancel is refused"),
        );
    }
    line("fingerprint", saga.fingerprint.clone());
    // of a saga that goes forward, effects are what it is there for
    let forward = saga.status == SagaStatus::Running;
    let remain = match saga.status {
        SagaStatus::Running => "Effects so far",
        SagaStatus::Completed => "Effects",
        SagaStatus::Failed
        | SagaStatus::RollingBack
        | SagaStatus::RolledBack
        | SagaStatus::Stuck => "Effects that remain",
    };
    out += &effects(remain, facts.remaining_effects());
    let (called, possible) =
        facts.possible_effects().partition::<Vec<_>, _>(|node| is_called(node));
    out += &effects("Being called", called.into_iter());
    let doubt = if forward { "In doubt" } else { "Effects that may remain" };
    out += &effects(doubt, possible.into_iter());
    out += &staying(facts);
    if !facts.kept.is_empty() {
        out += "\nEffects that a migration kept\n";
        for kept in &facts.kept {
            out += &format!("  {}: action key {}\n", plain(kept.node.as_str()), kept.action_key);
            for key in &kept.earlier_action_keys {
                out += &format!("    before      {key}\n");
            }
        }
    }
    if !facts.nodes.is_empty() {
        out += "\nNodes\n";
        out += &nodes(&facts.nodes);
    }
    out
}

/// True if nothing is known to have gone wrong with a call that is in flight.
fn is_called(node: &NodeFacts) -> bool {
    node.call.as_ref().is_some_and(|call| !call.undo) && !node.in_doubt
}

/// What no rollback takes back.
fn staying(facts: &SagaFacts) -> String {
    let mut out = String::new();
    for node in facts.staying_effects() {
        if out.is_empty() {
            out = "\nDone, and cannot be undone\n".to_string();
        }
        let why = node.no_undo.as_ref().map(|why| format!(" ({})", plain(why)));
        let (path, key) = (plain(node.node.as_str()), node.action_key);
        out += &format!("  {path}{}: action key {key}\n", why.unwrap_or_default());
    }
    out
}

/// Nodes with the keys under which their effects can be found at the services that they have called.
fn effects<'a>(title: &str, nodes: impl Iterator<Item = &'a NodeFacts>) -> String {
    let mut out = String::new();
    for node in nodes {
        if out.is_empty() {
            out = format!("\n{title}\n");
        }
        let action = node.action.as_ref().map(|action| format!(" ({})", plain(action.as_str())));
        out += &format!(
            "  {}{}: {}",
            plain(node.node.as_str()),
            action.unwrap_or_default(),
            node.state
        );
        out += if says_doubt(node) { ", in doubt\n" } else { "\n" };
        let mut line = |name: &str, value: String| out += &format!("    {name:<12}{value}\n");
        line("action key", node.action_key.to_string());
        for key in &node.earlier_action_keys {
            line("before", key.to_string());
        }
        if node.has_undo {
            line("undo key", node.undo_key.to_string());
        }
        line(
            "attempts",
            format!("{} of the action, {} of the undo", node.attempts, node.undo_attempts),
        );
        if let Some(at) = node.started_at {
            let ended =
                node.ended_at.map_or("no end is recorded".to_string(), |at| format!("ended {at}"));
            line("action", format!("began {at}, {ended}"));
        }
        if let Some(at) = node.undo_started_at {
            let ended = node
                .undo_ended_at
                .map_or("no end is recorded".to_string(), |at| format!("ended {at}"));
            line("undo", format!("began {at}, {ended}"));
        }
        for (name, error) in [("error", &node.error), ("undo error", &node.undo_error)] {
            if let Some(error) = error {
                line(name, brief(error));
            }
        }
    }
    out
}

/// True if it is to be said that a node is in doubt, beside its state.
fn says_doubt(node: &NodeFacts) -> bool {
    node.in_doubt && node.state != ActionState::InDoubt
}

/// What a node waits for.
fn waits(wait: &WaitFacts) -> String {
    let events = wait.events.iter().map(|event| plain(&event.to_string())).collect::<Vec<_>>();
    let until = wait.until.map(|at| format!("until {at}"));
    let events =
        Some(format!("for event {}", events.join(" or "))).filter(|_| !wait.events.is_empty());
    format!("waits {}", [events, until].into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn nodes(nodes: &[NodeFacts]) -> String {
    let mut table = table(&["NODE", "ACTION", "STATE", "ATTEMPTS", "UNDOS", "NOTE"]);
    for node in nodes {
        let doubt = says_doubt(node).then(|| "in doubt".to_string());
        let wait = node.wait.as_ref().map(waits);
        let known =
            node.is_known_by_transaction().then(|| "transaction, not committed".to_string());
        let retry = node.retry.as_ref().map(|retry| {
            let of = retry.of.map(|of| format!(" of {of}")).unwrap_or_default();
            let what = if retry.undo { "undo" } else { "action" };
            format!("{what} again at {}, attempt {}{of}", retry.at, retry.attempt)
        });
        let error = node.undo_error.as_ref().or(node.error.as_ref()).map(|error| brief(error));
        let notes = [doubt, known, wait, retry, error].into_iter().flatten().collect::<Vec<_>>();
        table.add_row([
            plain(node.node.as_str()),
            node.action.as_ref().map(|action| plain(action.as_str())).unwrap_or_default(),
            node.state.to_string(),
            node.attempts.to_string(),
            node.undo_attempts.to_string(),
            notes.join("; "),
        ]);
    }
    right(&mut table, &[3, 4]);
    indented(&text(&table))
}

/// All attempts, in the order in which they began.
pub(crate) fn timeline(facts: &SagaFacts) -> String {
    if facts.timeline.is_empty() {
        return String::new();
    }
    let mut table = table(&["BEGAN", "ENDED", "NODE", "WHAT", "ATTEMPT", "STATE", "ERROR"]);
    for attempt in &facts.timeline {
        table.add_row([
            attempt.started_at.to_string(),
            attempt.ended_at.map(|at| at.to_string()).unwrap_or_default(),
            plain(attempt.node.as_str()),
            if attempt.undo { "undo" } else { "action" }.to_string(),
            attempt.attempt.to_string(),
            if attempt.cut_off { "cut off".to_string() } else { attempt.state.to_string() },
            attempt.error.as_ref().map(|error| brief(error)).unwrap_or_default(),
        ]);
    }
    right(&mut table, &[4]);
    format!("\nAttempts\n{}", indented(&text(&table)))
}

/// Who has asked for what, and what became of it.
pub(crate) fn audit(records: &[AuditRecord]) -> String {
    if records.is_empty() {
        return "nobody has asked anything of it\n".to_string();
    }
    let mut table = table(&["AT", "BY", "COMMAND", "NODE", "OUTCOME", "NOTE"]);
    for record in records {
        let outcome = match record.outcome {
            AuditOutcome::Done => "done".to_string(),
            AuditOutcome::Held => "held until its pivot has ended".to_string(),
            AuditOutcome::Waiting => "waits for a worker".to_string(),
            AuditOutcome::NothingToDo => "nothing to do".to_string(),
            AuditOutcome::Refused => {
                format!("refused: {}", plain(record.refusal.as_deref().unwrap_or_default()))
            }
        };
        table.add_row([
            record.at.to_string(),
            plain(&record.by),
            record.command.to_string(),
            record.node.as_ref().map(|node| plain(node.as_str())).unwrap_or_default(),
            outcome,
            [record.event.as_ref().map(ToString::to_string), record.note.clone()]
                .into_iter()
                .flatten()
                .map(|part| plain(&part))
                .collect::<Vec<_>>()
                .join(", "),
        ]);
    }
    text(&table)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

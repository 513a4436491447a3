//! That the random runs reach what matters. A fault that never happens tests nothing.

use crate::search::searched;

/// How many seeds reach everything, with room to spare.
const ENOUGH: u64 = 10_000;

/// What is reached, in groups. One kind of entry is not: the arms of a choice that do not run get none of their own.
const GROUPS: [(&str, &[&str]); 7] = [
    (
        "faults",
        &[
            "fault: a clock is set back",
            "fault: a clock is set forward",
            "fault: a dead process writes",
            "fault: a kill",
            "fault: a process is cut off",
            "fault: a request dies",
            "fault: a request is lost",
            "fault: a request that was given up arrives",
            "fault: a short suspension",
            "fault: a shutdown",
            "fault: a slow answer",
            "fault: a slow request",
            "fault: a suspension longer than the lease",
            "fault: an answer is lost",
            "fault: an answer takes very long",
            "fault: the store cannot be reached",
            "fault: the store is down",
            "fault: the store's clock is set back",
            "fault: the store's clock is set forward",
        ],
    ),
    (
        "owners",
        &[
            "a store of one worker",
            "a store of several workers",
            "a claim",
            "a takeover",
            "a release",
            "an append is fenced",
            "a process that cannot begin",
            "a saga goes on at the end",
        ],
    ),
    (
        "calls",
        &[
            "call answered",
            "call refused",
            "call fails",
            "call fails halfway",
            "call hangs after",
            "call hangs before",
            "call not sent, no answer",
            "call sent, no answer",
            "call output too large",
            "call panics after",
            "call panics before",
            "a transaction",
            "undo answered",
            "undo fails",
            "undo fails after its work",
            "undo hangs after",
            "undo hangs before",
            "undo panics after",
            "undo panics before",
        ],
    ),
    (
        "commands",
        &[
            "several requests at once",
            "cancel: granted",
            "cancel: nothing to do",
            "cancel: refused",
            "pause: granted",
            "pause: nothing to do",
            "pause: refused",
            "resume: granted",
            "resume: refused",
            "step: granted",
            "step: refused",
            "retry_undo: granted",
            "retry_undo: refused",
            "retry_all: granted",
            "retry_all: nothing to do",
            "resolve: granted",
            "resolve: refused",
            "rollback: granted",
            "rollback: nothing to do",
            "rollback: refused",
            "retry: granted",
            "retry: refused",
            "decide: granted",
            "decide: refused",
            "unpark: granted",
            "unpark: refused",
            "inject: granted",
            "inject: refused",
        ],
    ),
    (
        "migrations",
        &[
            "migrated",
            "a saga is migrated when it is taken up",
            "a saga is migrated once it has settled",
            "a saga keeps its version",
            "a saga goes on in a process that has no migration to its version",
            "a start of a saga that has a later version",
            "outlook: eligible",
            "outlook: in doubt",
            "outlook: rolling back",
            "outlook: past its pivot",
            "outlook: a node is dropped",
            "outlook: parts have changed",
            "outlook: waits for another node",
            "outlook: not converted",
            "migrating: a slow request",
            "migrating: a request is lost",
            "migrating: an answer is lost",
            "migrating: a request that was given up arrives",
            "migrating: a slow answer",
            "migrating: an answer takes very long",
            "migrating: a death before it is written",
            "migrating: a death after it is written",
        ],
    ),
    ("ends", &["end: completed", "end: rolled back", "end: stuck", "end: parked", "end: paused"]),
    (
        "entries",
        &[
            "created",
            "started",
            "succeeded",
            "failed",
            "in_doubt",
            "retry_scheduled",
            "chosen",
            "unwinding",
            "undo_started",
            "undo_finished",
            "undo_failed",
            "undo_retry_scheduled",
            "resolved",
            "paused",
            "resumed",
            "parked",
            "unparked",
            "suspected",
            "cleared",
            "requested",
            "refused",
            "injected",
            "ended",
        ],
    ),
];

#[test]
fn the_runs_reach_every_fault_every_command_every_end_and_every_kind_of_entry() {
    let found = searched();
    if found.seeds < ENOUGH || !found.violations.is_empty() {
        return;
    }
    let missing = |(group, names): &(&str, &[&'static str])| {
        let never = names.iter().filter(|name| !found.counts.contains_key(**name));
        let never = never.copied().collect::<Vec<_>>().join(", ");
        (!never.is_empty()).then(|| format!("{group}: {never}"))
    };
    let missing = GROUPS.iter().filter_map(missing).collect::<Vec<_>>();
    let (seeds, counts) = (found.seeds, &found.counts);
    assert!(missing.is_empty(), "{seeds} seeds never reach {missing:#?}; they reach {counts:#?}");
}

//! What each metric says, for exporters that print it.

/// Tells the recorder, if one is installed.
pub(in crate::coordinator) fn describe() {
    for (name, text) in COUNTERS {
        metrics::describe_counter!(*name, *text);
    }
    for (name, text) in HISTOGRAMS {
        metrics::describe_histogram!(*name, metrics::Unit::Seconds, *text);
    }
    for (name, text) in GAUGES {
        metrics::describe_gauge!(*name, *text);
    }
}

const COUNTERS: &[(&str, &str)] = &[
    ("saga_created_total", "Sagas that were started."),
    ("saga_ended_total", "Sagas that have ended, by status."),
    ("saga_parked_total", "How often sagas were parked."),
    ("saga_node_events_total", "Log entries of nodes, by kind."),
];

const HISTOGRAMS: &[(&str, &str)] = &[
    ("saga_duration_seconds", "From the creation of a saga to its end."),
    ("saga_call_seconds", "One attempt of an action or an undo."),
    ("saga_append_seconds", "One write to the store."),
];

const GAUGES: &[(&str, &str)] = &[
    ("saga_sagas", "How many sagas the store has, by state."),
    ("saga_oldest_unfinished_seconds", "How long ago the oldest unfinished saga was created."),
    ("saga_unknown_version", "Unfinished sagas of a version that this program does not know."),
    ("saga_running", "How many sagas this process runs."),
    ("saga_waiting_for_store", "How many of them wait for the store to work again."),
    ("saga_store_fails", "1 while the last write to the store has failed, otherwise 0."),
    (
        "saga_unreadable",
        "Unfinished sagas that this process could not go on with, because their logs are corrupt.",
    ),
];

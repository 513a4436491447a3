//! What an event is about, in one word.

use std::fmt;

use crate::log::{EntryKind, NodeEntry, SagaEntry};

/// How an event is traced.
pub(super) enum Importance {
    /// An operator should look at the saga.
    Warning,
    /// The saga has entered another phase.
    Milestone,
    Detail,
}

macro_rules! kinds {
    (
        saga: $(
            $(#[doc = $saga_doc:literal])+
            $saga:pat => $saga_kind:ident = $saga_word:literal, $saga_importance:ident;
        )+
        node: $(
            $(#[doc = $node_doc:literal])+
            $node:pat => $node_kind:ident = $node_word:literal, $node_importance:ident;
        )+
    ) => {
        /// What happened: the kind of the log entry that a [`SagaEvent`](super::SagaEvent) reports.
        ///
        /// ```
        /// use saga_core::events::EventKind;
        /// assert_eq!(EventKind::UndoFailed.to_string(), "undo_failed");
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[doc = $saga_doc])+ $saga_kind,)+
            $($(#[doc = $node_doc])+ $node_kind,)+
        }

        impl EventKind {
            pub(super) fn of(kind: &EntryKind) -> Self {
                match kind {
                    $(EntryKind::Saga($saga) => Self::$saga_kind,)+
                    $(EntryKind::Node { entry: $node, .. } => Self::$node_kind,)+
                }
            }

            /// The word for it in a saga's log.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$saga_kind => $saga_word,)+
                    $(Self::$node_kind => $node_word,)+
                }
            }

            pub(super) fn importance(self) -> Importance {
                match self {
                    $(Self::$saga_kind => Importance::$saga_importance,)+
                    $(Self::$node_kind => Importance::$node_importance,)+
                }
            }
        }

        #[cfg(test)]
        const ALL: &[EventKind] = &[$(EventKind::$saga_kind,)+ $(EventKind::$node_kind,)+];
    };
}

// a line for each kind of log entry: the entry, the kind, its word in the log, and how it is traced
kinds! {
    saga:
    /// The saga was created.
    SagaEntry::Created { .. } => Created = "created", Milestone;
    /// The saga began to roll back.
    SagaEntry::Unwinding(_) => Unwinding = "unwinding", Milestone;
    /// An operator paused the saga.
    SagaEntry::Paused => Paused = "paused", Milestone;
    /// An operator ended the pause.
    SagaEntry::Resumed => Resumed = "resumed", Milestone;
    /// The saga waits for an operator.
    SagaEntry::Parked { .. } => Parked = "parked", Warning;
    /// The saga was parked, and resumes.
    SagaEntry::Unparked => Unparked = "unparked", Detail;
    /// The saga was running at a crash, and is watched.
    SagaEntry::Suspected { .. } => Suspected = "suspected", Detail;
    /// The saga outlived its watch.
    SagaEntry::Cleared => Cleared = "cleared", Detail;
    /// An operator's request was granted.
    SagaEntry::Requested { .. } => Requested = "requested", Milestone;
    /// A request that had been held was refused.
    SagaEntry::Refused { .. } => Refused = "refused", Milestone;
    /// A test injected a fault.
    SagaEntry::Injected { .. } => Injected = "injected", Detail;
    /// The saga goes on under another version of its definition.
    SagaEntry::Migrated(_) => Migrated = "migrated", Milestone;
    /// The saga has ended.
    SagaEntry::Ended(_) => Ended = "ended", Milestone;
    node:
    /// An attempt of an action was started.
    NodeEntry::Started => Started = "started", Detail;
    /// A node has its output.
    NodeEntry::Succeeded(_) => Succeeded = "succeeded", Detail;
    /// An attempt of an action failed without an effect.
    NodeEntry::Failed(_) => Failed = "failed", Detail;
    /// An attempt of an action ended, and it is not known whether it took effect.
    NodeEntry::InDoubt(_) => InDoubt = "in_doubt", Detail;
    /// An action in doubt was asked, and did not take effect, nor will it.
    NodeEntry::NotDone => NotDone = "not_done", Detail;
    /// The action will be retried at some time.
    NodeEntry::RetryScheduled { .. } => RetryScheduled = "retry_scheduled", Detail;
    /// The width of a `for`, or the arm of an `if` or `match`, was chosen.
    NodeEntry::Chosen(_) => Chosen = "chosen", Detail;
    /// The body of a `try` began to be undone; the rest of the saga goes on.
    NodeEntry::ScopeUnwinding(_) => ScopeUnwinding = "scope_unwinding", Milestone;
    /// A node was skipped. Nothing writes this yet.
    NodeEntry::Skipped => Skipped = "skipped", Detail;
    /// An attempt of an undo was started.
    NodeEntry::UndoStarted => UndoStarted = "undo_started", Detail;
    /// An undo has finished.
    NodeEntry::UndoFinished => UndoFinished = "undo_finished", Detail;
    /// An undo failed for good.
    NodeEntry::UndoFailed(_) => UndoFailed = "undo_failed", Warning;
    /// An attempt of an undo failed, and will be retried at some time.
    NodeEntry::UndoRetryScheduled { .. } => UndoRetryScheduled = "undo_retry_scheduled", Detail;
    /// An operator recorded that someone has dealt with the effect of a node.
    NodeEntry::Resolved(_) => Resolved = "resolved", Detail;
    /// A wait has begun.
    NodeEntry::Waiting { .. } => Waiting = "waiting", Detail;
    /// A wait has ended: an event has come, or a time.
    NodeEntry::Waited(_) => Waited = "waited", Detail;
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Payload;

    #[test]
    fn the_words_are_those_of_the_log() {
        let entries = [
            NodeEntry::Started.about("a", 1),
            NodeEntry::Succeeded(Payload::default()).about("a", 1),
            NodeEntry::Skipped.about("a", 0),
            NodeEntry::UndoStarted.about("a", 1),
            NodeEntry::UndoFinished.about("a", 1),
            SagaEntry::Paused.into(),
            SagaEntry::Resumed.into(),
            SagaEntry::Unparked.into(),
            SagaEntry::Cleared.into(),
        ];
        for entry in entries {
            assert_eq!(EventKind::of(&entry).as_str(), entry.name());
        }
        let mut words = ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), ALL.len(), "no word is used twice");
    }
}

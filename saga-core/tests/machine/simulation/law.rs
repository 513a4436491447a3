//! The laws that a run can break, by their names.

use std::fmt::Display;

/// What must hold of every run. A broken law is a panic that begins with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Law {
    /// The log can be folded: each entry may follow the ones before it.
    LogIsLegal,
    /// The machine never derives an entry that it must refuse itself.
    OwnEntriesAreLegal,
    /// The state of a running saga is the one that follows from its log.
    LiveStateIsTheLogs,
    /// Each entry has the epoch of the process that wrote it.
    EntriesHaveTheirEpoch,
    /// At most one append is in flight.
    OneAppendAtATime,
    /// A call goes out once its `started` or `undo_started` is durable.
    DurableBeforeCalled,
    /// A node has at most one call in flight.
    OneCallPerNode,
    /// An action starts after all of its ancestors, and its ancestors' outputs are durable by then.
    AncestorsFirst,
    /// Attempts are numbered one by one, and none is made of a node that has succeeded or given up.
    AttemptsCount,
    /// An attempt after a definite failure has a fresh key if its action says so. Any other attempt has the key of the one
    /// before, and an undo is told the last one.
    FreshKeys,
    /// Who can be asked whether it took effect is asked when it is in doubt, before it is run again, undone or given up.
    AskedFirst,
    /// A failure is retried as often as the policy says: no more, no less.
    TriesCount,
    /// A retry does not start before its time.
    RetriesWait,
    /// The output in the log is the one that the action returned.
    OutputIsKept,
    /// A width and an arm are chosen once.
    ChosenOnce,
    /// Nothing starts while the saga is paused or parked, except by a step.
    StandsStill,
    /// A process that drains starts nothing.
    DrainStartsNothing,
    /// No more calls at a time than the saga allows.
    MaxConcurrency,
    /// No more instances of a `for` at a time than it allows.
    ForLimit,
    /// One call at a time goes forward in the order of declaration.
    DeclarationOrder,
    /// One call at a time goes back in the reverse order of the starts.
    ReverseOrder,
    /// Every permit that was asked for is used or released, once.
    PermitsBalance,
    /// The saga does not unwind behind its pivot, nor while the pivot is in flight or in doubt.
    PivotHolds,
    /// After the deadline no node starts, and no saga unwinds because of a deadline before it.
    DeadlineHolds,
    /// An action that outlives the beginning of the unwinding is dropped after `abandon_after`, not before.
    AbandonAfter,
    /// Actions in flight are told that the saga unwinds, once that is durable.
    CancelIsTold,
    /// The saga unwinds for a reason: a failure, a request, or its deadline.
    UnwindsForAReason,
    /// While it unwinds, or a scope does, nothing of it is called but undos, and actions in doubt whose undo needs their output.
    OnlyBackWhileUnwinding,
    /// An undo starts when everything that came after its node is settled, and no effect of that is left.
    UndoOrder,
    /// An undo is called for what has something to undo, as its contract says.
    UndoTable,
    /// `resolve`, `decide` and the retries of undos are granted only while no call is in flight.
    GrantedWithoutCalls,
    /// Every request is answered.
    EveryRequestIsAnswered,
    /// No request is answered twice.
    AnsweredOnce,
    /// No request is answered as done before its entry is durable.
    AnsweredWhenDurable,
    /// A request is answered as the log says.
    AnswerIsTrue,
    /// `ended` follows when everything is done, and says so.
    EndIsTrue,
    /// A saga always has something under way, or knows when it wakes up, and ends at last.
    EndsAtLast,
    /// After a failed append the machine does nothing more.
    StopsAfterFailedAppend,
    /// `completed`: every effect is there, and nothing was undone.
    CompletedHasEveryEffect,
    /// `rolled_back`: no effect is left.
    RolledBackLeavesNothing,
    /// `stuck`: every effect that is left is listed, and what is listed is there.
    ResidueIsListed,
    /// A failure for good within a scope unwinds the innermost scope around it, and nothing outside.
    SmallFailuresStaySmall,
    /// A scope is left when no effect of it is left, and no undo in it has failed.
    UndoneScopeLeavesNothing,
    /// Nothing happens any more to the nodes of a scope that the saga goes on without.
    UndoneScopeIsOver,
    /// Behind the pivot nothing is undone.
    NothingIsUndoneBehindThePivot,
    /// An action without an undo is not undone.
    NothingIsUndoneWithoutAnUndo,
    /// A transaction of the log's own database without `succeeded` was not committed: the node is never in doubt, is not run
    /// again to find out, and is undone only if it succeeded.
    TransactionsLeaveNoDoubt,
    /// Every vertex has a path, and every path its vertex.
    PathsAreUnique,
    /// The events of a log are a log again.
    EventsAreALog,
    /// A saga is migrated while it goes forward, before its pivot, and while it is known how all of its calls have ended.
    MigratedAtRest,
    /// A saga is migrated if what it has done fits the new version.
    MigratedIfItFits,
    /// If a saga is not migrated, the reason is true.
    NotMigratedForAReason,
    /// After a migration each node stands where the node stood that it was, and new nodes have not begun.
    MigrationTellsTheLog,
    /// All calls of a node have the same key under all versions, and no other node has that key.
    KeysStayWithTheirNodes,
    /// A migration lists the effects that nobody undoes any more: all of them, and no others.
    KeptEffectsAreListed,
    /// A wait begins once, after all of its ancestors, and ends once.
    WaitsEndOnce,
    /// A timer ends its wait at its time, not before, and not while the saga is paused or parked.
    TimersWait,
    /// An event is taken once, by a wait for its type.
    EventsAreTakenOnce,
    /// The event that came first goes to the wait that began first, and no event waits beside a wait that could take it.
    EventsAreTakenInOrder,
    /// An event with an id that the log has is a duplicate.
    EventsCountOnce,
    /// An event is accepted if a wait could take it, and not if none can.
    EventsAreAwaited,
    /// No more events are kept than the limit says.
    MailboxHolds,
    /// Before a migration only calls start that are in doubt, for half a minute, and nothing once none is.
    SettlingFindsOut,
}

impl Law {
    /// Panics if the law does not hold.
    #[track_caller]
    pub(crate) fn holds(self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.is_broken(what());
        }
    }

    #[track_caller]
    pub(crate) fn is_broken(self, what: impl Display) -> ! {
        panic!("law {self:?} is broken: {what}")
    }

    /// True if this is what a panic says.
    pub(crate) fn is_named_by(self, panic: &str) -> bool {
        panic.starts_with(&format!("law {self:?} is broken"))
    }
}

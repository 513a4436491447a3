//! Mistakes that tests plant, to see that our instruments find them: a test that cannot fail shows nothing.
//!
//! Each [`Mistake`] stands as one short condition beside the line that it breaks. Without the feature
//! `fault-injection` all of these conditions are the constant `false`, and the compiler removes them. With it, a
//! mistake is planted for the current thread and for as long as its [`Planted`] guard lives.
//! `saga-core/tests/machine/planted.rs`, `saga-core/tests/simulator/planted.rs` and `saga-core/tests/stores/planted.rs` have the
//! tables: which law finds which mistake.

#[cfg(feature = "fault-injection")]
mod switch;

#[cfg(feature = "fault-injection")]
pub(crate) use switch::planted;
#[cfg(feature = "fault-injection")]
pub use switch::{Planted, plant};

/// Declares the enum, and a list of the mistakes in each part of the library.
macro_rules! mistakes {
    ($($part:ident { $($(#[$doc:meta])* $mistake:ident,)* })*) => {
        /// A mistake that somebody could make in this library.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(not(feature = "fault-injection"), allow(unreachable_pub))]
        pub enum Mistake {
            $($($(#[$doc])* $mistake,)*)*
        }

        #[cfg(feature = "fault-injection")]
        impl Mistake {
            $(#[doc = "Those in this part of the library."]
            pub const $part: &[Self] = &[$(Self::$mistake),*];)*
        }
    };
}

mistakes! {
    IN_MACHINE {
        // the order of undos

        /// An undo starts although what came after its node has not been undone yet.
        UndoBeforeSuccessors,
        /// Only direct successors are looked at: an undo does not wait for what stands behind a node that has nothing
        /// to undo.
        DirectSuccessorsOnly,
        /// The same for nodes without an undo only.
        NoUndoEndsTheSearch,
        /// With one call at a time, undos run in the order of the starts instead of its reverse.
        UndosInStartOrder,
        /// With one call at a time, an undo that waits for its retry lets those of earlier nodes pass.
        UndosPassARetry,

        // what is undone
        /// The nodes of nested bodies are left out of the unwinding.
        NestedLeftOut,
        /// `undo_on_failure` is ignored.
        UndoOnFailureIgnored,
        /// A node in doubt whose undo needs the output is not run again.
        RerunLeftOut,
        /// A node that is in doubt, and whose undo needs no output, is not undone.
        DoubtNotUndone,
        /// A rollback of a completed saga leaves out the nodes that nothing came after.
        RollbackSkipsLeaves,
        /// A failure clears the doubt that an earlier attempt has left.
        DoubtClearedByFailure,
        /// The start of the next attempt clears the doubt about the one that was cut off.
        DoubtClearedByStart,
        /// A transaction of the log's own database that has no outcome counts as in doubt.
        TransactionInDoubt,
        /// A cancel gives up a pivot that is a transaction although it is in flight.
        TransactionInFlightGivenUp,
        /// A node that was skipped is undone.
        SkippedUndone,

        // keys
        /// An attempt in doubt is repeated under a fresh key.
        FreshKeyInDoubt,
        /// `fresh_key` is ignored: an attempt after a refusal gets the same refusal again.
        FreshKeyIgnored,
        /// The undo is told the first key of its action, and not the last one.
        FirstKeyUndone,

        // asking instead of repeating
        /// An action in doubt is run again although it could be asked.
        ProbeLeftOut,
        /// An action in doubt is given up although it could be asked.
        GivenUpUnasked,
        /// The answer that nobody knows counts as the answer that it did not take effect.
        UnknownIsNotDone,
        /// After the answer that it did not take effect, the action stays in doubt.
        NotDoneKeepsDoubt,
        /// The same key is used again that the receiver was told to refuse.
        ClosedKeyUsedAgain,

        // going forward
        /// A node starts although it waits for one more predecessor.
        PredecessorNotAwaited,
        /// A `for`, a choice and a subsaga complete with the first of their parts.
        CompletedByFirstPart,
        /// With one call at a time, nodes do not start in the order of their declaration.
        DeclarationOrderIgnored,
        /// One call more than `max_concurrency`.
        OneCallTooMany,
        /// One instance of a `for` more than its limit.
        OneInstanceTooMany,
        /// After a crash, the width or the arm is chosen again.
        ChosenAgain,
        /// The width or the arm is not in the log when its first nodes start.
        ChoiceNotWritten,
        /// What the action returned is not in the log.
        OutputCleared,
        /// A node starts again while its call is in flight.
        StartedTwice,

        // durability
        /// A call goes out with the append that authorizes it, not after it.
        CalledBeforeDurable,
        /// A retry starts without a `started` of its own.
        RetryWithoutStarted,
        /// A second append is asked for while one is in flight.
        TwoAppends,
        /// After a failed append, the calls in flight go on.
        GoesOnAfterFailedAppend,
        /// Entries have the epoch of an earlier process.
        OldEpochWritten,
        /// What happens while an append is in flight is forgotten.
        EventLostDuringAppend,

        // retries and time
        /// After a crash, attempts are counted from zero.
        AttemptsForgotten,
        /// After a crash, a failure counts as the first one.
        TriesForgotten,
        /// An attempt that was cut off by a crash uses up a try.
        CutOffUsesATry,
        /// One retry too many.
        OneTryTooMany,
        /// One retry too few.
        OneTryTooFew,
        /// One retry of an undo too few.
        OneUndoTryTooFew,
        /// A permanent failure is retried.
        PermanentRetried,
        /// After a crash, a retry does not wait for its time.
        RetryWaitForgotten,
        /// A retry of an undo does not wait for its time.
        UndoRetryWaitIgnored,
        /// When it is woken too early, the machine does not ask to be woken again.
        WakeUpForgotten,
        /// The deadline is ignored.
        DeadlineIgnored,
        /// `abandon_after` is ignored: actions in flight may run for ever while the saga unwinds.
        AbandonAfterIgnored,
        /// Actions in flight are dropped as soon as the saga unwinds.
        AbandonedAtOnce,
        /// Actions in flight are not told that the saga unwinds.
        CancelNotTold,

        // the pivot
        /// The deadline unwinds the saga while its pivot is in flight or in doubt.
        DeadlineOverPivot,
        /// A cancel unwinds the saga while its pivot is in flight or in doubt.
        CancelOverPivot,
        /// A failure behind the pivot unwinds the saga.
        UnwindsBehindPivot,
        /// A pivot in doubt is given up like any other node.
        PivotInDoubtGivenUp,
        /// A cancel that was held for the pivot is never carried out or refused.
        HeldCancelForgotten,

        // scopes
        /// A failure within a scope unwinds the saga.
        FailureInScopeFailsTheSaga,
        /// A failure within a scope unwinds the outermost scope around it, not the innermost one.
        OutermostScopeUnwinds,
        /// A failure in an `else` counts as one of the scope before it.
        ElseIsInItsScope,
        /// The saga goes on without a scope that has not been undone.
        ElseBeforeItsScopeIsUndone,
        /// The actions in flight are not told that their scope unwinds.
        ScopeNotTold,
        /// The actions in flight may run for ever while their scope unwinds.
        ScopeCallsNotDropped,
        /// An undo in a scope that has failed for good does not fail the saga.
        FailedUndoInScopeIgnored,

        // operators
        /// `resolve` is granted while a call is in flight.
        ResolveDuringCall,
        /// `retry_undo` is granted while a call is in flight.
        RetryUndoDuringCall,
        /// `decide` is granted while a call is in flight.
        DecideDuringCall,
        /// `retry_undo` does not give the undo its tries again.
        RetryUndoKeepsTries,
        /// A paused saga starts a node.
        StartsWhilePaused,
        /// A parked saga starts a node.
        StartsWhileParked,
        /// `step` starts two nodes.
        StepStartsTwo,
        /// `unpark` does not give the pivot in doubt its tries again.
        UnparkKeepsTries,
        /// An answer is lost.
        AnswerLost,
        /// An answer is given again with the next append.
        AnsweredTwice,
        /// An answer is given before its entry is durable.
        AnsweredBeforeDurable,
        /// A request that arrives again after a crash is granted again.
        GrantedAgain,
        /// A process that drains starts what is ready.
        DrainStartsCalls,

        // permits
        /// A permit that is not needed any more is not released.
        PermitLeaked,
        /// A call starts without a permit.
        StartsWithoutPermit,

        // waits
        /// An event that comes before its wait is forgotten.
        EarlyEventDropped,
        /// An event that a wait has taken is given to the next one, too.
        EventGivenTwice,
        /// A wait takes the event that came last.
        LastEventFirst,
        /// An event goes to the wait that began last.
        LastWaitFirst,
        /// An event with an id that the saga has is taken for a new one.
        EventIdForgotten,
        /// An event is accepted although nothing can wait for it any more.
        SignalWithoutWait,
        /// A timer fires before its time.
        TimerFiresEarly,
        /// A timer fires while the saga is paused.
        TimerFiresWhilePaused,
        /// After a crash, nobody wakes the saga when a timer is due.
        TimerLostInCrash,
        /// A wait goes on while the saga unwinds.
        WaitOutlivesUnwinding,

        // how it ends
        /// `ended` does not wait for the last call.
        EndedBeforeLastOutcome,
        /// An effect whose undo has failed is not reported.
        ResidueNotListed,
        /// A node in doubt is reported as certain.
        DoubtNotReported,
    }

    // in `machine/migrate` and `machine/settle.rs`, and what is read of a log that has a migration
    IN_MIGRATIONS {
        /// A node that is renamed makes its idempotency keys of its new name.
        RenamedKeyNotKept,
        /// The generation of a node's key begins again with the version.
        GenerationLostByMigration,
        /// A new node makes its idempotency keys of a name that another node has made keys of.
        OldKeyReused,
        /// A saga is migrated while nobody knows how a call has ended.
        MigratedInDoubt,
        /// A node that holds others has begun, and is carried over although these have changed.
        ChangedPartsAccepted,
        /// A node is dropped although it has begun, and its effect is forgotten.
        BegunNodeDropped,
        /// A saga is migrated although a node has begun that waits for a new node.
        NewAncestorIgnored,
        /// Effects that a migration keeps are not listed.
        KeptEffectNotListed,
        /// While it settles, a saga starts nodes that are not in doubt.
        SettlingStartsNodes,
        /// After a migration, a request that was granted before it is granted again.
        GrantedAgainAfterMigration,
    }

    // in `driver`, `coordinator` and `context`
    IN_RUNNERS {
        /// A transaction begins although the call that has asked for it is over.
        TransactionOfEndedCall,
        /// A start is acknowledged before the saga is in the store.
        AcknowledgedBeforeDurable,
        /// An undo is called under the key of its action.
        UndoUnderActionKey,
        /// Each attempt has a key of its own.
        KeyOfEachAttempt,
        /// The fencing token does not grow with each attempt.
        TokenDoesNotGrow,
        /// A timeout counts as a failure that left no effect.
        TimeoutIsNoDoubt,
        /// A panic counts as a failure that left no effect.
        PanicIsNoDoubt,
        /// A call does not end with its timeout.
        TimeoutIgnored,
        /// A call begins although the lease of its process has ended.
        CallAfterLease,
        /// An instance of a `for` reads the item of another one.
        ItemOfAnotherInstance,
        /// An operator is answered while the append is in flight.
        AnsweredDuringAppend,
        /// A message arrives after a task has looked for messages, and before it sleeps: nothing wakes the task.
        MessageDoesNotWake,
        /// A permit is granted, and nothing wakes the saga that waits for it.
        PermitDoesNotWake,
        /// One call more than `max_calls` and `max_calls_of` allow.
        OnePermitTooMany,
        /// Each worker takes the whole of a limit over all workers for itself.
        WholeLimitTaken,
        /// A saga that stopped because of an error of the store is not loaded again.
        NotReloaded,
        /// What other workers have left is not taken over.
        NotTakenOver,
        /// Of the requests for a saga that are found in the store, the last one is carried out first.
        LaterRequestFirst,
    }

    // what happens to sagas that only wait, in `driver/leave.rs` and `coordinator/waker.rs`
    IN_WAKING {
        /// A saga leaves memory, and the store is not told when to wake it.
        WakeTimeNotStored,
        /// A saga leaves memory, and whoever sleeps until the next one is due does not hear of it.
        LeavesUnheard,
        /// A saga that is due is claimed, and nobody runs it.
        DueNotRun,
    }

    // the rules about records and appends in `store`
    IN_STORES {
        /// An append of a worker that has lost the saga is accepted.
        FenceIgnored,
        /// A saga keeps its epoch when its owner changes.
        EpochNotRaised,
        /// A parked saga is claimed.
        ParkedClaimed,
        /// The release of a saga does not reset its attempts.
        ReleaseKeepsAttempts,
        /// An append does not change the definition of its saga.
        DefinitionKept,
    }
}

/// True while this mistake is planted in this thread.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub(crate) const fn planted(_: Mistake) -> bool {
    false
}

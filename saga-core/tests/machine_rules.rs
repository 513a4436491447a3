//! The rules of a saga's life, one example each.

mod machine;

/// Each file has one part of the rules.
mod machine_rules {
    use std::time::Duration;

    use saga_core::UndoKind::{self, MaybeOutput, NoOutput, Nothing, Output};
    use saga_core::dag::PlanKind;
    use saga_core::log::ActionState::{Completed, Failed, Pending, UndoFailed, Undone};
    use saga_core::log::SagaStatus::{self, RolledBack, RollingBack, Running, Stuck};
    use saga_core::log::{
        Answer, Cause, Command, Decision, Entry, EntryKind, Failure, FailureKind, Fault, Refusal,
        Timestamp, Uuid,
    };
    use saga_core::machine::{ActionResult, Config, Effect, Event, Finish, State};

    use crate::machine::bench::{Bench, failure};
    use crate::machine::plans::{
        action, actions, chain, each, inline, inline_action, node, plan, tried,
    };

    const ENDED_WELL: SagaStatus = SagaStatus::Completed;
    const NO_CALLS: [&str; 0] = [];

    use table::row;

    mod durable;
    mod failed;
    mod forward;
    mod illegal;
    mod order;
    mod recovery;
    mod table;
}

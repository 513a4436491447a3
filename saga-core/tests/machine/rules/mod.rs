//! The rules of a saga's life, one example each. A section sign refers to the specification of the
//! machine.

use std::sync::Arc;
use std::time::Duration;

use saga_core::action::{
    Policy,
    UndoContract::{self, InputsOnly, MaybeOutput, None as NoUndo, Output},
};
use saga_core::dag::{Plan, PlanKind, PlanNode};
use saga_core::log::{
    Cause, Entry, EntryKind, Failure, FailureKind, NodeEntry, Resolution, SagaEntry, Timestamp,
    Uuid,
};
use saga_core::machine::{ActionResult, Config, Effect, Event, Finish, Machine, SagaState, Watch};
use saga_core::operator::{Answer, Command, Decision, Fault, Refusal};
use saga_core::{
    ActionState::{self, Completed, Failed, Pending, Running as InFlight, UndoFailed, Undone},
    Retry,
    SagaStatus::{self, RolledBack, RollingBack, Running, Stuck},
};

use crate::simulation::bench::{Bench, failure, step_all};
use crate::simulation::plans::{
    action, actions, chain, each, inline, inline_action, node, plan, tried, undo_on_failure,
};

const ENDED_WELL: SagaStatus = SagaStatus::Completed;
const NO_CALLS: [&str; 0] = [];

use undo_table::row;

/// A chain of three whose middle is the point of no return, and the answers of its operators.
fn pivotal(tries: u32) -> Bench {
    Bench::new(pivotal_plan(tries))
}

fn pivotal_plan(tries: u32) -> Arc<Plan> {
    let nodes = vec![action("a", Output), tried("p", Output, tries, 2), tried("z", Output, 2, 2)];
    Arc::new(Plan::new(nodes, &[(0, 1), (1, 2)]).with_pivot(1))
}

fn cancel() -> Command {
    Command::Cancel { reason: "changed my mind".into() }
}

const DONE: Option<Answer> = Some(Answer::Done);

fn nothing(status: SagaStatus) -> Option<Answer> {
    Some(Answer::NothingToDo { status })
}

fn refused(why: Refusal) -> Option<Answer> {
    Some(Answer::Refused(why))
}

mod clock;
mod deadline;
mod durability;
mod for_limits;
mod forward;
mod illegal_logs;
mod in_doubt;
mod injected_faults;
mod migration;
mod operators;
mod permits;
mod pivot;
mod probing;
mod recovery;
mod scopes;
mod settling;
mod stuck;
mod transactions;
mod undo_order;
mod undo_table;
mod unwinding;
mod waits;

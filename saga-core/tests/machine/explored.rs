//! Small sagas in all the ways that they can run: every order, outcome, crash and late delivery within a budget.
//!
//! `EXPLORE_STATES` says how many states of each saga are visited, instead of the 3 000 of a usual run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::simulation::explore::explore;
use crate::simulation::law::Law;
use crate::simulation::plans::{
    chain, each, for_event, fresh_key, inline, inline_action, node, plan, policy, probe,
    transaction, undo_on_failure, wait,
};
use crate::simulation::run::Setup;
use crate::simulation::world::Obligations;
use saga_core::action::{
    Policy,
    UndoContract::{self, InputsOnly, MaybeOutput, None as NoUndo, Output},
};
use saga_core::dag::Alternative::{Sleep, SleepUntil};
use saga_core::dag::{Plan, PlanKind, PlanNode};
use saga_core::log::Timestamp;
use saga_core::{Retry, SagaStatus};

const UNDOS: [UndoContract; 4] = [Output, MaybeOutput, InputsOnly, NoUndo];

fn states() -> usize {
    let states = std::env::var("EXPLORE_STATES").ok();
    states.map_or(STATES, |n| n.parse().expect("a number of states"))
}

/// How many states of each saga a usual run visits.
const STATES: usize = 3000;

/// An action without jitter, so that orders don't differ by it.
fn action(name: &str, undo: UndoContract, tries: u32, undo_tries: u32) -> PlanNode {
    let mut policy = policy(undo, tries, undo_tries);
    let even = |retry: Retry| retry.base(Duration::from_millis(100)).factor(1.0).jitter(0.0);
    (policy.retry, policy.undo_retry) = (even(policy.retry), even(policy.undo_retry));
    node(name, PlanKind::Action(policy))
}

fn once(name: &str, undo: UndoContract) -> PlanNode {
    action(name, undo, 1, 1)
}

/// One crash or drain, and so many calls that go wrong.
fn setup(plan: Arc<Plan>, troubles: u32, asks: u32) -> Setup {
    Setup { trouble: 128, troubles, deaths: 1, asks, ..Setup::fair(plan) }
}

/// Explores all of these, and says which ends were seen.
fn ends(name: &str, setups: impl IntoIterator<Item = Setup>) -> Vec<SagaStatus> {
    let (mut states_seen, mut ends, mut cut) = (0, BTreeMap::new(), 0);
    for setup in setups {
        let explored = explore(setup, states());
        states_seen += explored.states;
        cut += usize::from(explored.cut);
        for (status, n) in explored.ends {
            *ends.entry(status).or_insert(0) += n;
        }
    }
    println!("{name}: {states_seen} states, {ends:?}, {cut} cut short");
    ends.into_keys().collect()
}

const ALL: [SagaStatus; 3] = [SagaStatus::Completed, SagaStatus::RolledBack, SagaStatus::Stuck];

#[test]
fn chain_of_two() {
    let pairs = UNDOS.into_iter().flat_map(|a| UNDOS.map(|b| (a, b)));
    let setups = pairs.map(|(a, b)| setup(chain(vec![action("a", a, 2, 2), once("b", b)]), 2, 0));
    assert_eq!(ends("chain", setups), ALL);
}

#[test]
fn failures_that_leave_effects_behind() {
    let setups = [MaybeOutput, InputsOnly].into_iter().flat_map(|a| {
        UNDOS.map(|b| setup(chain(vec![undo_on_failure(action("a", a, 2, 2)), once("b", b)]), 2, 0))
    });
    assert_eq!(ends("undo on failure", setups), ALL);
}

/// Each of the two may be a transaction of the database that keeps the log. If both are, no saga is stuck because nobody
/// knows: their undos fail for good, or there is no other reason.
#[test]
fn transactions() {
    let pairs = UNDOS.into_iter().flat_map(|a| UNDOS.map(|b| (a, b)));
    let setups = pairs.flat_map(|(a, b)| {
        let a = || transaction(action("a", a, 2, 2));
        let other = once("b", b);
        [
            setup(chain(vec![a(), transaction(once("b", b))]), 2, 0),
            setup(chain(vec![a(), other.clone()]), 2, 0),
            setup(chain(vec![other.clone(), a()]), 2, 0),
            setup(plan(vec![other, a()], &[]), 2, 1),
        ]
    });
    assert_eq!(ends("transactions", setups), ALL);
}

#[test]
fn a_pivot_that_is_a_transaction() {
    let setups = UNDOS.into_iter().map(|pivot| {
        let pivot = transaction(action("p", pivot, 2, 1));
        let nodes = vec![once("a", Output), pivot, transaction(once("c", Output))];
        let plan = Plan::new(nodes, &[(0, 1), (1, 2)]).with_pivot(1);
        let mut setup = setup(Arc::new(plan), 1, 1);
        setup.config.deadline = Some(Timestamp(1_000_150));
        setup
    });
    assert_eq!(ends("a pivot that is a transaction", setups), ALL);
}

#[test]
fn two_side_by_side() {
    let setups = [None, Some(1)].into_iter().flat_map(|max| {
        [(Output, InputsOnly), (MaybeOutput, Output), (NoUndo, Output)].map(|(a, b)| {
            let mut setup = setup(plan(vec![action("a", a, 2, 2), once("b", b)], &[]), 2, 0);
            setup.config.max_concurrency = max;
            setup.config.permits = max.is_none();
            setup
        })
    });
    assert_eq!(ends("parallel", setups), ALL);
}

#[test]
fn a_diamond() {
    let undos = [[Output, InputsOnly, Output, NoUndo], [InputsOnly, NoUndo, MaybeOutput, Output]];
    let setups = undos.map(|[a, b, c, d]| {
        let nodes = vec![once("a", a), once("b", b), once("c", c), once("d", d)];
        setup(plan(nodes, &[(0, 1), (0, 2), (1, 3), (2, 3)]), 2, 0)
    });
    // a usual run does not come to the few ways in which nothing goes wrong
    let seen = ends("diamond", setups);
    assert!(seen.ends_with(&ALL[1..]), "{seen:?}");
}

#[test]
fn a_pivot() {
    let setups = UNDOS.into_iter().flat_map(|pivot| {
        [Output, InputsOnly].map(|before| {
            let nodes = vec![once("a", before), action("p", pivot, 2, 1), once("c", Output)];
            let plan = Plan::new(nodes, &[(0, 1), (1, 2)]).with_pivot(1);
            let mut setup = setup(Arc::new(plan), 1, 1);
            // a run begins at 1 000 000
            setup.config.deadline = Some(Timestamp(1_000_150));
            setup
        })
    });
    assert_eq!(ends("pivot", setups), ALL);
}

#[test]
fn a_pivot_with_default_retries() {
    let pivot = node("p", PlanKind::Action(Policy::new(Output)));
    let plan = Plan::new(vec![once("a", InputsOnly), pivot, once("c", Output)], &[(0, 1), (1, 2)]);
    let setup = setup(Arc::new(plan.with_pivot(1)), 2, 1);
    assert_eq!(ends("unsaid", [setup]), ALL);
}

#[test]
fn a_for_a_choice_and_a_subsaga() {
    let each = |concurrency| PlanKind::ForEach { body: inline_action(InputsOnly), concurrency };
    let arms =
        || vec![inline_action(Output), chain(vec![once("s", InputsOnly), once("t", Output)])];
    let sub = || plan(vec![once("s", Output), once("t", InputsOnly)], &[]);
    let kinds = [each(None), each(Some(1)), PlanKind::Choose(arms()), PlanKind::Subsaga(sub())];
    let setups = kinds.map(|kind| {
        let nodes = vec![once("a", Output), node("inner", kind), once("z", MaybeOutput)];
        setup(chain(nodes), 2, 0)
    });
    assert_eq!(ends("holders", setups), ALL);
}

/// A `try` with this body, and an `else` that may be left out.
fn attempt(body: Arc<Plan>, otherwise: Option<Arc<Plan>>) -> PlanKind {
    PlanKind::Try { body, otherwise }
}

#[test]
fn a_scope() {
    let bodies = UNDOS.into_iter().flat_map(|a| [Output, InputsOnly].map(|b| (a, b)));
    let setups = bodies.flat_map(|(a, b)| {
        [None, Some(inline_action(Output))].map(|otherwise| {
            let body = chain(vec![action("s", a, 1, 2), once("t", b)]);
            let inner = node("inner", attempt(body, otherwise));
            setup(chain(vec![once("a", InputsOnly), inner, once("z", Output)]), 2, 0)
        })
    });
    assert_eq!(ends("scope", setups), ALL);
}

#[test]
fn a_scope_beside_a_node() {
    let setups = [None, Some(1)].into_iter().flat_map(|max| {
        [Output, InputsOnly].map(|undo| {
            let body = plan(vec![action("s", undo, 1, 2), once("t", Output)], &[]);
            let inner = node("inner", attempt(body, Some(inline_action(InputsOnly))));
            let mut setup = setup(plan(vec![inner, once("b", Output)], &[]), 2, 0);
            setup.config.max_concurrency = max;
            setup
        })
    });
    assert_eq!(ends("scope beside a node", setups), ALL);
}

#[test]
fn scopes_in_scopes() {
    let inner = |otherwise: Option<Arc<Plan>>| {
        let body = chain(vec![once("s", Output), once("t", InputsOnly)]);
        node("inner", attempt(body, otherwise))
    };
    let setups = [None, Some(inline_action(Output))].into_iter().flat_map(|otherwise| {
        [None, Some(inline_action(NoUndo))].map(|outer| {
            let body = chain(vec![once("a", Output), inner(otherwise.clone()), once("b", Output)]);
            setup(plan(vec![node("outer", attempt(body, outer))], &[]), 3, 0)
        })
    });
    assert_eq!(ends("scopes in scopes", setups), ALL);
}

#[test]
fn a_scope_behind_a_pivot() {
    let setups = [Output, InputsOnly, NoUndo].into_iter().flat_map(|undo| {
        [None, Some(inline_action(NoUndo))].map(|otherwise| {
            let body = chain(vec![once("s", undo), once("t", Output)]);
            let nodes = vec![once("p", NoUndo), node("inner", attempt(body, otherwise))];
            setup(Arc::new(Plan::new(nodes, &[(0, 1)]).with_pivot(0)), 2, 1)
        })
    });
    assert_eq!(ends("scope behind a pivot", setups), ALL);
}

#[test]
fn operators_and_a_scope() {
    let setups = [Output, InputsOnly].map(|undo| {
        let body = chain(vec![once("s", undo), once("t", Output)]);
        let inner = node("inner", attempt(body, Some(inline_action(Output))));
        let mut setup = setup(plan(vec![inner], &[]), 2, 1);
        // a run begins at 1 000 000
        setup.config.deadline = Some(Timestamp(1_000_150));
        setup
    });
    assert_eq!(ends("operators and a scope", setups), ALL);
}

#[test]
fn waits() {
    let event = || for_event("A");
    let failing = || once("z", InputsOnly);
    let one = |wait| chain(vec![once("a", Output), wait, failing()]);
    let mut plans = vec![
        one(wait("w", &[event()])),
        one(wait("w", &[Sleep])),
        one(wait("w", &[event(), Sleep])),
        one(wait("w", &[for_event("B"), event(), SleepUntil])),
        // two for one event, beside something that may fail
        plan(vec![wait("v", &[event()]), wait("w", &[event(), Sleep]), failing()], &[]),
        chain(vec![node("each", each(inline(PlanKind::Wait(vec![event()])))), failing()]),
        // an event that may come too early
        chain(vec![once("a", InputsOnly), wait("v", &[event()]), wait("w", &[event()])]),
    ];
    let pivotal = |before: Vec<PlanNode>, behind: PlanNode| {
        let n = before.len() as u32;
        let mut nodes = before;
        nodes.extend([once("p", Output), behind]);
        let edges = (0..=n).map(|i| (i, i + 1)).collect::<Vec<_>>();
        Arc::new(Plan::new(nodes, &edges).with_pivot(n))
    };
    // what `select` is: a race, and a choice by what came first
    for alternatives in [vec![event(), Sleep], vec![event(), for_event("B")]] {
        let arms = vec![inline_action(Output), chain(vec![once("s", InputsOnly)])];
        let choice = node("w", PlanKind::Choose(arms));
        plans.push(chain(vec![
            once("a", Output),
            wait("w.wait", &alternatives),
            choice,
            failing(),
        ]));
    }
    plans.push(pivotal(vec![once("a", Output), wait("w", &[event(), Sleep])], failing()));
    plans.push(pivotal(vec![once("a", Output)], wait("w", &[event()])));
    let mut setups = plans.into_iter().map(|plan| setup(plan, 1, 2)).collect::<Vec<_>>();
    setups.extend(setups.clone().into_iter().map(|mut setup| {
        // a run begins at 1 000 000
        setup.config.deadline = Some(Timestamp(1_000_000));
        setup
    }));
    assert_eq!(ends("waits", setups), ALL);
}

#[test]
fn operators() {
    let setups = [Output, InputsOnly].into_iter().flat_map(|a| {
        [Output, NoUndo].map(|b| {
            let plan = chain(vec![once("a", a), once("b", b)]);
            Setup { deaths: 1, ..setup(plan, 1, 1) }
        })
    });
    assert_eq!(ends("operators", setups), ALL);
}

#[test]
fn fresh_keys() {
    let nodes = UNDOS.into_iter().flat_map(|a| {
        let cleans = matches!(a, MaybeOutput | InputsOnly);
        let node = fresh_key(action("a", a, 3, 2));
        [Some(node.clone()), cleans.then(|| undo_on_failure(node))].into_iter().flatten()
    });
    let setups =
        nodes.map(|a| Setup { copies: 1, ..setup(chain(vec![a, once("b", Output)]), 2, 0) });
    let seen = ends("fresh keys", setups);
    assert!(seen.ends_with(&ALL[1..]), "{seen:?}");
}

/// The law that is broken if receivers, or actions, neglect one of their obligations. Nothing else is wrong.
fn broken_by(obligations: Obligations, plan: Arc<Plan>) -> String {
    let setup = Setup { obligations, copies: 1, ..setup(plan, 1, 0) };
    let found = std::panic::catch_unwind(|| explore(setup, usize::MAX));
    let why = found.expect_err("a law is broken");
    why.downcast_ref::<String>().expect("a message").clone()
}

/// The search finds what is wrong: receivers without tombstones let a late call have its effect.
#[test]
fn receivers_that_forget_an_undo_are_detected() {
    let plan = chain(vec![once("a", InputsOnly), once("b", InputsOnly)]);
    let why = broken_by(Obligations { tombstones: false, ..Obligations::ALL }, plan);
    assert!(Law::RolledBackLeavesNothing.is_named_by(&why), "{why}");
}

/// A copy of a call that was refused arrives when another one has succeeded under a fresh key. A receiver that has
/// forgotten its refusal does the work a second time. Under one key it would know that it has done it.
#[test]
fn receivers_that_forget_a_refusal_are_no_receivers_for_fresh_keys() {
    let forgets = Obligations { refusals: false, ..Obligations::ALL };
    let plan = chain(vec![fresh_key(action("a", Output, 2, 1))]);
    let why = broken_by(forgets, plan);
    assert!(Law::CompletedHasEveryEffect.is_named_by(&why), "{why}");
}

/// The first attempt leaves something behind and fails, the next one succeeds under another key. Nothing is undone then.
#[test]
fn actions_with_fresh_keys_clean_up_what_their_earlier_attempts_have_left() {
    let untidy = Obligations { cleaning: false, ..Obligations::ALL };
    let plan = chain(vec![undo_on_failure(fresh_key(action("a", InputsOnly, 2, 1)))]);
    let why = broken_by(untidy, plan);
    assert!(Law::CompletedHasEveryEffect.is_named_by(&why), "{why}");
}

#[test]
fn probes() {
    let nodes = UNDOS.into_iter().flat_map(|a| {
        let cleans = matches!(a, MaybeOutput | InputsOnly);
        let node = probe(action("a", a, 2, 2));
        let fresh = fresh_key(node.clone());
        let cleans = cleans.then(|| undo_on_failure(node.clone()));
        [Some(node), Some(fresh), cleans].into_iter().flatten()
    });
    let setups = nodes.map(|a| setup(chain(vec![a, once("b", Output)]), 2, 0));
    assert_eq!(ends("probes", setups), ALL);
}

#[test]
fn pivots_that_can_be_asked() {
    let setups = [Output, NoUndo].map(|undo| {
        let pivot = probe(action("p", undo, 2, 2));
        let plan = Plan::new(vec![once("a", Output), pivot], &[(0, 1)]).with_pivot(1);
        setup(plan.into(), 2, 1)
    });
    let seen = ends("pivots that can be asked", setups);
    assert!(seen.starts_with(&ALL[..2]), "{seen:?}");
}

/// Whoever merely does not find a payment has not said that there will be none: the call may still be on its way. Here the
/// card is charged twice, under two keys.
#[test]
fn probes_that_say_not_done_too_early_are_detected() {
    let early = Obligations { closing: false, ..Obligations::ALL };
    let why = broken_by(early, chain(vec![probe(action("a", Output, 1, 1))]));
    assert!(Law::CompletedHasEveryEffect.is_named_by(&why), "{why}");
}

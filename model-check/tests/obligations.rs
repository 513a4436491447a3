//! What the services that a saga calls must honour: exactly these obligations are needed, for each undo contract. The table
//! and the counterexamples are in docs/counterexamples.md, which is compared here; `MODEL_CHECK_UPDATE=1` rewrites it.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use model_check::Broken;
use model_check::bounds::faults;
use model_check::check::{Found, check};
use model_check::setup::Mistake::{
    EpochNotRaised, LeaseFromAnswer, LeaseGapsIgnored, LostReplyMeansNotWritten, NoFence,
    NoLeaseCheck, TakenFromTheLiving,
};
use model_check::setup::Obligation::{
    self, IdempotentUndo, KeyOutlivesUndo, OneCallAtATime, OneEffectPerKey, RefusalsAreKept,
    UndoBlocksKey, UndoOfNothingSucceeds,
};
use model_check::setup::Protocol::{self, Embedded, Leases};
use model_check::setup::{Budget, Mistake, Setup};
use saga_core::action::UndoContract::{self, InputsOnly, MaybeOutput, None as NoUndo, Output};

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    With(UndoContract),
    Pivot,
}

use Action::{Pivot, With};

const ACTIONS: [Action; 5] =
    [With(Output), With(MaybeOutput), With(InputsOnly), With(NoUndo), Pivot];

impl Action {
    fn setup(self, protocol: Protocol) -> Setup {
        let faults = match protocol {
            Embedded => Budget { crashes: 1, timeouts: 2, refusals: 1, cancels: 1, ..Budget::NONE },
            Leases => Budget { timeouts: 1, refusals: 1, cancels: 1, ticks: 2, ..Budget::NONE },
        };
        match (self, protocol) {
            (With(undo), Embedded) => Setup::chain(protocol, &[undo, undo], faults),
            (With(undo), Leases) => Setup::chain(protocol, &[undo], faults),
            (Pivot, _) => Setup::pivot(protocol, NoUndo, faults).only_at(1),
        }
    }
}

/// Which actions need which obligation of the services that they call.
const NEEDED: [(Obligation, &[Action]); 7] = [
    (OneEffectPerKey, &ACTIONS),
    (OneCallAtATime, &ACTIONS),
    (IdempotentUndo, &[With(Output), With(MaybeOutput), With(InputsOnly)]),
    (KeyOutlivesUndo, &[With(Output), With(MaybeOutput), With(InputsOnly)]),
    (UndoBlocksKey, &[With(MaybeOutput), With(InputsOnly)]),
    (UndoOfNothingSucceeds, &[With(MaybeOutput), With(InputsOnly)]),
    (RefusalsAreKept, &[]),
];

/// Checks a column of the table. Where an obligation is needed, some rule is broken without it.
fn column(action: Action, protocol: Protocol) {
    let setup = action.setup(protocol);
    let setup = Setup { budget: faults(setup.budget), ..setup };
    println!("{protocol:?}, {action:?}, {:?}: {}", setup.budget, complete(check(&setup)));
    for (obligation, needed_by) in NEEDED {
        let found = check(&setup.clone().without(obligation));
        println!("{protocol:?}, {action:?}, without {obligation:?}: {found}");
        if needed_by.contains(&action) {
            assert!(found.rule().is_some(), "{action:?} does not need {obligation:?}");
        } else {
            complete(found);
        }
    }
    // tokens make calls that come after their undo harmless
    let budget = Budget { timeouts: faults(ONE_TIMEOUT).timeouts, ..setup.budget };
    let setup = Setup { budget, ..setup.with_tokens() };
    let setup = setup.without(KeyOutlivesUndo).without(UndoBlocksKey);
    println!("{protocol:?}, {action:?}, with tokens: {}", complete(check(&setup)));
}

const ONE_TIMEOUT: Budget = Budget { timeouts: 1, ..Budget::NONE };

fn complete(found: Found) -> Found {
    assert_eq!(found.rule(), None, "{found}");
    assert!(!found.cut, "raise MODEL_CHECK_STATES");
    found
}

#[test]
fn with_one_process_at_a_time_exactly_these_obligations_are_needed() {
    ACTIONS.into_iter().for_each(|action| column(action, Embedded));
}

#[test]
fn with_leases_exactly_these_obligations_are_needed() {
    ACTIONS.into_iter().for_each(|action| column(action, Leases));
}

/// A call that was refused leaves no doubt, and so nothing to undo. If something on the way repeats requests by itself, the copy
/// must be refused as well.
#[test]
fn refusals_must_be_kept_if_something_on_the_way_repeats_requests() {
    for protocol in [Embedded, Leases] {
        for undo in [Output, MaybeOutput, InputsOnly] {
            let budget = faults(Budget { duplicates: 1, timeouts: 1, refusals: 1, ..Budget::NONE });
            let setup = Setup::chain(protocol, &[undo, undo], budget);
            println!("{protocol:?}, {undo:?}, {budget:?}: {}", complete(check(&setup)));
            assert_eq!(check(&setup.without(RefusalsAreKept)).rule(), Some(Broken::NotRolledBack));
        }
    }
}

/// The smallest saga that shows an obligation, with the fewest faults.
fn smallest(obligation: Obligation) -> Setup {
    let chain = |undo, budget| Setup::chain(Embedded, &[undo], budget);
    let late = Budget { timeouts: 1, ..Budget::NONE };
    let cancelled = Budget { cancels: 1, ..late };
    match obligation {
        OneEffectPerKey | OneCallAtATime => chain(NoUndo, late),
        KeyOutlivesUndo => chain(Output, cancelled),
        RefusalsAreKept => chain(InputsOnly, Budget { duplicates: 1, refusals: 1, ..Budget::NONE }),
        UndoBlocksKey | UndoOfNothingSucceeds | IdempotentUndo | Obligation::Token => {
            chain(InputsOnly, cancelled)
        }
    }
    .without(obligation)
}

#[test]
fn the_guide_shows_the_shortest_counterexamples() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/counterexamples.md");
    let guide = guide();
    if env::var_os("MODEL_CHECK_UPDATE").is_some() {
        fs::write(&path, &guide).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == guide, "run this test with MODEL_CHECK_UPDATE=1, and read what changes");
}

fn guide() -> String {
    let mut text = include_str!("guide/head.md").to_string();
    table(&mut text);
    text += include_str!("guide/obligations.md");
    for (obligation, _) in NEEDED {
        let found = check(&smallest(obligation));
        let (broken, _) = found.broken.as_ref().expect("a counterexample");
        write!(text, "\n### Without: {obligation}\n\n").unwrap();
        write!(text, "{broken}\n\n```text\n{}```\n", found.way()).unwrap();
    }
    text += include_str!("guide/protocol.md");
    let time = Budget { ticks: 3, ..Budget::NONE };
    let lost = Budget { lost_replies: 1, ..Budget::NONE };
    let rules: [(Mistake, Budget, &str); 7] = [
        (NoFence, time, "appends are not compared with owner, epoch and sequence number"),
        (EpochNotRaised, lost, "a worker that takes a saga again keeps its epoch"),
        (LostReplyMeansNotWritten, lost, "an append whose reply was lost counts as not written"),
        (NoLeaseCheck, time, "a call begins without a look at the lease"),
        (LeaseGapsIgnored, time, "a call begins if the lease is held, whether or not it had a gap"),
        (LeaseFromAnswer, time, "a lease counts from the answer to its renewal"),
        (TakenFromTheLiving, time, "a saga is claimed from a worker that is alive"),
    ];
    for (mistake, budget, words) in rules {
        let found =
            check(&Setup::chain(Leases, &[InputsOnly, InputsOnly], budget).with_mistake(mistake));
        let (broken, _) = found.broken.as_ref().expect("a counterexample");
        write!(text, "\n### If {words}\n\n{broken}\n\n```text\n{}```\n", found.way()).unwrap();
    }
    text
}

fn table(text: &mut String) {
    *text += "| the service that the action calls | `undo = f(output, ..)` | `undo = f(output?, ..)` | `undo = f(..)` | `no_undo` | pivot |\n";
    *text += "|---|---|---|---|---|---|\n";
    for (obligation, needed_by) in NEEDED {
        let cell = |action| if needed_by.contains(&action) { "needed" } else { "–" };
        let cells = ACTIONS.map(cell).join(" | ");
        writeln!(text, "| {obligation} | {cells} |").unwrap();
    }
}

//! The simulation can fail: it finds every mistake that is planted in the machine, by the law that the mistake
//! breaks.
//!
//! `PLANTED_SEED` sets the seed of the random runs, which is printed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once, OnceLock};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use saga_core::planted::{Mistake, plant};

use crate::simulation::law::Law;
use crate::simulation::laws;
use crate::simulation::run::{Setup, run};
use crate::simulation::setups::{any_migrated_setup, any_setup};

/// Which law finds a mistake.
const FOUND_BY: [(Mistake, Law); 92] = [
    (Mistake::UndoBeforeSuccessors, Law::UndoOrder),
    (Mistake::DirectSuccessorsOnly, Law::UndoOrder),
    (Mistake::NoUndoEndsTheSearch, Law::UndoOrder),
    (Mistake::UndosInStartOrder, Law::ReverseOrder),
    (Mistake::UndosPassARetry, Law::ReverseOrder),
    (Mistake::NestedLeftOut, Law::RolledBackLeavesNothing),
    (Mistake::UndoOnFailureIgnored, Law::RolledBackLeavesNothing),
    (Mistake::RerunLeftOut, Law::RolledBackLeavesNothing),
    (Mistake::DoubtNotUndone, Law::RolledBackLeavesNothing),
    (Mistake::RollbackSkipsLeaves, Law::RolledBackLeavesNothing),
    (Mistake::DoubtClearedByFailure, Law::RolledBackLeavesNothing),
    (Mistake::DoubtClearedByStart, Law::RolledBackLeavesNothing),
    (Mistake::TransactionInDoubt, Law::TransactionsLeaveNoDoubt),
    (Mistake::TransactionInFlightGivenUp, Law::OwnEntriesAreLegal),
    (Mistake::SkippedUndone, Law::OwnEntriesAreLegal),
    (Mistake::FreshKeyInDoubt, Law::RolledBackLeavesNothing),
    (Mistake::FreshKeyIgnored, Law::FreshKeys),
    (Mistake::FirstKeyUndone, Law::RolledBackLeavesNothing),
    (Mistake::ProbeLeftOut, Law::AskedFirst),
    (Mistake::GivenUpUnasked, Law::AskedFirst),
    (Mistake::UnknownIsNotDone, Law::RolledBackLeavesNothing),
    (Mistake::NotDoneKeepsDoubt, Law::EndsAtLast),
    (Mistake::ClosedKeyUsedAgain, Law::FreshKeys),
    (Mistake::PredecessorNotAwaited, Law::AncestorsFirst),
    (Mistake::CompletedByFirstPart, Law::AncestorsFirst),
    (Mistake::DeclarationOrderIgnored, Law::DeclarationOrder),
    (Mistake::OneCallTooMany, Law::MaxConcurrency),
    (Mistake::OneInstanceTooMany, Law::ForLimit),
    (Mistake::ChosenAgain, Law::ChosenOnce),
    (Mistake::ChoiceNotWritten, Law::LogIsLegal),
    (Mistake::OutputCleared, Law::OutputIsKept),
    (Mistake::StartedTwice, Law::OneCallPerNode),
    (Mistake::CalledBeforeDurable, Law::DurableBeforeCalled),
    (Mistake::RetryWithoutStarted, Law::DurableBeforeCalled),
    (Mistake::TwoAppends, Law::OneAppendAtATime),
    (Mistake::GoesOnAfterFailedAppend, Law::StopsAfterFailedAppend),
    (Mistake::OldEpochWritten, Law::EntriesHaveTheirEpoch),
    (Mistake::EventLostDuringAppend, Law::EndsAtLast),
    (Mistake::AttemptsForgotten, Law::LiveStateIsTheLogs),
    (Mistake::TriesForgotten, Law::TriesCount),
    (Mistake::CutOffUsesATry, Law::TriesCount),
    (Mistake::OneTryTooMany, Law::TriesCount),
    (Mistake::OneTryTooFew, Law::TriesCount),
    (Mistake::OneUndoTryTooFew, Law::TriesCount),
    (Mistake::PermanentRetried, Law::TriesCount),
    (Mistake::RetryWaitForgotten, Law::RetriesWait),
    (Mistake::UndoRetryWaitIgnored, Law::RetriesWait),
    (Mistake::WakeUpForgotten, Law::EndsAtLast),
    (Mistake::DeadlineIgnored, Law::DeadlineHolds),
    (Mistake::AbandonAfterIgnored, Law::AbandonAfter),
    (Mistake::AbandonedAtOnce, Law::AbandonAfter),
    (Mistake::CancelNotTold, Law::CancelIsTold),
    (Mistake::DeadlineOverPivot, Law::PivotHolds),
    (Mistake::CancelOverPivot, Law::PivotHolds),
    (Mistake::UnwindsBehindPivot, Law::PivotHolds),
    (Mistake::PivotInDoubtGivenUp, Law::PivotHolds),
    (Mistake::HeldCancelForgotten, Law::EveryRequestIsAnswered),
    (Mistake::FailureInScopeFailsTheSaga, Law::SmallFailuresStaySmall),
    (Mistake::OutermostScopeUnwinds, Law::SmallFailuresStaySmall),
    (Mistake::ElseIsInItsScope, Law::OwnEntriesAreLegal),
    (Mistake::ElseBeforeItsScopeIsUndone, Law::UndoneScopeLeavesNothing),
    (Mistake::ScopeNotTold, Law::CancelIsTold),
    (Mistake::ScopeCallsNotDropped, Law::AbandonAfter),
    (Mistake::FailedUndoInScopeIgnored, Law::EndsAtLast),
    (Mistake::ResolveDuringCall, Law::GrantedWithoutCalls),
    (Mistake::RetryUndoDuringCall, Law::GrantedWithoutCalls),
    (Mistake::DecideDuringCall, Law::GrantedWithoutCalls),
    (Mistake::RetryUndoKeepsTries, Law::TriesCount),
    (Mistake::StartsWhilePaused, Law::StandsStill),
    (Mistake::StartsWhileParked, Law::StandsStill),
    (Mistake::StepStartsTwo, Law::StandsStill),
    (Mistake::UnparkKeepsTries, Law::TriesCount),
    (Mistake::AnswerLost, Law::EveryRequestIsAnswered),
    (Mistake::AnsweredTwice, Law::AnsweredOnce),
    (Mistake::AnsweredBeforeDurable, Law::AnsweredWhenDurable),
    (Mistake::GrantedAgain, Law::AnsweredOnce),
    (Mistake::DrainStartsCalls, Law::DrainStartsNothing),
    (Mistake::PermitLeaked, Law::PermitsBalance),
    (Mistake::StartsWithoutPermit, Law::PermitsBalance),
    (Mistake::EarlyEventDropped, Law::EventsAreTakenInOrder),
    (Mistake::EventGivenTwice, Law::EventsAreTakenOnce),
    (Mistake::LastEventFirst, Law::EventsAreTakenInOrder),
    (Mistake::LastWaitFirst, Law::EventsAreTakenInOrder),
    (Mistake::EventIdForgotten, Law::EventsCountOnce),
    (Mistake::SignalWithoutWait, Law::EventsAreAwaited),
    (Mistake::TimerFiresEarly, Law::TimersWait),
    (Mistake::TimerFiresWhilePaused, Law::TimersWait),
    (Mistake::TimerLostInCrash, Law::EndsAtLast),
    (Mistake::WaitOutlivesUnwinding, Law::WaitsEndOnce),
    (Mistake::EndedBeforeLastOutcome, Law::EndIsTrue),
    (Mistake::ResidueNotListed, Law::ResidueIsListed),
    (Mistake::DoubtNotReported, Law::ResidueIsListed),
];

/// Those in migrations, which only sagas show that are migrated.
const FOUND_BY_MIGRATIONS: [(Mistake, Law); 10] = [
    (Mistake::RenamedKeyNotKept, Law::KeysStayWithTheirNodes),
    (Mistake::GenerationLostByMigration, Law::MigrationTellsTheLog),
    (Mistake::OldKeyReused, Law::KeysStayWithTheirNodes),
    (Mistake::MigratedInDoubt, Law::MigratedAtRest),
    (Mistake::ChangedPartsAccepted, Law::MigratedIfItFits),
    (Mistake::BegunNodeDropped, Law::MigratedIfItFits),
    (Mistake::NewAncestorIgnored, Law::MigratedIfItFits),
    (Mistake::KeptEffectNotListed, Law::KeptEffectsAreListed),
    (Mistake::SettlingStartsNodes, Law::SettlingFindsOut),
    (Mistake::GrantedAgainAfterMigration, Law::AnsweredOnce),
];

/// How many random runs a mistake may need until it is found.
const RUNS: usize = 12_000;

fn random() -> TestRunner {
    let seed = std::env::var("PLANTED_SEED").ok();
    let seed = seed.map_or(1, |seed| seed.parse().expect("a number"));
    println!("PLANTED_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&u64::to_le_bytes(seed));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), rng)
}

/// The random runs with migrations, made once.
fn migrated_runs() -> &'static [Setup] {
    static RUNS_MADE: OnceLock<Vec<Setup>> = OnceLock::new();
    RUNS_MADE.get_or_init(|| {
        let (mut runner, any) = (random(), any_migrated_setup(2, 8));
        (0..RUNS).map(|_| any.new_tree(&mut runner).expect("a setup").current()).collect()
    })
}

/// The random runs, made once.
fn runs() -> &'static [Setup] {
    static RUNS_MADE: OnceLock<Vec<Setup>> = OnceLock::new();
    RUNS_MADE.get_or_init(|| {
        let mut runner = random();
        // every other saga is small, much goes wrong with it, and operators ask for a lot
        let (any, small) = (any_setup(2, 8), any_setup(1, 3));
        let mut setup = |i: usize| match i % 2 {
            0 => any.new_tree(&mut runner).expect("a setup").current(),
            _ => {
                let small = small.new_tree(&mut runner).expect("a setup").current();
                Setup { trouble: 140, asks: 12, ..small }
            }
        };
        (0..RUNS).map(&mut setup).collect()
    })
}

/// The first of a run's broken laws, or whatever it panics with.
fn broken_law(setup: &Setup) -> Result<(), String> {
    let config = setup.config;
    let ran = catch_unwind(AssertUnwindSafe(|| laws::check(&config, &mut run(setup.clone()))));
    ran.map_err(|panic| match panic.downcast::<String>() {
        Ok(why) => *why,
        Err(other) => other.downcast_ref::<&str>().unwrap_or(&"a panic").to_string(),
    })
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Panics of this thread are expected, and not printed, as long as this runs.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                print(panic);
            }
        }));
    });
    QUIET.set(true);
    let done = run();
    QUIET.set(false);
    done
}

/// Runs with this mistake until the law that it breaks is broken. If none is, the error says what else was found.
fn find(mistake: Mistake, law: Law, runs: &[Setup]) -> Result<usize, String> {
    let _planted = plant(mistake);
    let mut others = Vec::new();
    for (i, setup) in runs.iter().enumerate() {
        match broken_law(setup) {
            Err(why) if law.is_named_by(&why) => return Ok(i + 1),
            Err(why) => others.push(why.chars().take(200).collect::<String>()),
            Ok(()) => {}
        }
    }
    let others = match others.first() {
        Some(first) => format!("{} runs broke others, the first one: {first}", others.len()),
        None => "no law is broken".to_string(),
    };
    Err(format!("{mistake:?} is not found by {law:?} in {RUNS} runs; {others}"))
}

/// All of them, each on a thread of its own as far as there are cores.
fn find_all(found_by: &[(Mistake, Law)], mistakes: &[Mistake], runs: &[Setup]) {
    let listed = found_by.iter().map(|(mistake, _)| *mistake).collect::<Vec<_>>();
    assert_eq!(listed, mistakes);
    let open = Mutex::new(found_by.iter());
    let missed = Mutex::new(Vec::new());
    let next = || open.lock().unwrap().next();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((mistake, law)) = next() {
                    match quietly(|| find(*mistake, *law, runs)) {
                        Ok(run) => println!("{mistake:?}: {law:?}, run {run}"),
                        Err(why) => missed.lock().unwrap().push(why),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "{} are missed:\n{}", missed.len(), missed.join("\n"));
}

#[test]
fn every_mistake_in_the_machine_is_found_by_its_law() {
    find_all(&FOUND_BY, Mistake::IN_MACHINE, runs());
}

#[test]
fn every_mistake_in_migrations_is_found_by_its_law() {
    find_all(&FOUND_BY_MIGRATIONS, Mistake::IN_MIGRATIONS, migrated_runs());
}

/// The control: what is found is the mistake.
#[test]
fn without_a_mistake_the_same_runs_break_no_law() {
    for setup in runs().iter().chain(migrated_runs()) {
        assert_eq!(broken_law(setup), Ok(()));
    }
}

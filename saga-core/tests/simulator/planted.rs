//! The simulator can fail: it finds every mistake that is planted in what runs sagas, by the law that the mistake breaks.

use std::sync::Mutex;
use std::thread;

use saga_core::planted::{Mistake, plant};

use crate::search::find_violation;

/// Which law finds a mistake, and in which words.
const FOUND_BY: [(Mistake, &str, &str); 19] = [
    (Mistake::TransactionOfEndedCall, "I2", "the log cannot be read"),
    (Mistake::AcknowledgedBeforeDurable, "I8", "was acknowledged, and it is not in the store"),
    (Mistake::UndoUnderActionKey, "I7", "one key, two calls"),
    (Mistake::KeyOfEachAttempt, "I7", "two keys, one call"),
    (Mistake::TokenDoesNotGrow, "I4", "does not authorize it"),
    // an effect that nobody knows of is still there when what came before it is undone
    (Mistake::TimeoutIsNoDoubt, "I5", "is still there"),
    (Mistake::PanicIsNoDoubt, "I5", "is still there"),
    (Mistake::TimeoutIgnored, "timeout", "it is not over"),
    (Mistake::CallAfterLease, "lease", "it had ended"),
    (Mistake::ItemOfAnotherInstance, "I4", "and the log says"),
    (Mistake::AnsweredDuringAppend, "told", "it is not in the log"),
    (Mistake::MessageDoesNotWake, "I8", "nobody answers"),
    (Mistake::PermitDoesNotWake, "I8", "after faults have stopped"),
    (Mistake::OnePermitTooMany, "limits", "max_calls"),
    (Mistake::WholeLimitTaken, "limits", "max_calls_of_everywhere"),
    (Mistake::NotReloaded, "I8", "after faults have stopped"),
    (Mistake::NotTakenOver, "I8", "after faults have stopped"),
    (Mistake::LaterRequestFirst, "order", "and the log has"),
    // one of those in the rules of stores, which the conformance suite finds too: `saga-core/tests/stores/planted.rs`
    (Mistake::EpochNotRaised, "I1", "writes in epoch"),
];

/// How many seeds a mistake may need until it is found.
const SEEDS: u64 = 12_000;

/// The first seed that shows the mistake. It shows nothing without it.
fn find(mistake: Mistake, law: &str, words: &str) -> Result<u64, String> {
    let mut others = Vec::new();
    for seed in 1..=SEEDS {
        let found = {
            let _planted = plant(mistake);
            find_violation([seed])
        };
        match found {
            Some(found) if found.law == law && found.what.contains(words) => {
                return match find_violation([seed]) {
                    Some(same) if same.law == law => {
                        Err(format!("{mistake:?}: seed {seed} breaks {law} without it too"))
                    }
                    Some(_) | None => Ok(seed),
                };
            }
            Some(found) => others.push(format!("seed {seed} breaks {}: {}", found.law, found.what)),
            None => {}
        }
    }
    let first = others.first().map_or("no law is broken", String::as_str);
    Err(format!("{mistake:?} is not found by {law} in {SEEDS} seeds; {first}"))
}

#[test]
fn every_mistake_in_what_runs_sagas_is_found_by_its_law() {
    for mistake in Mistake::IN_RUNNERS {
        assert!(FOUND_BY.iter().any(|(listed, ..)| listed == mistake), "{mistake:?} has no law");
    }
    let open = Mutex::new(FOUND_BY.into_iter());
    let next = || open.lock().unwrap().next();
    let missed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((mistake, law, words)) = next() {
                    match find(mistake, law, words) {
                        Ok(seed) => println!("{mistake:?}: {law}, seed {seed}"),
                        Err(why) => missed.lock().unwrap().push(why),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "{} are missed:\n{}", missed.len(), missed.join("\n"));
}

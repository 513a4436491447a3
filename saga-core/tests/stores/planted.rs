//! The conformance suite finds the mistakes that are planted in the library's own rules about records and appends, which
//! every store that keeps records in memory uses. (`faulty_stores` has the mistakes that a store can make on its own.)

use saga_core::planted::{Mistake, plant};
use saga_core::store::{MemoryStore, StoreError};
use saga_core::testing::{ConformanceError, store_conformance};

/// The check that finds a mistake.
const CHECKS: [(Mistake, &str); 5] = [
    (Mistake::FenceIgnored, "append_with_a_stale_owner_epoch_or_seq_is_fenced"),
    (Mistake::EpochNotRaised, "load_claimed_returns_what_load_returns_in_order"),
    (Mistake::ParkedClaimed, "claim_skips_ended_parked_and_unknown_sagas"),
    (Mistake::ReleaseKeepsAttempts, "a_released_saga_counts_no_crash_and_can_be_claimed"),
    (Mistake::DefinitionKept, "append_changes_the_definition_with_its_entries"),
];

/// The suite runs on the thread on which the mistake is planted.
fn conforms() -> Result<(), ConformanceError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(store_conformance(async || Ok::<_, StoreError>(MemoryStore::new())))
}

#[test]
fn every_mistake_in_the_rules_of_stores_is_found_by_its_check() {
    assert_eq!(CHECKS.map(|(mistake, _)| mistake).as_slice(), Mistake::IN_STORES);
    for (mistake, check) in CHECKS {
        let _planted = plant(mistake);
        let found = conforms().expect_err(&format!("{mistake:?} is not found")).to_string();
        assert!(found.starts_with(&format!("{check}:")), "{mistake:?} is found by {found}");
    }
}

/// The control: what is found is the mistake.
#[test]
fn without_a_mistake_the_same_store_conforms() {
    conforms().unwrap();
}

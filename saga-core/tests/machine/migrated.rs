//! Migrations between random versions: the laws hold across them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use saga_core::Retry;
use saga_core::action::UndoContract;
use saga_core::dag::PlanKind;

use crate::simulation::laws;
use crate::simulation::plans::{action, plan, tried};
use crate::simulation::run::{Setup, run};
use crate::simulation::setups::any_migrated_setup;

/// So many cases, unless `PROPTEST_CASES` says how many.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(6000))]

    #[test]
    fn every_run_with_migrations_obeys_the_laws(setup in any_migrated_setup(2, 8)) {
        let config = setup.config;
        laws::check(&config, &mut run(setup));
    }
}

proptest! {
    #![proptest_config(cases(300))]

    /// The process dies at each length of the log in turn, and the next one comes with another version.
    #[test]
    fn a_migration_at_any_entry_obeys_the_laws(setup in any_migrated_setup(1, 5)) {
        // a log that is there from the beginning would be migrated at once
        let setup = Setup { skipped: 0, ..setup };
        let whole = run(Setup { deaths: 0, migrations: 0, ..setup.clone() });
        for at in 0..=whole.log.len() as u64 {
            let die = Setup { deaths: 0, die_at: Some(at), ..setup.clone() };
            laws::check(&setup.config, &mut run(die));
        }
    }
}

proptest! {
    #![proptest_config(cases(300))]

    /// A node that is tried for ever succeeds only after another branch of its saga has, and the process dies at each length of
    /// the log. The saga does not wait for ever to be migrated.
    #[test]
    fn a_call_that_needs_another_node_does_not_hang_a_migration(
        tape in prop::collection::vec(any::<u8>(), 0..60),
        versions in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut needy = tried("a", UndoContract::Output, 1, 1);
        if let PlanKind::Action(policy) = &mut needy.kind {
            policy.retry = Retry::forever();
        }
        let [b, c] = ["b", "c"].map(|name| tried(name, UndoContract::Output, 3, 1));
        let plan = plan(vec![needy, b, c, action("d", UndoContract::None)], &[(1, 2), (0, 3)]);
        let needs = Some(("a", "c"));
        let setup = Setup { trouble: 60, troubles: 3, tape, versions, needs, ..Setup::fair(plan) };
        let whole = run(setup.clone());
        for at in 0..=whole.log.len() as u64 {
            let die = Setup { die_at: Some(at), migrations: 1, ..setup.clone() };
            laws::check(&setup.config, &mut run(die));
        }
    }
}

/// The runs reach each reason not to migrate, and sagas that are migrated, also several times.
#[test]
fn the_random_runs_reach_every_way_in_which_a_migration_can_go() {
    let mut runner = TestRunner::deterministic();
    let (mut tried, mut times) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..8000 {
        let ran = run(any_migrated_setup(2, 8).new_tree(&mut runner).unwrap().current());
        let migrated = ran.versions.tried.iter().filter(|what| **what == "migrated").count();
        *times.entry((migrated.min(3), ran.status)).or_insert(0) += 1;
        for what in ran.versions.tried {
            *tried.entry(what).or_insert(0) += 1;
        }
    }
    println!("{tried:?} {times:?}");
    assert!(tried.len() >= 11 && tried.values().all(|n| *n >= 3), "{tried:?}");
    assert!(times.len() == 12 && times.values().all(|n| *n >= 10), "{times:?}");
}

//! A strategy for random runs: which saga, under which settings, and how much may go wrong.

use std::time::Duration;

use proptest::prelude::*;
use saga_core::log::Timestamp;
use saga_core::machine::Config;

use super::plans::{any_pivotal_plan, any_plan};
use super::run::Setup;
use super::world::Obligations;

fn any_config() -> impl Strategy<Value = Config> {
    let max = prop_oneof![Just(None), Just(Some(1)), Just(Some(2))];
    let abandon = prop_oneof![Just(0), 0..2000u64];
    // a run begins at 1 000 000
    let deadline = prop_oneof![3 => Just(None), 1 => (0..3000u64).prop_map(Some)];
    let kept = prop_oneof![3 => Just(1000usize), 1 => 0..3usize];
    (max, abandon, deadline, prop::bool::weighted(0.3), kept).prop_map(
        |(max_concurrency, abandon, deadline, permits, max_kept_events)| Config {
            max_concurrency,
            abandon_after: Duration::from_millis(abandon),
            deadline: deadline.map(|millis| Timestamp(1_000_000 + millis)),
            starts_at: None,
            permits,
            max_kept_events,
        },
    )
}

/// Plans of up to `nodes` nodes, `depth` levels of nodes that hold others, and all that can happen to their sagas.
pub(crate) fn any_setup(depth: u32, nodes: usize) -> impl Strategy<Value = Setup> {
    let plan = prop_oneof![any_plan(depth, nodes), any_pivotal_plan(depth, nodes)];
    let trouble = prop_oneof![Just(0u8), Just(16), Just(60), Just(140)];
    let asks = prop_oneof![1 => Just(0), 2 => 1..12u32];
    let tape = prop::collection::vec(any::<u8>(), 0..600);
    let skipped = prop_oneof![9 => Just(0), 1 => 1..3usize];
    let copies = prop_oneof![2 => Just(0), 1 => 1..4u32];
    (plan, any_config(), trouble, 0..4u32, asks, skipped, copies, tape).prop_map(
        |(plan, config, trouble, deaths, asks, skipped, copies, tape)| Setup {
            plan,
            config,
            trouble,
            troubles: u32::MAX,
            deaths,
            asks,
            obligations: Obligations::ALL,
            copies,
            skipped,
            die_at: None,
            tape,
            migrations: 0,
            versions: Vec::new(),
            needs: None,
        },
    )
}

/// The same for sagas that are migrated to other versions on their way.
pub(crate) fn any_migrated_setup(depth: u32, nodes: usize) -> impl Strategy<Value = Setup> {
    let versions = prop::collection::vec(any::<u8>(), 0..200);
    (any_setup(depth, nodes), 1..5u32, 1..4u32, versions).prop_map(
        |(setup, migrations, deaths, versions)| Setup { migrations, deaths, versions, ..setup },
    )
}

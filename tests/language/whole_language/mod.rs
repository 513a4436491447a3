//! One saga that nests every construct of the language in every other, compared with the plain Rust that
//! it means. Whichever node fails and wherever the process dies, it ends as it should.

mod plain_rust;
mod saga;

use self::saga::{Backup, Everything, Mode, Plan, Zone};
use crate::common::lab::{Any, Lab, World, crashed, stored};
use saga_core::prelude::*;
use saga_core::store::MemoryStore;

fn zone(name: &str, racks: &[u32], backup: Option<(&[&str], u32)>) -> Zone {
    let backup = backup
        .map(|(to, hours)| Backup { to: to.iter().map(|to| to.to_string()).collect(), hours });
    Zone { name: name.to_string(), racks: racks.to_vec(), backup }
}

/// Sagas that take each of the arms.
fn sagas() -> Vec<Everything> {
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let named = |last| {
        let list = [("x", 5), ("y", 4), ("z", last)];
        Mode::Named("n".to_string(), list.map(|(name, k)| (name.to_string(), k)).to_vec())
    };
    let zones = vec![
        zone("a", &[0, 1, 12, 5], Some((&["p", "q", "r", "s"], 2))),
        zone("b", &[2], Some((&["p", "q"], 1))),
        zone("c", &[], Some((&[], 1))),
        zone("d", &[7, 4], None),
    ];
    let plan = |mode, limit| Plan { zones: zones.clone(), limit, mode };
    vec![
        Everything { plan: plan(Mode::Dry, None), names: names(&["a.b", "c"]), r#loop: 1 },
        Everything {
            plan: plan(Mode::Fast { of: 4 }, Some(3)),
            names: names(&["a", "b", "c"]),
            r#loop: 2,
        },
        Everything { plan: plan(named(3), Some(2)), names: Vec::new(), r#loop: 3 },
        Everything { plan: plan(named(9), None), names: names(&["a"]), r#loop: 0 },
        Everything {
            plan: Plan { zones: Vec::new(), limit: None, mode: Mode::Dry },
            names: Vec::new(),
            r#loop: 0,
        },
    ]
}

async fn run(
    world: &World,
    store: &MemoryStore,
    saga: &Everything,
) -> Result<Result<String, SagaError>, Any> {
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    let sec = builder.saga::<Everything>().build().await?;
    Ok(sec.saga(saga.clone()).id("x").start().await?.await)
}

#[tokio::test]
async fn it_gives_what_plain_rust_gives() -> Result<(), Any> {
    for saga in sagas() {
        let output = run(&Lab::failing(None), &MemoryStore::new(), &saga).await??;
        assert_eq!(output, plain_rust::evaluate(&saga), "{saga:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_failure_at_each_node_leaves_nothing() -> Result<(), Any> {
    for saga in sagas() {
        let world = Lab::failing(None);
        run(&world, &MemoryStore::new(), &saga).await??;
        for node in world.effects() {
            let world = Lab::failing(Some(&node));
            let error = run(&world, &MemoryStore::new(), &saga).await?.unwrap_err();
            assert!(matches!(error, SagaError::RolledBack(_)), "{node}: {error}");
            assert_eq!(error.failed_node().map(ToString::to_string).as_ref(), Some(&node));
            assert!(world.effects().is_empty(), "{node}: {:?}", world.effects());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_crash_after_each_entry_changes_nothing() -> Result<(), Any> {
    for saga in sagas() {
        let (world, store) = (Lab::failing(None), MemoryStore::new());
        run(&world, &store, &saga).await??;
        let whole = stored(&store, "x").await?;
        for len in 1..whole.entries.len() {
            let (after, store) = crashed(&world, None, &whole, len).await?;
            let builder = Coordinator::builder(after.clone()).store(store.clone());
            let sec = builder.saga::<Everything>().build().await?;
            let output = sec.get::<Everything>("x").await?.ok_or("not there")?.await?;
            assert_eq!(output, plain_rust::evaluate(&saga), "after entry {len}");
            assert_eq!(after.effects(), world.effects(), "after entry {len}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_crash_after_each_entry_of_a_failed_run_leaves_nothing() -> Result<(), Any> {
    for saga in sagas().into_iter().take(2) {
        // its undo needs no output, so that what is in doubt can be undone
        let fails = Some("nested/two/output#0");
        let (world, store) = (Lab::failing(fails), MemoryStore::new());
        run(&world, &store, &saga).await?.unwrap_err();
        let whole = stored(&store, "x").await?;
        for len in 1..whole.entries.len() {
            let (after, store) = crashed(&world, fails, &whole, len).await?;
            let builder = Coordinator::builder(after.clone()).store(store.clone());
            let sec = builder.saga::<Everything>().build().await?;
            let error = sec.get::<Everything>("x").await?.ok_or("not there")?.await.unwrap_err();
            assert!(matches!(error, SagaError::RolledBack(_)), "after entry {len}: {error}");
            assert!(after.effects().is_empty(), "after entry {len}: {:?}", after.effects());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_completed_one_is_rolled_back_by_another_process() -> Result<(), Any> {
    for saga in sagas() {
        let (world, store) = (Lab::failing(None), MemoryStore::new());
        run(&world, &store, &saga).await??;
        assert!(!world.effects().is_empty());
        let builder = Coordinator::builder(world.clone()).store(store.clone()).max_concurrency(1);
        let sec = builder.saga::<Everything>().build().await?;
        sec.operator("test").rollback("x", "no longer wanted").await?;
        let error = sec.get::<Everything>("x").await?.ok_or("not there")?.await.unwrap_err();
        assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
        assert!(world.effects().is_empty(), "{:?}", world.effects());
    }
    Ok(())
}

//! A `for` in a choice in a `for`, beside a subsaga: outputs, a failure at each node in turn, and a crash
//! after each log entry.

use crate::common::lab::{Any, Lab, Op, Provision, World, chosen, cut, provision, stored, with};
use saga_core::prelude::*;
use saga_core::store::MemoryStore;

const OUTPUT: &str = "<<a<net>> None, <b<net>> Some(\"<X>:0<B<NET>>+<Y>:1<B<NET>>+<Z>:2<B<NET>>\"), \
     <c<net>> Some(\"C\"), <d<net>> Some(\"\")>";

async fn coordinator(world: &World, store: &MemoryStore) -> Result<Coordinator<World>, Any> {
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    Ok(builder.saga::<Provision>().build().await?)
}

async fn run(world: &World, store: &MemoryStore) -> Result<Result<String, SagaError>, Any> {
    let sec = coordinator(world, store).await?;
    Ok(sec.saga(provision()).id("p").start().await?.await)
}

#[tokio::test]
async fn every_part_runs_and_gives_its_output() -> Result<(), Any> {
    let (world, store) = (Lab::failing(None), MemoryStore::new());
    assert_eq!(run(&world, &store).await??, OUTPUT);
    let expected = [
        "last",
        "machines[0]/address/announced",
        "machines[0]/address/reserved",
        "machines[1]/address/announced",
        "machines[1]/address/reserved",
        "machines[1]/disks#0[0]/mount",
        "machines[1]/disks#0[0]/volume",
        "machines[1]/disks#0[1]/mount",
        "machines[1]/disks#0[1]/volume",
        "machines[1]/disks#0[2]/mount",
        "machines[1]/disks#0[2]/volume",
        "machines[2]/address/announced",
        "machines[2]/address/reserved",
        "machines[2]/disks#1/remote",
        "machines[3]/address/announced",
        "machines[3]/address/reserved",
        "net",
    ];
    assert_eq!(world.effects().iter().map(String::as_str).collect::<Vec<_>>(), expected);
    let entries = stored(&store, "p").await?.entries;
    let expected = [
        ("machines", 4),
        ("machines[0]/disks", 2),
        ("machines[1]/disks", 0),
        ("machines[1]/disks#0", 3),
        ("machines[2]/disks", 1),
        ("machines[3]/disks", 0),
        ("machines[3]/disks#0", 0),
    ];
    let found = chosen(&entries);
    assert_eq!(found.iter().map(|(node, n)| (node.as_str(), *n)).collect::<Vec<_>>(), expected);
    Ok(())
}

#[tokio::test]
async fn failure_at_each_node_in_turn_leaves_nothing_behind() -> Result<(), Any> {
    let world = Lab::failing(None);
    run(&world, &MemoryStore::new()).await??;
    for node in world.effects() {
        for one_at_a_time in [false, true] {
            let world = Lab::failing(Some(&node));
            let builder = Coordinator::builder(world.clone()).saga::<Provision>();
            let builder = if one_at_a_time { builder.max_concurrency(1) } else { builder };
            let error = builder.build().await?.run(provision()).await.unwrap_err();
            assert!(matches!(error, SagaError::RolledBack(_)), "{node}: {error}");
            assert_eq!(error.failed_node().map(ToString::to_string), Some(node.clone()));
            assert!(world.effects().is_empty(), "{node} fails, and there is {:?}", world.effects());
            let ops = world.ops();
            assert!(node == "net" || ops.iter().any(|op| op.undo), "{node}: nothing was undone");
        }
    }
    Ok(())
}

/// After each entry of a run's log the process dies: with all that was authorized done, or only what the
/// log knows of.
async fn crash_everywhere(fails: Option<&str>) -> Result<(), Any> {
    let (world, store) = (Lab::failing(fails), MemoryStore::new());
    let expected = run(&world, &store).await?.map_err(|e| e.to_string());
    let saga = stored(&store, "p").await?;
    // of a run in which nothing fails: one that does may decide less
    let complete = MemoryStore::new();
    run(&Lab::failing(None), &complete).await??;
    let decided = chosen(&stored(&complete, "p").await?.entries);
    let ops = world.ops();
    for len in 1..=saga.entries.len() {
        let entries = &saga.entries[..len];
        let (succeeded, undone) = (with(entries, "succeeded"), with(entries, "undo_finished"));
        let authorized = |op: &&Op| op.seq <= len as u64;
        let known = |op: &&Op| {
            if op.undo { undone.contains(&op.path) } else { succeeded.contains(&op.path) }
        };
        let worlds = [
            Lab::after(fails, ops.iter().filter(authorized)),
            Lab::after(fails, ops.iter().filter(known)),
        ];
        for after in worlds {
            let store = cut(&saga, len).await?;
            let sec = coordinator(&after, &store).await?;
            let handle = sec.get::<Provision>("p").await?.ok_or("not there")?;
            let ended = handle.await.map_err(|e| e.to_string());
            assert_eq!(ended, expected, "after entry {len}");
            assert_eq!(after.effects(), world.effects(), "after entry {len}");
            let again = chosen(&stored(&store, "p").await?.entries);
            let same = |(node, n): (&String, &u64)| decided.get(node) == Some(n);
            assert!(again.iter().all(same), "after entry {len}: {again:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_crash_after_any_entry_changes_nothing() -> Result<(), Any> {
    crash_everywhere(None).await
}

#[tokio::test]
async fn a_crash_after_any_entry_of_a_saga_that_fails_leaves_nothing_behind() -> Result<(), Any> {
    // nodes whose undo needs no output: what is in doubt can be cleaned up
    crash_everywhere(Some("machines[1]/disks#0[2]/mount")).await?;
    crash_everywhere(Some("machines[2]/disks#1/remote")).await?;
    crash_everywhere(Some("machines[2]/address/announced")).await
}

//! A `build` that fails or is dropped half-way.

use saga_core::store::{ListFilter, StoreError};

use super::*;
use crate::common::scripted_store::{Call, ScriptedStore, no_space};

const SAGAS: usize = 300;

/// So many sagas whose coordinator has handed them over, more than are claimed in one go.
async fn handed_over(world: &W, store: &ScriptedStore) -> Result<(), Any> {
    world.script("a", vec![world::Do::Waits; SAGAS]);
    let sec = coordinator(world, store.clone()).await?;
    for n in 0..SAGAS {
        sec.saga(Pair {}).id(format!("x{n}")).start().await?;
    }
    sec.shutdown(Duration::ZERO).await?;
    Ok(())
}

async fn owned(store: &ScriptedStore) -> Result<usize, StoreError> {
    let filter = ListFilter { limit: 2 * SAGAS, ..ListFilter::default() };
    let all = store.memory.list(filter).await?;
    Ok(all.iter().filter(|record| record.owner.is_some()).count())
}

fn claims(store: &ScriptedStore) -> usize {
    store.calls().iter().filter(|call| **call == Call::Claim).count()
}

/// What the store does instead of answering the second of the claims that are still to come.
fn at_the_second_claim<F>(store: &ScriptedStore, happens: fn() -> F)
where
    F: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    let (claimed, counted) = (claims(store), store.clone());
    store.before(move |call| {
        let second = *call == Call::Claim && claims(&counted) == claimed + 2;
        second.then(|| Box::pin(happens()) as _)
    });
}

#[tokio::test(start_paused = true)]
async fn a_build_that_fails_half_way_releases_its_claims() -> Result<(), Any> {
    let (world, store) = (W::default(), ScriptedStore::default());
    handed_over(&world, &store).await?;
    let said = world.said().len();
    at_the_second_claim(&store, || async { Err(no_space()) });
    let built = coordinator(&world, store.clone()).await;
    assert!(matches!(built, Err(BuildError::Store(_))), "{:?}", built.err());
    assert_eq!(owned(&store).await?, 0);
    store.heal();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(store.others(), 0, "something of it still runs");
    assert_eq!(world.said().len(), said, "a saga runs that nobody can reach");

    // nothing is lost by it
    let sec = coordinator(&world, store.clone()).await?;
    for n in 0..SAGAS {
        let found = sec.get::<Pair>(&format!("x{n}")).await?.ok_or("it is there")?;
        assert_eq!(soon(found).await?, "ab");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn no_saga_runs_before_all_are_claimed_and_a_dropped_build_releases_them() -> Result<(), Any>
{
    let (world, store) = (W::default(), ScriptedStore::default());
    handed_over(&world, &store).await?;
    let said = world.said().len();
    at_the_second_claim(&store, std::future::pending);
    let building = coordinator(&world, store.clone());
    assert!(tokio::time::timeout(Duration::from_secs(60), building).await.is_err());
    assert_eq!(world.said().len(), said, "it runs while others may still be claimed by nobody");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((owned(&store).await?, store.others()), (0, 1), "the hook has one");
    Ok(())
}

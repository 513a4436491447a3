//! How the workers of a shared store divide calls between them. A store that cannot do that need not.

use std::time::Duration;

use futures_util::future::join_all;

use super::*;
use crate::clock::real_pause;
use crate::store::{CallShare, CallShares, ShareChange, SharedCalls};

fn share(name: &str, held: u32) -> CallShare {
    CallShare { worker: worker(name), limit: 20, held, wants: u32::MAX, since: Timestamp(5) }
}

fn change(action: &str, version: u64, shares: &[CallShare]) -> ShareChange {
    ShareChange { action: action.to_string(), version, shares: shares.to_vec() }
}

async fn read(store: &impl Store, actions: [&str; 2]) -> Result<Option<SharedCalls>, Violation> {
    match store.call_shares(actions.map(str::to_string).to_vec()).await {
        Ok(seen) => Ok(Some(seen)),
        Err(StoreError::NoCallShares) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn call_shares_are_changed_only_by_who_has_read_the_newest(
    store: &impl Store,
) -> CheckResult {
    let Some(none) = read(store, ["charge", "ship"]).await? else { return Ok(()) };
    expect_eq!(none.actions, [CallShares::default(), CallShares::default()]);
    let (one, two) = (share("one", 3), share("two", 5));
    expect_eq!(store.change_call_shares(change("ship", 0, &[one.clone(), two])).await, Ok(true));
    expect_eq!(store.change_call_shares(change("ship", 0, &[])).await, Ok(false));
    let one = [CallShare { held: 4, ..one }];
    expect_eq!(store.change_call_shares(change("ship", 1, &one)).await, Ok(true));
    let expected = CallShares { version: 2, shares: one.to_vec() };
    let found = read(store, ["ship", "charge"]).await?.map(|seen| seen.actions);
    expect_eq!(found, Some(vec![expected, CallShares::default()]));

    let changes = (0..10).map(|held| {
        let shares = [share("one", held)];
        async move { store.change_call_shares(change("charge", 0, &shares)).await }
    });
    let changes = join_all(changes).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let held = (0..).zip(&changes).filter(|(_, made)| **made).map(|(held, _)| held);
    let held = held.collect::<Vec<u32>>();
    let found = read(store, ["charge", "ship"]).await?.map(|mut seen| seen.actions.remove(0));
    let found = found.unwrap_or_default();
    expect_eq!(found.version, 1);
    expect_eq!(found.shares.iter().map(|share| share.held).collect::<Vec<_>>(), held);
    Ok(())
}

pub(super) async fn call_shares_come_with_the_workers_that_are_alive(
    store: &impl Store,
) -> CheckResult {
    let Some(terms) = store.lease_terms() else { return Ok(()) };
    let alive = async || {
        let seen = read(store, ["charge", "ship"]).await?;
        Ok::<_, Violation>(seen.map(|seen| {
            let mut alive = seen.alive.iter().map(|id| id.to_string()).collect::<Vec<_>>();
            alive.sort_unstable();
            (alive, seen.now)
        }))
    };
    store.renew(&worker("one")).await?;
    let Some((found, before)) = alive().await? else { return Ok(()) };
    expect_eq!(found, ["one"]);
    real_pause(terms.duration / 2).await;
    store.renew(&worker("two")).await?;
    expect_eq!(alive().await?.map(|(found, _)| found), Some(vec!["one".into(), "two".into()]));
    real_pause(terms.duration / 2 + Duration::from_millis(100)).await;
    let Some((found, after)) = alive().await? else { return Ok(()) };
    expect_eq!(found, ["two"]);
    let passed = Duration::from_millis(after.0.saturating_sub(before.0));
    expect_that!(passed >= terms.duration, "{passed:?} passed by the store's clock");
    store.release(&worker("two")).await?;
    expect_eq!(alive().await?.map(|(found, _)| found), Some(vec![]));
    Ok(())
}

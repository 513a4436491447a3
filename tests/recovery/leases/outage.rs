//! Many sagas stop at the same time, and resume at the same time.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::*;

/// Counts the most sagas that are loaded at the same time, when each takes so long. One worker stays dead.
fn count_loads(store: &ScriptedStore, each: Duration, dead: Option<&WorkerId>) -> Arc<AtomicUsize> {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = most.clone();
    let dead = dead.map(|dead| Call::Renew(dead.as_str().to_string()));
    store.before(move |call| {
        let (now, most) = (now.clone(), counted.clone());
        if Some(call) == dead.as_ref() {
            return Some(Box::pin(async { Err(no_space()) }));
        }
        matches!(call, Call::Load(_)).then(|| {
            Box::pin(async move {
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                sleep(each).await;
                now.fetch_sub(1, SeqCst);
                Ok(())
            }) as _
        })
    });
    most
}

#[tokio::test]
async fn a_store_that_is_back_is_not_asked_for_all_sagas_at_once() {
    const SAGAS: usize = 2_000;
    let (world, store) = (World::with_closed(&["do a"]), store());
    let sec = builder(&world, &store).build().await.unwrap();
    let mut handles = Vec::new();
    for n in 0..SAGAS {
        handles.push(sec.saga(Pair {}).id(format!("x{n}")).start().await.unwrap());
    }
    no_renewal(&store, sec.worker_id(), Renewal::Fails);
    until_lease_ends(sec.worker_id(), &store).await;
    until(|| sec.health().waiting.len() == SAGAS).await;
    world.open();
    let most = count_loads(&store, Duration::from_millis(3), None);
    for handle in handles {
        assert_eq!(soon(handle).await.unwrap(), "do b");
    }
    let most = most.load(SeqCst);
    println!("{most} sagas were loaded at the same time");
    assert!((2..=256).contains(&most), "{most}");
}

/// A page of sagas takes too long to load, so that each loads itself.
#[tokio::test]
async fn a_store_that_is_slow_is_not_asked_for_all_sagas_at_once() {
    const SAGAS: usize = 700;
    let (world, store) = (World::with_closed(&["do a"]), store());
    let first = builder(&world, &store).build().await.unwrap();
    for n in 0..SAGAS {
        drop(first.saga(Pair {}).id(format!("x{n}")).start().await.unwrap());
    }
    let most = count_loads(&store, Duration::from_millis(10), Some(first.worker_id()));
    until_lease_ends(first.worker_id(), &store).await;
    world.open();
    let sec = builder(&world, &store).build().await.unwrap();
    for n in 0..SAGAS {
        let handle = sec.get::<Pair>(&format!("x{n}")).await.unwrap().unwrap();
        assert_eq!(soon(handle).await.unwrap(), "do b");
    }
    let most = most.load(SeqCst);
    println!("{most} sagas were loaded at the same time");
    assert!((2..=256).contains(&most), "{most}");
}

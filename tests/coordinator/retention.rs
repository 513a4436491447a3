//! Sagas that have ended: they are freed from memory, and stay in the store until they are purged.

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use saga_core::prelude::*;
use saga_core::store::ListFilter;
use saga_core::{SagaStatus, UndoError};
use serde::{Deserialize, Serialize};

/// How many [`Tracked`] there are.
static THERE: AtomicI64 = AtomicI64::new(0);

struct Count;

impl Default for Count {
    fn default() -> Self {
        THERE.fetch_add(1, SeqCst);
        Self
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        THERE.fetch_sub(1, SeqCst);
    }
}

/// A value that is counted wherever it is made or read.
#[derive(Default, Serialize, Deserialize)]
struct Tracked {
    n: u64,
    #[serde(skip)]
    _count: Count,
}

#[saga_action(no_undo)]
async fn make(n: u64) -> Result<Tracked, String> {
    Ok(Tracked { n, ..Tracked::default() })
}

#[saga_action(no_undo)]
async fn double(of: &Tracked) -> Result<Tracked, String> {
    if of.n == 13 { Err("13 is unlucky".into()) } else { make(of.n * 2).await }
}

saga! {
    Double<()>(given: Tracked) -> Tracked {
        let made = make { n: given.n };
        double { of: made }
    }
}

#[tokio::test]
async fn sagas_that_have_ended_are_freed() {
    let sec = Coordinator::builder(()).saga::<Double>().build().await.unwrap();
    let double = async |n: u64| {
        let given = make(n).await.unwrap();
        sec.saga(Double { given }).id(n.to_string()).start().await.unwrap()
    };
    let mut handles = Vec::new();
    for n in 0..50 {
        handles.push(double(n).await);
    }
    for (n, handle) in (0..).zip(handles) {
        match handle.await {
            Ok(output) => assert_eq!(output.n, 2 * n),
            Err(error) => assert!(n == 13 && matches!(error, SagaError::RolledBack(_)), "{error}"),
        }
    }
    // one that nobody waits for
    drop(double(50).await);
    // read again, from the store
    assert_eq!(sec.get::<Double>("7").await.unwrap().unwrap().await.unwrap().n, 14);
    let gone = async {
        while THERE.load(SeqCst) > 0 || !format!("{sec:?}").contains("running: 0") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(20), gone).await;
    assert!(gone.is_ok(), "{} values are left, {sec:?}", THERE.load(SeqCst));
}

#[saga_action(undo = undo_step(how), undo_on_failure)]
async fn step(how: &str) -> Result<(), String> {
    match how {
        "completes" => Ok(()),
        "waits" => std::future::pending().await,
        _ => Err("no".into()),
    }
}
async fn undo_step(how: &str) -> Result<(), UndoError> {
    if how == "sticks" { Err(UndoError::permanent("no")) } else { Ok(()) }
}

saga! { Step<()>(how: String) { step { how }; } }

#[tokio::test(start_paused = true)]
async fn old_sagas_are_purged_however_many_there_are() {
    let sec = Coordinator::builder(()).saga::<Step>().build().await.unwrap();
    let run = async |how: &str, id: &str| {
        let how = how.to_string();
        sec.saga(Step { how }).id(id).start().await.unwrap()
    };
    let left = async || {
        let all =
            sec.list(ListFilter { limit: usize::MAX, ..ListFilter::default() }).await.unwrap();
        all.into_iter().map(|record| record.id.to_string()).collect::<Vec<_>>().join(" ")
    };
    for n in 0..1100 {
        run("completes", &format!("completed-{n}")).await.await.unwrap();
        if n % 2 == 0 {
            run("fails", &format!("failed-{n}")).await.await.unwrap_err();
        }
    }
    run("sticks", "stuck").await.await.unwrap_err();
    run("waits", "waits").await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    run("completes", "young").await.await.unwrap();

    assert_eq!(sec.purge(Duration::from_secs(7200), &[]).await.unwrap(), 0);
    let hour = Duration::from_secs(3599);
    assert_eq!(sec.purge(hour, &[SagaStatus::RolledBack, SagaStatus::Running]).await.unwrap(), 550);
    // what is stuck is removed only if that is said
    assert_eq!(sec.purge(hour, &[]).await.unwrap(), 1100);
    assert_eq!(left().await, "stuck waits young");
    assert_eq!(sec.purge(hour, &[SagaStatus::Stuck]).await.unwrap(), 1);
    assert_eq!(left().await, "waits young");
}

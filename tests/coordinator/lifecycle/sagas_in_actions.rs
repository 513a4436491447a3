//! Actions that await sagas of their own when a shutdown comes.

use std::sync::OnceLock;

use saga_core::SagaStatus;
use saga_core::store::MemoryStore;
use tokio::sync::Semaphore;

use super::*;

/// A context whose actions can start sagas.
#[derive(Default)]
struct Nest {
    sec: OnceLock<Coordinator<Arc<Nest>>>,
    said: std::sync::Mutex<Vec<String>>,
    /// What `wait` waits for.
    go_on: OnceLock<Semaphore>,
    wakes: tokio::sync::Notify,
}

type N = Arc<Nest>;

impl Nest {
    fn new() -> N {
        let nest = Self::default();
        assert!(nest.go_on.set(Semaphore::new(0)).is_ok());
        Arc::new(nest)
    }

    fn go_on(&self) -> &Semaphore {
        self.go_on.get().unwrap()
    }

    fn say(&self, what: &str) {
        self.said.lock().unwrap().push(what.to_string());
        self.wakes.notify_one();
    }

    fn count(&self, what: &str) -> usize {
        self.said.lock().unwrap().iter().filter(|said| *said == what).count()
    }

    async fn hears(&self, what: &str, times: usize) {
        while self.count(what) < times {
            let _ = tokio::time::timeout(Duration::from_millis(10), self.wakes.notified()).await;
        }
    }

    /// As users do: whatever goes wrong is a text.
    async fn inner(&self, id: &str) -> Result<String, String> {
        let sec = self.sec.get().unwrap();
        let handle = sec.saga(Inner {}).id(id).start().await.map_err(|e| e.to_string())?;
        handle.await.map_err(|e| e.to_string())
    }
}

#[saga_action(no_undo)]
async fn wait(cx: &ActionContext<N>) -> Result<String, String> {
    cx.say("wait");
    cx.go_on().acquire().await.map_err(|e| e.to_string())?.forget();
    Ok("waited".into())
}
#[saga_action(no_undo)]
async fn last(cx: &ActionContext<N>) -> Result<String, String> {
    cx.say("last");
    Ok("ended".into())
}
saga! { Inner<N>() -> String { let _a = wait {}; let b = last {}; b } }

/// Awaits a saga of the same coordinator.
#[saga_action(undo = unnest())]
async fn nest(cx: &ActionContext<N>) -> Result<String, String> {
    cx.say("nest");
    cx.inner("inner").await
}
async fn unnest(cx: &ActionContext<N>) -> Result<(), String> {
    cx.say("unnest");
    cx.inner("inner-of-undo").await.map(drop)
}
/// Starts one when it is too late.
#[saga_action(no_undo)]
async fn late(cx: &ActionContext<N>) -> Result<String, String> {
    cx.say("late");
    cx.go_on().acquire().await.map_err(|e| e.to_string())?.forget();
    cx.inner("late").await
}
#[saga_action(no_undo)]
async fn fail(cx: &ActionContext<N>, fails: bool) -> Result<(), String> {
    if fails {
        Err("it fails".into())
    } else {
        cx.say("done");
        Ok(())
    }
}

saga! { Outer<N>(fails: bool) -> String { let a = nest {}; fail { fails: *fails }; a } }
saga! { Late<N>() -> String { let a = late {}; a } }

async fn build(store: &MemoryStore) -> Result<(N, Coordinator<N>), Any> {
    let nest = Nest::new();
    let builder = Coordinator::builder(nest.clone()).store(store.clone());
    let sec = builder.saga::<Outer>().saga::<Late>().saga::<Inner>().build().await?;
    assert!(nest.sec.set(sec.clone()).is_ok());
    Ok((nest, sec))
}

async fn kinds(store: &MemoryStore, id: &str) -> Result<Vec<&'static str>, Any> {
    let stored = store.load(&id.parse()?).await?.ok_or("it is there")?;
    Ok(stored.entries.iter().map(|entry| entry.kind.name()).collect())
}

/// Shuts down while the inner saga waits, and lets that go on within the grace: it does not end then, for
/// nothing more of it is begun.
async fn shut_down(nest: &N, sec: &Coordinator<N>) -> Result<saga_core::ShutdownReport, Any> {
    let down = tokio::spawn({
        let sec = sec.clone();
        async move { sec.shutdown(Duration::from_secs(3600)).await }
    });
    while !sec.health().shut_down {
        tokio::task::yield_now().await;
    }
    nest.go_on().add_permits(1);
    Ok(soon(down).await??)
}

#[tokio::test]
async fn an_action_that_awaits_another_saga_is_interrupted_by_a_shutdown() -> Result<(), Any> {
    let store = MemoryStore::new();
    let (nest, sec) = build(&store).await?;
    let outer = sec.saga(Outer { fails: false }).id("outer").start().await?;
    soon(nest.hears("wait", 1)).await;
    let report = shut_down(&nest, &sec).await?;
    let cut = report.interrupted.iter().map(|(id, cut)| (id.as_str(), cut.len()));
    assert_eq!(cut.collect::<Vec<_>>(), [("inner", 0), ("outer", 1)]);
    assert!(matches!(soon(outer).await, Err(SagaError::ShutDown { .. })));
    assert_eq!(kinds(&store, "outer").await?, ["created", "started"]);
    // from outside of a call everybody is told
    assert!(matches!(sec.run(Late {}).await, Err(SagaError::Start(StartError::ShutDown))));

    let (nest, sec) = build(&store).await?;
    let outer = sec.get::<Outer>("outer").await?.ok_or("it is there")?;
    assert_eq!(soon(outer).await?, "ended");
    assert_eq!((nest.count("nest"), nest.count("wait"), nest.count("last")), (1, 0, 1));
    Ok(())
}

#[tokio::test]
async fn an_undo_that_awaits_another_saga_is_interrupted_by_a_shutdown() -> Result<(), Any> {
    let store = MemoryStore::new();
    let (nest, sec) = build(&store).await?;
    nest.go_on().add_permits(1);
    sec.saga(Outer { fails: true }).id("outer").start().await?;
    soon(nest.hears("wait", 2)).await;
    let report = shut_down(&nest, &sec).await?;
    assert_eq!(report.interrupted.len(), 2, "{report:?}");
    assert_eq!(kinds(&store, "outer").await?.last(), Some(&"undo_started"));
    let (_, sec) = build(&store).await?;
    let outer = sec.get::<Outer>("outer").await?.ok_or("it is there")?;
    assert!(matches!(soon(outer).await, Err(SagaError::RolledBack(_))));
    Ok(())
}

#[tokio::test]
async fn an_action_that_starts_a_saga_during_a_shutdown_is_interrupted() -> Result<(), Any> {
    let store = MemoryStore::new();
    let (nest, sec) = build(&store).await?;
    sec.saga(Late {}).id("outer").start().await?;
    soon(nest.hears("late", 1)).await;
    let report = shut_down(&nest, &sec).await?;
    assert_eq!(report.interrupted.len(), 1, "{report:?}");
    assert_eq!(kinds(&store, "outer").await?, ["created", "started"]);
    let (nest, sec) = build(&store).await?;
    nest.go_on().add_permits(2);
    let outer = sec.get::<Late>("outer").await?.ok_or("it is there")?;
    assert_eq!(
        (soon(outer.clone()).await?, outer.status()),
        ("ended".into(), SagaStatus::Completed)
    );
    Ok(())
}

//! Sagas run on the runtime on which their coordinator was built, whoever starts or steers them.

use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use saga_core::action::ActionFunc;
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::executor::{ExecutorError, SagaExecutor};
use saga_core::operator::{OperateError, Operator};
use saga_core::store::{ListFilter, MemoryStore};
use saga_core::{BoxError, RuntimeError, StartError};
use tokio::runtime::{Builder, Runtime};

use super::*;

/// One that goes on by itself, also while nobody waits for it.
fn home() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Another one, of somebody who has only one question.
fn short_lived() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs a future where there is no runtime at all.
fn without_runtime<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(Duration::from_secs(1)),
        }
    }
}

#[test]
fn a_saga_outlives_the_runtime_that_started_it() -> Result<(), Any> {
    let (world, home) = (W::default(), home());
    world.script("a", [world::Do::Waits]);
    let sec = home.block_on(coordinator(&world, MemoryStore::new()))?;
    let caller = short_lived();
    let waits = caller.block_on(sec.saga(Pair {}).id("x").start())?;
    caller.block_on(world.hears("do a", 1));
    drop(caller);
    // it is still there, and hears an operator who also has a runtime of their own
    assert!(!matches!(waits.status(), SagaStatus::RolledBack));
    let caller = short_lived();
    caller.block_on(sec.operator("alice").cancel("x", "enough"))?;
    drop(caller);
    // its only call takes no notice, and is dropped when its time to do so is over
    let found = home.block_on(sec.get::<Pair>("x"))?.ok_or("it is there")?;
    assert!(matches!(found.status(), SagaStatus::Running | SagaStatus::Failed), "{found:?}");

    let caller = short_lived();
    let ends = caller.block_on(sec.saga(Pair {}).id("y").start())?;
    drop(caller);
    assert_eq!(home.block_on(soon(ends))?, "ab");
    Ok(())
}

#[test]
fn a_rollback_outlives_the_runtime_that_requested_it() -> Result<(), Any> {
    let (world, home) = (W::default(), home());
    let sec = home.block_on(coordinator(&world, MemoryStore::new()))?;
    home.block_on(async { sec.saga(Pair {}).id("x").start().await?.await })?;
    let caller = short_lived();
    caller.block_on(sec.operator("alice").rollback("x", "enough"))?;
    drop(caller);
    home.block_on(soon(world.hears("undone a", 1)));
    let found = home.block_on(sec.get::<Pair>("x"))?.ok_or("it is there")?;
    assert!(matches!(home.block_on(soon(found)), Err(SagaError::RolledBack(_))));
    Ok(())
}

#[test]
fn handles_and_operators_work_without_a_runtime() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let (world, home) = (W::default(), home());
    let store = SqliteStore::open(directory.path().join("sagas.db"))?;
    let sec = home.block_on(coordinator(&world, store))?;
    without_runtime(async {
        let handle = sec.saga(Pair {}).id("x").deadline(Duration::from_secs(3600)).start().await?;
        assert_eq!(handle.clone().await?, "ab");
        assert_eq!(sec.get::<Pair>("x").await?.ok_or("it is there")?.await?, "ab");
        assert_eq!(handle.status_of(Pair::a).await?, ActionState::Completed);
        assert_eq!(sec.list(ListFilter::default()).await?.len(), 1);
        assert!(sec.inspect("x").await?.is_some());
        sec.operator("alice").rollback("x", "enough").await?;
        let found = sec.get::<Pair>("x").await?.ok_or("it is there")?;
        assert!(matches!(found.await, Err(SagaError::RolledBack(_))));
        // its task may still be putting it away
        let mut purged = 0;
        for _ in 0..1_000 {
            purged += sec.purge(Duration::ZERO, &[]).await?;
            if purged > 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(purged, 1);
        sec.shutdown(Duration::from_secs(5)).await?;
        Ok(())
    })
}

#[test]
fn a_coordinator_is_not_built_without_a_suitable_runtime() -> Result<(), Any> {
    let world = W::default();
    let built = without_runtime(coordinator(&world, MemoryStore::new()));
    let Err(error @ BuildError::Runtime(RuntimeError::Missing)) = built else {
        panic!("{:?}", built.err())
    };
    assert!(error.to_string().contains("there is none here"), "{error}");

    let no_timers = Builder::new_current_thread().build()?;
    let built = no_timers.block_on(coordinator(&world, MemoryStore::new()));
    let Err(error @ BuildError::Runtime(RuntimeError::NoTimers)) = built else {
        panic!("{:?}", built.err())
    };
    assert!(error.to_string().contains("`enable_time()`"), "{error}");

    // an executor and somebody who asks another process need one, too
    let act = ActionFunc::new(
        "act",
        |_: ActionContext<()>| async { Ok::<_, BoxError>(1) },
        |_, _: Arc<i32>| async { Ok::<_, BoxError>(()) },
    );
    let mut dag = DagBuilder::new("One")?;
    dag.append(Node::action("a", act?)?)?;
    let saga = SagaDag::new(dag.build()?, &())?;
    let executor = without_runtime(SagaExecutor::new("x", saga, (), MemoryStore::new()));
    let start = StartError::Runtime(RuntimeError::Missing);
    assert!(
        matches!(&executor, Err(ExecutorError::Start(error)) if error.to_string() == start.to_string())
    );
    let operator = Operator::attach(MemoryStore::new(), "alice", Duration::from_secs(1));
    let asked = without_runtime(operator.pause("x"));
    assert!(matches!(asked, Err(OperateError::Runtime(RuntimeError::Missing))), "{asked:?}");
    Ok(())
}

#[test]
fn when_the_runtime_is_gone_every_caller_is_told() -> Result<(), Any> {
    let (world, home, store) = (W::default(), home(), MemoryStore::new());
    world.script("a", vec![world::Do::Hangs; 20]);
    let sec = home.block_on(coordinator(&world, store.clone()))?;
    let mut handles = Vec::new();
    for n in 0..20 {
        handles.push(home.block_on(sec.saga(Pair {}).id(format!("x{n}")).start())?);
    }
    home.block_on(world.hears("do a", 20));
    drop(home);

    let other = short_lived();
    other.block_on(async {
        for handle in handles {
            let ended = soon(handle).await;
            assert!(matches!(ended, Err(SagaError::ShutDown { .. })), "{ended:?}");
        }
        let gone = RuntimeError::Gone.to_string();
        let started = soon(sec.saga(Pair {}).id("y").start()).await;
        assert!(matches!(started, Err(StartError::Runtime(RuntimeError::Gone))), "{started:?}");
        let asked = soon(sec.operator("alice").pause("x1")).await;
        assert!(matches!(&asked, Err(OperateError::Runtime(e)) if e.to_string() == gone));
        soon(sec.shutdown(Duration::from_secs(5))).await?;
        // the next one goes on with all of them
        let next = coordinator(&world, store.clone()).await?;
        for n in 0..20 {
            let found = next.get::<Pair>(&format!("x{n}")).await?.ok_or("it is there")?;
            assert_eq!(soon(found).await?, "ab");
        }
        assert!(next.get::<Pair>("y").await?.is_none(), "what was not started was not written");
        Ok(())
    })
}

/// It may be gone without the coordinator having had anything to do.
#[test]
fn a_start_on_a_runtime_that_is_gone_is_refused_at_once() -> Result<(), Any> {
    let (world, home) = (W::default(), short_lived());
    let sec = home.block_on(coordinator(&world, MemoryStore::new()))?;
    home.shutdown_background();
    let started = without_runtime(sec.saga(Pair {}).start());
    assert!(matches!(started, Err(StartError::Runtime(RuntimeError::Gone))), "{started:?}");
    assert_eq!(world.said(), Vec::<String>::new());
    Ok(())
}

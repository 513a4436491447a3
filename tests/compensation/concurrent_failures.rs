//! Failures, cancellations, pauses and shutdowns at the same time, in any order, with 10 000 sagas each:
//! none hangs, each completes or is undone (or reports what remains), and its log is readable.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{Dag, DagBuilder, Node, SagaDag};
use saga_core::operator::{OperateError, Operator};
use saga_core::prelude::*;
use saga_core::store::{ListFilter, MemoryStore, Store};
use saga_core::{BoxError, Retry, SagaStatus};
use serde_json::Value;

const RUNS: u64 = 10_000;
const BATCH: u64 = 50;
const NODES: usize = 5;
type Any = BoxError;
type Cx = ActionContext<Arc<World>>;

/// What is done to the sagas beside that their actions fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Failures,
    Cancel,
    Pause,
    Shutdown,
}

struct World {
    seed: u64,
    /// By saga and node.
    effects: Mutex<HashSet<(u64, String)>>,
}

impl World {
    /// A number below `n` that is always the same for the same thing.
    fn dice(&self, of: impl Hash, n: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, of).hash(&mut hasher);
        hasher.finish() % n
    }

    /// The nodes of a saga whose effects are there.
    fn left(&self, run: u64) -> HashSet<String> {
        let effects = self.effects.lock().unwrap();
        effects.iter().filter(|(of, _)| *of == run).map(|(_, node)| node.clone()).collect()
    }
}

async fn act(cx: Cx) -> Result<u64, BoxError> {
    let (run, node) = (*cx.saga_params::<u64>()?, cx.node_path().to_string());
    match cx.dice((run, &node, cx.attempt()), 12) {
        0 => return Err("it fails".into()),
        1 => tokio::task::yield_now().await,
        2 => {
            tokio::select! {
                () = cx.cancelled() => return Err("it was called off".into()),
                () = tokio::time::sleep(Duration::from_millis(1)) => {}
            }
        }
        _ => {}
    }
    cx.effects.lock().unwrap().insert((run, node));
    Ok(run)
}

async fn unact(cx: Cx, _output: Option<Arc<u64>>) -> Result<(), BoxError> {
    let (run, node) = (*cx.saga_params::<u64>()?, cx.node_path().to_string());
    match cx.dice((run, &node, cx.attempt(), "undo"), 16) {
        0 => return Err("it cannot be undone".into()),
        1 => tokio::task::yield_now().await,
        _ => {}
    }
    cx.effects.lock().unwrap().remove(&(run, node));
    Ok(())
}

fn registry() -> Result<ActionRegistry<Arc<World>>, Any> {
    let mut actions = ActionRegistry::new();
    let twice = Retry::up_to(2).base(Duration::ZERO);
    actions.register(ActionFunc::new_undo_maybe("act", act, unact)?.undo_retry(twice))?;
    Ok(actions)
}

/// One, three side by side, one.
fn dag() -> Result<Dag<Arc<World>>, Any> {
    let act = registry()?.get("act")?;
    let node = |name: &str| Node::shared_action(name, act.clone());
    let mut dag = DagBuilder::new("Storm")?;
    dag.append(node("first")?)?;
    dag.append_parallel([node("a")?, node("b")?, node("c")?])?;
    dag.append(node("last")?)?;
    Ok(dag.build()?)
}

async fn build(world: &Arc<World>, store: &MemoryStore) -> Result<Coordinator<Arc<World>>, Any> {
    let builder = Coordinator::builder(world.clone()).store(store.clone()).actions(registry()?);
    Ok(builder.build().await?)
}

async fn yields(n: u64) {
    for _ in 0..n {
        tokio::task::yield_now().await;
    }
}

/// Steers one saga in an order that the dice give; every request is answered.
async fn steer(operator: Operator, world: Arc<World>, run: u64, turn: u64, kind: Kind) {
    let id = run.to_string();
    yields(world.dice((run, turn, "wait"), 20)).await;
    let asked = match (kind, world.dice((run, turn, "ask"), 5)) {
        (Kind::Cancel, _) | (_, 0) => operator.cancel(&id, "enough").await,
        (_, 1 | 2) => operator.pause(&id).await,
        (_, 3) => operator.step(&id).await,
        _ => operator.resume(&id).await,
    };
    match asked {
        Ok(_) | Err(OperateError::Refused { .. }) => {}
        Err(OperateError::ShutDown | OperateError::NotCarriedOut { .. })
            if kind == Kind::Shutdown => {}
        Err(error) => panic!("saga {run}: {error}"),
    }
}

async fn batch(
    world: Arc<World>,
    dag: Arc<Dag<Arc<World>>>,
    kind: Kind,
    first: u64,
) -> Result<(), Any> {
    let store = MemoryStore::new();
    let mut sec = build(&world, &store).await?;
    let mut asked = Vec::new();
    for run in first..first + BATCH {
        let saga = SagaDag::new(dag.clone(), &run)?;
        sec.saga_dag(saga).id(run.to_string()).start().await?;
        let requests = match kind {
            Kind::Failures => 0,
            Kind::Cancel => 1,
            Kind::Shutdown => world.dice((run, "requests"), 2),
            Kind::Pause => 3,
        };
        for turn in 0..requests {
            let operator = sec.operator("alice");
            asked.push(tokio::spawn(steer(operator, world.clone(), run, turn, kind)));
        }
        if kind == Kind::Shutdown && world.dice((run, "stop"), 10) == 0 {
            // in the middle of all of it, and another process comes
            yields(world.dice((run, "stop after"), 10)).await;
            sec.shutdown(Duration::from_millis(world.dice((run, "grace"), 2))).await?;
            sec = build(&world, &store).await?;
        }
    }
    for asked in asked {
        asked.await?;
    }
    for run in first..first + BATCH {
        // it may have been left paused
        let resumed = sec.operator("alice").resume(&run.to_string()).await;
        assert!(matches!(resumed, Ok(_) | Err(OperateError::Refused { .. })), "{resumed:?}");
        let handle = sec.get::<Value>(&run.to_string()).await?.ok_or("it is lost")?;
        let Ok(end) = tokio::time::timeout(Duration::from_secs(60), handle).await else {
            let view = sec.inspect(&run.to_string()).await?.ok_or("it is lost")?;
            return Err(
                format!("saga {run} hangs: {resumed:?}\n{view}\n{}", view.log.pretty()).into()
            );
        };
        let left = world.left(run);
        let (status, lawful) = match &end {
            Ok(_) => (SagaStatus::Completed, left.len() == NODES),
            Err(SagaError::RolledBack(_)) => (SagaStatus::RolledBack, left.is_empty()),
            Err(SagaError::Stuck(report)) => {
                let said = report.remaining_effects().chain(report.possible_effects());
                let said = said.map(ToString::to_string).collect::<HashSet<_>>();
                (SagaStatus::Stuck, !said.is_empty() && left.is_subset(&said))
            }
            Err(error) => panic!("saga {run}: {error}"),
        };
        assert!(lawful, "saga {run} left {left:?}: {end:?}");
        // also reads the log
        let view = sec.inspect(&run.to_string()).await?.ok_or("it is lost")?;
        assert_eq!(view.record.status, status, "saga {run}");
    }
    let report = sec.shutdown(Duration::ZERO).await?;
    assert_eq!(report.interrupted, []);
    assert_eq!(store.list(ListFilter::default()).await?.len() as u64, BATCH);
    world.effects.lock().unwrap().retain(|(run, _)| !(first..first + BATCH).contains(run));
    Ok(())
}

fn storm(kind: Kind) -> Result<(), Any> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let seed = match std::env::var("SAGA_SEED") {
        Ok(seed) => seed.parse()?,
        Err(_) => now.as_nanos() as u64,
    };
    println!("{kind:?}: SAGA_SEED={seed}");
    let world = Arc::new(World { seed, effects: Mutex::default() });
    let dag = Arc::new(dag()?);
    // with a clock that jumps on one thread, and with real time on two
    let jumping =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let real =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    for first in (0..RUNS).step_by(BATCH as usize) {
        let runtime = if (first / BATCH).is_multiple_of(2) { &jumping } else { &real };
        let batch = batch(world.clone(), dag.clone(), kind, first);
        let ended = async { tokio::time::timeout(Duration::from_secs(120), batch).await };
        runtime.block_on(ended).map_err(|_| format!("sagas {first} and on hang"))??;
    }
    Ok(())
}

#[test]
fn parallel_nodes_fail_at_once() -> Result<(), Any> {
    storm(Kind::Failures)
}

#[test]
fn cancels_at_any_moment() -> Result<(), Any> {
    storm(Kind::Cancel)
}

#[test]
fn pauses_steps_and_cancels_interleave() -> Result<(), Any> {
    storm(Kind::Pause)
}

#[test]
fn shutdowns_and_cancels_at_any_moment() -> Result<(), Any> {
    storm(Kind::Shutdown)
}

//! Requests from another process: it attaches to the store, and the worker carries them out.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use crate::common::process::again;
use crate::common::scripted_store::{Call, ScriptedStore};
use saga_core::UndoError;
use saga_core::log::SagaEntry;
use saga_core::operator::{Answer, OperateError, Operator};
use saga_core::prelude::*;
use saga_core::store::{FileStore, ListFilter, MemoryStore, SqliteStore, Store, StoreError};
use serde_json::Value;

type Any = Box<dyn std::error::Error + Send + Sync>;
type Hooked = std::pin::Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// Set in the child: where the store is, and what it asks.
const STORE: &str = "REQUESTS_STORE";
const ASK: &str = "REQUESTS_ASK";

/// Each call waits for its permit.
struct Gate {
    permits: tokio::sync::Semaphore,
    undos_work: AtomicBool,
}

impl Gate {
    fn new() -> Arc<Self> {
        let permits = tokio::sync::Semaphore::new(0);
        Arc::new(Self { permits, undos_work: AtomicBool::new(false) })
    }
}

#[saga_action(undo = give())]
async fn take(cx: &ActionContext<Arc<Gate>>) -> Result<(), String> {
    cx.permits.acquire().await.map_err(|e| e.to_string())?.forget();
    Ok(())
}
async fn give(cx: &ActionContext<Arc<Gate>>) -> Result<(), UndoError> {
    if cx.undos_work.load(SeqCst) { Ok(()) } else { Err(UndoError::permanent("it is kept")) }
}

#[saga_action(no_undo)]
async fn other() -> Result<(), String> {
    Ok(())
}

saga! {
    #[allow(unused_variables)]
    Three<Arc<Gate>>() {
        let a = take {};
        let b = take {};
        let c = take {};
    }
    Other<Arc<Gate>>() {
        take {};
        other {};
    }
}

async fn worker(gate: &Arc<Gate>, store: impl Store) -> Result<Coordinator<Arc<Gate>>, Any> {
    let builder = Coordinator::builder(gate.clone()).store(store).saga::<Three>();
    Ok(builder.abandon_after(Duration::ZERO).build().await?)
}

/// What the other process asks: `cancel x`, say.
async fn ask(store: impl Store, words: &str) -> Result<Answer, OperateError> {
    let bob = Operator::attach(store, "bob", Duration::from_secs(20));
    match words.split(' ').collect::<Vec<_>>()[..] {
        ["pause", saga] => bob.pause(saga).await,
        ["step", saga] => bob.step(saga).await,
        ["resume", saga] => bob.resume(saga).await,
        ["cancel", saga] => bob.cancel(saga, "from outside").await,
        ["rollback", saga] => bob.rollback(saga, "from outside").await,
        ["retry_undo", saga, node] => bob.retry_undo(saga, node).await,
        ["retry_all", saga] => bob.retry_all(saga).await,
        ["resolve", saga, node] => bob.resolve(saga, node, "by hand").await,
        _ => panic!("what is {words:?}?"),
    }
}

/// Runs in a process of its own; then it has asked and been answered, and there is nothing to test.
fn asked_as_child() -> bool {
    let (Some(store), Ok(words)) = (std::env::var_os(STORE), std::env::var(ASK)) else {
        return false;
    };
    let store = Path::new(&store);
    if words == "open" {
        let second = match store.is_dir() {
            true => FileStore::open(store).map(drop),
            false => SqliteStore::open(store).map(drop),
        };
        println!("answer={}", second.err().map_or("it is open".to_string(), |e| e.to_string()));
        return true;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        match store.is_dir() {
            true => ask(FileStore::attach(store).unwrap(), &words).await,
            false => ask(SqliteStore::attach(store).unwrap(), &words).await,
        }
    });
    let answer = match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => error.to_string(),
    };
    println!("answer={answer}");
    true
}

/// What a process of its own is answered.
async fn outside(test: &'static str, store: &Path, words: &str) -> String {
    let mut child = again(module_path!(), test);
    child.env(STORE, store).env(ASK, words);
    let child = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{words}: {output}{}", String::from_utf8_lossy(&child.stderr));
    let answer = output.split_once("answer=").and_then(|(_, rest)| rest.lines().next());
    answer.unwrap_or_else(|| panic!("{words}: {output}")).to_string()
}

/// The saga's log: `started a`, say.
async fn log(sec: &Coordinator<Arc<Gate>>, id: &str) -> Result<Vec<String>, Any> {
    let view = sec.inspect(id).await?.ok_or("it is not there")?;
    let words = view.log.entries().iter().map(|entry| match entry.node() {
        Some(node) => format!("{} {node}", entry.kind.name()),
        None => entry.kind.name().to_string(),
    });
    Ok(words.collect())
}

async fn until(sec: &Coordinator<Arc<Gate>>, id: &str, entry: &str) -> Result<(), Any> {
    let found = async {
        while !log(sec, id).await?.iter().any(|found| found == entry) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(20), found).await?
}

async fn end(sec: &Coordinator<Arc<Gate>>, id: &str) -> Result<Result<Value, SagaError>, Any> {
    let saga = sec.get::<Value>(id).await?.ok_or("it is not there")?;
    Ok(tokio::time::timeout(Duration::from_secs(20), saga.into_future()).await?)
}

async fn steered_from_outside<S: Store>(
    test: &'static str,
    path: &Path,
    open: impl Fn() -> Result<S, StoreError>,
) -> Result<(), Any> {
    let gate = Gate::new();
    let sec = worker(&gate, open()?).await?;
    let asks = async |words: &str, answer: &str| {
        assert_eq!(outside(test, path, words).await, answer, "{words}");
    };
    let done = "Done";

    let place = path.display();
    let in_use = "is in use by another worker; only one process at a time can run sagas on it";
    asks("open", &format!("{place} {in_use}")).await;

    sec.saga(Three {}).id("x").start().await?;
    asks("pause x", done).await;
    gate.permits.add_permits(1);
    until(&sec, "x", "succeeded a").await?;
    assert!(!log(&sec, "x").await?.contains(&"started b".to_string()), "it is paused");
    asks("step x", done).await;
    gate.permits.add_permits(1);
    until(&sec, "x", "succeeded b").await?;
    assert!(!log(&sec, "x").await?.contains(&"started c".to_string()), "it was one step");
    asks("resume x", done).await;
    until(&sec, "x", "started c").await?;
    asks("cancel x", done).await;
    let Err(SagaError::Stuck(_)) = end(&sec, "x").await? else { panic!("its undos fail") };
    // what follows finds the sagas at rest
    asks("retry_undo x c", done).await;
    let Err(SagaError::Stuck(_)) = end(&sec, "x").await? else { panic!("its undos fail") };
    let undos = log(&sec, "x").await?.into_iter().filter(|entry| entry == "undo_failed c").count();
    assert_eq!(undos, 2);
    gate.undos_work.store(true, SeqCst);
    asks("resolve x c", done).await;
    let Err(SagaError::RolledBack(report)) = end(&sec, "x").await? else { panic!("rolled back") };
    assert_eq!(report.resolved().map(ToString::to_string).collect::<Vec<_>>(), ["c"]);
    asks("cancel x", "saga x: the saga has already ended: rolled_back").await;

    gate.permits.add_permits(3);
    sec.saga(Three {}).id("y").start().await?.await?;
    gate.undos_work.store(false, SeqCst);
    asks("rollback y", done).await;
    let Err(SagaError::Stuck(_)) = end(&sec, "y").await? else { panic!("its undos fail") };
    gate.undos_work.store(true, SeqCst);
    asks("retry_all y", done).await;
    let Err(SagaError::RolledBack(_)) = end(&sec, "y").await? else { panic!("rolled back") };

    // nobody is there: it waits for the next worker
    sec.saga(Three {}).id("z").start().await?;
    sec.shutdown(Duration::ZERO).await?;
    drop(sec);
    let (asked, sec) = tokio::join!(outside(test, path, "cancel z"), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        worker(&gate, open()?).await
    });
    assert_eq!(asked, done);
    let error = end(&sec?, "z").await?.unwrap_err();
    assert!(error.to_string().contains("cancelled: from outside"), "{error}");
    Ok(())
}

#[tokio::test]
async fn another_process_steers_sagas_in_sqlite() -> Result<(), Any> {
    if tokio::task::spawn_blocking(asked_as_child).await? {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("sagas.db");
    let open = || SqliteStore::open(&path);
    steered_from_outside("another_process_steers_sagas_in_sqlite", &path, open).await
}

#[tokio::test]
async fn another_process_steers_sagas_in_files() -> Result<(), Any> {
    if tokio::task::spawn_blocking(asked_as_child).await? {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("sagas");
    let open = || FileStore::open(&path);
    steered_from_outside("another_process_steers_sagas_in_files", &path, open).await
}

/// A saga that no worker here knows waits for one that does, and so do the requests for it.
#[tokio::test(start_paused = true)]
async fn requests_that_nobody_can_carry_out_do_not_block_others() -> Result<(), Any> {
    let (gate, store) = (Gate::new(), MemoryStore::new());
    let builder = Coordinator::builder(gate.clone()).store(store.clone()).saga::<Other>();
    let elsewhere = builder.build().await?;
    elsewhere.saga(Other {}).id("unknown").start().await?;
    elsewhere.shutdown(Duration::ZERO).await?;

    let sec = worker(&gate, store.clone()).await?;
    assert_eq!(sec.unknown_versions().len(), 1);
    sec.saga(Three {}).id("x").start().await?;
    let hasty = Operator::attach(store.clone(), "bob", Duration::from_millis(300));
    for _ in 0..100 {
        let asked = hasty.pause("unknown").await;
        assert!(matches!(asked, Err(OperateError::Unanswered { .. })), "{asked:?}");
    }
    let bob = Operator::attach(store, "bob", Duration::from_secs(20));
    assert_eq!(bob.pause("x").await?, Answer::Done);
    Ok(())
}

#[tokio::test]
async fn a_request_for_a_corrupt_saga_is_refused_and_not_retried() -> Result<(), Any> {
    for damage in ["kind = 'dreamt'", "node = 'z'"] {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("sagas.db");
        let gate = Gate::new();
        let sec = worker(&gate, SqliteStore::open(&path)?).await?;
        for id in ["bad", "well"] {
            sec.saga(Three {}).id(id).start().await?;
        }
        sec.shutdown(Duration::ZERO).await?;
        drop(sec);
        let sql = format!(
            "UPDATE saga_event SET {damage}
             WHERE number = (SELECT number FROM saga WHERE id = 'bad') AND seq = 2"
        );
        crate::common::damaged_entries::damage_entries(&rusqlite::Connection::open(&path)?, &sql)?;

        let sec = worker(&gate, SqliteStore::open(&path)?).await?;
        let why = "saga bad: its log is corrupt";
        let told = sec.operator("alice").cancel("bad", "away with it").await.unwrap_err();
        assert!(told.to_string().contains(why), "{damage}: {told}");

        let bob = Operator::attach(SqliteStore::attach(&path)?, "bob", Duration::from_secs(20));
        let told = bob.cancel("bad", "away with it").await.unwrap_err();
        assert!(matches!(told, OperateError::Refused { .. }), "{damage}: {told}");
        assert!(told.to_string().contains(why), "{damage}: {told}");
        assert_eq!(bob.cancel("well", "enough").await?, Answer::Done);

        let epoch = async || Ok::<_, Any>(sec.list(ListFilter::default()).await?[0].epoch);
        let before = epoch().await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(epoch().await?, before, "{damage}: it was taken again");
    }
    Ok(())
}

/// The second pause has nothing to do when it comes to the saga. It must not come to it again once that is resumed.
#[tokio::test(start_paused = true)]
async fn what_was_left_for_a_saga_at_rest_is_brought_to_it_once() -> Result<(), Any> {
    let (gate, store) = (Gate::new(), ScriptedStore::default());
    let sec = worker(&gate, store.clone()).await?;
    sec.saga(Three {}).id("x").start().await?;
    assert_eq!(sec.operator("alice").pause("x").await?, Answer::Done);
    sec.shutdown(Duration::ZERO).await?;
    let pause = tokio::spawn(ask(store.clone(), "pause x"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let resume = tokio::spawn(ask(store.clone(), "resume x"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    gate.permits.add_permits(3);
    // the store lists the requests until the answers are written
    store.before(|call| {
        let appends = matches!(call, Call::Append(..));
        appends.then(|| -> Hooked {
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(())
            })
        })
    });
    let sec = worker(&gate, store).await?;
    assert_eq!(pause.await??, Answer::NothingToDo { status: SagaStatus::Running });
    assert_eq!(resume.await??, Answer::Done);
    let ended = tokio::time::timeout(Duration::from_secs(60), end(&sec, "x")).await;
    assert!(matches!(ended, Ok(Ok(Ok(_)))), "it is paused again: {:?}", log(&sec, "x").await?);
    Ok(())
}

/// The commands that were granted to a saga, in the order of its log.
async fn granted(sec: &Coordinator<Arc<Gate>>, id: &str) -> Result<Vec<&'static str>, Any> {
    let view = sec.inspect(id).await?.ok_or("it is not there")?;
    let granted = view.log.entries().iter().filter_map(|entry| match entry.saga_entry() {
        Some(SagaEntry::Requested { command, .. }) => Some(command.name()),
        _ => None,
    });
    Ok(granted.collect())
}

/// Asks for pauses and resumptions in turn, without waiting for an answer in between: each is granted only in its order.
async fn pause_and_resume(
    bob: &Operator,
    saga: &str,
    rounds: usize,
) -> Result<Vec<&'static str>, Any> {
    let mut asked = Vec::new();
    let mut words = Vec::new();
    for _ in 0..rounds {
        asked.push(Box::pin(bob.pause(saga)) as Asked<'_>);
        asked.push(Box::pin(bob.resume(saga)));
        words.extend(["pause", "resume"]);
    }
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer?, Answer::Done);
    }
    Ok(words)
}

type Asked<'a> = futures_util::future::BoxFuture<'a, Result<Answer, OperateError>>;

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_a_saga_are_carried_out_in_the_order_in_which_they_were_left()
-> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("sagas.db");
    let sec = worker(&Gate::new(), SqliteStore::open(&path)?).await?;
    let bob = Operator::attach(SqliteStore::attach(&path)?, "bob", Duration::from_secs(60));
    for round in 0..5 {
        let id = format!("x-{round}");
        sec.saga(Three {}).id(id.as_str()).start().await?;
        let asked = pause_and_resume(&bob, &id, 10).await?;
        assert_eq!(granted(&sec, &id).await?, asked);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_files_are_carried_out_in_the_order_in_which_they_were_left() -> Result<(), Any>
{
    let directory = tempfile::tempdir()?;
    let sec = worker(&Gate::new(), FileStore::open(directory.path())?).await?;
    let bob =
        Operator::attach(FileStore::attach(directory.path())?, "bob", Duration::from_secs(60));
    for round in 0..5 {
        let id = format!("x-{round}");
        sec.saga(Three {}).id(id.as_str()).start().await?;
        let asked = pause_and_resume(&bob, &id, 10).await?;
        assert_eq!(granted(&sec, &id).await?, asked);
    }
    Ok(())
}

/// Nobody runs the saga while they are left.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_for_a_worker_are_carried_out_in_their_order() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("sagas.db");
    let gate = Gate::new();
    let sec = worker(&gate, SqliteStore::open(&path)?).await?;
    sec.saga(Three {}).id("x").start().await?;
    sec.shutdown(Duration::ZERO).await?;
    drop(sec);
    let bob = Operator::attach(SqliteStore::attach(&path)?, "bob", Duration::from_secs(60));
    let asked = tokio::spawn(async move { pause_and_resume(&bob, "x", 10).await });
    let reader = SqliteStore::attach(&path)?;
    while reader.requests_of(&"x".parse()?).await?.len() < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let sec = worker(&gate, SqliteStore::open(&path)?).await?;
    let asked = asked.await??;
    assert_eq!(granted(&sec, "x").await?, asked);
    Ok(())
}

#[saga_action(undo = hang())]
async fn keep(cx: &ActionContext<Arc<Gate>>) -> Result<(), String> {
    cx.permits.acquire().await.map_err(|e| e.to_string())?.forget();
    Ok(())
}
async fn hang(_: &ActionContext<Arc<Gate>>) -> Result<(), UndoError> {
    std::future::pending().await
}

saga! {
    Kept<Arc<Gate>>() {
        keep {};
    }
}

/// Those that reach a saga at rest, too, of which the first wakes it.
#[tokio::test(flavor = "multi_thread")]
async fn requests_within_a_process_are_carried_out_in_the_order_in_which_they_were_made()
-> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let gate = Gate::new();
    let store = SqliteStore::open(directory.path().join("sagas.db"))?;
    let sec = Coordinator::builder(gate.clone()).store(store).saga::<Kept>().build().await?;
    let alice = sec.operator("alice");
    for round in 0..5 {
        let id = format!("x-{round}");
        sec.saga(Kept {}).id(id.as_str()).start().await?;
        let mut asked = pause_and_resume(&alice, &id, 10).await?;
        gate.permits.add_permits(1);
        end(&sec, &id).await??;
        // at rest
        let answers = tokio::join!(
            alice.rollback(&id, "back"),
            alice.pause(&id),
            alice.resume(&id),
            alice.pause(&id),
        );
        assert_eq!(answers.0?, Answer::Done);
        for answer in [answers.1, answers.2, answers.3] {
            assert_eq!(answer?, Answer::Done);
        }
        asked.extend(["rollback", "pause", "resume", "pause"]);
        assert_eq!(granted(&sec, &id).await?, asked);
    }
    Ok(())
}

#[saga_action(no_undo, retry(forever), timeout = "1h")]
async fn settle(cx: &ActionContext<Arc<Gate>>) -> Result<(), String> {
    cx.permits.acquire().await.map_err(|e| e.to_string())?.forget();
    Ok(())
}

saga! {
    Pivotal<Arc<Gate>>() {
        #[pivot]
        settle {};
        #[retry(forever)]
        other {};
    }
}

/// Nobody is told that no worker has answered when one has the cancel in its log.
#[tokio::test(start_paused = true)]
async fn a_cancel_that_waits_for_the_pivot_is_held_when_patience_ends() -> Result<(), Any> {
    let (gate, store) = (Gate::new(), MemoryStore::new());
    let builder = Coordinator::builder(gate.clone()).store(store.clone());
    let sec = builder.saga::<Pivotal>().build().await?;
    sec.saga(Pivotal {}).id("x").start().await?;
    let bob = Operator::attach(store, "bob", Duration::from_secs(2));
    assert_eq!(bob.cancel("x", "too late").await?, Answer::Held);
    gate.permits.add_permits(1);
    Ok(())
}

/// A cancel waits for the pivot. What is asked after it does not.
#[tokio::test(start_paused = true)]
async fn a_request_that_is_held_lets_later_ones_pass() -> Result<(), Any> {
    let (gate, store) = (Gate::new(), MemoryStore::new());
    let builder = Coordinator::builder(gate.clone()).store(store.clone());
    let sec = builder.saga::<Pivotal>().build().await?;
    let bob = Operator::attach(store, "bob", Duration::from_secs(20));
    let alice = sec.operator("alice");
    for (id, operator) in [("by bob", bob), ("by alice", alice)] {
        let id = id.replace(' ', "-");
        sec.saga(Pivotal {}).id(id.as_str()).start().await?;
        let both = futures_util::future::join(operator.cancel(&id, "too late"), async {
            assert_eq!(operator.pause(&id).await?, Answer::Done);
            assert_eq!(operator.resume(&id).await?, Answer::Done);
            gate.permits.add_permits(1);
            Ok::<_, OperateError>(())
        });
        let (cancelled, paused) = tokio::time::timeout(Duration::from_secs(60), both).await?;
        paused?;
        assert!(matches!(cancelled, Err(OperateError::Refused { .. })), "{cancelled:?}");
        assert_eq!(granted(&sec, &id).await?, ["cancel", "pause", "resume"]);
    }
    Ok(())
}

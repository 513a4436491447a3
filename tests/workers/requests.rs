//! Requests of operators to sagas whose owner dies, and of operators who die.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use saga_core::UndoError;
use saga_core::operator::{Answer, Decision, OperateError, Refusal};
use saga_core::prelude::*;
use saga_core::store::{PostgresStore, Store};
use tokio::runtime::Runtime;

use crate::common::process::again;
use crate::database::count;
use crate::network::until;
use crate::shop::{LEASE, database};

/// Environment variables of the child processes.
const STORE: &str = "REQUESTS_STORE";
const ASK: &str = "REQUESTS_ASK";

/// What the actions of one worker have in common.
#[derive(Default)]
struct Desk {
    /// The owner, who dies, waits for everything that may wait, and cannot take bookings back.
    is_owner: bool,
    /// How many calls of the owner wait.
    waiting: AtomicUsize,
    /// The sagas whose booking was taken back.
    undone: Mutex<Vec<String>>,
}

impl Desk {
    async fn wait(&self) -> Result<(), String> {
        self.waiting.fetch_add(1, SeqCst);
        std::future::pending().await
    }
}

#[saga_action(undo = take_back())]
async fn book(cx: &ActionContext<Arc<Desk>>) -> Result<(), String> {
    let _ = cx;
    Ok(())
}
async fn take_back(cx: &ActionContext<Arc<Desk>>) -> Result<(), UndoError> {
    if cx.user_context().is_owner {
        return Err(UndoError::permanent("it is kept"));
    }
    cx.user_context().undone.lock().unwrap().push(cx.saga_id().to_string());
    Ok(())
}

#[saga_action(no_undo)]
async fn check(cx: &ActionContext<Arc<Desk>>, kind: &str) -> Result<(), String> {
    match kind {
        "waits" if cx.user_context().is_owner => cx.user_context().wait().await,
        "stuck" => Err("refused".to_string()),
        _ => Ok(()),
    }
}

#[saga_action(undo = take_back(), timeout = "300ms", retry(max = 2, base = "1ms"))]
async fn pay(cx: &ActionContext<Arc<Desk>>, kind: &str) -> Result<(), String> {
    let _ = cx;
    match kind {
        "in_doubt" => std::future::pending().await,
        _ => Ok(()),
    }
}

/// A pivot that takes long.
#[saga_action(undo = take_back(), retry(max = 2, base = "1ms"))]
async fn sign(cx: &ActionContext<Arc<Desk>>, kind: &str) -> Result<(), String> {
    match kind {
        "pivot" if cx.user_context().is_owner => cx.user_context().wait().await,
        _ => Ok(()),
    }
}

saga! {
    Booking<Arc<Desk>>(kind: String) {
        book {};
        check { kind };
        #[pivot]
        pay { kind };
    }
    Contract<Arc<Desk>>(kind: String) {
        book {};
        #[pivot]
        sign { kind };
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

async fn worker(url: &str, desk: &Arc<Desk>) -> Coordinator<Arc<Desk>> {
    // everything must have been asked before the lease of the owner ends
    let lease = if desk.is_owner { LEASE * 3 } else { LEASE };
    let options = PostgresStore::options(url).lease(lease).poll_every(Duration::from_millis(200));
    let builder = Coordinator::builder(desk.clone()).saga::<Booking>().saga::<Contract>();
    builder.store(options.connect().await.unwrap()).build().await.unwrap()
}

/// This is the program of a process that dies: it owns sagas, or asks for something. As a test it does nothing.
#[test]
fn a_process_that_dies() {
    let Ok(url) = std::env::var(STORE) else { return };
    runtime().block_on(async {
        let asks = std::env::var(ASK).ok();
        let desk = Arc::new(Desk { is_owner: asks.is_none(), ..Desk::default() });
        let sec = worker(&url, &desk).await;
        match asks {
            Some(saga) => drop(sec.operator("bob").cancel(&saga, "no answer").await),
            None => own(&sec).await,
        }
        std::future::pending().await
    })
}

async fn own(sec: &Coordinator<Arc<Desk>>) {
    for kind in ["waits", "stuck", "in_doubt"] {
        for n in 0..3 {
            let saga = sec.saga(Booking { kind: kind.into() }).id(format!("{kind}-{n}"));
            let handle = saga.start().await.unwrap();
            match kind {
                "stuck" => assert!(matches!(handle.await, Err(SagaError::Stuck(_)))),
                "in_doubt" => assert!(matches!(handle.await, Err(SagaError::Parked { .. }))),
                _ => {}
            }
        }
    }
    for n in 0..3 {
        let saga = sec.saga(Contract { kind: "pivot".into() }).id(format!("pivot-{n}"));
        saga.start().await.unwrap();
    }
    while sec.context().waiting.load(SeqCst) < 6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("\nready");
}

/// A process that is killed when this is dropped.
struct Process(Child);

impl Process {
    fn start(url: &str, asks: Option<&str>) -> Self {
        let mut child = again(module_path!(), "a_process_that_dies");
        child.env(STORE, url).stdout(Stdio::piped());
        if let Some(saga) = asks {
            child.env(ASK, saga);
        }
        Self(child.spawn().unwrap())
    }

    fn until_ready(&mut self) {
        let said = BufReader::new(self.0.stdout.take().unwrap()).lines();
        assert!(said.map_while(Result::ok).any(|line| line == "ready"), "the owner has ended");
    }

    fn stop(&self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-STOP", &id]).status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn requests(url: &str) -> i64 {
    count(url, "SELECT count(*) FROM saga_command")
}

/// Checks that a saga was asked for something once, and took its booking back once.
async fn check_once(store: &PostgresStore, saga: &str, undone: &[String], expected: SagaStatus) {
    let stored = store.load(&saga.parse().unwrap()).await.unwrap().unwrap();
    let kinds = stored.entries.iter().map(|entry| entry.kind.name()).collect::<Vec<_>>();
    assert_eq!(stored.record.status, expected, "{saga}: {kinds:?}");
    let requested = kinds.iter().filter(|kind| **kind == "requested").count();
    assert_eq!(requested, 1, "{saga}: {kinds:?}");
    let taken_back = undone.iter().filter(|id| *id == saga).count();
    assert_eq!(taken_back, usize::from(expected == SagaStatus::RolledBack), "{saga}: {kinds:?}");
}

#[test]
fn requests_to_an_owner_that_dies_are_carried_out_once_by_those_who_take_over() {
    let (url, desk) = (database(), Arc::new(Desk::default()));
    let mut owner = Process::start(&url, None);
    owner.until_ready();
    owner.stop();
    let stopped = Instant::now();
    let runtimes = [runtime(), runtime()];
    let workers = runtimes.each_ref().map(|runtime| runtime.block_on(worker(&url, &desk)));
    // a process asks, and dies before it has an answer
    let asker = Process::start(&url, Some("waits-0"));
    until("a request waits", || requests(&url) == 1);
    drop(asker);
    let mut asked = Vec::new();
    for (kind, numbers) in [("waits", 1..3), ("stuck", 0..3), ("in_doubt", 0..3), ("pivot", 0..3)] {
        for n in numbers {
            let (id, worker) = (format!("{kind}-{n}"), n % 2);
            let operator = workers[worker].operator("ann");
            asked.push(runtimes[worker].spawn(async move {
                let answer = match kind {
                    "stuck" => operator.retry_undo(&id, "book").await,
                    "in_doubt" => operator.decide(&id, "pay", Decision::Failed, "no money").await,
                    _ => operator.cancel(&id, "enough").await,
                };
                (id, answer)
            }));
        }
    }
    until("all requests wait", || requests(&url) == 12);
    drop(owner);
    let reader = runtimes[0].block_on(async { PostgresStore::connect(&url).await.unwrap() });
    for asked in asked {
        let answered = runtimes[0].block_on(async {
            tokio::time::timeout(Duration::from_secs(20), asked).await.expect("no hang")
        });
        let (id, answer) = answered.unwrap();
        match id.starts_with("pivot") {
            true => {
                let past = matches!(
                    &answer,
                    Err(OperateError::Refused { refusal: Refusal::PastPivot { .. }, .. })
                );
                assert!(past, "{id}: {answer:?}");
            }
            false => assert_eq!(answer.unwrap(), Answer::Done, "{id}"),
        }
    }
    println!("answered {:?} after the owner was stopped", stopped.elapsed());
    let is_over = "SELECT count(*) FROM saga WHERE status IN ('rolled_back', 'completed')";
    until("all sagas have ended", || count(&url, is_over) == 12);
    let open = "SELECT count(*) FROM saga_command WHERE answer IS NULL";
    assert_eq!(count(&url, open), 0);
    let undone = desk.undone.lock().unwrap().clone();
    runtimes[0].block_on(async {
        for kind in ["waits", "stuck", "in_doubt", "pivot"] {
            let expected = match kind {
                "pivot" => SagaStatus::Completed,
                _ => SagaStatus::RolledBack,
            };
            for n in 0..3 {
                check_once(&reader, &format!("{kind}-{n}"), &undone, expected).await;
            }
        }
    });
}

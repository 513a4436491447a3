//! Workers in processes of their own, which are killed, suspended, and drained.
//!
//! `WORKERS_SEED=n` repeats the moments, as far as the machine allows; `WORKERS_SAGAS` and `WORKERS_ROUNDS` set the number
//! of sagas at first, and how often something happens to one of them.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use saga_core::prelude::*;
use saga_core::store::PostgresStore;

use crate::common::dice::Dice;
use crate::common::process::again;
use crate::database::{count, sql, unfinished};
use crate::receivers::{self, PlaceOrder, Receivers};
use crate::shop::{self, LEASE};

/// Environment variables of the child process.
const STORE: &str = "WORKERS_STORE";
const RECEIVERS: &str = "WORKERS_RECEIVERS";
const ORDERS: &str = "WORKERS_ORDERS";
const SEED: &str = "WORKERS_SEED";

#[test]
fn sagas_of_two_workers_survive_whatever_happens_to_one_of_them() {
    outlive(2);
}

#[test]
fn sagas_of_three_workers_survive_whatever_happens_to_one_of_them() {
    outlive(3);
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// This is the program of a worker: it places orders, waits for all of them, and drains when it is told to. As a test it
/// does nothing.
#[test]
fn a_worker_process() {
    let Ok(store) = std::env::var(STORE) else { return };
    let (receivers, orders) = (std::env::var(RECEIVERS).unwrap(), std::env::var(ORDERS).unwrap());
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(work(&store, &receivers, orders));
}

async fn work(store: &str, receivers: &str, orders: String) {
    let receivers = Receivers::connect(receivers, number(SEED, 0), 400).await;
    let options = PostgresStore::options(store).lease(LEASE);
    let store = options.poll_every(Duration::from_millis(250)).connect().await.unwrap();
    let sec = Coordinator::builder(receivers).saga::<PlaceOrder>().store(store);
    let sec = sec.build().await.unwrap();
    say("ready");
    let (prefix, how_many) = orders.split_once(' ').unwrap();
    let mut orders = tokio::task::JoinSet::new();
    for n in 0..how_many.parse::<u32>().unwrap() {
        // every fifth order fails
        let order = PlaceOrder { order: format!("{prefix}-{n}"), sold_out: n % 5 == 0 };
        orders.spawn(place(sec.clone(), order));
    }
    let handles = orders.join_all().await;
    say("placed");
    let (told, drain) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // the end of the input is the end of the test
        let _ = std::io::stdin().read_line(&mut String::new());
        let _ = told.send(());
    });
    let all = async {
        for (id, handle) in handles {
            match handle.await {
                Ok(_) | Err(SagaError::RolledBack(_) | SagaError::ShutDown { .. }) => {}
                Err(error) => say(&format!("lost the handle of {id}: {error}")),
            }
        }
        say("all have ended");
    };
    let drained = async {
        let _ = drain.await;
        sec.shutdown(Duration::from_millis(200)).await.unwrap();
        say("drained");
    };
    tokio::join!(all, drained);
}

/// Starts a saga. If the store fails, whoever places the order does so again.
async fn place(sec: Coordinator<Receivers>, order: PlaceOrder) -> (String, SagaHandle<PlaceOrder>) {
    let id = order.order.clone();
    loop {
        match sec.saga(order.clone()).id(&id).start().await {
            Ok(handle) => return (id, handle),
            Err(StartError::Store(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{id}: {error}"),
        }
    }
}

fn say(what: &str) {
    // the line begins with the name of the test
    println!("\nworker: {what}");
}

/// A process that is killed when this is dropped.
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
    /// What the database calls it.
    id: String,
}

impl Worker {
    /// `through` is the store's URL for the worker, which may lead through a pooler.
    pub(crate) fn start(
        store: &str,
        through: &str,
        receivers: &str,
        orders: &str,
        seed: u64,
    ) -> Self {
        let ids = || {
            // the first worker creates the tables
            let is_new: bool = sql(store, "SELECT to_regclass('saga_worker') IS NULL")[0].get(0);
            if is_new {
                return Vec::new();
            }
            let workers = sql(store, "SELECT incarnation FROM saga_worker");
            workers.iter().map(|row| row.get(0)).collect::<Vec<String>>()
        };
        let before = ids();
        let mut child = again(module_path!(), "a_worker_process");
        child.env(STORE, through).env(RECEIVERS, receivers).env(ORDERS, orders);
        child.env(SEED, seed.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut worker = Self { child, input, said, id: String::new() };
        worker.until("ready");
        worker.id = ids().into_iter().find(|id| !before.contains(id)).unwrap();
        worker
    }

    /// Reads what the worker says until it says this.
    pub(crate) fn until(&mut self, what: &str) {
        let said = self.said.by_ref().map_while(Result::ok);
        let said = said.filter_map(|line| Some(line.strip_prefix("worker: ")?.to_string()));
        for line in said {
            assert!(!line.starts_with("lost"), "{line}");
            if line == what {
                return;
            }
        }
        panic!("a worker ended without saying {what:?}");
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    fn sagas(&self, store: &str) -> i64 {
        let owned = "SELECT count(*) FROM saga WHERE ended_at IS NULL AND owner =";
        count(store, &format!("{owned} '{}'", self.id))
    }

    /// Waits until others have all of its sagas. Returns how many there were, and how long that took.
    pub(crate) fn until_taken_over(&self, store: &str) -> (i64, Duration) {
        let (began, sagas) = (Instant::now(), self.sagas(store));
        while self.sagas(store) > 0 {
            assert!(began.elapsed() < LEASE + Duration::from_secs(20), "{} is not", self.id);
            std::thread::sleep(Duration::from_millis(20));
        }
        (sagas, began.elapsed())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn outlive(workers: usize) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = number(SEED, now.as_micros() as u64 % 1_000_000);
    println!("{SEED}={seed}");
    let dice = Dice::new(seed);
    let (store, receivers) = (shop::database(), receivers::database());
    let (mut started, mut placed) = (0, 0);
    let mut start = |orders: u64| {
        started += 1;
        placed += orders as usize;
        let orders = format!("order-{started} {orders}");
        let mut worker = Worker::start(&store, &store, &receivers, &orders, seed + started);
        worker.until("placed");
        worker
    };
    let each = number("WORKERS_SAGAS", 500) / workers as u64;
    let mut running = (0..workers).map(|_| start(each)).collect::<Vec<_>>();
    for round in 0..number("WORKERS_ROUNDS", 3) {
        dice.sleep(0..500);
        let mut worker = running.remove(dice.roll(workers as u64) as usize);
        match round % 3 {
            0 => {
                worker.signal("-KILL");
                let (sagas, took) = worker.until_taken_over(&store);
                println!(
                    "{sagas} sagas were taken over {took:?} after a kill, with a lease of {LEASE:?}"
                );
                running.push(start(each / 2));
            }
            1 => {
                worker.signal("-STOP");
                let (sagas, took) = worker.until_taken_over(&store);
                println!(
                    "{sagas} sagas were taken over {took:?} after a stop, with a lease of {LEASE:?}"
                );
                dice.sleep(0..1000);
                worker.signal("-CONT");
                running.push(worker);
            }
            _ => {
                let (began, sagas) = (Instant::now(), worker.sagas(&store));
                worker.input.write_all(b"drain\n").unwrap();
                worker.until("drained");
                let took = began.elapsed();
                println!("{sagas} sagas were handed over in {took:?}, with a grace of 200 ms");
                assert_eq!(worker.sagas(&store), 0);
                assert!(took < Duration::from_secs(10), "{took:?}");
                running.push(start(each / 2));
            }
        }
    }
    wait_for_all(&store, &mut running.iter_mut().collect::<Vec<_>>());
    println!("{:?}", receivers::check(&store, &receivers, placed));
}

/// Waits until all sagas have ended, and drains the workers.
pub(crate) fn wait_for_all(store: &str, running: &mut [&mut Worker]) {
    let began = Instant::now();
    for worker in running.iter_mut() {
        worker.until("all have ended");
    }
    while unfinished(store) > 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "sagas are stranded");
        std::thread::sleep(Duration::from_millis(50));
    }
    for worker in running {
        worker.input.write_all(b"drain\n").unwrap();
        worker.until("drained");
    }
}

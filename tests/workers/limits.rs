//! A limit on the calls of an action over workers in processes of their own. The receiver of the calls keeps when each
//! began and ended.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use saga_core::prelude::*;
use saga_core::store::PostgresStore;
use throwaway_postgres::TestDatabase;
use tokio_postgres::Client;

use crate::common::dice::Dice;
use crate::common::process::again;
use crate::database::{connect, count, sql, unfinished};
use crate::receivers;
use crate::shop;

/// Longer than a busy machine delays a renewal: a worker that loses its lease exceeds the limit by the calls that it had begun.
const LEASE: Duration = Duration::from_secs(4);

/// Environment variables of the child process.
const STORE: &str = "LIMITS_STORE";
const RECEIVER: &str = "LIMITS_RECEIVER";
const NAME: &str = "LIMITS_NAME";
const SAGAS: &str = "LIMITS_SAGAS";
const LIMIT: &str = "LIMITS_LIMIT";

/// The receiver, as the actions of a worker see it.
struct Receiver {
    client: Arc<Client>,
    worker: i64,
    dice: Dice,
}

#[saga_action(no_undo)]
async fn charge(cx: &ActionContext<Receiver>) -> Result<(), tokio_postgres::Error> {
    let Receiver { client, worker, dice } = &**cx.user_context();
    let begin =
        "INSERT INTO call (worker, sent, began) VALUES ($1, $2, clock_timestamp()) RETURNING id";
    let id: i64 = client.query_one(begin, &[worker, &SystemTime::now()]).await?.get(0);
    let mut call = Call { client: client.clone(), id, is_over: false };
    tokio::time::sleep(Duration::from_millis(20 + dice.roll(60))).await;
    client.execute(END, &[&id]).await?;
    call.is_over = true;
    Ok(())
}

const END: &str = "UPDATE call SET ended = clock_timestamp() WHERE id = $1 AND ended IS NULL";

/// The receiver hears of the end of a call that is dropped, too: when its worker has lost its lease.
struct Call {
    client: Arc<Client>,
    id: i64,
    is_over: bool,
}

impl Drop for Call {
    fn drop(&mut self) {
        let (client, id) = (self.client.clone(), self.id);
        if !self.is_over {
            tokio::spawn(async move { client.execute(END, &[&id]).await });
        }
    }
}

saga! { Pay<Receiver>(_number: u32) { charge {}; } }

/// This is the program of a worker. As a test it does nothing.
#[test]
fn a_limited_worker_process() {
    let Ok(store) = std::env::var(STORE) else { return };
    let number = |name: &str| std::env::var(name).unwrap().parse::<u32>().unwrap();
    let worker = number(NAME);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Arc::new(connect(&std::env::var(RECEIVER).unwrap()).await.unwrap());
        let receiver = Receiver { client, worker: worker.into(), dice: Dice::new(worker.into()) };
        let store = PostgresStore::options(&store).lease(LEASE);
        let store = store.poll_every(Duration::from_millis(400)).connect().await.unwrap();
        let sec = Coordinator::builder(receiver).saga::<Pay>().store(store);
        let sec = sec.max_calls_of_everywhere("charge", number(LIMIT) as usize);
        let sec = sec.build().await.unwrap();
        say("ready");
        let (told, mut more) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            while std::io::stdin().read_line(&mut String::new()).is_ok_and(|read| read > 0) {
                told.send(()).unwrap();
            }
        });
        // goes on for sagas of others, and starts more when it is told to
        for batch in 0.. {
            tokio::spawn(pay(sec.clone(), format!("{worker}-{batch}"), number(SAGAS)));
            if more.recv().await.is_none() {
                return;
            }
        }
    });
}

async fn pay(sec: Coordinator<Receiver>, id: String, sagas: u32) {
    let mut handles = Vec::new();
    for n in 0..sagas {
        let saga = sec.saga(Pay { _number: n }).id(format!("{id}-{n}"));
        handles.push(saga.start().await.unwrap());
    }
    say("started");
    for handle in handles {
        handle.await.unwrap();
    }
    say("all have ended");
}

fn say(what: &str) {
    println!("\nworker: {what}");
}

/// A process that is killed when this is dropped, or when the test dies.
struct Worker {
    child: Child,
    input: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

/// What the workers of a test have in common.
struct Service {
    store: TestDatabase,
    receiver: TestDatabase,
    limit: u32,
    workers: u32,
}

impl Service {
    fn new(limit: u32) -> Self {
        let (store, receiver) = (shop::database(), receivers::database());
        let table = "CREATE TABLE call (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, worker bigint NOT NULL, \
             sent timestamptz NOT NULL, began timestamptz NOT NULL, ended timestamptz)";
        sql(&receiver, table);
        Self { store, receiver, limit, workers: 0 }
    }

    fn start(&mut self, sagas: u32) -> Worker {
        self.workers += 1;
        let mut child = again(module_path!(), "a_limited_worker_process");
        child.env(STORE, &*self.store).env(RECEIVER, &*self.receiver);
        child.env(NAME, self.workers.to_string()).env(SAGAS, sagas.to_string());
        child.env(LIMIT, self.limit.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut worker = Worker { child, input, said };
        worker.until("ready");
        worker
    }

    fn until_all_have_ended(&self) {
        let began = Instant::now();
        while unfinished(&self.store) > 0 {
            assert!(began.elapsed() < Duration::from_secs(90), "sagas are stranded");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn calls(&self) -> i64 {
        count(&self.receiver, "SELECT count(*) FROM call")
    }

    /// From now on, the calls that the first worker has begun do not count any more, even if they have not arrived yet.
    fn write_off(&self) {
        sql(&self.receiver, "CREATE TABLE cut AS SELECT clock_timestamp() AS at");
    }

    /// When calls began and ended, in seconds, in the order of time: how many there were of each worker from then on.
    fn seen(&self) -> Vec<(f64, Vec<i64>)> {
        sql(&self.receiver, "CREATE TABLE IF NOT EXISTS cut (at timestamptz)");
        let events = "SELECT extract(epoch FROM e.at)::float8, worker, step FROM call \
             LEFT JOIN cut ON worker = 1 AND sent < cut.at, \
             LATERAL (VALUES (least(began, cut.at), 1), (least(ended, cut.at), -1)) AS e (at, step) \
             WHERE e.at IS NOT NULL ORDER BY e.at, step";
        let mut now = vec![0; self.workers as usize];
        let events = sql(&self.receiver, events);
        let after = |row: &tokio_postgres::Row| {
            now[row.get::<_, i64>(1) as usize - 1] += i64::from(row.get::<_, i32>(2));
            (row.get(0), now.clone())
        };
        events.iter().map(after).collect()
    }

    /// Checks that there never were too many calls, and that all were made use of.
    fn check(&self) {
        let seen = self.seen();
        let most = seen.iter().map(|(_, now)| now.iter().sum::<i64>()).max();
        assert_eq!(most, Some(self.limit.into()), "calls at once: {seen:#?}");
    }

    /// How many calls there were of each worker on average, in the time in which all of them were busy.
    fn parts(&self) -> Vec<f64> {
        let seen = self.seen();
        let window = |worker: usize| {
            let busy = || seen.iter().filter(move |(_, now)| now[worker] > 0).map(|(at, _)| *at);
            (busy().next().unwrap(), busy().next_back().unwrap())
        };
        let windows = (0..self.workers as usize).map(window).collect::<Vec<_>>();
        // the first second is for finding out about each other
        let from = windows.iter().map(|(first, _)| *first).fold(f64::MIN, f64::max) + 1.0;
        let to = windows.iter().map(|(_, last)| *last).fold(f64::MAX, f64::min);
        assert!(to > from + 1.0, "they were busy at the same time: {windows:?}");
        let mut parts = vec![0.0; self.workers as usize];
        for pair in seen.windows(2) {
            let time = (pair[1].0.min(to) - pair[0].0.max(from)).max(0.0);
            parts.iter_mut().zip(&pair[0].1).for_each(|(part, now)| *part += time * *now as f64);
        }
        parts.iter_mut().for_each(|part| *part /= to - from);
        parts
    }
}

impl Worker {
    /// Reads what the worker says until it says this.
    fn until(&mut self, what: &str) {
        let said = self.said.by_ref().map_while(Result::ok);
        let mut said = said.filter_map(|line| Some(line.strip_prefix("worker: ")?.to_string()));
        assert!(said.any(|line| line == what), "a worker ended without saying {what:?}");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shared_by(workers: usize, limit: u32, sagas: u32) {
    let mut service = Service::new(limit);
    let mut running = (0..workers).map(|_| service.start(sagas)).collect::<Vec<_>>();
    for worker in &mut running {
        worker.until("all have ended");
    }
    service.check();
    let parts = service.parts();
    println!("{limit} calls at once were divided into {parts:.2?}");
    let equal = f64::from(limit) / workers as f64;
    assert!(parts.iter().all(|part| *part > equal * 0.5), "{parts:?}");
    assert!(parts.iter().sum::<f64>() > f64::from(limit) * 0.5, "{parts:?}");
    let changes = count(&service.store, "SELECT version FROM saga_call_share");
    println!("{} calls, {changes} changes of shares", service.calls());
}

#[test]
fn two_processes_share_a_limit() {
    shared_by(2, 6, 400);
}

#[test]
fn three_processes_share_a_limit() {
    shared_by(3, 7, 300);
}

#[test]
fn three_processes_take_turns_at_a_single_call() {
    shared_by(3, 1, 60);
}

#[test]
fn what_a_killed_process_held_is_free_after_its_lease() {
    let mut service = Service::new(4);
    let (mut first, mut second) = (service.start(200), service.start(200));
    first.until("started");
    second.until("started");
    std::thread::sleep(Duration::from_millis(800));
    first.signal("-KILL");
    first.child.wait().unwrap();
    service.write_off();
    let died = Instant::now();
    while !service.seen().last().unwrap().1[1].eq(&4) {
        assert!(died.elapsed() < LEASE + Duration::from_secs(5), "the others get no more");
    }
    println!(
        "its calls were those of the other {:?} later, with a lease of {LEASE:?}",
        died.elapsed()
    );
    service.until_all_have_ended();
    service.check();
    assert!(service.calls() >= 400);
}

#[test]
fn a_suspended_process_exceeds_the_limit_only_by_the_calls_that_it_had_begun() {
    let mut service = Service::new(4);
    let (mut first, mut second) = (service.start(50), service.start(600));
    first.until("all have ended");
    // so that both make calls
    first.input.write_all(b"more\n").unwrap();
    first.until("started");
    std::thread::sleep(Duration::from_millis(300));
    first.signal("-STOP");
    // what it has sent arrives
    std::thread::sleep(Duration::from_millis(100));
    service.write_off();
    let stopped = Instant::now();
    while !service.seen().last().unwrap().1[1].eq(&4) {
        assert!(stopped.elapsed() < LEASE + Duration::from_secs(5), "the other gets no more");
    }
    // it has calls to make as soon as it goes on
    first.input.write_all(b"more\n").unwrap();
    first.signal("-CONT");
    first.until("all have ended");
    first.until("all have ended");
    second.until("all have ended");
    assert_eq!(unfinished(&service.store), 0);
    service.check();
}

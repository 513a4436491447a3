//! Actions that commit rows of their own together with their outcome, in the database of the log.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use saga_core::prelude::*;
use saga_core::store::tokio_postgres::{self, Client, NoTls, Transaction};
use saga_core::store::{MemoryStore, PostgresStore};
use tokio::runtime::Runtime;

use crate::shop::{LEASE, database};

/// What the actions have said.
type Bank = Arc<Mutex<Vec<String>>>;

#[derive(Debug, thiserror::Error)]
#[error("{why}")]
struct Refused {
    why: String,
}

impl From<tokio_postgres::Error> for Refused {
    fn from(error: tokio_postgres::Error) -> Self {
        Self { why: format!("{error:?}") }
    }
}

fn say(cx: &ActionContext<Bank>, what: impl std::fmt::Display) {
    cx.user_context().lock().unwrap().push(what.to_string());
}

/// Changes a balance, which must not become negative.
async fn add(tx: &Transaction<'_>, account: i32, cents: i64) -> Result<i64, Refused> {
    let sql = "UPDATE account SET cents = cents + $2 WHERE id = $1 RETURNING cents";
    let left: i64 = tx.query_one(sql, &[&account, &cents]).await?.try_get(0)?;
    tx.execute("INSERT INTO booking (account, cents) VALUES ($1, $2)", &[&account, &cents]).await?;
    // long enough to be killed in the middle
    tx.batch_execute("SELECT pg_sleep(0.005)").await?;
    match left {
        0.. => Ok(left),
        _ => Err(Refused { why: format!("{left} cents") }),
    }
}

#[saga_action(undo = pay_back(account, cents, output?))]
async fn pay(cx: &ActionContext<Bank>, account: i32, cents: i64) -> Result<i64, Refused> {
    let paid = cx.postgres_transaction(async move |tx| add(tx, account, -cents).await).await;
    say(cx, format_args!("after the transaction: {paid:?}"));
    paid
}
async fn pay_back(
    cx: &ActionContext<Bank>,
    account: i32,
    cents: i64,
    left: Option<&i64>,
) -> Result<(), Refused> {
    if left.is_none() {
        return Ok(());
    }
    cx.postgres_transaction(async move |tx| add(tx, account, cents).await.map(drop)).await
}

#[saga_action(undo = take_back(account, cents, output?))]
async fn receive(cx: &ActionContext<Bank>, account: i32, cents: i64) -> Result<i64, Refused> {
    cx.postgres_transaction(async move |tx| add(tx, account, cents).await).await
}
async fn take_back(
    cx: &ActionContext<Bank>,
    account: i32,
    cents: i64,
    left: Option<&i64>,
) -> Result<(), Refused> {
    if left.is_none() {
        return Ok(());
    }
    cx.postgres_transaction(async move |tx| add(tx, account, -cents).await.map(drop)).await
}

/// The bank declines every third transfer at last.
#[saga_action(no_undo)]
async fn approve(cx: &ActionContext<Bank>, number: i64) -> Result<(), String> {
    let _ = cx;
    if number % 3 == 0 { Err("declined".to_string()) } else { Ok(()) }
}

#[saga_action(no_undo)]
async fn panic_inside(cx: &ActionContext<Bank>) -> Result<i64, Refused> {
    cx.postgres_transaction(async move |tx| {
        add(tx, 1, 5).await?;
        if tx.client().is_closed() {
            return Ok(1);
        }
        panic!("inside")
    })
    .await
}

#[saga_action(no_undo)]
async fn try_twice(cx: &ActionContext<Bank>) -> Result<i64, Refused> {
    let too_much = cx.postgres_transaction(async move |tx| add(tx, 1, -500).await).await;
    say(cx, format_args!("{too_much:?}"));
    cx.postgres_transaction(async move |tx| add(tx, 1, -50).await).await
}

saga! {
    Transfer<Bank>(from: i32, to: i32, cents: i64, number: i64) -> i64 {
        let left = pay { account: *from, cents: *cents };
        let _has = receive { account: *to, cents: *cents };
        let _approved = approve { number: *number };
        left
    }
    Panics<Bank>() -> i64 { let n = panic_inside {}; n }
    Twice<Bank>() -> i64 { let n = try_twice {}; n }
}

async fn bank(url: &str, accounts: i32) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let tables = "CREATE TABLE account (id int PRIMARY KEY, cents bigint NOT NULL);
        CREATE TABLE booking (account int NOT NULL, cents bigint NOT NULL)";
    client.batch_execute(tables).await.unwrap();
    let fill = "INSERT INTO account SELECT n, 100 FROM generate_series(1, $1::int) AS n";
    client.execute(fill, &[&accounts]).await.unwrap();
    client
}

async fn balances(client: &Client) -> Vec<i64> {
    let rows = client.query("SELECT cents FROM account ORDER BY id", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn coordinator(url: &str) -> Coordinator<Bank> {
    let options = PostgresStore::options(url).lease(LEASE).poll_every(Duration::from_millis(200));
    let store = options.connect().await.unwrap();
    let builder = Coordinator::builder(Bank::default()).store(store);
    builder.saga::<Transfer>().saga::<Panics>().saga::<Twice>().build().await.unwrap()
}

fn transfer(from: i32, to: i32, cents: i64, number: i64) -> Transfer {
    Transfer { from, to, cents, number }
}

#[tokio::test]
async fn rows_and_outcome_are_committed_together() {
    let url = database();
    let client = bank(&url, 2).await;
    let sec = coordinator(&url).await;
    assert_eq!(sec.run(transfer(1, 2, 30, 1)).await.unwrap(), 70);
    assert_eq!(balances(&client).await, [70, 130]);
    assert!(sec.context().lock().unwrap().is_empty(), "code behind the commit never runs");
    let error = sec.run(transfer(1, 2, 30, 3)).await.unwrap_err();
    assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
    assert_eq!(balances(&client).await, [70, 130], "undone, in transactions as well");
    let error = sec.run(transfer(1, 2, 100, 1)).await.unwrap_err();
    assert!(error.to_string().contains("-30 cents"), "{error}");
    let told = sec.context().lock().unwrap().clone();
    assert_eq!(told, ["after the transaction: Err(Refused { why: \"-30 cents\" })"]);
    let bookings = client.query_one("SELECT count(*) FROM booking", &[]).await.unwrap();
    assert_eq!((bookings.get::<_, i64>(0), balances(&client).await), (6, vec![70, 130]));
}

#[tokio::test]
async fn a_panic_in_the_work_is_the_actions_and_an_error_is_not_the_end() {
    let url = database();
    let client = bank(&url, 1).await;
    let sec = coordinator(&url).await;
    let error = sec.run(Panics {}).await.unwrap_err();
    assert!(error.to_string().contains("inside"), "{error}");
    assert_eq!(balances(&client).await, [100]);
    assert_eq!(sec.run(Twice {}).await.unwrap(), 50);
    assert_eq!(sec.context().lock().unwrap().len(), 1);
    assert_eq!(balances(&client).await, [50]);
}

#[tokio::test]
async fn a_store_without_postgres_refuses() {
    let builder = Coordinator::builder(Bank::default()).store(MemoryStore::new());
    let sec = builder.saga::<Transfer>().build().await.unwrap();
    let error = sec.run(transfer(1, 2, 30, 1)).await.unwrap_err().to_string();
    assert!(error.contains("a `PostgresStore` for `cx.postgres_transaction`"), "{error}");
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Workers that are killed at any moment, while others go on. Money is neither lost nor made.
#[test]
fn money_is_moved_exactly_once_while_workers_die() {
    const SAGAS: i64 = 50;
    let url = database();
    let observer = runtime();
    let client = observer.block_on(bank(&url, 5));
    let count =
        |sql: &str| -> i64 { observer.block_on(client.query_one(sql, &[])).unwrap().get(0) };
    let unfinished = || count("SELECT count(*) FROM saga WHERE ended_at IS NULL");
    let bookings = || count("SELECT count(*) FROM booking");
    let start = || {
        let runtime = runtime();
        (runtime.block_on(coordinator(&url)), runtime)
    };
    let mut worker = start();
    worker.1.block_on(async {
        for number in 0..SAGAS {
            let (from, to) = (1 + number % 5, 1 + (number + 1) % 5);
            let saga = transfer(from as i32, to as i32, 1, number);
            worker.0.saga(saga).id(format!("t{number}").as_str()).start().await.unwrap();
        }
    });
    let (mut seed, mut interrupted) = (7_u64, 0);
    for _ in 0..4 {
        // it is killed a while after it has begun to work
        let before = bookings();
        while bookings() == before && unfinished() > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis((seed >> 33) % 60));
        let next = start();
        let (sec, runtime) = std::mem::replace(&mut worker, next);
        // nothing is released, and nobody waits
        runtime.shutdown_background();
        drop(sec);
        interrupted += i64::from(unfinished() > 0);
        let sum: i64 = observer.block_on(balances(&client)).iter().sum();
        assert!((500 - SAGAS..=500).contains(&sum), "at most one cent of each is under way: {sum}");
    }
    assert!(interrupted > 1, "the workers died too late: {interrupted}");
    let until = Instant::now() + Duration::from_secs(60);
    while unfinished() > 0 {
        assert!(Instant::now() < until, "{} sagas have not ended", unfinished());
        std::thread::sleep(Duration::from_millis(50));
    }
    let balances = observer.block_on(balances(&client));
    assert_eq!(balances.iter().sum::<i64>(), 500, "{balances:?}");
    // two of each transfer, and two more of those that were declined
    let declined = (0..SAGAS).filter(|number| number % 3 == 0).count() as i64;
    assert_eq!(bookings(), 2 * SAGAS + 2 * declined);
    assert_eq!(count("SELECT sum(cents)::bigint FROM booking"), 0);
}

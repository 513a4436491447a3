//! A test: random calls of the barrier in PostgreSQL, at the same time, late, again, and undone before they were done, have
//! the results that the rules give to some order of them.
//!
//! `BARRIER_SEED=n` repeats a run, as far as the server does; `BARRIER_ROUNDS` sets how long it is.

use std::collections::BTreeSet;

use throwaway_postgres::new_database;
use tokio_postgres::{Client, NoTls, Transaction};

use super::rules::StoredCall;
use super::{BarrierError, postgres};
use crate::context::FencingToken;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % n
    }
}

#[derive(Debug, Clone, Copy)]
struct Call {
    /// The result of the call, if it is the one that does the work, and the row that the work writes.
    number: i32,
    token: FencingToken,
    undo: bool,
    /// The work fails after it has written.
    fails: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Done(i32),
    UndoDone,
    Stale,
    Undone,
    Failed,
}

impl<T> From<Result<T, BarrierError<String>>> for Answer
where
    Self: From<T>,
{
    fn from(result: Result<T, BarrierError<String>>) -> Self {
        match result {
            Ok(value) => value.into(),
            Err(BarrierError::Stale { .. }) => Self::Stale,
            Err(BarrierError::Undone { .. }) => Self::Undone,
            Err(BarrierError::Work(why)) if why == "no" => Self::Failed,
            Err(error) => panic!("{error}"),
        }
    }
}

impl From<i32> for Answer {
    fn from(result: i32) -> Self {
        Self::Done(result)
    }
}

impl From<()> for Answer {
    fn from((): ()) -> Self {
        Self::UndoDone
    }
}

/// What is known about a key, and the rows that the work has written for it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    token: (i64, i64),
    undone: bool,
    result: Option<Vec<u8>>,
    effects: BTreeSet<i32>,
}

impl State {
    fn new() -> Self {
        Self { token: (0, 0), undone: false, result: None, effects: BTreeSet::new() }
    }

    /// What the rules make of a call.
    fn apply(&mut self, call: &Call) -> Answer {
        let (undone, result) = (self.undone, self.result.clone());
        let found = StoredCall { token: self.token, undone, result };
        let token = (call.token.epoch as i64, call.token.seq as i64);
        if let Err(error) = found.check::<String>("k", call.token, token) {
            return Err::<(), _>(error).into();
        }
        self.token = token;
        if call.undo {
            let result: Option<i32> = found.to_undo::<_, String>("k").unwrap();
            if call.fails && result.is_some() {
                return Answer::Failed;
            }
            if let Some(result) = result {
                assert!(self.effects.remove(&result));
            }
            self.undone = true;
            return Answer::UndoDone;
        }
        match found.earlier::<i32, String>("k") {
            Ok(Some(earlier)) => Answer::Done(earlier),
            Ok(None) if call.fails => Answer::Failed,
            Ok(None) => {
                self.result = Some(call.number.to_string().into_bytes());
                self.effects.insert(call.number);
                Answer::Done(call.number)
            }
            Err(error) => Err::<(), _>(error).into(),
        }
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn make(client: &mut Client, key: &str, call: Call) -> Answer {
    let failed = |fails| if fails { Err("no".to_string()) } else { Ok(()) };
    if call.undo {
        let remove = async |tx: &Transaction<'_>, result: i32| {
            let sql = "DELETE FROM effect WHERE key = $1 AND n = $2";
            assert_eq!(tx.execute(sql, &[&key, &result]).await.unwrap(), 1);
            failed(call.fails)
        };
        return postgres::undo(client, key, call.token, remove).await.into();
    }
    let add = async |tx: &Transaction<'_>| {
        let sql = "INSERT INTO effect (key, n) VALUES ($1, $2)";
        tx.execute(sql, &[&key, &call.number]).await.unwrap();
        failed(call.fails).map(|()| call.number)
    };
    postgres::once(client, key, call.token, add).await.into()
}

async fn read(client: &Client, key: &str) -> State {
    let sql = "SELECT epoch, seq, undone, result FROM saga_barrier WHERE key = $1";
    let mut state = State::new();
    for row in client.query(sql, &[&key]).await.unwrap() {
        state.token = (row.get(0), row.get(1));
        (state.undone, state.result) = (row.get(2), row.get(3));
    }
    let effects = client.query("SELECT n FROM effect WHERE key = $1", &[&key]).await.unwrap();
    // a row that is there twice is not found by its number
    assert!(effects.len() < 2, "{} effects of {key}", effects.len());
    state.effects = effects.iter().map(|row| row.get(0)).collect();
    state
}

/// True if the calls can have come in some order: each with its answer, and with this state after the last.
fn explains(before: &State, calls: &[(Call, Answer)], after: &State) -> bool {
    if calls.is_empty() {
        return before == after;
    }
    (0..calls.len()).any(|first| {
        let mut rest = calls.to_vec();
        let (call, answer) = rest.remove(first);
        let mut state = before.clone();
        state.apply(&call) == answer && explains(&state, &rest, after)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_have_the_results_that_the_rules_give_to_some_order_of_them() {
    let number = |name: &str| std::env::var(name).ok().map(|number| number.parse().unwrap());
    let seed = number("BARRIER_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 16);
    println!("BARRIER_SEED={seed}");
    let mut dice = Dice(seed);
    let url = new_database().unwrap();
    let observer = connect(&url).await;
    observer
        .batch_execute("CREATE TABLE effect (key text NOT NULL, n int NOT NULL)")
        .await
        .unwrap();
    postgres::install(&observer).await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(connect(&url).await);
    }
    let (mut made, mut seen) = (0, std::collections::BTreeMap::<_, u32>::new());
    for round in 0..number("BARRIER_ROUNDS").unwrap_or(150) {
        let key = format!("key-{round}");
        let mut state = State::new();
        for _ in 0..1 + dice.roll(5) {
            // some at the same time, each with its own connection
            let mut running = Vec::new();
            for mut client in clients.drain(..1 + dice.roll(4) as usize) {
                made += 1;
                // earlier, the same, or later than what is known
                let near = |known: i64, dice: &mut Dice| (known as u64 + dice.roll(3)).max(1) - 1;
                let (epoch, seq) = state.token;
                let token = FencingToken {
                    epoch: near(epoch.max(1), &mut dice),
                    seq: near(seq.max(1), &mut dice),
                };
                let (undo, fails) = (dice.roll(3) == 0, dice.roll(4) == 0);
                let call = Call { number: made, token, undo, fails };
                let key = key.clone();
                running.push(tokio::spawn(async move {
                    let answer = make(&mut client, &key, call).await;
                    (client, (call, answer))
                }));
            }
            let mut calls = Vec::new();
            for call in running {
                let (client, call) = call.await.unwrap();
                clients.push(client);
                *seen.entry(format!("{:?}", call.1).replace(char::is_numeric, "")).or_default() +=
                    1;
                calls.push(call);
            }
            let after = read(&observer, &key).await;
            assert!(
                explains(&state, &calls, &after),
                "BARRIER_SEED={seed}, {key}: no order of {calls:#?} leads from {state:?} to {after:?}"
            );
            state = after;
        }
    }
    println!("{made} calls: {seen:?}");
    assert_eq!(seen.len(), 5, "each kind of answer was seen: {seen:?}");
}

//! One action of one saga, a network between it and the service, and what must hold in the end.

use saga_core::FencingToken;
use saga_core::barrier::{self, BarrierError};
use saga_core::store::rusqlite::{Connection, OptionalExtension, Transaction};

/// What the saga calls. An `Err` is an answer: that attempt had no effect.
pub(crate) trait Service {
    fn act(&mut self, key: &str, token: FencingToken, fails: bool) -> Result<i64, String>;
    fn undo(&mut self, key: &str, token: FencingToken) -> Result<(), String>;
    fn effects(&self) -> i64;
}

fn database() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch("CREATE TABLE effect (key TEXT NOT NULL)").unwrap();
    conn
}

fn count(conn: &Connection) -> i64 {
    conn.query_row("SELECT count(*) FROM effect", [], |row| row.get(0)).unwrap()
}

fn work(tx: &Transaction<'_>, key: &str, fails: bool) -> Result<i64, String> {
    tx.execute("INSERT INTO effect VALUES (?1)", [key]).unwrap();
    if fails { Err("refused".to_string()) } else { Ok(tx.last_insert_rowid()) }
}

/// A service that uses the barrier.
pub(crate) struct Barrier(Connection);

impl Barrier {
    pub(crate) fn new() -> Self {
        let conn = database();
        barrier::install(&conn).unwrap();
        Self(conn)
    }
}

impl Service for Barrier {
    fn act(&mut self, key: &str, token: FencingToken, fails: bool) -> Result<i64, String> {
        barrier::once(&mut self.0, key, token, |tx| work(tx, key, fails)).map_err(text)
    }

    fn undo(&mut self, key: &str, token: FencingToken) -> Result<(), String> {
        let remove = |tx: &Transaction<'_>, row: i64| match tx
            .execute("DELETE FROM effect WHERE rowid = ?1", [row])
            .unwrap()
        {
            1 => Ok(()),
            _ => Err("there is nothing to undo".to_string()),
        };
        barrier::undo(&mut self.0, key, token, remove).map_err(text)
    }

    fn effects(&self) -> i64 {
        count(&self.0)
    }
}

fn text(e: BarrierError<String>) -> String {
    e.to_string()
}

/// A service that does what many do: it looks whether the key's effect is there.
pub(crate) struct KeyOnly(Connection);

impl KeyOnly {
    pub(crate) fn new() -> Self {
        Self(database())
    }
}

impl Service for KeyOnly {
    fn act(&mut self, key: &str, _token: FencingToken, fails: bool) -> Result<i64, String> {
        let tx = self.0.transaction().unwrap();
        let sql = "SELECT rowid FROM effect WHERE key = ?1";
        let there = tx.query_row(sql, [key], |row| row.get(0)).optional().unwrap();
        let row = there.map_or_else(|| work(&tx, key, fails), Ok)?;
        tx.commit().unwrap();
        Ok(row)
    }

    fn undo(&mut self, key: &str, _token: FencingToken) -> Result<(), String> {
        self.0.execute("DELETE FROM effect WHERE key = ?1", [key]).unwrap();
        Ok(())
    }

    fn effects(&self) -> i64 {
        count(&self.0)
    }
}

#[derive(Debug, Clone, Copy)]
enum Message {
    Do { token: FencingToken, fails: bool },
    Undo { token: FencingToken },
}

/// The saga and the network, driven by a list of choices; when it ends, all goes well from there on.
pub(crate) struct World<'a, S> {
    service: S,
    choices: std::slice::Iter<'a, u8>,
    /// Sent, and kept by the network: may arrive at any time, and more than once.
    kept: Vec<Message>,
    token: FencingToken,
    /// The first result: every other must be the same.
    result: Option<i64>,
}

const KEY: &str = "key";

impl<'a, S: Service> World<'a, S> {
    pub(crate) fn new(service: S, choices: &'a [u8]) -> Self {
        let token = FencingToken { epoch: 1, seq: 1 };
        Self { service, choices: choices.iter(), kept: Vec::new(), token, result: None }
    }

    fn choose(&mut self, of: u8) -> u8 {
        self.choices.next().map_or(0, |choice| choice % of)
    }

    /// The saga as the rules have it: do, with retries; then keep it, or undo it.
    pub(crate) fn run(mut self) -> Result<(), String> {
        let undo_needs_the_output = self.choose(2) == 1;
        let unwinds = self.choose(3) > 0;
        let (mut done, mut doubt, mut tries) = (None, false, 1 + self.choose(3));
        while done.is_none() && tries > 0 {
            tries -= 1;
            match self.call_action()? {
                Some(Ok(result)) => done = Some(result),
                Some(Err(_)) => {}
                None => doubt = true,
            }
        }
        let completes = done.is_some() && !unwinds;
        if !completes {
            // the table of undo contracts
            if undo_needs_the_output {
                while doubt && done.is_none() {
                    done = self.call_action()?.and_then(Result::ok);
                }
            }
            if done.is_some() || !undo_needs_the_output {
                while !self.call_undo()? {}
            }
        }
        while !self.kept.is_empty() {
            self.deliver_late()?;
        }
        let expected = i64::from(completes);
        match self.service.effects() {
            n if n == expected => Ok(()),
            n => Err(format!("{n} effects where {expected} should be")),
        }
    }

    /// The answer; none if the saga did not hear it.
    fn call_action(&mut self) -> Result<Option<Result<i64, String>>, String> {
        let token = self.next_token();
        let message = Message::Do { token, fails: self.choose(4) == 1 };
        let Some(answer) = self.send(message)? else { return Ok(None) };
        if let (Ok(new), Some(first)) = (&answer, self.result)
            && *new != first
        {
            return Err(format!("the result was {first} and is now {new}"));
        }
        self.result = self.result.or(answer.as_ref().ok().copied());
        Ok(Some(answer))
    }

    fn call_undo(&mut self) -> Result<bool, String> {
        let token = self.next_token();
        match self.send(Message::Undo { token })? {
            Some(Err(why)) => Err(format!("the undo failed: {why}")),
            answer => Ok(answer.is_some()),
        }
    }

    /// A later call has a higher token, whether the process is the same or not.
    fn next_token(&mut self) -> FencingToken {
        match self.choose(3) {
            1 => self.token.epoch += 1,
            _ => self.token.seq += 1,
        }
        self.token
    }

    fn send(&mut self, message: Message) -> Result<Option<Result<i64, String>>, String> {
        while self.choose(2) == 1 && !self.kept.is_empty() {
            self.deliver_late()?;
        }
        match self.choose(4) {
            // arrives, and may arrive again
            0 => self.arrive(message).map(Some),
            1 => {
                self.kept.push(message);
                self.arrive(message).map(Some)
            }
            // the answer is lost
            2 => self.arrive(message).map(|_| None),
            // the message is kept
            _ => {
                self.kept.push(message);
                Ok(None)
            }
        }
    }

    /// One of the kept messages arrives, and is kept or not.
    fn deliver_late(&mut self) -> Result<(), String> {
        let which = usize::from(self.choose(u8::MAX)) % self.kept.len();
        let message = match self.choose(3) {
            1 => self.kept[which],
            _ => self.kept.swap_remove(which),
        };
        self.arrive(message).map(|_| ())
    }

    fn arrive(&mut self, message: Message) -> Result<Result<i64, String>, String> {
        let answer = match message {
            Message::Do { token, fails } => self.service.act(KEY, token, fails),
            Message::Undo { token } => self.service.undo(KEY, token).map(|()| 0),
        };
        match self.service.effects() {
            0 | 1 => Ok(answer),
            n => Err(format!("{n} effects at once")),
        }
    }
}

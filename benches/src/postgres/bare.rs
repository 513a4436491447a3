//! The floor of a store in PostgreSQL: a saga is six commits, one after the other. Each append compares owner, epoch and
//! sequence number in the statement that writes. Whatever waits shares a statement.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;

use crate::Any;
use crate::booking::Booking;
use crate::closed_loop::{Durations, Load, closed_loop};

const SCHEMA: &str = "
    CREATE TABLE saga (
        id       text   NOT NULL PRIMARY KEY,
        owner    text   NOT NULL,
        epoch    bigint NOT NULL,
        next_seq bigint NOT NULL,
        params   bytea  NOT NULL
    ) WITH (fillfactor = 70);
    CREATE TABLE saga_event (
        saga_id text   NOT NULL,
        seq     bigint NOT NULL,
        entries bytea  NOT NULL,
        PRIMARY KEY (saga_id, seq)
    )";

const CREATE: &str = "
    WITH n AS (SELECT * FROM unnest($1::text[], $2::bytea[]) AS n (id, entries)),
    s AS (INSERT INTO saga SELECT id, 'w', 1, 1, entries FROM n)
    INSERT INTO saga_event SELECT id, 0, entries FROM n";

const APPEND: &str = "
    WITH a AS (SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS a (id, seq, entries)),
    u AS (UPDATE saga AS s SET next_seq = s.next_seq + 1 FROM a
        WHERE s.id = a.id AND s.owner = 'w' AND s.epoch = 1 AND s.next_seq = a.seq AND a.seq = abs(a.seq)
        RETURNING a.id, a.seq, a.entries)
    INSERT INTO saga_event SELECT id, seq, entries FROM u";

/// How many connections a worker writes on, and how many writes share a statement at most: as in our store.
const WRITERS: usize = 2;
const BATCH: usize = 256;

/// A write. Sequence number 0 creates a saga.
struct Write {
    id: String,
    seq: i64,
    entries: Vec<u8>,
    done: oneshot::Sender<()>,
}

type Queue = mpsc::UnboundedSender<Write>;

pub(super) async fn run(
    url: &str,
    workers: usize,
    at_once: usize,
    load: Load,
) -> Result<Durations, Any> {
    connect(url).await?.batch_execute(SCHEMA).await?;
    let mut queues = Vec::new();
    for _ in 0..workers {
        let queue = [worker(url).await?, worker(url).await?];
        queues.push(queue);
    }
    closed_loop(at_once, load, move |number| {
        let queues = queues.get(number as usize % queues.len()).cloned();
        async move {
            let [creates, appends] = queues.ok_or("there is no worker")?;
            saga(&creates, &appends, number).await
        }
    })
    .await
}

async fn connect(url: &str) -> Result<Client, Any> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The writers of one kind of write.
async fn worker(url: &str) -> Result<Queue, Any> {
    let (queue, writes) = mpsc::unbounded_channel();
    let writes = Arc::new(Mutex::new(writes));
    for _ in 0..WRITERS {
        let client = connect(url).await?;
        let (create, append) = (client.prepare(CREATE).await?, client.prepare(APPEND).await?);
        let writes = writes.clone();
        tokio::spawn(async move {
            loop {
                let mut batch = Vec::new();
                if writes.lock().await.recv_many(&mut batch, BATCH).await == 0 {
                    return;
                }
                if let Err(error) = commit(&client, &create, &append, &batch).await {
                    eprintln!("the floor of PostgreSQL failed: {error}");
                    return;
                }
                for write in batch {
                    let _ = write.done.send(());
                }
            }
        });
    }
    Ok(queue)
}

async fn commit(
    client: &Client,
    create: &Statement,
    append: &Statement,
    batch: &[Write],
) -> Result<(), Any> {
    let ids = batch.iter().map(|write| &*write.id).collect::<Vec<_>>();
    let entries = batch.iter().map(|write| &*write.entries).collect::<Vec<_>>();
    let written = match batch.first() {
        Some(Write { seq: 0, .. }) | None => client.execute(create, &[&ids, &entries]).await?,
        Some(_) => {
            let seqs = batch.iter().map(|write| write.seq).collect::<Vec<_>>();
            client.execute(append, &[&ids, &seqs, &entries]).await?
        }
    };
    if written == batch.len() as u64 { Ok(()) } else { Err("a write was fenced".into()) }
}

async fn saga(creates: &Queue, appends: &Queue, number: u64) -> Result<(), Any> {
    let id = Uuid::now_v7().to_string();
    write(creates, &id, 0, format!(r#"{{"number":{number}}}"#).into_bytes()).await?;
    for seq in 1..=5 {
        let output = serde_json::to_vec(&Booking::new(number + seq))?;
        write(appends, &id, i64::try_from(seq)?, output).await?;
    }
    Ok(())
}

async fn write(queue: &Queue, id: &str, seq: i64, entries: Vec<u8>) -> Result<(), Any> {
    let (done, written) = oneshot::channel();
    let write = Write { id: id.to_string(), seq, entries, done };
    queue.send(write).map_err(|_| "the writer has ended")?;
    Ok(written.await?)
}

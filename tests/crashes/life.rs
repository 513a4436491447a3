//! What a process does until it dies: sagas that complete, fail, wait, are paused, cancelled and rolled back after their
//! end, by requests through the store and without; a kill of its own; recovery, purges and a shutdown.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::try_join_all;
use saga_core::log::Timestamp;
use saga_core::operator::{Answer, Command, OperateError, Operator, Request};
use saga_core::prelude::*;
use saga_core::store::{Append, RecordChange, StoreError, WorkerId};
use saga_core::{CoordinatorBuilder, Saga};

use crate::moving::{self, Moves};
use crate::places::{Kind, Place};
use crate::sagas::{Outside, Trip, World};
use crate::said::{Said, Says};
use crate::waiting::{self, Vigil};
use crate::{definitions, suspended};

/// Something that went wrong in a life that has no crash.
pub(crate) type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// Where a life is lived, and where it says so.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) place: String,
    pub(crate) said: PathBuf,
}

/// A runtime that skips waits, unless the store has timeouts of its own.
pub(crate) fn runtime(kind: Kind) -> tokio::runtime::Runtime {
    let mut runtime = match kind {
        Kind::File | Kind::Sqlite => {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.start_paused(true);
            runtime
        }
        #[cfg(feature = "postgres")]
        Kind::Postgres => {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            runtime.worker_threads(1);
            runtime
        }
    };
    runtime.enable_all().build().unwrap()
}

fn builder<P: Place>(store: P, world: &Outside) -> CoordinatorBuilder<Outside> {
    let builder = Coordinator::builder(world.clone()).saga::<Trip>().saga::<Vigil>();
    builder.max_calls_of_everywhere("reserve", 3).store(store)
}

pub(crate) async fn build<P: Place>(
    store: P,
    world: &Outside,
) -> Result<Coordinator<Outside>, Trouble> {
    Ok(builder(store, world).saga::<Moves>().migrate(moving::migration()).build().await?)
}

/// A whole life: a first process that is killed, and a second one that shuts down.
pub(crate) fn live<P: Place>(home: &Home) -> Result<(), Trouble> {
    let first = runtime(P::KIND);
    first.block_on(begin::<P>(home))?;
    // like a kill: nothing is released
    first.shutdown_background();
    let between = runtime(P::KIND);
    between.block_on(meanwhile::<P>(home))?;
    between.shutdown_background();
    let second = runtime(P::KIND);
    second.block_on(go_on::<P>(home))?;
    Says::to(&home.said).say(&Said::Over);
    Ok(())
}

async fn begin<P: Place>(home: &Home) -> Result<(), Trouble> {
    let world = World::new(Says::to(&home.said), P::KIND);
    let store = P::open(&home.place).await?;
    P::prepare(&home.place).await;
    let sec = builder(store, &world).saga::<moving::v1::Moves>().build().await?;
    let starts = [("a", 0, true), ("b", 0, true), ("late", 0, true), ("fails", 0, false)];
    let starts = starts.map(|(id, gate, approved)| start(&sec, id, gate, approved));
    let ended = try_join_all(starts).await?;
    try_join_all(["held", "cancelled"].map(|id| start(&sec, id, 1, true))).await?;

    // until both wait at their gate, so that the answer to the pause is in the last write of that saga
    tokio::time::sleep(Duration::from_millis(100)).await;
    let outside = Operator::attach(P::attach(&home.place).await?, "ann", Duration::from_secs(20));
    let paused = ask(&world, "held", "pause", outside.pause("held"));
    let cancelled = ask(&world, "cancelled", "cancel", outside.cancel("cancelled", "enough"));
    tokio::try_join!(paused, cancelled)?;
    try_join_all(ended.into_iter().map(|handle| end(&world, handle))).await?;
    end(&world, get::<Trip>(&sec, "cancelled").await?).await?;
    // it is at rest
    ask(&world, "late", "rollback", sec.operator("bob").rollback("late", "after all")).await?;
    end(&world, get::<Trip>(&sec, "late").await?).await?;
    moving::begin(&sec).await?;
    try_join_all(["left", "asked"].map(|id| start(&sec, id, 1, true))).await?;
    // until both wait at their gate
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(())
}

/// Between two processes: an operator leaves a request, and the disk has half a write of the first process.
async fn meanwhile<P: Place>(home: &Home) -> Result<(), Trouble> {
    let says = Says::to(&home.said);
    if P::KIND == Kind::File {
        tear(Path::new(&home.place))?;
    }
    let store = P::attach(&home.place).await?;
    let command = Command::Cancel { reason: "enough".to_string() };
    let (saga, name) = ("asked".to_string(), "cancel".to_string());
    let request = Request {
        id: uuid::Uuid::new_v4(),
        saga: "asked".parse()?,
        command,
        by: "ann".to_string(),
        at: Timestamp(1),
    };
    says.say(&Said::Asking { saga: saga.clone(), command: name.clone() });
    store.request(request).await?;
    says.say(&Said::Asked { saga, command: name });
    P::expire(&home.place).await;
    Ok(())
}

/// Half a line at the end of a log, and a file that was not finished.
fn tear(directory: &Path) -> Result<(), Trouble> {
    use std::io::Write as _;
    for file in std::fs::read_dir(directory)? {
        let file = file?.path();
        if file.file_name().is_some_and(|name| name.to_string_lossy().contains("left")) {
            let mut log = std::fs::OpenOptions::new().append(true).open(&file)?;
            log.write_all(b"{\"crc\":\"01234567\",\"entry\":{\"seq\":")?;
        }
    }
    std::fs::write(directory.join("tmp-saga-z.jsonl-1"), "{")?;
    Ok(())
}

async fn go_on<P: Place>(home: &Home) -> Result<(), Trouble> {
    let world = World::new(Says::to(&home.said), P::KIND);
    world.open(1);
    let store = P::open(&home.place).await?;
    let sec = build(store.clone(), &world).await?;
    let vigil = waiting::start(&sec).await?;
    ask(&world, "held", "resume", sec.operator("bob").resume("held")).await?;
    for id in ["held", "left", "asked"] {
        end(&world, get::<Trip>(&sec, id).await?).await?;
    }
    moving::go_on(&sec).await?;
    start(&sec, "long", 2, true).await?;
    let outside = Operator::attach(P::attach(&home.place).await?, "ann", Duration::from_secs(20));
    match outside.pause("held").await {
        Err(OperateError::Refused { .. }) => {}
        other => return Err(format!("pausing a saga that has ended: {other:?}").into()),
    }
    append_of_another(&store).await?;
    definitions::redefine(&store, &world.says).await?;
    suspended::suspend(&store, &world.says).await?;
    waiting::live(&sec, vigil).await?;

    world.says.say(&Said::Purging);
    store.delete(&"a".parse()?).await?;
    // what ended in this very millisecond is not older than that
    std::thread::sleep(Duration::from_millis(3));
    tokio::time::sleep(Duration::from_millis(3)).await;
    sec.purge(Duration::ZERO, &[]).await?;
    world.says.say(&Said::Purged);
    sec.shutdown(Duration::from_millis(10)).await?;
    Ok(())
}

/// Somebody who does not own the saga any more.
async fn append_of_another<P: Place>(store: &P) -> Result<(), Trouble> {
    let Some(stored) = store.load(&"long".parse()?).await? else { return Err("not there".into()) };
    let (record, mut entry) = (stored.record, stored.entries[0].clone());
    entry.seq = record.next_seq;
    let append = Append {
        saga: record.id,
        owner: record.owner.ok_or("no owner")?,
        epoch: record.epoch + 7,
        expected_next_seq: record.next_seq,
        entries: vec![entry],
        change: RecordChange::status(record.status),
        answers: Vec::new(),
    };
    match store.append(append).await {
        Err(StoreError::Fenced { .. }) => {}
        other => return Err(format!("not fenced: {other:?}").into()),
    }
    if store.lease_terms().is_none() {
        return Ok(());
    }
    match store.take(&WorkerId::generate(), &"long".parse()?).await {
        Err(StoreError::Fenced { .. }) => Ok(()),
        other => Err(format!("not fenced: {other:?}").into()),
    }
}

pub(crate) async fn start(
    sec: &Coordinator<Outside>,
    id: &str,
    gate: usize,
    approved: bool,
) -> Result<SagaHandle<Trip>, Trouble> {
    start_saga(sec, id, Trip { gate, approved }).await
}

pub(crate) async fn start_saga<S: Saga<Context = Outside>>(
    sec: &Coordinator<Outside>,
    id: &str,
    params: S,
) -> Result<SagaHandle<S>, Trouble> {
    let saga = id.to_string();
    sec.context().says.say(&Said::Starting { saga: saga.clone() });
    let handle = sec.saga(params).id(id).start().await?;
    sec.context().says.say(&Said::Started { saga });
    Ok(handle)
}

pub(crate) async fn get<S: Saga>(
    sec: &Coordinator<Outside>,
    id: &str,
) -> Result<SagaHandle<S>, Trouble> {
    Ok(sec.get(id).await?.ok_or_else(|| format!("{id} is lost"))?)
}

pub(crate) async fn end<S: Saga<Output = ()>>(
    world: &Outside,
    handle: SagaHandle<S>,
) -> Result<(), Trouble> {
    let saga = handle.id().to_string();
    match handle.await {
        Ok(()) | Err(SagaError::RolledBack(_)) => {
            world.says.say(&Said::Ended { saga });
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn ask(
    world: &Outside,
    saga: &str,
    command: &str,
    asking: impl Future<Output = Result<Answer, OperateError>>,
) -> Result<(), Trouble> {
    let (saga, command) = (saga.to_string(), command.to_string());
    world.says.say(&Said::Asking { saga: saga.clone(), command: command.clone() });
    asking.await?;
    world.says.say(&Said::Asked { saga, command });
    Ok(())
}

//! What must be true after a crash: the next process goes on, and nothing that was acknowledged is lost.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use futures_util::future::{Either, select};
use saga_core::prelude::*;
use saga_core::store::{ListFilter, SagaRecord};

use crate::life::{Home, build, end, runtime, start};
use crate::places::{Kind, Place};
use crate::sagas::{EFFECTS, Outside, World};
use crate::said::{Heard, Says};
use crate::{definitions, suspended, waiting};

/// The next process recovers, everything ends, and all that was said is true.
pub(crate) fn recover<P: Place>(home: &Home) -> Result<Heard, String> {
    let runtime = runtime(P::KIND);
    let found = runtime.block_on(async {
        let hangs = pin!(has_passed(Duration::from_secs(60)));
        match select(pin!(recovered::<P>(home)), hangs).await {
            Either::Left((found, _)) => found,
            Either::Right(_) => Err("a hang".to_string()),
        }
    });
    runtime.shutdown_background();
    found
}

/// Completes when so much real time has passed. Tokio's clock is paused here, and runs ahead while a store works on a thread of its
/// own.
async fn has_passed(limit: Duration) {
    let (passed, has_passed) = tokio::sync::oneshot::channel::<()>();
    let (_here, gone) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        // ends early if nobody waits any more
        if gone.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            let _ = passed.send(());
        }
    });
    let _ = has_passed.await;
}

pub(crate) fn heard(home: &Home) -> Heard {
    Heard::of(&std::fs::read_to_string(&home.said).unwrap_or_default())
}

async fn recovered<P: Place>(home: &Home) -> Result<Heard, String> {
    let before = heard(home);
    P::expire(&home.place).await;
    let world = World::new(Says::to(&home.said), P::KIND);
    (1..=3).for_each(|gate| world.open(gate));
    let store = P::open(&home.place).await.map_err(|e| format!("it does not open: {e}"))?;
    P::prepare(&home.place).await;
    definitions::check(&store, &before).await?;
    suspended::check(&store, &before).await?;
    let stored = store.list(all()).await.map_err(|e| e.to_string())?;
    for saga in before.asked("pause") {
        let held = stored.iter().find(|record| record.id.as_str() == saga);
        let goes_on = before.asking(saga, "resume");
        if !goes_on && !held.is_some_and(|record| record.paused) {
            return Err(format!("{saga} was paused, and is not: {held:?}"));
        }
    }
    let sec = build(store, &world).await.map_err(|e| format!("it does not recover: {e}"))?;
    let next =
        start(&sec, "next", 0, true).await.map_err(|e| format!("nothing new starts: {e}"))?;
    end(&world, next).await.map_err(|e| format!("nothing new ends: {e}"))?;
    waiting::go_on(&sec, &before).await?;
    let records = ended(&sec).await?;
    let now = heard(home);
    check(&now, &records, &P::payments(&home.place).await, P::KIND)?;
    sec.shutdown(Duration::ZERO).await.map_err(|e| e.to_string())?;
    Ok(before)
}

fn all() -> ListFilter {
    ListFilter { limit: 10_000, ..ListFilter::default() }
}

/// Waits until all sagas have ended. A pause that had been asked for, and is carried out only now, is ended.
async fn ended(sec: &Coordinator<Outside>) -> Result<BTreeMap<String, SagaRecord>, String> {
    for _ in 0..2_000 {
        let mut records = sec.list(all()).await.map_err(|e| e.to_string())?;
        records.retain(|record| ![definitions::ID, suspended::ID].contains(&record.id.as_str()));
        let stops = records.iter().find(|record| record.parked_reason.is_some());
        if let Some(record) = stops {
            return Err(format!("{} is parked: {:?}", record.id, record.parked_reason));
        }
        if records.iter().all(|record| record.status.is_ended()) {
            let records = records.into_iter().map(|r| (r.id.to_string(), r));
            return Ok(records.collect());
        }
        for record in records.iter().filter(|record| record.paused && !record.status.is_ended()) {
            // it may have ended by now
            let _ = sec.operator("later").resume(record.id.as_str()).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let records = sec.list(all()).await.map_err(|e| e.to_string())?;
    let left = records.iter().filter(|record| !record.status.is_ended());
    Err(format!("these do not end: {:?}", left.map(|r| r.id.to_string()).collect::<Vec<_>>()))
}

fn check(
    heard: &Heard,
    records: &BTreeMap<String, SagaRecord>,
    payments: &[(String, i64)],
    kind: Kind,
) -> Result<(), String> {
    for saga in &heard.started {
        let removed = heard.purging && heard.ended.contains(saga);
        if !records.contains_key(saga) && !removed {
            return Err(format!("{saga} was acknowledged, and is lost"));
        }
    }
    if let Some(unknown) = records.keys().find(|saga| !heard.starting.contains(*saga)) {
        return Err(format!("{unknown} was never started"));
    }
    for saga in heard.sagas() {
        let mut effects = heard.effects(saga);
        if kind != Kind::File {
            let paid = payments.iter().filter(|(of, _)| of == saga);
            effects.extend(paid.map(|_| "payment"));
        }
        let mut every = EFFECTS.to_vec();
        every.push("payment");
        effects.sort_unstable();
        every.sort_unstable();
        let none = effects.is_empty();
        let status = records.get(saga).map(|record| record.status);
        let right = match status {
            Some(SagaStatus::Completed) => effects == every,
            Some(SagaStatus::RolledBack) => none,
            // it was purged, or its start was not acknowledged
            None => none || (heard.ended.contains(saga) && effects == every),
            Some(_) => false,
        };
        if !right {
            return Err(format!("{saga} is {status:?} with the effects {effects:?}"));
        }
    }
    for command in ["cancel", "rollback"] {
        for saga in heard.asked(command) {
            let status = records.get(saga).map(|record| record.status);
            let removed = status.is_none() && heard.purging && heard.ended.contains(saga);
            if status != Some(SagaStatus::RolledBack) && !removed {
                return Err(format!("{saga} was told to roll back, and is {status:?}"));
            }
            if !heard.effects(saga).is_empty() {
                return Err(format!("{saga} was told to roll back, and has effects"));
            }
        }
    }
    Ok(())
}

//! The side of a call that runs in a process.

use std::future::{Future, pending};
use std::sync::Arc;

use saga_core::ActionContext;
use saga_core::store::rusqlite;
use serde_json::Value;
use tokio::time::Instant;

use super::fate::{End, Fate};
use super::{Call, Effect, Reply, Request, Site, What, World, read};
use crate::sagas::Call as Node;
use crate::store::{act, undo};

/// Why a call has no answer that counts.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("failed")]
    Failed { permanent: bool },
    #[error("refused: {0}")]
    Refused(&'static str),
    /// Nobody knows what became of it.
    #[error("no answer")]
    NoAnswer,
}

/// What is called: the action, or its undo with the output that it was given.
pub(crate) enum Direction {
    Do,
    Undo(Option<Arc<Value>>),
}

/// Calls the service of this node.
pub(crate) async fn perform(
    cx: &ActionContext<Site>,
    direction: Direction,
) -> Result<Value, Trouble> {
    let (world, process) = (cx.world.clone(), cx.process.clone());
    let path = cx.node_path().to_string();
    let versions = world.versions(cx.saga_id());
    // a process that has lost the saga may still run an earlier version of it
    let version = versions
        .as_ref()
        .and_then(|versions| world.medium.version_at(cx.saga_id(), cx.token().seq, versions));
    let of_version = versions.as_deref().zip(version);
    let of_version = of_version.map(|(versions, version)| (versions.plan(version), versions));
    let Some((plan, node, versions)) =
        of_version.and_then(|(plan, versions)| Some((plan.as_ref(), plan.call(&path)?, versions)))
    else {
        world.note_broken("I2", format!("{}/{path} is called, which calls nothing", cx.saga_id()));
        return Err(Trouble::NoAnswer);
    };
    let durable = world.durable(cx.saga_id());
    process.alive().await;
    let input = read(cx, plan, &path);
    let answer = match &input {
        Ok(input) => node.gives.of(&path, input),
        Err(_) => Value::Null,
    };
    let undo = match &direction {
        Direction::Do => None,
        Direction::Undo(output) => Some(output.as_ref().map(|output| (**output).clone())),
    };
    let (key, action_key) = (cx.idempotency_key(), cx.action_key());
    let _in_flight = world.begin(Call {
        saga: cx.saga_id().clone(),
        version: version.unwrap_or_default(),
        who: versions.who(version.unwrap_or_default(), &path),
        path,
        undo: undo.is_some(),
        attempt: cx.attempt(),
        token: cx.token(),
        key,
        action_key,
        durable,
        input,
        output: undo.clone().flatten(),
        process: process.id(),
        action: node.action.name,
        began: 0,
        ended: None,
        began_at: Instant::now(),
        ended_at: None,
        timeout: if undo.is_some() { node.undo_timeout } else { node.timeout },
        lease: None,
        effects: Vec::new(),
        beside_everywhere: 0,
        of: process.clone(),
    });
    let fate = if undo.is_some() { world.fate_of_undo(node) } else { world.fate_of_do(node) };
    world.trace.note(|| format!("world: {key}: {fate:?}"));
    count(&world, fate.end, undo.is_some());
    let what = match (&undo, fate.end) {
        (Some(_), _) => What::Undo,
        (None, End::Refused) => What::Do(Effect::Refused(answer)),
        (None, End::Half) => What::Do(Effect::Half),
        (None, End::TooLarge) => What::Do(Effect::Whole(too_large())),
        (None, _) => What::Do(Effect::Whole(answer)),
    };
    let (contract, fenced) = (node.action.contract, node.fenced);
    if node.action.transaction {
        let answer = match what {
            What::Do(Effect::Whole(answer) | Effect::Refused(answer)) => Some(answer),
            What::Do(Effect::Half) => Some(Value::Null),
            What::Undo => None,
        };
        return world.transact(cx, fate, answer).await;
    }
    let request = Request { what, token: cx.token(), contract, fenced };
    let reply = world.exchange(cx, request, fate, node).await?;
    process.alive().await;
    match reply {
        Reply::Done(answer) => Ok(answer),
        Reply::Undone => Ok(Value::Null),
        Reply::Half => Err(Trouble::Failed { permanent: false }),
        Reply::Refused(why) => Err(Trouble::Refused(why)),
    }
}

/// Longer than what can be stored.
fn too_large() -> Value {
    "x".repeat(crate::sagas::MAX_PAYLOAD).into()
}

fn count(world: &World, end: End, undo: bool) {
    world.trace.count(match (end, undo) {
        (End::Answered, false) => "call answered",
        (End::Fails { .. }, false) => "call fails",
        (End::Refused, _) => "call refused",
        (End::Half, _) => "call fails halfway",
        (End::NoAnswer { sent: false }, _) => "call not sent, no answer",
        (End::NoAnswer { sent: true }, _) => "call sent, no answer",
        (End::Panics { sent: false }, false) => "call panics before",
        (End::Panics { sent: true }, false) => "call panics after",
        (End::Hangs { sent: false }, false) => "call hangs before",
        (End::Hangs { sent: true }, false) => "call hangs after",
        (End::TooLarge, _) => "call output too large",
        (End::Answered, true) => "undo answered",
        (End::Fails { .. }, true) => "undo fails",
        (End::FailsAfter { .. }, _) => "undo fails after its work",
        (End::Panics { sent: false }, true) => "undo panics before",
        (End::Panics { sent: true }, true) => "undo panics after",
        (End::Hangs { sent: false }, true) => "undo hangs before",
        (End::Hangs { sent: true }, true) => "undo hangs after",
    });
}

impl World {
    fn durable(&self, id: &saga_core::SagaId) -> u64 {
        self.medium.durable(id)
    }

    async fn exchange(
        self: &Arc<Self>,
        cx: &ActionContext<Site>,
        request: Request,
        fate: Fate,
        node: &Node,
    ) -> Result<Reply, Trouble> {
        let key = cx.action_key();
        match fate.end {
            End::Fails { permanent } => {
                tokio::time::sleep(fate.reply).await;
                return Err(Trouble::Failed { permanent });
            }
            End::NoAnswer { sent: false } => {
                tokio::time::sleep(fate.reply).await;
                return Err(Trouble::NoAnswer);
            }
            End::Panics { sent: false } => panics(),
            End::Hangs { sent: false } => self.heed(cx, fate, self.until_calm()).await?,
            End::Answered
            | End::Refused
            | End::Half
            | End::NoAnswer { sent: true }
            | End::Panics { sent: true }
            | End::Hangs { sent: true }
            | End::TooLarge
            | End::FailsAfter { .. } => {}
        }
        if let Some(time) = fate.blocked {
            self.block(key, time);
        }
        if let Some(later) = fate.twice {
            // the same bytes once more
            drop(self.send(key, request.clone(), fate.request + later));
        }
        let reply = self.send(key, request, fate.request);
        if fate.end == (End::NoAnswer { sent: true }) && node.timeout.is_none() {
            // the connection breaks, also while the request is under way
            tokio::time::sleep(fate.reply).await;
            return Err(Trouble::NoAnswer);
        }
        let answered = self.heed(cx, fate, reply).await?;
        let reply = answered.map_err(|_| Trouble::NoAnswer)?;
        if !fate.reply.is_zero() {
            self.heed(cx, fate, tokio::time::sleep(fate.reply)).await?;
        }
        match fate.end {
            End::NoAnswer { .. } => Err(Trouble::NoAnswer),
            End::Panics { .. } => panics(),
            End::FailsAfter { permanent } => Err(Trouble::Failed { permanent }),
            End::Hangs { sent: true } => {
                self.heed(cx, fate, self.until_calm()).await?;
                Ok(reply)
            }
            End::Answered
            | End::Refused
            | End::Half
            | End::Hangs { sent: false }
            | End::TooLarge
            | End::Fails { .. } => Ok(reply),
        }
    }

    /// An action that is a transaction of the database which keeps the log, with this answer; or its undo, without one.
    async fn transact(
        self: &Arc<Self>,
        cx: &ActionContext<Site>,
        fate: Fate,
        answer: Option<Value>,
    ) -> Result<Value, Trouble> {
        let (key, end) = (cx.action_key(), fate.end);
        match end {
            End::Fails { permanent } => {
                tokio::time::sleep(fate.reply).await;
                return Err(Trouble::Failed { permanent });
            }
            End::NoAnswer { sent: false } => {
                tokio::time::sleep(fate.reply).await;
                return Err(Trouble::NoAnswer);
            }
            End::Panics { sent: false } => panics(),
            End::Hangs { .. } => self.heed(cx, fate, self.until_calm()).await?,
            End::Answered
            | End::Refused
            | End::Half
            | End::NoAnswer { sent: true }
            | End::Panics { sent: true }
            | End::TooLarge
            | End::FailsAfter { .. } => {}
        }
        if !fate.request.is_zero() {
            let waits = async {
                tokio::select! {
                    biased;
                    () = self.until_calm() => {}
                    () = tokio::time::sleep(fate.request) => {}
                }
            };
            self.heed(cx, fate, waits).await?;
        }
        let work = move |tx: &rusqlite::Transaction<'_>| {
            match &answer {
                Some(answer) => act(tx, key, answer),
                None => undo(tx, key),
            }
            match end {
                End::Refused => Err(Trouble::Refused("no")),
                End::Half => Err(Trouble::Failed { permanent: false }),
                End::NoAnswer { .. } => Err(Trouble::NoAnswer),
                End::Panics { .. } => panics(),
                End::FailsAfter { permanent } | End::Fails { permanent } => {
                    Err(Trouble::Failed { permanent })
                }
                End::Answered | End::Hangs { .. } | End::TooLarge => Ok(answer.unwrap_or_default()),
            }
        };
        cx.transaction(work).await
    }

    /// Waits for this, or until the saga is cancelled if the action minds that.
    async fn heed<T>(
        &self,
        cx: &ActionContext<Site>,
        fate: Fate,
        wait: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        let cancelled = async {
            if fate.heeds_cancel {
                cx.cancelled().await;
            } else {
                pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            done = wait => Ok(done),
            () = cancelled => Err(Trouble::NoAnswer),
        }
    }
}

/// Panics without a message on stderr.
fn panics() -> ! {
    std::panic::resume_unwind(Box::new("the call panics".to_string()))
}

//! The world outside of the processes: the services that actions and undos call, and the network in between.
//!
//! A call that has left its process belongs to the world. It arrives whatever becomes of its caller, perhaps much later.

mod client;
mod fate;
mod receiver;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use saga_core::operator::Decision;
use saga_core::{ActionContext, FencingToken, SagaId};
use serde_json::Value;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) use self::client::{Direction, Trouble, perform};
pub(crate) use self::receiver::{Effect, Obligations, Receiver, Reply, Request, What};
use crate::laws::Broken;
use crate::process::Process;
use crate::sagas::{SagaPlan, Version, Versions};
use crate::store::Medium;
use crate::tape::Tape;
use crate::trace::Trace;

/// What an action gets as its context: the world, and the process that it runs in.
pub(crate) struct Site {
    pub(crate) world: Arc<World>,
    pub(crate) process: Process,
}

pub(crate) struct World {
    tape: Tape,
    trace: Trace,
    medium: Medium,
    obligations: Obligations,
    inner: Mutex<Inner>,
    calmed: Notify,
}

#[derive(Default)]
struct Inner {
    sagas: BTreeMap<SagaId, Arc<Versions>>,
    receivers: BTreeMap<Uuid, Receiver>,
    calls: Vec<Call>,
    under_way: BTreeMap<u64, UnderWay>,
    sent: u64,
    blocked: BTreeMap<Uuid, Instant>,
    calm: bool,
    broken: Option<Broken>,
}

/// A call, as the world saw it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) saga: SagaId,
    pub(crate) path: String,
    /// The version that makes it, and which node that is in whatever version.
    pub(crate) version: Version,
    pub(crate) who: String,
    pub(crate) undo: bool,
    pub(crate) attempt: u32,
    pub(crate) token: FencingToken,
    /// The key of the call, and of the action that it does or undoes.
    pub(crate) key: Uuid,
    pub(crate) action_key: Uuid,
    /// How many entries of the saga were durable when it began.
    pub(crate) durable: u64,
    /// What it read: of an action, its parameters and the outputs of its ancestors.
    pub(crate) input: Result<Value, String>,
    /// What an undo was given as the output of its action.
    pub(crate) output: Option<Value>,
    pub(crate) process: u32,
    pub(crate) action: &'static str,
    /// When it began, and when its process was done with it, in ticks.
    pub(crate) began: u64,
    pub(crate) ended: Option<u64>,
    /// The same, by the clock. A call of a process that has died never ends.
    pub(crate) began_at: Instant,
    pub(crate) ended_at: Option<Instant>,
    pub(crate) timeout: Option<Duration>,
    /// In a store that several processes share: until when the process had its lease when it began.
    pub(crate) lease: Option<Option<Instant>>,
    /// Which nodes of the saga had effects when it began.
    pub(crate) effects: Vec<Uuid>,
    /// How many other calls of this action and its undo were under way in all processes that had kept their lease. None are
    /// counted once the store, by a clock that was ahead, may have ended a lease before its process could know.
    pub(crate) beside_everywhere: usize,
    pub(crate) of: Process,
}

struct UnderWay {
    key: Uuid,
    request: Request,
    reply: Option<oneshot::Sender<Reply>>,
}

impl World {
    /// A world whose services do what they are obliged to do, as far as this says so.
    pub(crate) fn new(
        obligations: Obligations,
        tape: Tape,
        trace: Trace,
        medium: Medium,
    ) -> Arc<Self> {
        let (inner, calmed) = (Mutex::default(), Notify::new());
        Arc::new(Self { tape, trace, medium, obligations, inner, calmed })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Tells the world which saga this is, before it is started.
    pub(crate) fn add(&self, id: &SagaId, versions: Arc<Versions>) {
        self.inner().sagas.insert(id.clone(), versions);
    }

    pub(crate) fn versions(&self, id: &SagaId) -> Option<Arc<Versions>> {
        self.inner().sagas.get(id).cloned()
    }

    /// Nothing goes wrong from now on: calls that hang go on, and requests that somebody waits for arrive.
    pub(crate) fn calm(&self) {
        let mut inner = self.inner();
        inner.calm = true;
        let waits = |(id, way): (&u64, &UnderWay)| way.reply.is_some().then_some(*id);
        let awaited = inner.under_way.iter().filter_map(waits).collect::<Vec<_>>();
        drop(inner);
        awaited.into_iter().for_each(|id| self.arrive(id));
        self.calmed.notify_waiters();
    }

    /// Everything that is still under way arrives.
    pub(crate) async fn deliver_late(&self) {
        let ids = self.inner().under_way.keys().copied().collect::<Vec<_>>();
        ids.into_iter().for_each(|id| self.arrive(id));
        tokio::task::yield_now().await;
    }

    /// All calls so far, in the order in which they began.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.inner().calls.clone()
    }

    pub(crate) fn receiver(&self, key: &Uuid) -> Option<Receiver> {
        let receiver = self.inner().receivers.get(key).cloned();
        match self.medium.row(key) {
            Some(row) => Some(receiver.unwrap_or_default().with_row(row)),
            None => receiver,
        }
    }

    /// What an operator finds out about an action in doubt, who also sees to it that what has not come about never does.
    pub(crate) fn truth(&self, id: &SagaId, path: &str) -> Option<Decision> {
        let versions = self.versions(id)?;
        let version = self.medium.version_at(id, u64::MAX, &versions)?;
        let who = versions.who(version, path);
        let mut inner = self.inner();
        let calls = inner.calls.iter().filter(|call| call.saga == *id && call.who == who);
        // not a process that has lost the saga, which may still call under an earlier key
        let key = calls.max_by_key(|call| call.token)?.action_key;
        let receiver = inner.receivers.entry(key).or_default();
        Some(receiver.inquire().cloned().map_or(Decision::Failed, Decision::Succeeded))
    }

    /// Notes what no call of a right program does.
    fn note_broken(&self, law: &'static str, what: String) {
        self.inner().broken.get_or_insert(Broken { law, what });
    }

    pub(crate) fn broken(&self) -> Option<Broken> {
        self.inner().broken.clone()
    }

    async fn until_calm(&self) {
        let calmed = self.calmed.notified();
        if !self.inner().calm {
            calmed.await;
        }
    }

    /// Sends a request, which arrives after this time or once its receiver is not blocked any more.
    fn send(
        self: &Arc<Self>,
        key: Uuid,
        request: Request,
        after: Duration,
    ) -> oneshot::Receiver<Reply> {
        let (sender, reply) = oneshot::channel();
        let mut inner = self.inner();
        let blocked = inner
            .blocked
            .get(&key)
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        let after = if inner.calm { Duration::ZERO } else { after.max(blocked) };
        let id = inner.sent;
        inner.sent += 1;
        inner.under_way.insert(id, UnderWay { key, request, reply: Some(sender) });
        drop(inner);
        if after.is_zero() {
            self.arrive(id);
        } else {
            let world = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                world.arrive(id);
            });
        }
        reply
    }

    fn arrive(&self, id: u64) {
        let mut inner = self.inner();
        let Some(UnderWay { key, request, reply }) = inner.under_way.remove(&id) else { return };
        let receiver = inner.receivers.entry(key).or_default();
        let answer = receiver.arrive(&request, self.obligations);
        drop(inner);
        self.trace.note(|| format!("world: {key} {request:?} arrives: {answer:?}"));
        if let Some(reply) = reply {
            // nobody may wait for it any more
            let _ = reply.send(answer);
        }
    }

    fn block(&self, key: Uuid, time: Duration) {
        self.inner().blocked.insert(key, Instant::now() + time);
    }

    /// Notes that a call begins.
    fn begin(self: &Arc<Self>, mut call: Call) -> InFlight {
        call.began = self.trace.tick();
        call.lease = self.medium.is_shared().then(|| call.of.lease());
        self.trace.note(|| {
            let direction = if call.undo { "undo" } else { "do" };
            let Call { saga, path, attempt, process, token, key, .. } = &call;
            let token = (token.epoch, token.seq);
            format!(
                "process {process}: {direction} {saga}/{path}, attempt {attempt}, {token:?}, {key}"
            )
        });
        let mut inner = self.inner();
        let counts = |c: &Call| !self.medium.is_shared() || c.of.has_kept_its_lease(c.began_at);
        let flying = |c: &&Call| {
            c.ended.is_none() && c.action == call.action && !c.of.is_dead() && counts(c)
        };
        if counts(&call) && !self.medium.may_have_given_too_much() {
            call.beside_everywhere = inner.calls.iter().filter(flying).count();
        }
        if call.undo {
            let mut keys = inner
                .calls
                .iter()
                .filter(|c| c.saga == call.saga)
                .map(|c| c.action_key)
                .collect::<Vec<_>>();
            keys.sort_unstable();
            keys.dedup();
            keys.retain(|key| {
                let row = self.medium.row(key).is_some_and(|row| row.effects != 0);
                row || inner.receivers.get(key).is_some_and(Receiver::leaves_something)
            });
            call.effects = keys;
        }
        inner.calls.push(call);
        InFlight { world: self.clone(), number: inner.calls.len() - 1 }
    }
}

/// A call that its process has not ended.
struct InFlight {
    world: Arc<World>,
    number: usize,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let tick = self.world.trace.tick();
        if let Some(call) = self.world.inner().calls.get_mut(self.number) {
            call.ended = Some(tick);
            call.ended_at = Some(Instant::now());
        }
    }
}

/// What a call of an action reads, by the library's own lookups, and whether the context says what the plan says.
fn read(cx: &ActionContext<Site>, plan: &SagaPlan, path: &str) -> Result<Value, String> {
    let mut input = serde_json::Map::new();
    let params = cx.saga_params::<Value>().map_err(|why| why.to_string())?;
    input.insert("params".to_string(), (*params).clone());
    for name in plan.reads(path) {
        let raw = cx.lookup_raw(name).map_err(|why| why.to_string())?;
        let value = serde_json::from_slice(raw).map_err(|why| why.to_string())?;
        input.insert(name.to_string(), value);
    }
    Ok(Value::Object(input))
}

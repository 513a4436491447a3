//! The execution context of an action: [`ActionContext`]. It gives an action the user's shared state, its place
//! in the saga, its idempotency key and fencing token, and the outputs of earlier nodes.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use uuid::Uuid;

use crate::log::{NodePath, SagaId};
use crate::machine::AuthorizedCall;
use crate::names::{NodeIndex, NodeName, SagaName};
use crate::plan::Plan;
use crate::planted::{Mistake, planted};

mod any;
mod cancel_signal;
mod frame;
mod lookup;
#[cfg(feature = "postgres")]
mod postgres_transaction;
mod scope;
mod shared;
#[cfg(feature = "sqlite")]
mod transaction;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod transaction_end;
mod transaction_request;

pub use crate::error::LookupError;
pub(crate) use any::AnyContext;
pub(crate) use cancel_signal::CancelSignal;
pub(crate) use frame::KnownValues;
pub(crate) use frame::{Frame, ItemSource, Outer};
#[cfg(feature = "postgres")]
pub use postgres_transaction::PostgresTransactionFn;
pub use scope::{Scope, StepCall, StepResult};
pub(crate) use shared::Shared;
pub(crate) use transaction_request::{CallHome, TransactionRequest, WorkEnd, WorkEndCell};

/// What all calls of a saga share.
pub(crate) struct RunInfo {
    pub(crate) id: SagaId,
    /// The durable name of the saga.
    pub(crate) saga: SagaName,
    pub(crate) run_key: Uuid,
    pub(crate) cancel: CancelSignal,
    pub(crate) home: Weak<dyn CallHome>,
    /// Under which names nodes of the outermost DAG make their keys, where these are not their own: the saga was migrated.
    keys: Option<Arc<BTreeMap<NodeName, String>>>,
}

impl RunInfo {
    pub(crate) fn new(id: SagaId, saga: SagaName, run_key: Uuid, home: Weak<dyn CallHome>) -> Self {
        Self { id, saga, run_key, cancel: CancelSignal::default(), home, keys: None }
    }

    pub(crate) fn with_keys(self, keys: Option<BTreeMap<NodeName, String>>) -> Self {
        Self { keys: keys.map(Arc::new), ..self }
    }
}

/// Whose key it is: that of an action, of this generation, or that of an undo.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeyOf {
    Action { generation: u32 },
    Undo,
}

/// The key under which the action of a node, or its undo, calls services. `keys` are the names under which nodes of the
/// outermost DAG make their keys, where these are not their own.
pub(crate) fn idempotency_key(
    run_key: Uuid,
    keys: Option<&BTreeMap<NodeName, String>>,
    path: &str,
    of: KeyOf,
) -> Uuid {
    Uuid::new_v5(&run_key, key_name(keys, path, of).as_bytes())
}

/// What a key is derived from, beside the key of the run.
fn key_name(keys: Option<&BTreeMap<NodeName, String>>, path: &str, of: KeyOf) -> String {
    // a path contains no line breaks
    let rest = match of {
        KeyOf::Action { generation: 0 } => "do".to_string(),
        KeyOf::Action { generation } => format!("do\n{generation}"),
        KeyOf::Undo => "undo".to_string(),
    };
    let end = path.find(['/', '[', '#']).unwrap_or(path.len());
    let (name, within) = path.split_at(end);
    let key = keys.and_then(|keys| keys.iter().find(|(node, _)| node.as_str() == name));
    match key {
        Some((_, key)) => format!("{key}{within}\n{rest}"),
        None => format!("{path}\n{rest}"),
    }
}

/// Orders the calls made under one key, so that their receiver can refuse calls of a process that has been
/// replaced: see [`ActionContext::token`].
///
/// ```
/// use saga_core::FencingToken;
///
/// let (before, since) = (FencingToken { epoch: 1, seq: 9 }, FencingToken { epoch: 2, seq: 3 });
/// assert!(since > before, "a process that took over is newer than every token of the other one");
/// ```
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct FencingToken {
    /// The epoch of the worker that makes the call: it grows each time a worker takes over the saga.
    pub epoch: u64,
    /// The sequence number of the log entry that authorized the call.
    pub seq: u64,
}

/// What identifies one call.
#[derive(Clone)]
pub(crate) struct CallInfo {
    pub(crate) node: NodeIndex,
    pub(crate) path: NodePath,
    /// What the log says about it.
    pub(crate) authorized: AuthorizedCall,
    pub(crate) undo: bool,
    /// Which ownership of the saga makes the call.
    pub(crate) epoch: u64,
    /// Whether it could have a transaction.
    pub(crate) transactions: Transactions,
    /// How many sagas it has started so far.
    pub(crate) starts: StartCount,
}

/// Counts the sagas that a call starts.
#[derive(Default)]
pub(crate) struct StartCount(AtomicU32);

impl StartCount {
    /// The number of the next one, from 0.
    pub(crate) fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl Clone for StartCount {
    fn clone(&self) -> Self {
        Self(AtomicU32::new(self.0.load(Ordering::Relaxed)))
    }
}

/// Whether a call can have a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transactions {
    /// It can.
    Possible,
    /// A value is computed: no action runs that could have one.
    NoAction,
    /// Its transaction runs now.
    Within,
}

impl CallInfo {
    /// False for an undo, and for an action that is run again while the saga rolls back: these are never
    /// cancelled.
    fn is_cancellable(&self) -> bool {
        !self.undo && !self.authorized.unwinding
    }
}

/// The execution context of one attempt of an action or an undo: the user's own context, and everything that
/// the attempt may need to know about itself.
///
/// It dereferences to the user's context `C`, and is cheap to clone.
///
/// ```
/// use saga_core::prelude::*;
/// struct Agency { hotels: std::collections::HashMap<String, u32> }
///
/// #[saga_action(no_undo)]
/// async fn price(cx: &ActionContext<Agency>, city: &str) -> Result<u32, String> {
///     cx.hotels.get(city).copied().ok_or(format!("no hotel in {city}"))
/// }
/// ```
pub struct ActionContext<C> {
    pub(crate) user: Arc<C>,
    pub(crate) inner: Shared<ContextInner>,
}

/// The part of a context that does not depend on the user's type.
pub(crate) struct ContextInner {
    pub(crate) run: Arc<RunInfo>,
    pub(crate) frame: Arc<Frame>,
    pub(crate) call: CallInfo,
}

impl<C> Clone for ActionContext<C> {
    fn clone(&self) -> Self {
        Self { user: self.user.clone(), inner: self.inner.clone() }
    }
}

#[cfg(feature = "testing")]
impl<C> ActionContext<C> {
    /// The context of the same call, made once more.
    pub(crate) fn again(&self) -> Self {
        let ContextInner { run, frame, call } = &*self.inner;
        let call = CallInfo { starts: StartCount::default(), ..call.clone() };
        let inner = ContextInner { run: run.clone(), frame: frame.clone(), call };
        Self { user: self.user.clone(), inner: Shared::new(Arc::new(inner)) }
    }
}

impl<C> Deref for ActionContext<C> {
    type Target = C;
    fn deref(&self) -> &C {
        &self.user
    }
}

impl<C> fmt::Debug for ActionContext<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActionContext")
            .field("saga", &self.inner.run.id)
            .field("node", &self.inner.call.path)
            .field("attempt", &self.inner.call.authorized.attempt)
            .field("undo", &self.inner.call.undo)
            .finish_non_exhaustive()
    }
}

impl<C> ActionContext<C> {
    /// The context of the same call while its transaction runs.
    pub(crate) fn inside_transaction(&self) -> Self {
        let ContextInner { run, frame, call } = &*self.inner;
        let call = CallInfo { transactions: Transactions::Within, ..call.clone() };
        let inner = ContextInner { run: run.clone(), frame: frame.clone(), call };
        Self { user: self.user.clone(), inner: Shared::new(Arc::new(inner)) }
    }
}

impl<C: 'static> ActionContext<C> {
    /// The user's context, shared by all sagas of a coordinator.
    pub fn user_context(&self) -> &Arc<C> {
        &self.user
    }

    /// The saga's id.
    pub fn saga_id(&self) -> &SagaId {
        &self.inner.run.id
    }

    /// The durable name of the saga, or of the subsaga that this node belongs to.
    pub fn saga_name(&self) -> &SagaName {
        &self.inner.frame.saga
    }

    /// The shape of the DAG that this node belongs to: its nodes, and which of them wait for which.
    pub fn plan(&self) -> &Plan {
        &self.inner.frame.plan
    }

    /// The node's index in that DAG.
    pub fn node_index(&self) -> NodeIndex {
        self.inner.call.node
    }

    /// The node's name.
    pub fn node_name(&self) -> Option<&NodeName> {
        self.plan().node(self.node_index()).map(|node| &node.name)
    }

    /// The node's path in the whole saga.
    pub fn node_path(&self) -> &NodePath {
        &self.inner.call.path
    }

    /// The number of this attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.inner.call.authorized.attempt
    }

    /// The idempotency key of this call: the same for every attempt of this node's action (or of its undo) on
    /// any machine, and different for every other node, direction and saga. It is a UUIDv5 derived from the
    /// random key of this run. Pass it to the service that is called, so that the service does the work only
    /// once.
    ///
    /// An action that declares `retry(.., fresh_key)` has another key after each definite failure; as long as the node is
    /// in doubt, its key stays. See [fresh keys](macro@crate::saga_action#fresh-keys).
    pub fn idempotency_key(&self) -> Uuid {
        match self.inner.call.undo && !planted(Mistake::UndoUnderActionKey) {
            true => self.key(KeyOf::Undo),
            false => self.action_key(),
        }
    }

    /// In an undo, the key under which the action was called last. In an action, its own key.
    pub fn action_key(&self) -> Uuid {
        self.key(KeyOf::Action { generation: self.inner.call.authorized.generation })
    }

    /// All keys under which the action was called, the oldest first; the last one is
    /// [`action_key`](Self::action_key). There are several only if the action declares `retry(.., fresh_key)`. They are
    /// for undos that also clean up what failed attempts have left.
    ///
    /// ```
    /// use saga_core::BoxError;
    /// use saga_core::prelude::*;
    /// # struct Shop; impl Shop { async fn cancel_order(&self, key: String) -> Result<(), BoxError> { Ok(()) } }
    ///
    /// async fn cancel_orders(cx: &ActionContext<Shop>) -> Result<(), BoxError> {
    ///     for key in cx.action_keys() {
    ///         cx.cancel_order(key.to_string()).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn action_keys(&self) -> impl DoubleEndedIterator<Item = Uuid> + '_ {
        let last = self.inner.call.authorized.generation;
        (0..=last).map(|generation| self.key(KeyOf::Action { generation }))
    }

    fn key(&self, of: KeyOf) -> Uuid {
        let keys = self.inner.run.keys.as_deref();
        let mut name = key_name(keys, self.inner.call.path.as_str(), of);
        if planted(Mistake::KeyOfEachAttempt) {
            name += &self.inner.call.authorized.attempt.to_string();
        }
        Uuid::new_v5(&self.inner.run.run_key, name.as_bytes())
    }

    /// The fencing token of this call, which orders the calls made under one key. A receiver that remembers the
    /// highest token of each key, rejects lower ones and accepts equal ones is safe from late calls of a
    /// process that has since been replaced.
    pub fn token(&self) -> FencingToken {
        let seq = self.inner.call.authorized.seq;
        let seq = if planted(Mistake::TokenDoesNotGrow) { 1 } else { seq };
        FencingToken { epoch: self.inner.call.epoch, seq }
    }

    /// Completes when the saga starts to roll back while this action is running, or the body of a `try` does in which it stands.
    /// An action may use it to stop early, but is never forced to. It never completes in an undo.
    pub async fn cancelled(&self) {
        if self.inner.call.is_cancellable() {
            self.inner.run.cancel.wait(self.inner.call.authorized.vertex).await;
        } else {
            std::future::pending::<()>().await;
        }
    }

    /// True once [`cancelled`](Self::cancelled) completes.
    pub fn is_cancelled(&self) -> bool {
        let call = &self.inner.call;
        call.is_cancellable() && self.inner.run.cancel.is_set_for(call.authorized.vertex)
    }
}

//! What an action is given beside its inputs: [`ActionContext`].

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::log::{NodePath, SagaId};
use crate::names::{NodeIndex, NodeName, SagaName};
use crate::plan::Plan;

mod frame;
mod lookup;
mod scope;
mod shared;
#[cfg(feature = "sqlite")]
mod transaction;
mod transaction_request;

pub use crate::error::LookupError;
pub(crate) use frame::{Frame, ItemSource, Outer};
pub use scope::{Scope, StepCall, StepResult};
pub(crate) use shared::Shared;
pub(crate) use transaction_request::{TransactionHandle, TransactionRequest, WorkEnd, WorkEndCell};

/// Who is running: the same for all calls of a saga.
pub(crate) struct RunInfo {
    pub(crate) id: SagaId,
    pub(crate) run_key: Uuid,
    pub(crate) cancel: CancelSignal,
}

/// Tells the actions in flight that the saga unwinds.
#[derive(Default)]
pub(crate) struct CancelSignal {
    set: AtomicBool,
    notify: Notify,
}

impl CancelSignal {
    pub(crate) fn set(&self) {
        self.set.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    async fn wait(&self) {
        loop {
            let notified = self.notify.notified();
            if self.is_set() {
                return;
            }
            notified.await;
        }
    }
}

/// What orders the calls of one key: see [`ActionContext::token`].
///
/// ```
/// use saga_core::FencingToken;
///
/// let (before, since) = (FencingToken { epoch: 1, seq: 9 }, FencingToken { epoch: 2, seq: 3 });
/// assert!(since > before, "a process that took over comes after all that the other one sent");
/// ```
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct FencingToken {
    /// The ownership under which the call is made.
    pub epoch: u64,
    /// The log entry that authorized it.
    pub seq: u64,
}

/// Which call this is.
pub(crate) struct CallInfo {
    pub(crate) node: NodeIndex,
    pub(crate) path: NodePath,
    pub(crate) attempt: u32,
    pub(crate) undo: bool,
    /// False for an undo and for a re-run while unwinding: the saga's cancellation never reaches them.
    pub(crate) cancellable: bool,
    pub(crate) token: FencingToken,
    /// How the call asks for a transaction; none where no action runs.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "SQLite alone has them"))]
    pub(crate) transactions: Option<TransactionHandle>,
}

/// The user's context, and everything that an attempt of an action or an undo may ask about itself.
///
/// Dereferences to the user's own context `C`. Cheap to clone.
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

/// What a context knows of its call.
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
            .field("attempt", &self.inner.call.attempt)
            .field("undo", &self.inner.call.undo)
            .finish_non_exhaustive()
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

    /// The node's place in that DAG.
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

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.inner.call.attempt
    }

    /// The same for every attempt of this node's action (or of its undo) on any machine, and different
    /// for every other node, direction and saga: a UUIDv5 of the saga's random run_key id. Give it to the
    /// service that is called, so that it does the work once.
    pub fn idempotency_key(&self) -> Uuid {
        self.key(if self.inner.call.undo { "undo" } else { "do" })
    }

    /// In an undo: the key under which the action was called. In an action: its own key.
    pub fn action_key(&self) -> Uuid {
        self.key("do")
    }

    fn key(&self, direction: &str) -> Uuid {
        let name = format!("{}\n{direction}", self.inner.call.path);
        Uuid::new_v5(&self.inner.run.run_key, name.as_bytes())
    }

    /// Orders the calls of one key: a receiver that keeps the highest token per key, refuses lower ones
    /// and accepts equal ones is safe from calls that were sent by a process that was since replaced.
    pub fn token(&self) -> FencingToken {
        self.inner.call.token
    }

    /// Completes when the saga unwinds while this action runs. An action may use it to stop early; it is
    /// never forced. Never completes in an undo.
    pub async fn cancelled(&self) {
        if self.inner.call.cancellable {
            self.inner.run.cancel.wait().await;
        } else {
            std::future::pending::<()>().await;
        }
    }

    /// True once [`cancelled`](Self::cancelled) completes.
    pub fn is_cancelled(&self) -> bool {
        self.inner.call.cancellable && self.inner.run.cancel.is_set()
    }
}

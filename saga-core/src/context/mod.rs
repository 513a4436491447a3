//! What an action is given beside its inputs: [`ActionContext`].

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::dag::{Dag, NodeBody};
use crate::driver::TransactionHandle;
use crate::error::ActionError;
use crate::log::{NodePath, Payload, SagaId};
use crate::names::{NodeIndex, NodeName, SagaName};
use crate::typed::{BodyId, Scope};
use crate::value::{ActionData, ActionOutput, read};

mod lookup;
mod shared;
#[cfg(feature = "sqlite")]
mod transaction;

pub use lookup::LookupError;
pub(crate) use shared::Shared;

/// The values of one run of a DAG: its parameters, and what its nodes have returned.
pub(crate) struct Frame<C> {
    pub(crate) dag: Arc<Dag<C>>,
    pub(crate) params: ActionOutput,
    /// Why there are no parameters: then nothing in this frame runs.
    pub(crate) refused: Option<ActionError>,
    /// Of an instance or arm: where the names around it are found.
    pub(crate) outer: Option<Outer<C>>,
    /// What a node that holds others gives can fail to be put together.
    pub(crate) outputs: Box<[OnceLock<Result<ActionOutput, ActionError>>]>,
}

/// The place of an instance or arm.
pub(crate) struct Outer<C> {
    pub(crate) frame: Arc<Frame<C>>,
    pub(crate) node: NodeIndex,
    pub(crate) instance: Option<u32>,
}

impl<C: 'static> Frame<C> {
    pub(crate) fn new(dag: Arc<Dag<C>>, params: ActionOutput) -> Self {
        let outputs = dag.nodes().map(|_| OnceLock::new()).collect();
        Self { dag, params, refused: None, outer: None, outputs }
    }

    /// One without parameters, and why there are none.
    pub(crate) fn refused(dag: Arc<Dag<C>>, why: ActionError) -> Self {
        let frame = Self::new(dag, ActionOutput::of((), Payload::default()));
        Self { refused: Some(why), ..frame }
    }

    pub(crate) fn output(&self, node: NodeIndex) -> Option<&ActionOutput> {
        self.outputs.get(node.index())?.get()?.as_ref().ok()
    }

    /// Why a node that has completed has no output.
    pub(crate) fn broken(&self, node: NodeIndex) -> Option<&ActionError> {
        self.outputs.get(node.index())?.get()?.as_ref().err()
    }

    /// True once it is known what the node gives.
    pub(crate) fn is_known(&self, node: NodeIndex) -> bool {
        self.outputs.get(node.index()).is_some_and(|slot| slot.get().is_some())
    }

    /// True if a node has completed.
    pub(crate) fn has_outputs(&self) -> bool {
        self.outputs.iter().any(|slot| slot.get().is_some())
    }

    pub(crate) fn put(&self, node: NodeIndex, output: Result<ActionOutput, ActionError>) {
        if let Some(slot) = self.outputs.get(node.index()) {
            // a node succeeds once
            let _ = slot.set(output);
        }
    }

    /// The frame of this body: this one, or one around it.
    pub(crate) fn enclosing(&self, body: BodyId) -> Option<&Self> {
        let mut frame = self;
        while frame.dag.body() != body {
            frame = &frame.outer.as_ref()?.frame;
        }
        Some(frame)
    }
}

impl<C: Send + Sync + 'static> Frame<C> {
    /// The item that this instance runs for.
    pub(crate) fn item<'s>(&'s self, cx: &'s Scope<C>, index: usize) -> Option<&'s dyn Any> {
        let outer = self.outer.as_ref()?;
        match &outer.frame.dag.node(outer.node)?.body {
            NodeBody::ForEach(each) => each.item(cx, index),
            _ => None,
        }
    }
}

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
pub(crate) struct Call {
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
    pub(crate) about: Shared<About<C>>,
}

/// What a context knows of its call.
pub(crate) struct About<C> {
    pub(crate) run: Arc<RunInfo>,
    pub(crate) frame: Arc<Frame<C>>,
    pub(crate) call: Call,
}

impl<C> Clone for ActionContext<C> {
    fn clone(&self) -> Self {
        Self { user: self.user.clone(), about: self.about.clone() }
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
            .field("saga", &self.about.run.id)
            .field("node", &self.about.call.path)
            .field("attempt", &self.about.call.attempt)
            .field("undo", &self.about.call.undo)
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
        &self.about.run.id
    }

    /// The durable name of the saga, or of the subsaga that this node belongs to.
    pub fn saga_name(&self) -> &SagaName {
        self.about.frame.dag.name()
    }

    /// The DAG that this node belongs to.
    pub fn dag(&self) -> &Dag<C> {
        &self.about.frame.dag
    }

    /// The node's place in that DAG.
    pub fn node_index(&self) -> NodeIndex {
        self.about.call.node
    }

    /// The node's name.
    pub fn node_name(&self) -> Option<&NodeName> {
        self.about.frame.dag.node(self.about.call.node).map(|node| node.name())
    }

    /// The node's path in the whole saga.
    pub fn node_path(&self) -> &NodePath {
        &self.about.call.path
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.about.call.attempt
    }

    /// The same for every attempt of this node's action (or of its undo) on any machine, and different
    /// for every other node, direction and saga: a UUIDv5 of the saga's random run_key id. Give it to the
    /// service that is called, so that it does the work once.
    pub fn idempotency_key(&self) -> Uuid {
        self.key(if self.about.call.undo { "undo" } else { "do" })
    }

    /// In an undo: the key under which the action was called. In an action: its own key.
    pub fn action_key(&self) -> Uuid {
        self.key("do")
    }

    fn key(&self, direction: &str) -> Uuid {
        let name = format!("{}\n{direction}", self.about.call.path);
        Uuid::new_v5(&self.about.run.run_key, name.as_bytes())
    }

    /// Orders the calls of one key: a receiver that keeps the highest token per key, refuses lower ones
    /// and accepts equal ones is safe from calls that were sent by a process that was since replaced.
    pub fn token(&self) -> FencingToken {
        self.about.call.token
    }

    /// Completes when the saga unwinds while this action runs. An action may use it to stop early; it is
    /// never forced. Never completes in an undo.
    pub async fn cancelled(&self) {
        if self.about.call.cancellable {
            self.about.run.cancel.wait().await;
        } else {
            std::future::pending::<()>().await;
        }
    }

    /// True once [`cancelled`](Self::cancelled) completes.
    pub fn is_cancelled(&self) -> bool {
        self.about.call.cancellable && self.about.run.cancel.is_set()
    }

    /// The output of an earlier node, by name. Only of true ancestors: what they return is there for
    /// certain, in every attempt and after every restart. An undo may also look up its own node. In an
    /// instance or an arm names are looked for in its own body first, then in those around it. To find out
    /// costs a walk along the edges, from this node back to that one.
    ///
    /// ```
    /// # use saga_core::{ActionContext, BoxError};
    /// async fn pay(cx: ActionContext<()>) -> Result<u64, BoxError> {
    ///     let cents = cx.lookup::<u64>("quote")?;
    ///     Ok(*cents)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`LookupError`] says which of its cases it is.
    pub fn lookup<T: ActionData>(&self, name: &str) -> Result<Arc<T>, LookupError> {
        let output = self.find(name)?;
        if let Some(value) = output.share() {
            return Ok(value);
        }
        read(&output.payload)
            .map(Arc::new)
            .map_err(|why| LookupError::Deserialize { node: name.to_string(), why })
    }

    /// The same, as the JSON that is in the log.
    ///
    /// # Errors
    /// [`LookupError`] says which of its cases it is.
    pub fn lookup_raw(&self, name: &str) -> Result<&[u8], LookupError> {
        self.find(name).map(|output| output.payload.as_bytes())
    }

    /// The saga's parameters; in a body of [`Node::for_each`](crate::dag::Node::for_each), the item.
    ///
    /// # Errors
    /// [`LookupError::Deserialize`] if they are not a `T`.
    pub fn saga_params<T: ActionData>(&self) -> Result<Arc<T>, LookupError> {
        let params = &self.about.frame.params;
        if let Some(value) = params.share() {
            return Ok(value);
        }
        read(&params.payload)
            .map(Arc::new)
            .map_err(|why| LookupError::Deserialize { node: "(params)".to_string(), why })
    }

    /// The nearest node of this name: in the same body, or in one around it.
    fn find(&self, name: &str) -> Result<&ActionOutput, LookupError> {
        let here = || self.about.call.path.to_string();
        let (mut frame, mut from) = (&self.about.frame, self.about.call.node);
        let node = loop {
            match (frame.dag.node_index(name), &frame.outer) {
                (Some(node), _) => break node,
                (None, Some(outer)) => (frame, from) = (&outer.frame, outer.node),
                (None, None) => {
                    return Err(LookupError::NoSuchNode {
                        node: name.to_string(),
                        saga: frame.dag.name().to_string(),
                    });
                }
            }
        };
        let own = self.about.call.undo && Arc::ptr_eq(frame, &self.about.frame) && node == from;
        if !own && !frame.dag.is_ancestor(node, from) {
            return Err(LookupError::NotAnAncestor { node: name.to_string(), from: here() });
        }
        let missing = || LookupError::NotThere { node: name.to_string(), from: here() };
        frame.output(node).ok_or_else(missing)
    }
}

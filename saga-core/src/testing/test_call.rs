//! The context of a call that a unit test makes.

use std::any::Any;
use std::panic::panic_any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use crate::context::{
    ActionContext, CallHome, CallInfo, ContextInner, Frame, RunInfo, Shared, StartCount,
    TransactionRequest, Transactions,
};
use crate::log::{NodePath, Payload, SagaId, Uuid};
use crate::machine::AuthorizedCall;
use crate::names::{BodyId, NodeIndex, SagaName};
use crate::plan::Plan;
use crate::value::ActionOutput;

/// Calls of one node, for unit tests of its action and its undo: without a saga, a coordinator or a store.
///
/// All calls of a `TestCall` are of the same node of the same saga, so they have the same
/// [`action_key`](ActionContext::action_key), and each has a newer [`token`](ActionContext::token) than those before it.
///
/// ```
/// use saga_core::prelude::*;
/// use saga_core::testing::{IdempotentService, ServiceError, TestCall};
///
/// struct Agency { rooms: IdempotentService<String> }
///
/// #[saga_action(undo = cancel())]
/// async fn book(cx: &ActionContext<Agency>, city: &str) -> Result<String, ServiceError> {
///     cx.rooms.call(cx, || Ok::<_, String>(format!("a room in {city}")))
/// }
/// async fn cancel(cx: &ActionContext<Agency>) -> Result<(), ServiceError> {
///     cx.rooms.undo(cx).map(drop)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // in a test: #[tokio::test]
/// let call = TestCall::new(Agency { rooms: IdempotentService::new() });
/// cancel(&call.undo()).await?;
/// let late = call.action();
/// assert_eq!(late.rooms.call(&late, || Ok::<_, String>("a room".into())), Err(ServiceError::Undone));
/// # Ok(()) }
/// ```
pub struct TestCall<C> {
    user: Arc<C>,
    run: Arc<RunInfo>,
    frame: Arc<Frame>,
    calls: AtomicU64,
}

/// There is no saga whose task could take part in a transaction, and nothing that could start another one.
struct NoCoordinator;

static NO_COORDINATOR: LazyLock<Arc<NoCoordinator>> = LazyLock::new(|| Arc::new(NoCoordinator));

impl CallHome for NoCoordinator {
    /// The error of a transaction is of a type of the user's, so there is no other way to say it.
    fn send(&self, _request: TransactionRequest) {
        let why = "this context is of a `TestCall`, which has no store that could take part in a transaction; test the action \
                   in its saga, with `SagaTest::sqlite` or in a coordinator with a store of its own";
        panic_any(why.to_string())
    }

    fn coordinator(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }
}

impl<C: Send + Sync + 'static> TestCall<C> {
    /// Calls with this context.
    pub fn new(context: C) -> Self {
        Self::sharing(Arc::new(context))
    }

    /// Calls with a context that others share.
    pub fn sharing(context: Arc<C>) -> Self {
        let run_key = Uuid::new_v4();
        let saga = SagaName::of_test();
        let params = ActionOutput::of((), Payload::from(&b"null"[..]));
        let plan = Arc::new(Plan::new(Vec::new(), &[]));
        let frame = Frame::new(saga.clone(), BodyId(0), plan, params);
        let home = Arc::downgrade(&*NO_COORDINATOR);
        let run = RunInfo::new(SagaId::of_run(run_key), saga, run_key, home);
        Self { user: context, run: Arc::new(run), frame: Arc::new(frame), calls: AtomicU64::new(0) }
    }

    /// The context of the calls.
    pub fn context(&self) -> &Arc<C> {
        &self.user
    }

    /// The context of the next call of the action.
    pub fn action(&self) -> ActionContext<C> {
        self.call(false)
    }

    /// The context of the next call of the undo.
    pub fn undo(&self) -> ActionContext<C> {
        self.call(true)
    }

    /// The saga begins to roll back: [`ActionContext::cancelled`] completes in calls of the action.
    pub fn cancel(&self) {
        self.run.cancel.set();
    }

    fn call(&self, undo: bool) -> ActionContext<C> {
        let seq = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let attempt = u32::try_from(seq).unwrap_or(u32::MAX);
        let authorized =
            AuthorizedCall { vertex: 0, attempt, generation: 0, seq, unwinding: undo, repeat: 1 };
        let path = NodePath::from("test");
        let call = CallInfo {
            node: NodeIndex(0),
            path,
            authorized,
            undo,
            epoch: 1,
            transactions: Transactions::Possible,
            starts: StartCount::default(),
        };
        let inner = ContextInner { run: self.run.clone(), frame: self.frame.clone(), call };
        ActionContext { user: self.user.clone(), inner: Shared::new(Arc::new(inner)) }
    }
}

impl<C: Send + Sync + 'static> ActionContext<C> {
    /// A context for a unit test of an action: that of the first call of a [`TestCall`].
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// # struct Agency { free_rooms: u32 }
    /// #[saga_action(no_undo)]
    /// async fn is_free(cx: &ActionContext<Agency>) -> Result<bool, String> { Ok(cx.free_rooms > 0) }
    ///
    /// let cx = ActionContext::for_test(Agency { free_rooms: 1 });
    /// assert_eq!((cx.free_rooms, cx.attempt()), (1, 1));
    /// ```
    pub fn for_test(context: C) -> Self {
        TestCall::new(context).action()
    }
}

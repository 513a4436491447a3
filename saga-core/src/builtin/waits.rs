//! Steps that wait: [`sleep`], [`sleep_until`], [`wait_for`] and [`wait_for_within`].
//!
//! They run nothing. The machine waits: a saga that does so uses no permit, is not dropped when it unwinds, and has nothing to
//! undo.

use std::marker::PhantomData;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::context::ActionContext;
use crate::error::ActionError;
use crate::log::Timestamp;
use crate::machine::Due;
use crate::typed::{
    ExternalEvent, NeverGivesUp, SealedWait, Step, StepCall, StepKind, StepResult, Typed, WaitSpec,
    WaitStep, due,
};
use crate::value::AttemptError;

/// Waits for some time. It is measured from the moment at which the node begins, written to the log, and the same after a
/// crash.
///
/// ```
/// use std::time::Duration;
/// use saga_core::prelude::*;
/// saga! {
///     Nap<()>(millis: u64) {
///         sleep { duration: Duration::from_millis(*millis) };
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sec = Coordinator::builder(()).saga::<Nap>().build().await?;
/// sec.run(Nap { millis: 10 }).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct sleep {
    /// How long.
    pub duration: Duration,
}

/// Waits until a point in time. It follows the wall clock, also when that is set.
///
/// ```
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
/// use saga_core::prelude::*;
/// saga! {
///     Remind<()>(at_unix_seconds: u64) {
///         sleep_until { at: UNIX_EPOCH + Duration::from_secs(*at_unix_seconds) };
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sec = Coordinator::builder(()).saga::<Remind>().build().await?;
/// sec.run(Remind { at_unix_seconds: 0 }).await?; // that time is over
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct sleep_until {
    /// When.
    pub at: SystemTime,
}

/// Waits for an event, as long as it takes. In `saga!`: `let approved = wait_for::<Approved> {};`.
///
/// Events that come before their wait are kept. Of several waits for one type of event, the one that began first gets the
/// next one. See [`Coordinator::signal`](crate::Coordinator::signal), which tells a saga of an event.
pub struct wait_for<E> {
    #[doc(hidden)]
    pub event: PhantomData<fn() -> E>,
}

/// Waits for an event, and not longer than this: the output is an `Option`. In `saga!`:
/// `let approved = wait_for::<Approved> { timeout: Duration::from_secs(60) };`.
pub struct wait_for_within<E> {
    /// How long, from when the node begins.
    pub timeout: Duration,
    #[doc(hidden)]
    pub event: PhantomData<fn() -> E>,
}

impl<E> wait_for<E> {
    /// The step, for a saga by hand.
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// use saga_core::dag::{Dag, DagBuilder};
    /// use saga_core::typed::SagaOutput;
    /// use saga_core::{Saga, saga_event};
    ///
    /// #[saga_event]
    /// struct Approved { by: String }
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Approval {}
    ///
    /// impl Saga for Approval {
    ///     type Context = ();
    ///     type Output = Approved;
    ///     const NAME: &'static str = "Approval";
    ///     fn define(dag: &mut DagBuilder<()>) -> SagaOutput<Approved> {
    ///         let approved = dag.step("approved", &[], |cx| cx.call(wait_for::<Approved>::new()));
    ///         dag.ends_with(approved)
    ///     }
    /// }
    /// assert!(Dag::of::<Approval>()?.to_json_text().contains(r#"{"event":{"name":"Approved"}}"#));
    /// # Ok::<(), saga_core::dag::DagError>(())
    /// ```
    #[expect(
        clippy::new_without_default,
        reason = "it stands for an event to come, and not for an empty one"
    )]
    pub fn new() -> Self {
        Self { event: PhantomData }
    }
}

/// What `saga!` writes behind a wait. It returns nothing that has a type if `E` is not an event, so rustc reports that, and none
/// of the consequences.
impl<E> wait_for<E> {
    #[doc(hidden)]
    pub fn for_event(wait: Self) -> E::Same<Self>
    where
        E: ExternalEvent,
    {
        wait.into()
    }
}

impl<E> wait_for_within<E> {
    #[doc(hidden)]
    pub fn for_event(wait: Self) -> E::Same<Self>
    where
        E: ExternalEvent,
    {
        wait.into()
    }

    /// The step, for a saga by hand; see [`wait_for::new`].
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, event: PhantomData }
    }
}

/// Implements a step that waits. `$due` is the time of its timer, if it has one.
macro_rules! waits {
    ($name:ty $([$event:ident])?, $output:ty, $spec:expr, |$this:ident| $due:expr) => {
        #[diagnostic::do_not_recommend]
        impl$(<$event: ExternalEvent>)? Typed for $name {
            type Output = $output;
            type Error = String;
        }

        #[diagnostic::do_not_recommend]
        impl<$($event: ExternalEvent,)? C: Send + Sync + 'static> Step<C> for $name {
            type Static = Self;

            async fn go(self, _cx: &ActionContext<C>, _op: &StepCall) -> StepResult {
                let why = ActionError::from_error("a wait is no call");
                StepResult::Failed(AttemptError::from(why).permanent().into())
            }

            fn pure(self) -> Option<StepResult> {
                let $this = self;
                $due
            }

            fn kind() -> StepKind {
                StepKind::Wait($spec)
            }
        }

        #[diagnostic::do_not_recommend]
        impl$(<$event: ExternalEvent>)? NeverGivesUp for $name {}
    };
}

/// Steps that wait for one thing, and so can race others.
macro_rules! races {
    ($name:ty $([$event:ident])?) => {
        impl$(<$event>)? SealedWait for $name {}

        #[diagnostic::do_not_recommend]
        impl$(<$event>)? WaitStep for $name {}
    };
}

races!(sleep);
races!(sleep_until);
races!(wait_for<E>[E]);

waits!(sleep, (), WaitSpec::sleep(false), |this| Some(due(Due::After(this.duration))));

waits!(sleep_until, (), WaitSpec::sleep(true), |this| {
    let since = this.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(due(Due::At(Timestamp(0).after(since))))
});

waits!(wait_for<E>[E], E, WaitSpec::event::<E>(), |_this| None);

waits!(wait_for_within<E>[E], Option<E>, WaitSpec::event_within::<E>(), |this| {
    Some(due(Due::After(this.timeout)))
});

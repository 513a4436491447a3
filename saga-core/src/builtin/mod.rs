//! Actions that every saga can use: [`new_uuid`], [`now`] and [`fail_if`]; and steps that wait: [`sleep`], [`sleep_until`],
//! [`wait_for`] and [`wait_for_within`].
//!
//! Expressions in `saga!` may be evaluated many times, so they must not create ids, read the clock or use
//! random numbers. These actions do so once, as nodes whose output is recorded.
#![allow(non_camel_case_types)] // they are named like the functions with `#[saga_action]`

mod waits;

use std::time::UNIX_EPOCH;

use uuid::Uuid;

use crate::ambient::system_time;
use crate::context::ActionContext;
use crate::error::ActionError;
use crate::policy::{Policy, Retry, UndoContract};
use crate::probe::Probe;
use crate::typed::{
    ActionSpec, NeverGivesUp, Step, StepCall, StepKind, StepResult, Typed, produced,
};
use crate::value::AttemptError;

pub use waits::{sleep, sleep_until, wait_for, wait_for_within};

/// Creates a UUID: the same in every attempt and after a crash, and a different one for every other node and
/// saga.
///
/// ```
/// use saga_core::prelude::*;
/// # #[saga_action(no_undo)]
/// # async fn create_disk(id: &uuid::Uuid) -> Result<String, String> { Ok(id.to_string()) }
/// saga! {
///     MakeDisk<()>() -> String {
///         let id = new_uuid {};
///         create_disk { id }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sec = Coordinator::builder(()).saga::<MakeDisk>().build().await?;
/// # assert_ne!(sec.run(MakeDisk {}).await?, sec.run(MakeDisk {}).await?);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct new_uuid {}

/// Returns the time at which the node first completed, in milliseconds since 1970 (UTC).
///
/// ```
/// use saga_core::prelude::*;
/// saga! {
///     Stamp<()>() -> u64 {
///         let created = now {};
///         { created + 1 }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
/// # assert!(sec.run(Stamp {}).await? > 1_700_000_000_000);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct now {}

/// Fails with this message if the condition is true, so that the saga is rolled back.
///
/// ```
/// use saga_core::prelude::*;
/// saga! {
///     Transfer<()>(cents: u64) {
///         fail_if { condition: *cents > 1_000, message: "more than the limit" };
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sec = Coordinator::builder(()).saga::<Transfer>().build().await?;
/// # sec.run(Transfer { cents: 1 }).await?;
/// let error = sec.run(Transfer { cents: 1_001 }).await.unwrap_err();
/// assert!(error.to_string().contains("more than the limit"));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct fail_if<'a> {
    /// True to fail.
    pub condition: bool,
    /// The message to fail with.
    pub message: &'a str,
}

/// The names of the provided actions, which have no effect.
pub(crate) const PROVIDED: [&str; 3] = ["new_uuid", "now", "fail_if"];

/// Implements an action without an undo; `$run` is one attempt of it.
macro_rules! provided {
    ($name:ident $([$life:lifetime])?, $fixed:ty, $output:ty, $retry:expr, |$this:ident, $cx:ident| $run:expr) => {
        #[diagnostic::do_not_recommend]
        impl$(<$life>)? Typed for $name$(<$life>)? {
            type Output = $output;
            type Error = String;
        }

        #[diagnostic::do_not_recommend]
        impl<$($life,)? C: Send + Sync + 'static> Step<C> for $name$(<$life>)? {
            type Static = $fixed;

            async fn go(self, $cx: &ActionContext<C>, op: &StepCall) -> StepResult {
                let $this = self;
                let attempt = || -> Result<$output, String> { $run };
                match op {
                    StepCall::Undo(_) => StepResult::Undone(Ok(())),
                    StepCall::Probe => StepResult::Probed(Ok(Probe::Unknown)),
                    StepCall::Do => match attempt() {
                        Ok(output) => produced::<Self>(output),
                        Err(error) => {
                            let failed = AttemptError::from(ActionError::from_error(error));
                            StepResult::Failed(failed.into())
                        }
                    },
                }
            }

            fn kind() -> StepKind {
                let spec = ActionSpec::new(stringify!($name), UndoContract::None, "no_undo");
                let policy = Policy { retry: $retry, ..spec.policy };
                StepKind::Action(ActionSpec { policy, ..spec })
            }
        }
    };
}

provided!(new_uuid, new_uuid, Uuid, Retry::forever(), |_this, cx| {
    Ok(Uuid::new_v5(&cx.idempotency_key(), b"new_uuid"))
});

provided!(now, now, u64, Retry::forever(), |_this, _cx| {
    let since = system_time().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).map_err(|error| error.to_string())
});

provided!(fail_if['a], fail_if<'static>, (), Retry::never(), |this, _cx| match this.condition {
    true => Err(this.message.to_string()),
    false => Ok(()),
});

#[diagnostic::do_not_recommend]
impl NeverGivesUp for new_uuid {}
#[diagnostic::do_not_recommend]
impl NeverGivesUp for now {}

//! Sagas as types: their parameters, their definition, and how one is a node of another.

use super::SagaOutput;
use super::define::define;
use super::results::computed;
use super::step::{Step, StepKind, Subsaga, Typed};
use crate::context::{ActionContext, StepCall, StepResult};
use crate::dag::DagBuilder;
use crate::error::ActionError;
use crate::value::ActionData;

/// A saga: its parameters, its nodes, and its output. `saga!` writes the implementation. By hand, it looks like
/// this:
///
/// ```
/// use saga_core::dag::DagBuilder;
/// use saga_core::prelude::*;
/// use saga_core::typed::SagaOutput;
/// use saga_core::Saga;
///
/// #[saga_action(no_undo)]
/// async fn greet(name: &str) -> Result<String, String> { Ok(format!("hello {name}")) }
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Greet { name: String }
///
/// impl Saga for Greet {
///     type Context = ();
///     type Output = String;
///     const NAME: &'static str = "Greet";
///     fn define(dag: &mut DagBuilder<()>) -> SagaOutput<String> {
///         let name = dag.param("name", |saga: &Greet| &saga.name);
///         let greet = dag.step("greet", &[("name", &[name.id()])], move |cx| {
///             cx.call(greet { name: name.get(cx) })
///         });
///         dag.ends_with(greet)
///     }
/// }
/// # let dag = saga_core::dag::Dag::of::<Greet>()?;
/// # assert_eq!(dag.len(), 1);
/// # Ok::<(), saga_core::dag::DagError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a saga",
    label = "not a saga",
    note = "a saga is declared with `saga! {{ pub {Self}<Context>(..) {{ .. }} }}`"
)]
pub trait Saga: ActionData {
    /// The context that all of its actions share.
    type Context: Send + Sync + 'static;
    /// What it returns.
    type Output: ActionData;
    /// The durable name.
    const NAME: &'static str;
    /// Which version of the saga this is; `#[version = N]` sets it. It is part of the DAG's
    /// [fingerprint](crate::dag::AnyDag::fingerprint), so sagas of another version resume only where that version is
    /// [registered](crate::CoordinatorBuilder::old_saga) too.
    const VERSION: u32 = 1;
    /// Where it is defined, as `file:line`.
    const PLACE: &'static str = "";
    /// Declares the nodes.
    fn define(dag: &mut DagBuilder<Self::Context>) -> SagaOutput<Self::Output>;
}

/// A saga that can be a node of another saga, because it has no pivot. `saga!` implements it; for a saga that
/// is written by hand it is one line, `impl saga_core::typed::Nestable for Inner {}`.
pub trait Nestable {}

#[diagnostic::do_not_recommend]
impl<S: Saga> Typed for S {
    type Output = S::Output;
    type Error = ActionError;
}

/// A value of a saga's type, which holds its parameters, is a node of another saga.
#[diagnostic::do_not_recommend]
impl<S: Saga + Nestable> Step<S::Context> for S {
    type Static = S;

    async fn go(self, _cx: &ActionContext<S::Context>, _op: &StepCall) -> StepResult {
        computed(self)
    }

    fn pure(self) -> Option<StepResult> {
        Some(computed(self))
    }

    fn kind() -> StepKind {
        StepKind::Saga(Subsaga(define::<S>))
    }
}

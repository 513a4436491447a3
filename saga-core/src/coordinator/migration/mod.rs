//! Sagas that go on under another version of their definition: how the versions correspond, as users say it.

mod apply;
mod checks;
#[cfg(feature = "fault-injection")]
mod dags;
mod outlook;

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::NodeKey;
use super::definitions::Definition;
use crate::error::ActionError;
use crate::log::Payload;
use crate::machine::Fate;
#[cfg(feature = "testing")]
use crate::store::StoredSaga;
use crate::typed::Saga;
use crate::value::{ActionData, ActionOutput, OutputType};

pub(super) use apply::ToRun;
pub(super) use checks::check;
pub use outlook::MigrationOutlook;
pub(super) use outlook::outlook;

/// Problems behind the colon of a message: several have a line each.
pub(super) fn in_lines(problems: &[String]) -> String {
    match problems {
        [problem] => format!(" {problem}"),
        problems => problems.iter().map(|problem| format!("\n  - {problem}")).collect(),
    }
}

/// Turns a stored value of the old version into one of the new version.
type Convert = Arc<dyn Fn(&Payload) -> Result<Payload, String> + Send + Sync>;

/// How unfinished sagas of one version go on under another: which node of the new version is which node of the old one.
///
/// Nodes of the same name and the same type of output map by themselves. The rest is said with typed keys, so the compiler
/// checks that the nodes exist and that their outputs convert;
/// [`build`](crate::CoordinatorBuilder::build) checks that nothing was forgotten, and says so by name. Only the nodes of the
/// saga itself are mapped: a node that holds others (a subsaga, a `for`, an `if` or `match`) is carried over with all that it
/// holds.
///
/// A saga is migrated when it is next taken up, by [`build`](crate::CoordinatorBuilder::build) or by a worker that takes it
/// over, if what it has already done fits the new version ([`Ineligible`](crate::Ineligible) lists what does not). A saga
/// with a call whose outcome is not known first finds that out with the old version. For up to 30 seconds it starts nothing else
/// meanwhile; then it goes on as usual until no call is in doubt, and is migrated if it is still eligible. One that is not eligible
/// goes on with the old version to its end. So the old version must stay in the program until none of its sagas is left.
///
/// What a migrated saga has done stays as it is: its outputs are converted, and a node that had another name keeps its
/// idempotency keys, so that its undo finds what it undoes. Values (`let total = { .. }`, constants) are computed anew, unless a
/// call has been made with them.
///
/// ```
/// use saga_core::prelude::*;
/// use saga_core::Migration;
///
/// #[saga_action(undo = free(output))]
/// async fn reserve(city: &str) -> Result<u32, String> { Ok(city.len() as u32) }
/// async fn free(room: &u32) -> Result<(), String> { Ok(()) }
///
/// #[saga_action(no_undo)]
/// async fn confirm(room: &u32) -> Result<(), String> { Ok(()) }
///
/// mod v1 {
///     use super::{confirm, reserve};
///     use saga_core::prelude::*;
///     saga! {
///         pub(crate) BookTrip<()>(city: String) {
///             let hotel = reserve { city };
///             confirm { room: &hotel };
///         }
///     }
/// }
///
/// saga! {
///     #[version = 2]
///     BookTrip<()>(city: String, guests: u32) {
///         let lodging = reserve { city };
///         confirm { room: &lodging };
///         let _car = reserve { city };
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let migration = Migration::new(|old: v1::BookTrip| BookTrip { city: old.city, guests: 1 })
///     .node(v1::BookTrip::hotel, BookTrip::lodging);
/// let sec = Coordinator::builder(()).saga::<BookTrip>().migrate(migration).build().await?;
/// # drop(sec);
/// # Ok(()) }
/// ```
///
/// The idea of a plan that maps the steps of running instances is that of BPM engines such as Camunda; the checks by type, and
/// compensation across versions, are this library's.
pub struct Migration<Old, New> {
    any: AnyMigration,
    types: PhantomData<fn(Old) -> New>,
}

/// The same for sagas of any type.
pub(super) struct AnyMigration {
    pub(super) rules: Vec<Rule>,
    params: Convert,
}

/// The name of a node, as its key has it.
pub(super) struct NodeRef {
    path: String,
    /// Its other possible name: see [`NodeKey::other`].
    or: Option<String>,
}

/// What a user said about one node.
pub(super) enum Rule {
    Node { old: NodeRef, new: NodeRef, same_type: bool, convert: Convert },
    Drop { old: NodeRef, keeps_effect: bool },
    UndoAccepted { old: NodeRef },
}

impl<Old: Saga, New: Saga<Context = Old::Context>> Migration<Old, New> {
    /// A migration in which all nodes of the old version are the nodes of the same names in the new one. `params` converts the
    /// parameters; it must be pure, and may be called more than once for a saga.
    pub fn new(params: impl Fn(Old) -> New + Send + Sync + 'static) -> Self {
        let any = AnyMigration { rules: Vec::new(), params: converter(params) };
        Self { any, types: PhantomData }
    }

    /// A node of the old version is this node of the new one. Its output is converted with [`Into`].
    pub fn node<A, B, E, F>(self, old: NodeKey<Old, A, E>, new: NodeKey<New, B, F>) -> Self
    where
        A: ActionData + Into<B>,
        B: ActionData,
    {
        self.node_with(old, new, Into::into)
    }

    /// A node of the old version is this node of the new one. `convert` converts its output; it must be pure, and may be called
    /// more than once for a saga.
    pub fn node_with<A, B, E, F>(
        mut self,
        old: NodeKey<Old, A, E>,
        new: NodeKey<New, B, F>,
        convert: impl Fn(A) -> B + Send + Sync + 'static,
    ) -> Self
    where
        A: ActionData,
        B: ActionData,
    {
        let same_type = OutputType::of::<A>() == OutputType::of::<B>();
        let (old, new) = (NodeRef::of(&old), NodeRef::of(&new));
        let convert = converter(convert);
        self.any.rules.push(Rule::Node { old, new, same_type, convert });
        self
    }

    /// The new version does not have this node. A saga in which it has begun goes on with the old version, which can undo it.
    pub fn drop_unbegun<A, E>(mut self, old: NodeKey<Old, A, E>) -> Self {
        self.any.rules.push(Rule::Drop { old: NodeRef::of(&old), keeps_effect: false });
        self
    }

    /// The new version does not have this node. If it has had its effect, the saga is migrated all the same, and **nobody undoes
    /// that effect any more**: if the saga is rolled back later, its report lists the node among the
    /// [remaining effects](crate::SagaReport::remaining_effects).
    pub fn drop_keeping_effect<A, E>(mut self, old: NodeKey<Old, A, E>) -> Self {
        self.any.rules.push(Rule::Drop { old: NodeRef::of(&old), keeps_effect: true });
        self
    }

    /// What the action of this node did before the migration may be undone by the action of the new version, although that is
    /// another one, of another revision, declares another kind of undo, or gets inputs that are made of something else.
    pub fn undo_accepted<A, E>(mut self, old: NodeKey<Old, A, E>) -> Self {
        self.any.rules.push(Rule::UndoAccepted { old: NodeRef::of(&old) });
        self
    }
}

impl<Old, New> Migration<Old, New> {
    pub(super) fn into_any(self) -> AnyMigration {
        self.any
    }
}

#[cfg(feature = "testing")]
impl<Old: Saga, New: Saga<Context = Old::Context>> Migration<Old, New> {
    /// A saga as it is after this migration.
    ///
    /// # Errors
    /// What is wrong with the migration, or why the saga is not eligible.
    pub(crate) fn try_on(&self, saga: StoredSaga) -> Result<StoredSaga, String> {
        use crate::{dag::DEFAULT_MAX_NODES, limits::Limits};
        let built = |error: crate::dag::DagError| error.to_string();
        let old = Definition::of::<Old>(DEFAULT_MAX_NODES).map_err(built)?;
        let new = Definition::of::<New>(DEFAULT_MAX_NODES).map_err(built)?;
        if *saga.record.fingerprint != *old.dag.fingerprint() {
            return Err(
                "it has another definition than the old version of the migration".to_string()
            );
        }
        let checked = check(&self.any, &old, &new)
            .map_err(|problems| in_lines(&problems).trim_start_matches(' ').to_string())?;
        let migrated = checked.plan(&saga, &old, &Limits::default());
        let migrated = migrated.map_err(|why| format!("it is not eligible: {why}"))?;
        Ok(migrated.applied_to(saga))
    }
}

impl NodeRef {
    fn of<S, O, E>(key: &NodeKey<S, O, E>) -> Self {
        Self { path: key.path().to_string(), or: key.other() }
    }
}

/// Decodes an `A`, converts it, and encodes the `B`.
fn converter<A, B>(convert: impl Fn(A) -> B + Send + Sync + 'static) -> Convert
where
    A: ActionData,
    B: ActionData,
{
    Arc::new(move |stored| {
        let said = |error: ActionError| error.message();
        let decoded = ActionOutput::decode::<A>(stored).map_err(said)?;
        let value = decoded.value.take().and_then(|value| value.downcast::<A>().ok());
        let value = value.and_then(Arc::into_inner);
        let value = value.ok_or_else(|| "it is of another type".to_string())?;
        let converted = crate::panics::contain(|| convert(value));
        let converted =
            converted.map_err(|message| format!("the conversion panicked: {message}"))?;
        Ok(ActionOutput::new(converted).map_err(said)?.payload)
    })
}

impl<Old: Saga, New: Saga> fmt::Debug for Migration<Old, New> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migration")
            .field("saga", &New::NAME)
            .field("from", &Old::VERSION)
            .field("to", &New::VERSION)
            .finish_non_exhaustive()
    }
}

/// A migration that has been checked against both definitions.
pub(super) struct CheckedMigration {
    pub(super) new: Definition,
    fates: Vec<Fate>,
    /// For each node of the old version, how its output is converted; `None` if it stays as it is.
    outputs: Vec<Option<Convert>>,
    /// The nodes of the old version whose undo may be called otherwise than they were.
    accepted: BTreeSet<u32>,
    params: Convert,
}

//! `select`: a node that waits for the first of several things, and one that runs what belongs to it.
//!
//! It is two nodes: `NAME.wait`, which waits, and `NAME`, a choice of the arm by what came first.

use std::marker::PhantomData;

use super::arms::NestedBody;
use super::closures::TypedClosure;
use super::shape::NodeShape;
use super::step::{Step, StepKind};
use crate::context::Scope;
use crate::dag::{AnyNode, DagBuilder, DagError, NodeBody, Wait, WaitFor, WaitOutput};
use crate::error::ActionError;
use crate::log::Payload;
use crate::machine::Waited;
use crate::names::{NodeIndex, NodeName};
use crate::typed::{OutputRef, SagaOutput, Source, StepFuture};
use crate::value::{ActionOutput, OutputType};

/// A step that can race others in a [`select`](DagBuilder::select): [`wait_for`](crate::builtin::wait_for),
/// [`sleep`](crate::builtin::sleep) and [`sleep_until`](crate::builtin::sleep_until). An action is none, because the losers
/// of a race of actions would have had effects.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a wait, and a `select` is a race of waits",
    label = "not a wait",
    note = "an arm begins with `wait_for::<Event> {{}}`, `sleep {{ duration: .. }}` or `sleep_until {{ at: .. }}`; what runs when it comes first stands behind the `=>`",
    note = "actions do not race, since those that lose may have had effects: let them run in `parallel {{ .. }}`, or one after the failure of the other with `try {{ .. }} else {{ .. }}`"
)]
pub trait WaitStep: sealed::Sealed {}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// The call of a step that races others; [`Scope::race`] makes it.
pub struct RaceNode<M>(PhantomData<fn() -> M>);

impl<C, M> NodeShape<C> for RaceNode<M>
where
    M: Step<C> + 'static,
{
    type Output = M::Output;
    fn kind() -> Option<StepKind> {
        Some(M::kind())
    }
}

/// What a [`select`](DagBuilder::select) waited for, in the body of the arm that it belongs to.
pub struct AwaitedRef<T> {
    wait: OutputRef<First>,
    arm: usize,
    ty: PhantomData<fn() -> T>,
}

impl<T> Clone for AwaitedRef<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for AwaitedRef<T> {}

impl<T: 'static> AwaitedRef<T> {
    /// The source to use in bindings.
    pub fn id(self) -> Source {
        self.wait.id()
    }

    /// The event, or `()` for a time. It must be among the bindings of the step, as for [`OutputRef::get`].
    pub fn get<C: Send + Sync + 'static>(self, cx: &Scope<C>) -> &T {
        let first = self.wait.get(cx);
        match first.output.get::<T>() {
            Some(output) if first.arm == self.arm => output,
            Some(_) | None => cx.wrong_arm(),
        }
    }

    /// What the macro writes for the pattern of an arm.
    #[doc(hidden)]
    pub fn bind<C: Send + Sync + 'static>(self, cx: &Scope<C>, pattern: impl FnOnce(&T)) {
        pattern(self.get(cx));
    }

    /// The number of the arm that came first.
    #[doc(hidden)]
    pub fn first<C: Send + Sync + 'static>(self, cx: &Scope<C>) -> usize {
        self.wait.get(cx).arm
    }
}

/// The output of the node that waits.
struct First {
    arm: usize,
    output: ActionOutput,
}

impl First {
    fn of(
        alternatives: &[WaitFor],
        arm: usize,
        event: Option<&Payload>,
    ) -> Result<ActionOutput, ActionError> {
        let lost = || ActionError::from_error("what came first is not among what it waits for");
        let (output, json) = match (alternatives.get(arm).ok_or_else(lost)?, event) {
            (WaitFor::Event(_, read), Some(event)) => {
                let before = format!("{{\"arm\":{arm},\"event\":");
                (read(event)?, [before.as_bytes(), event.as_bytes(), b"}"].concat())
            }
            (WaitFor::Timer { .. }, _) => {
                (ActionOutput::new(())?, format!("{{\"arm\":{arm}}}").into_bytes())
            }
            (WaitFor::Event(..), None) => return Err(lost()),
        };
        Ok(ActionOutput::of(Self { arm, output }, json.into()))
    }

    fn decode(alternatives: &[WaitFor], json: &Payload) -> Result<ActionOutput, ActionError> {
        #[derive(serde::Deserialize)]
        struct Stored<'a> {
            arm: usize,
            #[serde(borrow)]
            event: Option<&'a serde_json::value::RawValue>,
        }
        let stored = serde_json::from_slice::<Stored>(json.as_bytes())
            .map_err(|error| ActionError::new_deserialize(error.to_string()))?;
        let event = stored.event.map(|event| Payload::from(event.get().as_bytes()));
        Self::of(alternatives, stored.arm, event.as_ref())
    }

    fn make(alternatives: &[WaitFor], waited: &Waited) -> Result<ActionOutput, ActionError> {
        Self::of(alternatives, waited.alternative as usize, waited.event.as_ref())
    }
}

/// The arms of a [`select`](DagBuilder::select).
pub struct Select<'b, C, O> {
    dag: &'b mut DagBuilder<C>,
    race: Race<C>,
    bodies: Vec<NestedBody>,
    ty: PhantomData<fn() -> O>,
}

impl<C: Send + Sync + 'static, O> Select<'_, C, O> {
    /// Adds an arm: what it waits for, and what runs if that comes first. All arms have the same output type.
    ///
    /// The first closure makes the wait from the sources that the bindings name, with [`Scope::race`]. The second one is
    /// called once, now, and declares the nodes of the arm, which can read what came.
    pub fn arm<W, F>(
        &mut self,
        bindings: &[(&'static str, &[Source])],
        wait: F,
        body: impl FnOnce(&mut DagBuilder<C>, AwaitedRef<W::Output>) -> SagaOutput<O>,
    ) -> &mut Self
    where
        W: Step<C> + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> StepFuture<'s, RaceNode<W>> + Send + Sync + 'static,
    {
        let awaited = self.race.arm(bindings, wait);
        let (body, _) = self.dag.arm(|dag| body(dag, awaited));
        self.bodies.push(body);
        self
    }
}

/// What a `select` waits for, while it is being declared.
#[doc(hidden)]
pub struct Race<C> {
    name: &'static str,
    /// The node that waits, which is not added yet.
    wait: OutputRef<First>,
    waits: Vec<RaceArm<C>>,
}

/// One of the waits, with what its inputs are read from.
struct RaceArm<C> {
    bindings: Vec<(&'static str, Vec<Source>)>,
    closure: TypedClosure<C>,
}

impl<C> RaceArm<C> {
    fn bindings(&self) -> Vec<(&'static str, &[Source])> {
        self.bindings.iter().map(|(input, from)| (*input, from.as_slice())).collect()
    }
}

impl<C: Send + Sync + 'static> Race<C> {
    /// Adds something to wait for.
    pub fn arm<W, F>(
        &mut self,
        bindings: &[(&'static str, &[Source])],
        wait: F,
    ) -> AwaitedRef<W::Output>
    where
        W: Step<C> + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> StepFuture<'s, RaceNode<W>> + Send + Sync + 'static,
    {
        let bindings = bindings.iter().map(|(input, from)| (*input, from.to_vec())).collect();
        self.waits.push(RaceArm { bindings, closure: TypedClosure::new(wait) });
        AwaitedRef { wait: self.wait, arm: self.waits.len() - 1, ty: PhantomData }
    }
}

impl<C: Send + Sync + 'static> Scope<C> {
    /// Waits in a [`select`](DagBuilder::select): `cx.race(wait_for::<Approved>::new())`.
    pub fn race<'s, W>(&'s self, wait: W) -> StepFuture<'s, RaceNode<W::Static>>
    where
        W: Step<C> + WaitStep + 's,
    {
        self.without_action(wait.pure())
    }
}

impl<C: Send + Sync + 'static> DagBuilder<C> {
    /// Adds a node that waits for the first of several events and times, and then runs the arm of what came first. Its output
    /// is that of this arm.
    ///
    /// It is two nodes: `NAME.wait`, which waits, and `NAME`, which has the arms. In node paths the nodes of an arm are
    /// `NAME#k/STEP`, or `NAME#k` if the arm is a single step.
    ///
    /// What came first is written to the log. If several have come when the saga looks, an event wins over times, the one
    /// that came first over other events, and the earliest time over later ones. An event that loses is kept for the next
    /// node that waits for one of its type. The idea is that of `select` in Go and in tokio.
    ///
    /// ```
    /// use std::time::Duration;
    /// use saga_core::dag::DagBuilder;
    /// use saga_core::prelude::*;
    /// use saga_core::typed::SagaOutput;
    /// use saga_core::Saga;
    ///
    /// #[saga_event]
    /// struct Approved { by: String }
    ///
    /// #[saga_action(no_undo)]
    /// async fn publish(by: &str) -> Result<String, String> { Ok(format!("published by {by}")) }
    /// #[saga_action(no_undo)]
    /// async fn archive() -> Result<String, String> { Ok("archived".to_string()) }
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Review { seconds: u64 }
    ///
    /// impl Saga for Review {
    ///     type Context = ();
    ///     type Output = String;
    ///     const NAME: &'static str = "Review";
    ///     fn define(dag: &mut DagBuilder<()>) -> SagaOutput<String> {
    ///         let seconds = dag.param("seconds", |saga: &Self| &saga.seconds);
    ///         let done = dag.select("done", |select| {
    ///             select.arm(&[], |cx| cx.race(wait_for::<Approved>::new()), |dag, approved| {
    ///                 let done = dag.step("publish", &[("by", &[approved.id()])], move |cx| {
    ///                     cx.call(publish { by: &approved.get(cx).by })
    ///                 });
    ///                 dag.ends_with(done)
    ///             });
    ///             let limit: &[_] = &[("duration", &[seconds.id()] as &[_])];
    ///             let time = move |seconds: &u64| Duration::from_secs(*seconds);
    ///             select.arm(limit, move |cx| cx.race(sleep { duration: time(seconds.get(cx)) }), |dag, _| {
    ///                 let done = dag.step("archive", &[], |cx| cx.call(archive {}));
    ///                 dag.ends_with(done)
    ///             });
    ///         });
    ///         dag.ends_with(done)
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Review>().build().await?;
    /// let review = sec.saga(Review { seconds: 3600 }).id("r").start().await?;
    /// sec.signal("r", Approved { by: "Ada".to_string() }).await?;
    /// assert_eq!(review.await?, "published by Ada");
    /// assert_eq!(sec.run(Review { seconds: 0 }).await?, "archived");
    /// # Ok(()) }
    /// ```
    pub fn select<O>(
        &mut self,
        name: &'static str,
        arms: impl FnOnce(&mut Select<'_, C, O>),
    ) -> OutputRef<O>
    where
        O: Send + Sync + 'static,
    {
        let race = self.begin_select(name);
        let mut select = Select { dag: self, race, bodies: Vec::new(), ty: PhantomData };
        arms(&mut select);
        let Select { race, bodies, .. } = select;
        let wait = race.wait;
        self.select_of(race, &[], move |cx| wait.get(cx).arm, bodies)
    }

    /// Begins a `select`: what the macro writes, so that rustc compares the output types of the arms at the user's code.
    #[doc(hidden)]
    pub fn begin_select(&mut self, name: &'static str) -> Race<C> {
        // the bodies of the arms are declared before the node that waits is added, and add no nodes to this body
        let index = u32::try_from(self.any.nodes.len()).unwrap_or(u32::MAX);
        let wait = OutputRef::new(self.any.body(), NodeIndex(index));
        Race { name, wait, waits: Vec::new() }
    }

    /// Ends it, with an output of the type that `_like` would return.
    #[doc(hidden)]
    pub fn end_select<O, F>(
        &mut self,
        race: Race<C>,
        after: &[Source],
        first: F,
        arms: Vec<NestedBody>,
        _like: impl FnOnce() -> O,
    ) -> OutputRef<O>
    where
        O: Send + Sync + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> usize + Send + Sync + 'static,
    {
        self.select_of(race, after, first, arms)
    }

    fn select_of<O, F>(
        &mut self,
        race: Race<C>,
        after: &[Source],
        first: F,
        arms: Vec<NestedBody>,
    ) -> OutputRef<O>
    where
        O: Send + Sync + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> usize + Send + Sync + 'static,
    {
        let Race { name, wait, waits } = race;
        self.add_race(name, waits, after);
        self.choose_of(name, &[("select", &[wait.id()])], &[], first, arms)
    }

    /// Adds the node that waits.
    fn add_race(&mut self, name: &'static str, waits: Vec<RaceArm<C>>, after: &[Source]) {
        let any = &mut self.any;
        let bindings = waits.iter().flat_map(RaceArm::bindings).collect::<Vec<_>>();
        let added = any.read(&format!("{name}.wait"), &bindings, after).and_then(|read| {
            let mut alternatives = Vec::with_capacity(waits.len());
            for wait in waits {
                let sources = any.read(name, &wait.bindings(), &[])?.sources;
                // `Scope::race` takes nothing else
                let Some(StepKind::Wait(spec)) = (wait.closure.kind)() else {
                    return Err(bad(name, "one of its arms runs something instead of waiting"));
                };
                alternatives.extend(wait.closure.alternatives(spec, &sources)?);
            }
            if let Some(why) = wrong(&alternatives) {
                return Err(bad(name, why));
            }
            let output = WaitOutput {
                output_type: OutputType::of::<First>(),
                make: First::make,
                decode: First::decode,
            };
            let wait = Wait { alternatives: alternatives.into(), output };
            Ok((AnyNode::with(read.name.clone(), NodeBody::Wait(wait)), read))
        });
        any.add(added);
    }
}

fn bad(name: &str, why: &'static str) -> DagError {
    match NodeName::new(name) {
        Ok(node) => DagError::BadSelect { node, why },
        Err(error) => error.into(),
    }
}

/// Why these cannot race.
fn wrong(alternatives: &[WaitFor]) -> Option<&'static str> {
    let events = || alternatives.iter().filter_map(WaitFor::event);
    let twice = events().enumerate().any(|(n, event)| events().skip(n + 1).any(|e| e == event));
    if alternatives.len() < 2 {
        return Some("it needs at least two arms, and one wait is a step of its own");
    }
    twice.then_some("two of its arms wait for the same event, and only the first can get it")
}

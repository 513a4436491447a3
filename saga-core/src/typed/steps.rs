//! The methods of the builder that `saga!` expands into: typed steps, computed values, blocks, and the last
//! line.

use std::marker::PhantomData;

use super::closures::TypedClosure;
use crate::dag::{DagBuilder, DagError, Node};
use crate::names::NodeIndex;
use crate::typed::{
    ComputedNode, NodeShape, OutputRef, ParamRef, Saga, SagaOutput, Scope, Source, StepFuture,
    StepKind, Subsaga,
};
use crate::value::ActionData;
use crate::value::Storable;

impl<C: Send + Sync + 'static> DagBuilder<C> {
    /// Declares a parameter, for the bindings of steps.
    pub fn param<S: 'static, T>(
        &mut self,
        name: &'static str,
        get: fn(&S) -> &T,
    ) -> ParamRef<S, T> {
        ParamRef { name, get }
    }

    /// Adds a typed step: a closure that makes the call of an annotated action from the sources that its
    /// bindings name, which say what each input is read from. The step waits for these sources, and for the
    /// nodes before it that the open blocks make it wait for. Mistakes are reported by [`build`](Self::build).
    ///
    /// The closure runs once for each attempt, also on recovery and for the undo, so it must be pure.
    pub fn step<H, F>(
        &mut self,
        name: &'static str,
        bindings: &[(&'static str, &[Source])],
        closure: F,
    ) -> OutputRef<H::Output>
    where
        H: NodeShape<C> + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> StepFuture<'s, H> + Send + Sync + 'static,
    {
        self.step_after(name, bindings, &[], closure)
    }

    /// The same for a step that also waits for other nodes, which it does not read.
    // A definition calls it once for each node. Inlined, it would make one function of all nodes, which takes
    // LLVM far longer than many small ones.
    #[inline(never)]
    pub fn step_after<H, F>(
        &mut self,
        name: &'static str,
        bindings: &[(&'static str, &[Source])],
        after: &[Source],
        closure: F,
    ) -> OutputRef<H::Output>
    where
        H: NodeShape<C> + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> StepFuture<'s, H> + Send + Sync + 'static,
    {
        let node = self.add_step(name, bindings, after, TypedClosure::new(closure));
        OutputRef::new(self.any.body(), node)
    }

    /// The part of it that is the same for all steps of sagas over `C`.
    fn add_step(
        &mut self,
        name: &'static str,
        bindings: &[(&'static str, &[Source])],
        after: &[Source],
        closure: TypedClosure<C>,
    ) -> NodeIndex {
        let any = &mut self.any;
        let added = any.read(name, bindings, after).and_then(|read| {
            let (name, sources) = (read.name.clone(), read.sources.clone());
            let node = match (closure.kind)() {
                Some(StepKind::Action(spec)) => closure.step(name, spec, sources)?,
                Some(StepKind::Saga(Subsaga(define))) => {
                    let dag = define(any.max_nodes, any.within.clone())?;
                    closure.saga(name, dag, sources)
                }
                Some(StepKind::Wait(spec)) => closure.wait(name, spec, &sources)?,
                None => closure.value(name, sources),
            };
            Ok((node, read))
        });
        any.add(added)
    }

    /// Sets options of a typed step: its label, its retries, or that it is the pivot.
    ///
    /// ```
    /// use saga_core::dag::{Dag, DagBuilder};
    /// use saga_core::prelude::*;
    /// use saga_core::typed::SagaOutput;
    /// use saga_core::{Retry, Saga};
    /// # #[saga_action(no_undo)]
    /// # async fn capture(order: u32) -> Result<u32, String> { Ok(order) }
    /// # #[saga_action(no_undo)]
    /// # async fn ship(payment: u32) -> Result<(), String> { let _ = payment; Ok(()) }
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Order { id: u32 }
    ///
    /// impl Saga for Order {
    ///     type Context = ();
    ///     type Output = u32;
    ///     const NAME: &'static str = "Order";
    ///     fn define(dag: &mut DagBuilder<()>) -> SagaOutput<u32> {
    ///         let id = dag.param("id", |saga: &Order| &saga.id);
    ///         let payment = dag.step("payment", &[("order", &[id.id()])], move |cx| {
    ///             cx.call(capture { order: *id.get(cx) })
    ///         });
    ///         dag.adjust(payment, |node| node.pivot().label("capture the payment"));
    ///         let parcel = dag.step("parcel", &[("payment", &[payment.id()])], move |cx| {
    ///             cx.call(ship { payment: *payment.get(cx) })
    ///         });
    ///         dag.adjust(parcel, |node| node.retry(Retry::forever()));
    ///         dag.ends_with(payment)
    ///     }
    /// }
    /// assert!(Dag::of::<Order>()?.pivot().is_some());
    /// # Ok::<(), saga_core::dag::DagError>(())
    /// ```
    pub fn adjust<T>(&mut self, step: OutputRef<T>, how: impl FnOnce(Node<C>) -> Node<C>) {
        if let Some(node) = self.any.node_to_adjust(step.body, step.node) {
            // What the node runs stays the same, because the reference has its type.
            node.take_options(how(Node::of_any(node.clone())).into_any());
        }
    }

    /// Adds a computed node: a value that is computed from earlier outputs and recorded once. It has no undo.
    pub fn value<O, F>(
        &mut self,
        name: &'static str,
        bindings: &[(&'static str, &[Source])],
        closure: F,
    ) -> OutputRef<O>
    where
        O: ActionData,
        F: for<'s> Fn(&'s Scope<C>) -> StepFuture<'s, ComputedNode<O>> + Send + Sync + 'static,
    {
        self.step(name, bindings, closure)
    }

    /// The same as [`value`](Self::value), with a closure that returns the value.
    pub(crate) fn computed<O, F>(
        &mut self,
        name: &'static str,
        bindings: &[(&'static str, &[Source])],
        after: &[Source],
        closure: F,
    ) -> OutputRef<O>
    where
        O: Storable,
        F: for<'s> Fn(&'s Scope<C>) -> O + Send + Sync + 'static,
    {
        self.step_after(name, bindings, after, move |cx| cx.computed::<O>(closure(cx)))
    }

    /// The same for a value that is the output of the saga `S`.
    #[doc(hidden)]
    pub fn computed_output<S, F>(
        &mut self,
        bindings: &[(&'static str, &[Source])],
        closure: F,
    ) -> OutputRef<S::Output>
    where
        S: Saga<Context = C>,
        F: for<'s> Fn(&'s Scope<C>) -> S::Output + Send + Sync + 'static,
    {
        self.computed("output", bindings, &[], closure)
    }

    /// Adds the last line of a saga if it is a struct literal: a node of this name if it is the call of an
    /// action, or a computed node named `output` if it is a plain value.
    #[doc(hidden)]
    pub fn tail<H, F>(
        &mut self,
        step: &'static str,
        bindings: &[(&'static str, &[Source])],
        closure: F,
    ) -> OutputRef<H::Output>
    where
        H: NodeShape<C> + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> StepFuture<'s, H> + Send + Sync + 'static,
    {
        self.step(if H::kind().is_some() { step } else { "output" }, bindings, closure)
    }

    /// Declares a node in a function of its own.
    #[doc(hidden)]
    #[inline(never)]
    pub fn apart<T>(&mut self, declare: impl FnOnce(&mut Self) -> T) -> T {
        declare(self)
    }

    /// Opens a block of statements that run in parallel. The next statement after [`end`](Self::end) waits for
    /// all of them.
    pub fn parallel(&mut self) {
        self.any.blocks.open_parallel(self.any.nodes.len() as u32);
    }

    /// Opens, inside a parallel block, a branch of statements that run one after the other.
    pub fn branch(&mut self) {
        self.any.blocks.open_branch(self.any.nodes.len() as u32);
    }

    /// Closes the innermost block.
    pub fn end(&mut self) {
        if !self.any.blocks.close() {
            self.any.errors.push(DagError::Unbalanced("`end` without `parallel` or `branch`"));
        }
    }

    /// Ends a typed definition: the output of this node is the output of the saga.
    pub fn ends_with<O>(&self, node: OutputRef<O>) -> SagaOutput<O> {
        SagaOutput { node: Some((node.body, node.node)), ty: PhantomData }
    }

    /// The same for types that rustc has already compared, and reported if they differ.
    #[doc(hidden)]
    pub fn ends_at<T, O>(&self, node: OutputRef<T>) -> SagaOutput<O> {
        SagaOutput { node: Some((node.body, node.node)), ty: PhantomData }
    }

    /// Ends a typed definition without an output.
    pub fn ends(&self) -> SagaOutput<()> {
        SagaOutput { node: None, ty: PhantomData }
    }
}

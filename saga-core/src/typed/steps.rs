//! The methods of the builder that `saga!` expands into: typed steps, computed values, blocks, and the last
//! line.

use std::marker::PhantomData;
use std::sync::Arc;

use super::closures::TypedClosure;
use crate::dag::{DagBuilder, DagError, Node};
use crate::names::{NodeIndex, NodeName};
use crate::typed::{
    BodyId, ComputedNode, NodeShape, OutputRef, ParamRef, Saga, SagaOutput, Scope, Source,
    StepFuture, StepKind, Subsaga,
};
use crate::value::ActionData;
use crate::value::Storable;

/// The inputs of a new node.
pub(crate) struct StepInputs {
    pub(crate) name: NodeName,
    pub(crate) inputs: Vec<(&'static str, Vec<Source>)>,
    /// Everything that its closure may read.
    pub(crate) sources: Arc<[Source]>,
    /// The nodes of its own body that it waits for.
    pub(crate) deps: Vec<u32>,
    /// The nodes of enclosing bodies that it needs.
    pub(crate) outside: Vec<(BodyId, u32)>,
}

impl StepInputs {
    /// Adds what a body inside this node reads from enclosing bodies. `here` is the body of the node itself.
    pub(crate) fn around(
        &mut self,
        here: BodyId,
        outside: impl IntoIterator<Item = (BodyId, u32)>,
    ) {
        for (body, node) in outside {
            if body == here {
                self.deps.push(node);
            } else {
                self.outside.push((body, node));
            }
        }
    }
}

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
        OutputRef::new(self.body(), node)
    }

    /// The part of it that is the same for all steps, so that it is compiled once.
    fn add_step(
        &mut self,
        name: &'static str,
        bindings: &[(&'static str, &[Source])],
        after: &[Source],
        closure: TypedClosure<C>,
    ) -> NodeIndex {
        let added = self.read(name, bindings, after).and_then(|read| {
            let (name, sources) = (read.name.clone(), read.sources.clone());
            let node = match (closure.kind)() {
                Some(StepKind::Action(spec)) => Node::step(name, spec, sources, closure)?,
                Some(StepKind::Saga(Subsaga(define))) => {
                    let dag = define(self.max_nodes, self.within.clone())?;
                    Node::saga(name, dag, sources, closure)
                }
                None => Node::value(name, sources, closure),
            };
            Ok((node, read))
        });
        self.add(added)
    }

    /// Resolves the inputs of a new node.
    pub(crate) fn read(
        &self,
        name: &str,
        bindings: &[(&'static str, &[Source])],
        after: &[Source],
    ) -> Result<StepInputs, DagError> {
        let name = NodeName::new(name)?;
        self.check_new(&name)?;
        let inputs = bindings.iter().map(|(input, from)| (*input, from.to_vec())).collect();
        let mut read = StepInputs {
            name,
            inputs,
            sources: Arc::default(),
            deps: Vec::new(),
            outside: Vec::new(),
        };
        let mut sources = Vec::new();
        for source in bindings.iter().flat_map(|(_, from)| from.iter()) {
            self.read_from(*source, &mut read)?;
            sources.push(*source);
            if let Source::Item(body) = source {
                // An item is read through the closure of its `for`, which reads its own sources.
                let items = self.bodies.iter().find(|(b, _)| b == body);
                sources.extend(items.iter().flat_map(|(_, items)| items.iter()));
            }
        }
        for source in after {
            self.read_from(*source, &mut read)?;
        }
        read.sources = sources.into();
        Ok(read)
    }

    fn read_from(&self, source: Source, read: &mut StepInputs) -> Result<(), DagError> {
        let (body, what) = match source {
            Source::Param(_) => return Ok(()),
            Source::Node(body, _) => (body, "a node"),
            Source::Item(body) => (body, "the item"),
        };
        if !self.bodies.iter().any(|(b, _)| *b == body) {
            return Err(DagError::NotVisible { node: read.name.to_string(), what });
        }
        match source {
            Source::Node(_, node) if body == self.body() => read.deps.push(node.0),
            Source::Node(_, node) => read.outside.push((body, node.0)),
            Source::Param(_) | Source::Item(_) => {}
        }
        Ok(())
    }

    /// Adds a typed node, or keeps its error for `build`.
    pub(crate) fn add(&mut self, node: Result<(Node<C>, StepInputs), DagError>) -> NodeIndex {
        match node {
            Ok((mut node, read)) => {
                node.inputs = read.inputs;
                self.outside.extend(read.outside);
                self.place(node, &read.deps)
            }
            Err(error) => {
                self.errors.push(error);
                NodeIndex(u32::MAX)
            }
        }
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
        if step.body != self.body() {
            let (node, what) = ("(adjust)".to_string(), "a node");
            self.errors.push(DagError::NotVisible { node, what });
        } else if let Some(node) = self.nodes.get_mut(step.node.index()) {
            // What the node runs stays the same, because the reference has its type.
            node.take_options(how(node.clone()));
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

    /// Opens a block of statements that run in parallel. The next statement after [`end`](Self::end) waits for
    /// all of them.
    pub fn parallel(&mut self) {
        self.blocks.open_parallel(self.nodes.len() as u32);
    }

    /// Opens, inside a parallel block, a branch of statements that run one after the other.
    pub fn branch(&mut self) {
        self.blocks.open_branch(self.nodes.len() as u32);
    }

    /// Closes the innermost block.
    pub fn end(&mut self) {
        if !self.blocks.close() {
            self.errors.push(DagError::Unbalanced("`end` without `parallel` or `branch`"));
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

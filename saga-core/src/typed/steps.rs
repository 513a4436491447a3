//! Building a DAG out of typed steps: what `saga!` expands into.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::dag::{DagBuilder, DagError, Node};
use crate::names::{NodeIndex, NodeName};
use crate::typed::{
    BodyId, ComputedNode, NodeShape, OutputRef, ParamRef, Saga, SagaOutput, Scope, Source,
    StepFuture, StepKind, Subsaga,
};
use crate::value::ActionData;
use crate::value::Storable;

/// What a new node reads.
pub(crate) struct StepInputs {
    pub(crate) name: NodeName,
    pub(crate) inputs: Vec<(&'static str, Vec<Source>)>,
    /// All that its closure may read.
    pub(crate) sources: Arc<[Source]>,
    /// Which nodes of its own body it waits for.
    pub(crate) deps: Vec<u32>,
    /// Which nodes around that body it needs.
    pub(crate) outside: Vec<(BodyId, u32)>,
}

impl StepInputs {
    /// Adds what a part of the node reads around itself, the node being in this body.
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
    /// A parameter of a typed saga, for the bindings of its steps.
    pub fn param<S: 'static, T>(
        &mut self,
        name: &'static str,
        get: fn(&S) -> &T,
    ) -> ParamRef<S, T> {
        ParamRef { name, get }
    }

    /// Adds a typed step: a closure that makes the call of an annotated action out of what its bindings
    /// name (which source feeds which input). It waits for those, and for what stands before it as the
    /// open blocks say. A mistake is reported by [`build`](Self::build).
    ///
    /// The closure runs once for each attempt, on recovery and for the undo: it must be pure.
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

    /// The same for a step that also waits for nodes that it does not read.
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
        let added = self.read(name, bindings, after).and_then(|read| {
            let (name, sources) = (read.name.clone(), read.sources.clone());
            let node = match H::kind() {
                Some(StepKind::Action(spec)) => Node::step(name, spec, sources, closure)?,
                Some(StepKind::Saga(Subsaga(define))) => {
                    let dag = define(self.max_nodes, self.within.clone())?;
                    Node::saga(name, dag, sources, closure)
                }
                None => Node::value(name, sources, closure),
            };
            Ok((node, read))
        });
        OutputRef::new(self.body(), self.add(added))
    }

    /// Looks up what a new node reads.
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
                // an item is read through the closure of its `for`, with all that this one reads
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

    /// Adds a typed node, or keeps what is wrong with it for `build`.
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

    /// Says more about a typed step: its label, how often it is tried, that it is the pivot.
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
            // what it runs stays: the slot has its type
            node.take_options(how(node.clone()));
        }
    }

    /// Adds a computed node: a value that follows from earlier ones, recorded once, with no undo.
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

    /// The same for the output of the saga `S`.
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

    /// The last line of a saga, a literal: of an action, which is then a node of this name, or of a plain
    /// struct, which is a computed node `output`.
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

    /// Opens a block of statements that run side by side. The next statement after [`end`](Self::end)
    /// waits for all of them.
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

    /// The last line of a typed definition: what this node returns is the saga's output.
    pub fn ends_with<O>(&self, node: OutputRef<O>) -> SagaOutput<O> {
        SagaOutput { node: Some((node.body, node.node)), ty: PhantomData }
    }

    /// The same where the types were compared already, and rustc reported it if they differ.
    #[doc(hidden)]
    pub fn ends_at<T, O>(&self, node: OutputRef<T>) -> SagaOutput<O> {
        SagaOutput { node: Some((node.body, node.node)), ty: PhantomData }
    }

    /// The last line of a typed definition without output.
    pub fn ends(&self) -> SagaOutput<()> {
        SagaOutput { node: None, ty: PhantomData }
    }
}

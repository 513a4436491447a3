//! Building a DAG out of typed steps: what `saga!` expands into.

use std::marker::PhantomData;

use futures_util::future::BoxFuture;

use super::{DagBuilder, DagError, Node, NodeIndex, NodeName};
use crate::action::ActionData;
use crate::definition::{Done, Ends, Param, Pure, Saga, Scope, Shape, Slot, Source};

impl<C: Send + Sync + 'static> DagBuilder<C> {
    /// A parameter of a typed saga, for the bindings of its steps.
    pub fn param<S: 'static, T>(&mut self, name: &'static str, get: fn(&S) -> &T) -> Param<S, T> {
        Param { name, get }
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
    ) -> Slot<H::Output>
    where
        H: Shape<C> + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> BoxFuture<'s, Done<H>> + Send + Sync + 'static,
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
    ) -> Slot<H::Output>
    where
        H: Shape<C> + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> BoxFuture<'s, Done<H>> + Send + Sync + 'static,
    {
        let inputs = bindings.iter().map(|(input, from)| (*input, from.to_vec())).collect();
        let node = NodeName::new(name)
            .map_err(DagError::from)
            .and_then(|name| self.check_new(&name).map(|()| name))
            .and_then(|name| Node::step(name, inputs, closure).map_err(DagError::from));
        let index = match node {
            Ok(node) => {
                let sources = bindings.iter().flat_map(|(_, from)| from.iter()).chain(after);
                let deps = sources
                    .filter_map(|source| match source {
                        Source::Node(node) => Some(node.0),
                        Source::Param(_) => None,
                    })
                    .collect::<Vec<_>>();
                self.place(node, &deps)
            }
            Err(error) => {
                self.errors.push(error);
                NodeIndex(u32::MAX)
            }
        };
        Slot { node: index, ty: PhantomData }
    }

    /// Adds a computed node: a value that follows from earlier ones, recorded once, with no undo.
    pub fn value<O, F>(
        &mut self,
        name: &'static str,
        bindings: &[(&'static str, &[Source])],
        closure: F,
    ) -> Slot<O>
    where
        O: ActionData,
        F: for<'s> Fn(&'s Scope<C>) -> BoxFuture<'s, Done<Pure<O>>> + Send + Sync + 'static,
    {
        self.step(name, bindings, closure)
    }

    /// The same as [`value`](Self::value), with a closure that returns the value: rustc then has one
    /// place to say that it cannot be kept.
    #[doc(hidden)]
    pub fn computed<O, F>(
        &mut self,
        name: &'static str,
        bindings: &[(&'static str, &[Source])],
        after: &[Source],
        closure: F,
    ) -> Slot<O>
    where
        O: ActionData,
        F: for<'s> Fn(&'s Scope<C>) -> O + Send + Sync + 'static,
    {
        self.step_after(name, bindings, after, move |cx| cx.value::<O>(closure(cx)))
    }

    /// The same for the output of the saga `S`.
    #[doc(hidden)]
    pub fn computed_output<S, F>(
        &mut self,
        bindings: &[(&'static str, &[Source])],
        closure: F,
    ) -> Slot<S::Output>
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
    ) -> Slot<H::Output>
    where
        H: Shape<C> + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> BoxFuture<'s, Done<H>> + Send + Sync + 'static,
    {
        self.step(if H::action().is_some() { step } else { "output" }, bindings, closure)
    }

    /// Opens a block of statements that run side by side. The next statement after [`end`](Self::end)
    /// waits for all of them.
    pub fn parallel(&mut self) {
        self.blocks.parallel(self.nodes.len() as u32);
    }

    /// Opens, inside a parallel block, a branch of statements that run one after the other.
    pub fn branch(&mut self) {
        self.blocks.branch(self.nodes.len() as u32);
    }

    /// Closes the innermost block.
    pub fn end(&mut self) {
        if !self.blocks.end() {
            self.errors.push(DagError::Unbalanced("`end` without `parallel` or `branch`"));
        }
    }

    /// The last line of a typed definition: what this node returns is the saga's output.
    pub fn ends_with<O>(&self, node: Slot<O>) -> Ends<O> {
        Ends { node: Some(node.node), ty: PhantomData }
    }

    /// The same where the types were compared already, and rustc reported it if they differ.
    #[doc(hidden)]
    pub fn ends_at<T, O>(&self, node: Slot<T>) -> Ends<O> {
        Ends { node: Some(node.node), ty: PhantomData }
    }

    /// The last line of a typed definition without output.
    pub fn ends(&self) -> Ends<()> {
        Ends { node: None, ty: PhantomData }
    }
}

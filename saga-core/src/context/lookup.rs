//! Lookups by name: the outputs of earlier nodes, and the parameters of the saga.

use std::sync::Arc;

use super::ActionContext;
use crate::error::LookupError;
use crate::names::NodeName;
use crate::value::{ActionData, ActionOutput, read};

impl<C: 'static> ActionContext<C> {
    /// The output of an earlier node, by name. Only ancestors can be looked up, because only their outputs are
    /// guaranteed to exist in every attempt and after every restart. An undo may also look up its own node. In
    /// an instance or an arm, names are looked up in its own body first, then in the enclosing ones. A lookup
    /// follows the edges from this node back to the ancestor.
    ///
    /// ```
    /// # use saga_core::{ActionContext, BoxError};
    /// async fn pay(cx: ActionContext<()>) -> Result<u64, BoxError> {
    ///     let cents = cx.lookup::<u64>("quote")?;
    ///     Ok(*cents)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`LookupError`] says which of its cases it is.
    pub fn lookup<T: ActionData>(&self, name: &str) -> Result<Arc<T>, LookupError> {
        let output = self.find(name)?;
        if let Some(value) = output.share() {
            return Ok(value);
        }
        read(&output.payload)
            .map(Arc::new)
            .map_err(|why| LookupError::Deserialize { node: name.to_string(), why })
    }

    /// The same output as the JSON that is in the log.
    ///
    /// # Errors
    /// [`LookupError`] says which of its cases it is.
    pub fn lookup_raw(&self, name: &str) -> Result<&[u8], LookupError> {
        self.find(name).map(|output| output.payload.as_bytes())
    }

    /// The parameters of the saga; in a body of [`Node::for_each`](crate::dag::Node::for_each), the item.
    ///
    /// # Errors
    /// [`LookupError::Deserialize`] if they are not a `T`.
    pub fn saga_params<T: ActionData>(&self) -> Result<Arc<T>, LookupError> {
        let params = &self.inner.frame.params;
        if let Some(value) = params.share() {
            return Ok(value);
        }
        read(&params.payload)
            .map(Arc::new)
            .map_err(|why| LookupError::Deserialize { node: "(params)".to_string(), why })
    }

    /// The names of all nodes of this DAG whose outputs can be looked up here, in order of declaration: those
    /// that have always completed before this one starts. Nodes that may run at the same time are not among
    /// them.
    pub fn ancestors(&self) -> impl Iterator<Item = &NodeName> {
        let ancestors = self.plan().ancestors(self.node_index()).into_iter();
        ancestors.filter_map(|node| self.plan().node(node)).map(|node| &node.name)
    }

    /// The output of the nearest node of this name: in the same body, or in an enclosing one.
    fn find(&self, name: &str) -> Result<&ActionOutput, LookupError> {
        let here = || self.inner.call.path.to_string();
        let (mut frame, mut from) = (&self.inner.frame, self.inner.call.node);
        let node = loop {
            match (frame.plan.node_index(name), &frame.outer) {
                (Some(node), _) => break node,
                (None, Some(outer)) => (frame, from) = (&outer.frame, outer.node),
                (None, None) => {
                    return Err(LookupError::NoSuchNode {
                        node: name.to_string(),
                        saga: frame.saga.to_string(),
                    });
                }
            }
        };
        let own = self.inner.call.undo && Arc::ptr_eq(frame, &self.inner.frame) && node == from;
        if !own && !frame.plan.is_ancestor(node, from) {
            return Err(LookupError::NotAnAncestor { node: name.to_string(), from: here() });
        }
        let missing = || LookupError::NotThere { node: name.to_string(), from: here() };
        frame.output(node).ok_or_else(missing)
    }
}

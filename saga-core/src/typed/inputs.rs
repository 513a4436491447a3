//! What a typed node reads, and adding it to a DAG.

use std::sync::Arc;

use crate::dag::{AnyBuilder, AnyNode, DagError};
use crate::names::{BodyId, NodeIndex, NodeName, Source};

/// The inputs of a new node.
pub(super) struct StepInputs {
    pub(super) name: NodeName,
    pub(super) inputs: Vec<(&'static str, Vec<Source>)>,
    /// Everything that its closure may read.
    pub(super) sources: Arc<[Source]>,
    /// The nodes of its own body that it waits for.
    pub(super) deps: Vec<u32>,
    /// The nodes of enclosing bodies that it needs.
    pub(super) outside: Vec<(BodyId, u32)>,
}

impl StepInputs {
    /// Adds what a body inside this node reads from enclosing bodies. `here` is the body of the node itself.
    pub(super) fn around(
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

impl AnyBuilder {
    /// Resolves the inputs of a new node.
    pub(super) fn read(
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
    pub(super) fn add(&mut self, node: Result<(AnyNode, StepInputs), DagError>) -> NodeIndex {
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

    /// The node of this body that is to be adjusted.
    pub(super) fn node_to_adjust(&mut self, body: BodyId, node: NodeIndex) -> Option<&mut AnyNode> {
        if body != self.body() {
            let (node, what) = ("(adjust)".to_string(), "a node");
            self.errors.push(DagError::NotVisible { node, what });
            return None;
        }
        self.nodes.get_mut(node.index())
    }
}

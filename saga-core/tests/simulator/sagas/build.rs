//! Builds the DAG of a saga with the public API.

use saga_core::dag::{Dag, DagBuilder, Node as DagNode, SagaDag};
use serde_json::Value;

use super::actions::shared;
use super::{Body, Call, Kind, Node, SagaPlan};
use crate::world::Site;

type Built<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

impl SagaPlan {
    /// Version number `version` of a saga with this name.
    pub(super) fn build(name: &str, version: u32, body: Body, params: Value) -> Built<Self> {
        let mut builder = DagBuilder::new(name)?;
        builder.version(version);
        let dag = SagaDag::new(body.dag_in(builder)?, &params)?;
        Ok(Self { body, params, dag })
    }
}

impl Body {
    fn dag(&self) -> Built<Dag<Site>> {
        self.dag_in(DagBuilder::new("Simulated")?)
    }

    fn dag_in(&self, mut builder: DagBuilder<Site>) -> Built<Dag<Site>> {
        let mut done = 0;
        while done < self.nodes.len() {
            let stage = self.stage_at(done);
            if stage > 0 {
                let nodes = self.nodes[done..done + stage].iter().map(|node| self.node(node));
                builder.append_parallel(nodes.collect::<Built<Vec<_>>>()?)?;
                done += stage;
                continue;
            }
            let node = &self.nodes[done];
            let name = |i: &usize| self.nodes[*i].name.clone();
            builder.node(self.node(node)?)?.after(node.after.iter().map(name));
            done += 1;
        }
        builder.output(self.nodes[self.output].name.clone());
        Ok(builder.build()?)
    }

    /// How many nodes from here on are behind all of those that the builder takes for the stage before them. Only
    /// whole bodies of stages are built as such, since a stage is behind exactly the stage before it.
    fn stage_at(&self, from: usize) -> usize {
        if !self.in_stages() {
            return 0;
        }
        let same = |n: &&Node| n.after == self.nodes[from].after;
        self.nodes[from..].iter().take_while(same).count()
    }

    /// True if each node is behind the stage before its own, and reads nothing else.
    fn in_stages(&self) -> bool {
        let (mut before, mut start) = (Vec::new(), 0);
        while start < self.nodes.len() {
            let same = |n: &&Node| n.after == before;
            let stage = self.nodes[start..].iter().take_while(same).count();
            if stage == 0 {
                return false;
            }
            before = (start..start + stage).collect();
            start += stage;
        }
        true
    }

    fn node(&self, node: &Node) -> Built<DagNode<Site>> {
        let (name, input) = (&node.name, |i: &usize| self.nodes[*i].name.clone());
        Ok(match &node.kind {
            Kind::Constant(value) => DagNode::constant(name, value.clone())?,
            Kind::Action(call) => {
                call.options(DagNode::shared_action(name, shared(call.action.name)?)?)
            }
            Kind::ForEach { body, items, at_once } => {
                let each = DagNode::for_each(name, body.dag()?, input(items))?;
                match at_once {
                    Some(n) => each.concurrency(*n),
                    None => each,
                }
            }
            Kind::Choose { arms, by } => {
                let arms = arms.iter().map(Body::dag).collect::<Built<Vec<_>>>()?;
                DagNode::choose(name, arms, input(by))?
            }
            Kind::Subsaga { body, params } => DagNode::subsaga(name, body.dag()?, input(params))?,
        })
    }
}

impl Call {
    fn options(&self, mut node: DagNode<Site>) -> DagNode<Site> {
        if let Some(retry) = self.retry {
            node = node.retry(retry);
        }
        if let Some(retry) = self.undo_retry {
            node = node.undo_retry(retry);
        }
        if let Some(timeout) = self.timeout {
            node = node.timeout(timeout);
        }
        if let Some(timeout) = self.undo_timeout {
            node = node.undo_timeout(timeout);
        }
        if self.pivot { node.pivot() } else { node }
    }
}

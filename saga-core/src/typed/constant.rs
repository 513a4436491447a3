//! Typed constants.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::dag::{AnyNode, DagBuilder, DagError};
use crate::names::NodeName;
use crate::typed::{OutputRef, Source};
use crate::value::{ActionData, ActionOutput};
use crate::{json, panics};

impl<C: Send + Sync + 'static> DagBuilder<C> {
    /// Adds a constant. Its value is part of the definition: with another value, the saga has another
    /// [fingerprint](crate::dag::AnyDag::fingerprint). `value` is called twice, now, and must return the same
    /// value both times, and in every other process.
    ///
    /// ```
    /// use saga_core::dag::{Dag, DagBuilder};
    /// use saga_core::prelude::*;
    /// use saga_core::typed::SagaOutput;
    /// use saga_core::Saga;
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Fee {}
    ///
    /// impl Saga for Fee {
    ///     type Context = ();
    ///     type Output = u32;
    ///     const NAME: &'static str = "Fee";
    ///     fn define(dag: &mut DagBuilder<()>) -> SagaOutput<u32> {
    ///         let cents = dag.constant("CENTS", &[], || 250);
    ///         dag.ends_with(cents)
    ///     }
    /// }
    /// assert_eq!(Dag::of::<Fee>()?.to_json()["nodes"][0]["value"], 250);
    /// # Ok::<(), saga_core::dag::DagError>(())
    /// ```
    pub fn constant<O: ActionData>(
        &mut self,
        name: &'static str,
        after: &[Source],
        value: impl Fn() -> O,
    ) -> OutputRef<O> {
        let any = &mut self.any;
        let read = any.read(name, &[], after);
        let added = read.and_then(|read| Ok((constant(&read.name, value)?, read)));
        OutputRef::new(any.body(), any.add(added))
    }
}

fn constant<O: ActionData>(name: &NodeName, value: impl Fn() -> O) -> Result<AnyNode, DagError> {
    let wrong = |why: String| DagError::Constant { node: name.to_string(), why };
    let node = || {
        // The closure is users' code.
        let value = catch_unwind(AssertUnwindSafe(&value));
        let value =
            value.map_err(|panic| wrong(format!("it panics: {}", panics::message(panic))))?;
        AnyNode::constant(name.clone(), value)
    };
    let (node, again) = (node()?, node()?);
    if node.body.constant().zip(again.body.constant()).is_none_or(|(one, other)| differ(one, other))
    {
        let why = "its value differs each time it is computed, so it would be a different saga in each \
                   process; compute it in a node, `let name = { .. };`";
        return Err(wrong(why.to_string()));
    }
    Ok(node)
}

/// True if these are two different values. The order of keys does not matter.
fn differ(one: &ActionOutput, other: &ActionOutput) -> bool {
    json::difference(one.payload.as_bytes(), other.payload.as_bytes()).is_some()
}

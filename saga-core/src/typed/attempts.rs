//! Typed `try`s: `attempt` and `attempt_or` on `DagBuilder`.

use super::arms::NestedBody;
use crate::dag::{
    AnyBuilder, AnyNode, DagBuilder, DagError, GatherTry, NodeBody, Try, gather_part, owned,
};
use crate::error::ActionError;
use crate::log::TryFailure;
use crate::names::NodeIndex;
use crate::typed::{OutputRef, SagaOutput, Source};
use crate::value::ActionOutput;

impl<C: Send + Sync + 'static> DagBuilder<C> {
    /// Adds a node that runs a body, and another one if a node of the first fails for good. Before the other one begins, all
    /// that the first has done is undone. The nodes outside go on meanwhile. The output is that of the body which ran to its
    /// end. In node paths the nodes are `NAME#0/STEP` and `NAME#1/STEP`, or `NAME#0` and `NAME#1` where a body is a single
    /// step.
    ///
    /// An undo of the first body that fails for good fails the saga. If the saga is rolled back later, what remains of the two
    /// bodies is undone.
    ///
    /// ```
    /// use saga_core::dag::DagBuilder;
    /// use saga_core::prelude::*;
    /// use saga_core::typed::SagaOutput;
    /// use saga_core::Saga;
    ///
    /// #[saga_action(no_undo)]
    /// async fn book_taxi() -> Result<String, String> { Err("no taxi is free".to_string()) }
    /// #[saga_action(no_undo)]
    /// async fn book_train() -> Result<String, String> { Ok("seat 12".to_string()) }
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Ride {}
    ///
    /// impl Saga for Ride {
    ///     type Context = ();
    ///     type Output = String;
    ///     const NAME: &'static str = "Ride";
    ///     fn define(dag: &mut DagBuilder<()>) -> SagaOutput<String> {
    ///         let ride = dag.attempt_or(
    ///             "ride",
    ///             |dag| {
    ///                 let taxi = dag.step("taxi", &[], |cx| cx.call(book_taxi {}));
    ///                 dag.ends_with(taxi)
    ///             },
    ///             |dag| {
    ///                 let train = dag.step("train", &[], |cx| cx.call(book_train {}));
    ///                 dag.ends_with(train)
    ///             },
    ///         );
    ///         dag.ends_with(ride)
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Ride>().build().await?;
    /// assert_eq!(sec.run(Ride {}).await?, "seat 12");
    /// # Ok(()) }
    /// ```
    pub fn attempt_or<O: Send + Sync + 'static>(
        &mut self,
        name: &'static str,
        body: impl FnOnce(&mut Self) -> SagaOutput<O>,
        otherwise: impl FnOnce(&mut Self) -> SagaOutput<O>,
    ) -> OutputRef<O> {
        let (body, like) = self.arm(body);
        let (otherwise, _) = self.arm(otherwise);
        self.try_else(name, &[], vec![body, otherwise], || like.like())
    }

    /// Adds a node that runs a body, and goes on without it if one of its nodes fails for good: all that the body has done is
    /// undone, and the output says which node failed, and why. Otherwise it is the output of the body. In node paths the nodes
    /// are `NAME#0/STEP`, or `NAME#0` if the body is a single step.
    ///
    /// ```
    /// use saga_core::dag::DagBuilder;
    /// use saga_core::prelude::*;
    /// use saga_core::typed::SagaOutput;
    /// use saga_core::Saga;
    ///
    /// #[saga_action(no_undo)]
    /// async fn reserve_seat() -> Result<u32, String> { Err("the flight is full".to_string()) }
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Fly {}
    ///
    /// impl Saga for Fly {
    ///     type Context = ();
    ///     type Output = Result<u32, TryFailure>;
    ///     const NAME: &'static str = "Fly";
    ///     fn define(dag: &mut DagBuilder<()>) -> SagaOutput<Result<u32, TryFailure>> {
    ///         let seat = dag.attempt("seat", |dag| {
    ///             let seat = dag.step("reserve", &[], |cx| cx.call(reserve_seat {}));
    ///             dag.ends_with(seat)
    ///         });
    ///         dag.ends_with(seat)
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Fly>().build().await?;
    /// let failure = sec.run(Fly {}).await?.unwrap_err();
    /// assert_eq!(failure.to_string(), "node `seat#0` failed: the flight is full");
    /// # Ok(()) }
    /// ```
    pub fn attempt<O: Send + Sync + 'static>(
        &mut self,
        name: &'static str,
        body: impl FnOnce(&mut Self) -> SagaOutput<O>,
    ) -> OutputRef<Result<O, TryFailure>> {
        let (body, like) = self.arm(body);
        self.try_result(name, &[], vec![body], || like.like())
    }

    /// What the macro writes for a `try` with an `else`, whose output is of the type that `_like` would return.
    #[doc(hidden)]
    pub fn try_else<O: Send + Sync + 'static>(
        &mut self,
        name: &'static str,
        after: &[Source],
        parts: Vec<NestedBody>,
        _like: impl FnOnce() -> O,
    ) -> OutputRef<O> {
        let node = self.any.attempt(name, after, parts, gather_part);
        OutputRef::new(self.any.body(), node)
    }

    /// What the macro writes for a `try` without an `else`.
    #[doc(hidden)]
    pub fn try_result<O: Send + Sync + 'static>(
        &mut self,
        name: &'static str,
        after: &[Source],
        parts: Vec<NestedBody>,
        _like: impl FnOnce() -> O,
    ) -> OutputRef<Result<O, TryFailure>> {
        let node = self.any.attempt(name, after, parts, gather_result::<O>);
        OutputRef::new(self.any.body(), node)
    }
}

impl AnyBuilder {
    fn attempt(
        &mut self,
        name: &str,
        after: &[Source],
        parts: Vec<NestedBody>,
        gather: GatherTry,
    ) -> NodeIndex {
        let added = self.read(name, &[], after).and_then(|mut read| {
            let mut dags = Vec::with_capacity(parts.len());
            for part in parts {
                read.around(self.body(), part.outside);
                dags.push(part.dag?);
            }
            let node = NodeBody::Try(Try { parts: dags, gather });
            Ok::<_, DagError>((AnyNode::with(read.name.clone(), node), read))
        });
        self.add(added)
    }
}

/// The output of a body, or why it has none.
fn gather_result<O: Send + Sync + 'static>(
    part: Result<ActionOutput, TryFailure>,
) -> Result<ActionOutput, ActionError> {
    let outcome = match part {
        Err(failure) => Err::<O, _>(failure),
        Ok(part) => {
            let (value, payload) = owned::<O>(part)?;
            let json = [b"{\"Ok\":", payload.as_bytes(), b"}"].concat();
            return Ok(ActionOutput::of(Ok::<O, TryFailure>(value), json.into()));
        }
    };
    let failure = outcome.as_ref().err();
    let json = serde_json::to_vec(&failure.map(Err::<(), _>))
        .map_err(|why| ActionError::SerializeFailed { message: why.to_string() })?;
    Ok(ActionOutput::of(outcome, json.into()))
}

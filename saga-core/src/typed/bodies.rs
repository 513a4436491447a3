//! Typed composite nodes: `for_each`, `choose` and `subsaga`.

use std::sync::Arc;

use super::Choice;
use super::arms::{Arms, NestedBody};
use super::define::define;
use super::inputs::StepInputs;
use super::selectors::{ParamsOf, SelectFromSlice, SelectNumber, gather_vec};
use super::step::DefineFn;
use crate::dag::{
    AnyBuilder, AnyNode, CompositeInput, DagBuilder, ForEach, Gather, MakeParams, NodeBody,
    Selector,
};
use crate::names::NodeIndex;
use crate::typed::{ItemRef, OutputRef, Saga, SagaOutput, Scope, Source};

impl<C: Send + Sync + 'static> DagBuilder<C> {
    /// Adds a node that runs a body once for each item of a list, all instances in parallel. Its output is the
    /// list of the outputs of the instances, in the order of the items.
    ///
    /// `items` computes the list from the sources that the bindings name. It is called whenever an instance
    /// needs its item, also on recovery and for the undo, so it must be pure. The number of instances is
    /// written to the log. `body` is called once, now, and declares the nodes of one instance. These may read
    /// the item, each other, and every node before this one. In node paths they are `NAME[i]/STEP`, or
    /// `NAME[i]` if the body is a single step.
    ///
    /// ```
    /// use saga_core::dag::DagBuilder;
    /// use saga_core::prelude::*;
    /// use saga_core::typed::SagaOutput;
    /// use saga_core::Saga;
    ///
    /// #[saga_action(no_undo)]
    /// async fn attach(host: &str, nic: &str) -> Result<String, String> { Ok(format!("{nic}@{host}")) }
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct AttachAll { host: String, nics: Vec<String> }
    ///
    /// impl Saga for AttachAll {
    ///     type Context = ();
    ///     type Output = Vec<String>;
    ///     const NAME: &'static str = "AttachAll";
    ///     fn define(dag: &mut DagBuilder<()>) -> SagaOutput<Vec<String>> {
    ///         let host = dag.param("host", |saga: &Self| &saga.host);
    ///         let nics = dag.param("nics", |saga: &Self| &saga.nics);
    ///         let items: &[_] = &[("items", &[nics.id()] as &[_])];
    ///         let attached = dag.for_each("nics", items, move |cx| nics.get(cx), |dag, nic| {
    ///             let bindings: &[_] = &[("host", &[host.id()] as &[_]), ("nic", &[nic.id()])];
    ///             let attached = dag.step("attached", bindings, move |cx| {
    ///                 cx.call(attach { host: host.get(cx), nic: nic.get(cx) })
    ///             });
    ///             dag.ends_with(attached)
    ///         });
    ///         dag.adjust(attached, |node| node.concurrency(4));
    ///         dag.ends_with(attached)
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<AttachAll>().build().await?;
    /// let nics = vec!["eth0".to_string(), "eth1".to_string()];
    /// let attached = sec.run(AttachAll { host: "h".to_string(), nics }).await?;
    /// assert_eq!(attached, ["eth0@h", "eth1@h"]);
    /// # Ok(()) }
    /// ```
    pub fn for_each<T, O, F>(
        &mut self,
        name: &'static str,
        bindings: &[(&'static str, &[Source])],
        items: F,
        body: impl FnOnce(&mut Self, ItemRef<T>) -> SagaOutput<O>,
    ) -> OutputRef<Vec<O>>
    where
        T: 'static,
        O: Send + Sync + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> &'s [T] + Send + Sync + 'static,
    {
        self.repeat(name, bindings, &[], Arc::new(SelectFromSlice::new(items)), body)
    }

    /// The same with a closure that only counts the items. The instances compute their own with
    /// [`Scope::list`].
    #[doc(hidden)]
    pub fn for_width<O, F>(
        &mut self,
        name: &'static str,
        bindings: &[(&'static str, &[Source])],
        after: &[Source],
        width: F,
        body: impl FnOnce(&mut Self, ItemRef<()>) -> SagaOutput<O>,
    ) -> OutputRef<Vec<O>>
    where
        O: Send + Sync + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> usize + Send + Sync + 'static,
    {
        let width = SelectNumber::new(move |cx: &Scope<C>| Some(width(cx)));
        self.repeat(name, bindings, after, Arc::new(width), body)
    }

    fn repeat<T, O>(
        &mut self,
        name: &str,
        bindings: &[(&'static str, &[Source])],
        after: &[Source],
        items: Arc<dyn Selector>,
        body: impl FnOnce(&mut Self, ItemRef<T>) -> SagaOutput<O>,
    ) -> OutputRef<Vec<O>>
    where
        T: 'static,
        O: Send + Sync + 'static,
    {
        let node = match self.any.read(name, bindings, after) {
            Err(error) => self.any.add(Err(error)),
            Ok(read) => {
                let inner = self.any.inner(read.sources.clone());
                let item = ItemRef::new(inner.body());
                let part = self.part(inner, |dag| body(dag, item));
                self.any.for_each(read, items, part, gather_vec::<O>)
            }
        };
        OutputRef::new(self.any.body(), node)
    }

    /// Adds a node that runs one of several arms. `arm` computes the number of the arm, from 0, from the
    /// sources that the bindings name; or an `Option`, where `None` runs no arm. The output is the output of
    /// the arm that runs, or an `Option` of it.
    ///
    /// `arm` is called once while the saga goes forward, and again on recovery for comparison, so it must be
    /// pure. Its choice is written to the log. `arms` is called once, now. The nodes of an arm may read each
    /// other and every node before this one. In node paths they are `NAME#k/STEP`, or `NAME#k` if the arm is a
    /// single step.
    ///
    /// ```
    /// use saga_core::dag::DagBuilder;
    /// use saga_core::prelude::*;
    /// use saga_core::typed::SagaOutput;
    /// use saga_core::Saga;
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// enum Source { Blank, Image(String) }
    ///
    /// #[saga_action(no_undo)]
    /// async fn create() -> Result<String, String> { Ok("an empty disk".to_string()) }
    /// #[saga_action(no_undo)]
    /// async fn import(image: &str) -> Result<String, String> { Ok(format!("a disk of {image}")) }
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct MakeDisk { source: Source }
    ///
    /// impl Saga for MakeDisk {
    ///     type Context = ();
    ///     type Output = String;
    ///     const NAME: &'static str = "MakeDisk";
    ///     fn define(dag: &mut DagBuilder<()>) -> SagaOutput<String> {
    ///         let source = dag.param("source", |saga: &Self| &saga.source);
    ///         let which = move |cx: &saga_core::typed::Scope<()>| match source.get(cx) {
    ///             Source::Blank => 0,
    ///             Source::Image(_) => 1,
    ///         };
    ///         let disk = dag.choose("disk", &[("source", &[source.id()])], which, |arms| {
    ///             arms.arm(|dag| {
    ///                 let disk = dag.step("create", &[], |cx| cx.call(create {}));
    ///                 dag.ends_with(disk)
    ///             });
    ///             arms.arm(|dag| {
    ///                 let disk = dag.step("import", &[("image", &[source.id()])], move |cx| {
    ///                     let Source::Image(image) = source.get(cx) else { cx.wrong_arm() };
    ///                     cx.call(import { image })
    ///                 });
    ///                 dag.ends_with(disk)
    ///             });
    ///         });
    ///         dag.ends_with(disk)
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<MakeDisk>().build().await?;
    /// let source = Source::Image("alpine".to_string());
    /// assert_eq!(sec.run(MakeDisk { source }).await?, "a disk of alpine");
    /// # Ok(()) }
    /// ```
    pub fn choose<K, O, F>(
        &mut self,
        name: &'static str,
        bindings: &[(&'static str, &[Source])],
        arm: F,
        arms: impl FnOnce(&mut Arms<'_, C, O>),
    ) -> OutputRef<K::Output<O>>
    where
        K: Choice,
        O: Send + Sync + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> K + Send + Sync + 'static,
    {
        let arms = Arms::collect(self, arms);
        self.choose_of(name, bindings, &[], arm, arms)
    }

    /// Adds a node that runs another saga. The closure computes its parameters from the sources that the
    /// bindings name. The names inside that saga are separate, and its output is the output of this node. In
    /// node paths its nodes are `NAME/STEP`.
    ///
    /// The closure is called once in each process that runs the saga, so it must be pure.
    ///
    /// ```
    /// use saga_core::dag::DagBuilder;
    /// use saga_core::prelude::*;
    /// use saga_core::typed::SagaOutput;
    /// use saga_core::Saga;
    /// # #[saga_action(no_undo)]
    /// # async fn greet(name: &str) -> Result<String, String> { Ok(format!("hello {name}")) }
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Greet { name: String }
    /// # impl Saga for Greet {
    /// #     type Context = ();
    /// #     type Output = String;
    /// #     const NAME: &'static str = "Greet";
    /// #     fn define(dag: &mut DagBuilder<()>) -> SagaOutput<String> {
    /// #         let name = dag.param("name", |saga: &Greet| &saga.name);
    /// #         let greet = dag.step("greet", &[("name", &[name.id()])], move |cx| {
    /// #             cx.call(greet { name: name.get(cx) })
    /// #         });
    /// #         dag.ends_with(greet)
    /// #     }
    /// # }
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Welcome { guest: String }
    ///
    /// impl Saga for Welcome {
    ///     type Context = ();
    ///     type Output = String;
    ///     const NAME: &'static str = "Welcome";
    ///     fn define(dag: &mut DagBuilder<()>) -> SagaOutput<String> {
    ///         let guest = dag.param("guest", |saga: &Self| &saga.guest);
    ///         let words = dag.subsaga("words", &[("name", &[guest.id()])], move |cx| {
    ///             Greet { name: guest.get(cx).clone() }
    ///         });
    ///         dag.ends_with(words)
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Welcome>().build().await?;
    /// assert_eq!(sec.run(Welcome { guest: "Ada".to_string() }).await?, "hello Ada");
    /// # Ok(()) }
    /// ```
    pub fn subsaga<S, F>(
        &mut self,
        name: &'static str,
        bindings: &[(&'static str, &[Source])],
        params: F,
    ) -> OutputRef<S::Output>
    where
        S: Saga<Context = C>,
        F: for<'s> Fn(&'s Scope<C>) -> S + Send + Sync + 'static,
    {
        self.subsaga_after(name, bindings, &[], params)
    }

    /// The same for a node that also waits for other nodes, which it does not read.
    #[doc(hidden)]
    pub fn subsaga_after<S, F>(
        &mut self,
        name: &'static str,
        bindings: &[(&'static str, &[Source])],
        after: &[Source],
        params: F,
    ) -> OutputRef<S::Output>
    where
        S: Saga<Context = C>,
        F: for<'s> Fn(&'s Scope<C>) -> S + Send + Sync + 'static,
    {
        let params = Arc::new(ParamsOf::new(params));
        let node = self.any.subsaga(name, bindings, after, define::<S>, params);
        OutputRef::new(self.any.body(), node)
    }
}

impl AnyBuilder {
    fn for_each(
        &mut self,
        mut read: StepInputs,
        items: Arc<dyn Selector>,
        NestedBody { dag, outside }: NestedBody,
        gather: Gather,
    ) -> NodeIndex {
        read.around(self.body(), outside);
        let added = dag.map(|body| {
            let items = CompositeInput::Closure(items, read.sources.clone());
            let each = ForEach { body, items, gather };
            (AnyNode::with(read.name.clone(), NodeBody::ForEach(each)), read)
        });
        self.add(added)
    }

    fn subsaga(
        &mut self,
        name: &str,
        bindings: &[(&'static str, &[Source])],
        after: &[Source],
        define: DefineFn,
        params: Arc<dyn MakeParams>,
    ) -> NodeIndex {
        let added = self.read(name, bindings, after).and_then(|read| {
            let dag = define(self.max_nodes, self.within.clone())?;
            let params = CompositeInput::Closure(params, read.sources.clone());
            Ok((AnyNode::with(read.name.clone(), NodeBody::Subsaga { dag, params }), read))
        });
        self.add(added)
    }
}

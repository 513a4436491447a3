//! Which nodes and actions a test or a coordinator has mocked.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::{Mock, MockAction};
use crate::coordinator::{CoordinatorBuilder, NodeKey, node_without_action};
use crate::dag::DEFAULT_MAX_NODES;
use crate::driver::{CallFaults, CallPlan, FaultyCall, MockedAction};
use crate::log::{NodePath, SagaId, Uuid};
use crate::plan::PlanKind;
use crate::testing::saga_test::fail;
use crate::typed::{Saga, Step, StepKind, define};
use crate::value::{ActionData, Evaluated};

/// What is mocked in a test or a coordinator.
#[derive(Clone, Default)]
pub(crate) struct Mocks(Vec<(Mocked, Arc<Mock>)>);

#[derive(Clone)]
enum Mocked {
    /// The node of a saga, by one of two paths.
    Node { saga: &'static str, path: String, or: Option<String> },
    /// An action, by its name.
    Action(&'static str),
}

/// For people.
impl fmt::Display for Mocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { path, .. } => write!(f, "the node `{path}`"),
            Self::Action(name) => write!(f, "the action `{name}`"),
        }
    }
}

impl Mocks {
    /// # Errors
    /// If that node has no action of its own.
    pub(crate) fn add_node<S: Saga, O, E>(
        &mut self,
        node: &NodeKey<S, O, E>,
        mock: &MockAction<O>,
    ) -> Result<(), String> {
        let (path, or) = (node.path().to_string(), node.other());
        let dag = define::<S>(DEFAULT_MAX_NODES, Vec::new()).map_err(|error| error.to_string())?;
        let why_not = |path: &str| node_without_action(&dag, path);
        let paths = [Some(path.as_str()), or.as_deref()];
        if let Some(why) = why_not(&path)
            && paths.into_iter().flatten().all(|path| why_not(path).is_some())
        {
            let why = match dag
                .plan()
                .find(&path)
                .map(|found| dag.plan().nodes().get(found as usize))
            {
                Some(Some(node)) if matches!(node.kind, PlanKind::Choose(_)) => {
                    "it is an `if` or a `match`, which has no action of its own; mock the action that its arms call, with \
                     `mock_action`"
                }
                _ => why,
            };
            return Err(format!("node `{path}` of {} cannot be mocked: {why}", S::NAME));
        }
        self.0.push((Mocked::Node { saga: S::NAME, path, or }, mock.mock.clone()));
        Ok(())
    }

    /// The same as `add_action`, for one saga.
    ///
    /// # Errors
    /// If no node of it calls the action.
    pub(crate) fn add_action_of<S: Saga, A: Step<S::Context>>(
        &mut self,
        mock: &MockAction<A::Output>,
    ) -> Result<(), String> {
        let cannot = |why: &str| Err(format!("{} cannot mock {why}", S::NAME));
        let StepKind::Action(spec) = A::kind() else {
            return cannot("a saga as an action: mock the actions that it calls");
        };
        let dag = define::<S>(DEFAULT_MAX_NODES, Vec::new()).map_err(|error| error.to_string())?;
        let actions = dag.actions();
        let names = actions.iter().map(|action| action.name().as_str()).collect::<BTreeSet<_>>();
        if !names.contains(spec.name) {
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            return cannot(&format!(
                "the action `{}`: it has no node that calls it; its actions are {names}",
                spec.name
            ));
        }
        self.add_action::<S::Context, A>(mock);
        Ok(())
    }

    /// The mocks that were not called at all, for people.
    pub(crate) fn never_called(&self) -> Vec<String> {
        let unused = self.0.iter().filter(|(_, mock)| mock.calls().is_empty());
        unused.map(|(mocked, _)| mocked.to_string()).collect()
    }

    /// The calls of `SagaTest` that add them, for a test to paste.
    pub(crate) fn pasted(&self, of: &str) -> Vec<String> {
        let line = |(mocked, _): &(Mocked, Arc<Mock>)| match mocked {
            Mocked::Action(name) => format!(".mock_action::<{name}>(&mock_of_{name}())"),
            Mocked::Node { path, .. } => {
                let name = path.rsplit('/').next().unwrap_or_default();
                let name = name.split(['[', '#']).next().unwrap_or_default();
                let key = match path.strip_suffix(']').and_then(|path| path.split_once('[')) {
                    _ if path == name => format!("{of}::{name}"),
                    Some((list, n)) if list == name => format!("{of}::{name}.at({n})"),
                    _ => format!("/* the key of `{path}` */"),
                };
                format!(".mock({key}, &mock_of_{name}())")
            }
        };
        self.0.iter().map(line).collect()
    }

    pub(crate) fn add_action<C, A: Step<C>>(&mut self, mock: &MockAction<A::Output>) {
        if let StepKind::Action(spec) = A::kind() {
            self.0.push((Mocked::Action(spec.name), mock.mock.clone()));
        }
    }

    /// What takes the place of this call; what was added last counts, and nodes count more than actions.
    pub(crate) fn of(&self, call: &FaultyCall<'_>) -> Option<Arc<dyn MockedAction>> {
        let path = call.info.path.as_str();
        let node = self.0.iter().rev().find(|(mocked, _)| match mocked {
            Mocked::Node { saga, path: node, or } => {
                *saga == call.saga && (node == path || or.as_deref() == Some(path))
            }
            Mocked::Action(_) => false,
        });
        let action = || {
            self.0.iter().rev().find(|(mocked, _)| match mocked {
                Mocked::Action(name) => *name == call.action.name().as_str(),
                Mocked::Node { .. } => false,
            })
        };
        let (_, mock) = node.or_else(action)?;
        Some(mock.clone())
    }
}

impl<C: Send + Sync + 'static> CoordinatorBuilder<C> {
    /// This node does not call its action and its undo: the mock takes their place, in all sagas of its type. For tests
    /// (feature `testing`).
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// use saga_core::testing::MockAction;
    /// # #[saga_action(no_undo)]
    /// # async fn book(city: &str) -> Result<u32, String> { Err(format!("no hotel in {city}")) }
    /// # saga! { Trip<()>(city: String) -> u32 { let hotel = book { city }; hotel } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = Coordinator::builder(()).saga::<Trip>();
    /// let sec = builder.mock(Trip::hotel, &MockAction::returns(900)).build().await?;
    /// assert_eq!(sec.run(Trip { city: "Rome".into() }).await?, 900);
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// If that node has no action of its own.
    #[track_caller]
    pub fn mock<S, O: ActionData, E>(self, node: NodeKey<S, O, E>, mock: &MockAction<O>) -> Self
    where
        S: Saga<Context = C>,
    {
        let mut mocks = Mocks::default();
        if let Err(why) = mocks.add_node(&node, mock) {
            fail(why);
        }
        self.faults(|below| Arc::new(MocksOver { mocks, below }))
    }

    /// The mock takes the place of an action and its undo in all nodes that call it: `mock_action::<book_hotel>(&mock)`. For
    /// tests (feature `testing`).
    pub fn mock_action<A: Step<C>>(self, mock: &MockAction<A::Output>) -> Self {
        let mut mocks = Mocks::default();
        mocks.add_action::<C, A>(mock);
        self.faults(|below| Arc::new(MocksOver { mocks, below }))
    }
}

/// The calls of a coordinator with mocks, and what else is done to them.
struct MocksOver {
    mocks: Mocks,
    below: Option<Arc<dyn CallFaults>>,
}

impl CallFaults for MocksOver {
    fn of(&self, call: &FaultyCall<'_>) -> Option<CallPlan> {
        self.below.as_ref()?.of(call)
    }

    fn run_key(&self, id: Option<&str>) -> Option<Uuid> {
        self.below.as_ref()?.run_key(id)
    }

    fn mock(&self, call: &FaultyCall<'_>) -> Option<Arc<dyn MockedAction>> {
        self.mocks.of(call).or_else(|| self.below.as_ref()?.mock(call))
    }

    fn compares_evaluations(&self, saga: &SagaId) -> bool {
        self.below.as_ref().is_some_and(|below| below.compares_evaluations(saga))
    }

    fn evaluated(&self, node: &NodePath, values: Vec<Evaluated>) {
        if let Some(below) = &self.below {
            below.evaluated(node, values);
        }
    }

    fn before_next_evaluation(&self) {
        if let Some(below) = &self.below {
            below.before_next_evaluation();
        }
    }
}

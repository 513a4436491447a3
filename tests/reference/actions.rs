//! Rows: actions, constants, injected errors, the context, lookups, the registry.

use std::sync::{Arc, Mutex};

use saga_core::action::{
    Action, ActionConstant, ActionFunc, ActionInjectError, ActionRegistry, RegistryError,
};
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::store::MemoryStore;
use saga_core::{ActionContext, BoxError, Coordinator, LookupError};
use serde_json::{Value, json};

use crate::journal::Any;

type Seen = Arc<Mutex<Vec<String>>>;

fn noop(name: &str) -> Result<ActionFunc<Seen, u32>, Any> {
    Ok(ActionFunc::new_noop_undo(name, |_cx| async { Ok::<_, BoxError>(1) })?)
}

#[test]
fn a_name_that_is_taken_is_an_error_that_names_both_places() -> Result<(), Any> {
    let mut actions = ActionRegistry::new();
    actions.register(noop("act")?)?;
    let error = actions.register(noop("act")?).err().ok_or("accepted")?;
    assert!(matches!(error, RegistryError::AlreadyRegistered { .. }));
    let message = error.to_string();
    assert!(message.starts_with("two actions are named `act`: "), "{message}");
    assert_eq!(message.matches("actions.rs:").count(), 2, "{message}");
    let error = actions.get("atc").err().ok_or("found")?;
    assert_eq!(error.to_string(), "action `atc` is not registered; did you mean `act`?");
    assert_eq!(actions.names().map(|name| name.as_str()).collect::<Vec<_>>(), ["act"]);
    Ok(())
}

#[tokio::test]
async fn constants_and_injected_errors_are_registered_and_come_back_from_json() -> Result<(), Any> {
    let mut actions = ActionRegistry::<()>::new();
    let region = actions.register(ActionConstant::new("region", "eu-west".to_string())?)?;
    let fails = actions.register(ActionInjectError::new("fails")?)?;
    let mut dag = DagBuilder::new("Provided")?;
    dag.append(Node::shared_action("where", region)?)?;
    dag.append(Node::shared_action("then", fails)?)?;
    let written = serde_json::to_vec(&dag.build()?.to_json())?;
    let read = saga_core::dag::Dag::from_json(&written, &actions)?;
    let store = MemoryStore::new();
    let sec = Coordinator::builder(()).store(store).actions(actions).build().await?;
    let saga = sec.saga_dag(SagaDag::new(read, &())?).id("x").start().await?;
    let error = saga.await.unwrap_err();
    assert_eq!(error.to_string(), "saga x rolled back: node `then`: error injected");
    let view = sec.inspect("x").await?.ok_or("lost")?;
    let state = saga_core::executor::SagaSnapshot::from(&view);
    assert_eq!(state.completed_actions[0].output, "eu-west");
    Ok(())
}

/// `A | B C | D`, where D looks around and says what it sees.
async fn look<F, G>(look: F) -> Result<Value, Any>
where
    F: Fn(ActionContext<Seen>) -> G + Send + Sync + 'static,
    G: Future<Output = Result<Value, BoxError>> + Send + 'static,
{
    let mut actions = ActionRegistry::new();
    let one = actions.register(noop("one")?)?;
    let look = actions.register(ActionFunc::new_noop_undo("look", look)?)?;
    let mut dag = DagBuilder::new("Look")?;
    dag.append(Node::shared_action("A", one.clone())?)?;
    dag.append_parallel([
        Node::shared_action("B", one.clone())?,
        Node::shared_action("C", look)?,
        Node::shared_action("D", one)?,
    ])?;
    dag.output("C");
    let sec = Coordinator::builder(Seen::default()).actions(actions).build().await?;
    Ok(sec.saga_dag(SagaDag::new(dag.build()?, &json!({"size": 3}))?).start().await?.await?)
}

#[tokio::test]
async fn lookups_see_ancestors_and_not_siblings() -> Result<(), Any> {
    let seen = look(|cx| async move {
        let ancestors = cx.ancestors().map(ToString::to_string).collect::<Vec<_>>();
        let sibling = cx.lookup::<u32>("B").map_err(|e| e.to_string());
        Ok(json!({ "ancestors": ancestors, "sibling": sibling.unwrap_err() }))
    });
    let sibling =
        "node `C` cannot look up `B`, which is not one of its ancestors; put `B` before it";
    assert_eq!(seen.await?, json!({ "ancestors": ["A"], "sibling": sibling }));
    Ok(())
}

#[tokio::test]
async fn the_context_knows_its_saga_and_node() -> Result<(), Any> {
    let seen = look(|cx| async move {
        let params = cx.saga_params::<Value>()?;
        cx.user_context().lock().map_err(|e| e.to_string())?.push("seen".into());
        Ok(json!([
            cx.node_index().index(),
            cx.node_name().map(ToString::to_string),
            cx.plan().len(),
            params["size"],
            cx.saga_name().as_str(),
            std::str::from_utf8(cx.lookup_raw("A")?)?,
        ]))
    });
    assert_eq!(seen.await?, json!([2, "C", 4, 3, "Look", "1"]));
    Ok(())
}

/// Case 10: each mistake is its own error, and none panics.
#[tokio::test]
async fn failed_lookups_say_what_is_wrong() -> Result<(), Any> {
    let seen = look(|cx| async move {
        let right = cx.lookup::<u32>("A")?;
        let missing = cx.lookup::<u32>("Z").unwrap_err();
        let wrong = cx.lookup::<Vec<String>>("A").unwrap_err();
        assert!(matches!(missing, LookupError::NoSuchNode { .. }));
        assert!(matches!(wrong, LookupError::Deserialize { .. }));
        Ok(json!([*right, missing.to_string(), wrong.to_string()]))
    });
    let seen = seen.await?;
    assert_eq!((&seen[0], &seen[1]), (&json!(1), &json!("saga `Look` has no node named \"Z\"")));
    let wrong = seen[2].as_str().unwrap_or_default();
    assert!(wrong.starts_with("the output of `A` is of another type: invalid type"), "{wrong}");
    Ok(())
}

#[test]
fn an_action_can_be_a_trait_object() -> Result<(), Any> {
    let actions: Vec<Box<dyn Action<Seen>>> =
        vec![Box::new(noop("a")?), Box::new(ActionInjectError::new("b")?)];
    let names = actions.iter().map(|action| action.name().to_string()).collect::<Vec<_>>();
    assert_eq!(names, ["a", "b"]);
    Ok(())
}

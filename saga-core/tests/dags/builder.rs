//! The DAG builder: the edges that follow from stages and names, and every mistake.

use saga_core::BoxError;
use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{DagBuilder, DagError, Node};

type Result<T = ()> = std::result::Result<T, BoxError>;

fn node(name: &str) -> Result<Node<()>> {
    let act = ActionFunc::<(), u32>::new_noop_undo("act", |_cx| async { Ok::<_, BoxError>(1) })?;
    Ok(Node::action(name, act)?)
}

fn edges(dag: &saga_core::dag::Dag<()>, name: &str) -> Vec<String> {
    let Some(index) = dag.node_index(name) else { return Vec::new() };
    dag.predecessors(index).filter_map(|p| dag.node(p)).map(|n| n.name().to_string()).collect()
}

#[test]
fn stages_wait_for_the_stage_before_them() -> Result {
    let mut dag = DagBuilder::new("Order")?;
    dag.append(node("validate")?)?;
    dag.append_parallel([node("payment")?, node("inventory")?])?;
    dag.append(node("confirm")?)?;
    let dag = dag.build()?;
    assert_eq!(edges(&dag, "payment"), ["validate"]);
    assert_eq!(edges(&dag, "inventory"), ["validate"]);
    assert_eq!(edges(&dag, "confirm"), ["payment", "inventory"]);
    assert_eq!(dag.output().and_then(|o| dag.node(o)).map(|n| n.name().as_str()), Some("confirm"));
    Ok(())
}

#[test]
fn a_failed_append_changes_nothing() -> Result {
    let mut dag = DagBuilder::new("Order")?;
    assert_eq!(
        dag.append_parallel([]).err().map(|e| e.to_string()).as_deref(),
        Some("empty stage")
    );
    let twice = [node("duplicate")?, node("duplicate")?];
    let error = dag.append_parallel(twice).err().ok_or("accepted")?;
    assert_eq!(error.to_string(), "node with name 'duplicate' already exists");
    dag.append(node("duplicate")?)?;
    assert!(matches!(dag.append(node("duplicate")?), Err(DagError::AlreadyExists(_))));
    assert!(matches!(dag.node(node("duplicate")?), Err(DagError::AlreadyExists(_))));
    assert_eq!(dag.build()?.len(), 1);
    Ok(())
}

#[test]
fn edges_by_name_may_point_forward_but_not_in_a_circle() -> Result {
    let mut dag = DagBuilder::new("Arrows")?;
    dag.node(node("b")?)?.after(["a"]);
    dag.node(node("a")?)?;
    assert_eq!(edges(&dag.build()?, "b"), ["a"]);

    let mut dag = DagBuilder::new("Circle")?;
    dag.node(node("a")?)?.after(["c"]);
    dag.node(node("b")?)?.after(["a"]);
    dag.node(node("c")?)?.after(["b"]);
    let error = dag.build().err().ok_or("accepted")?.to_string();
    assert!(error.starts_with("circular dependency: "), "{error}");
    assert!(
        error.contains("a -> b -> c")
            || error.contains("b -> c -> a")
            || error.contains("c -> a -> b"),
        "{error}"
    );

    let mut dag = DagBuilder::new("Self")?;
    dag.node(node("a")?)?.after(["a"]);
    let error = dag.build().err().ok_or("accepted")?.to_string();
    assert_eq!(error, "circular dependency: a -> a");

    let mut dag = DagBuilder::new("Typo")?;
    dag.node(node("hotel")?)?;
    dag.node(node("car")?)?.after(["hotle"]);
    let error = dag.build().err().ok_or("accepted")?.to_string();
    let expected =
        "saga has no node named \"hotle\"; did you mean \"hotel\"? (its nodes: hotel, car)";
    assert_eq!(error, expected);
    Ok(())
}

#[test]
fn roots_leaves_names_and_size() -> Result {
    let empty = DagBuilder::<()>::new("Empty")?.build().err().ok_or("accepted")?;
    assert_eq!(empty.to_string(), "DAG has no root nodes");

    let mut dag = DagBuilder::new("Ends")?;
    dag.append_parallel([node("a")?, node("b")?])?;
    let error = dag.build_with_output().err().ok_or("accepted")?.to_string();
    assert!(error.starts_with("DAG must end with exactly one leaf node"), "{error}");
    let mut dag = DagBuilder::new("Ends")?;
    dag.append_parallel([node("a")?, node("b")?])?;
    dag.output("a");
    assert!(dag.build_with_output()?.output().is_some());

    for bad in ["", "a/b", "a[0]", "a#1", "a\n"] {
        assert!(node(bad).is_err(), "{bad:?}");
        assert!(DagBuilder::<()>::new(bad).is_err(), "{bad:?}");
    }
    let mut dag = DagBuilder::new("Large")?;
    dag.max_nodes(2).append_parallel([node("a")?, node("b")?, node("c")?])?;
    let error = dag.build().err().ok_or("accepted")?.to_string();
    assert_eq!(error, "saga `Large` has 3 nodes, more than the limit of 2; raise `max_nodes`");
    Ok(())
}

#[test]
fn a_dag_survives_a_round_trip_through_json() -> Result {
    let mut registry = ActionRegistry::new();
    let act = ActionFunc::<(), u32>::new_noop_undo("act", |_cx| async { Ok::<_, BoxError>(1) })?;
    let act = registry.register(act)?;
    let mut dag = DagBuilder::new("Order")?;
    dag.append(Node::constant("region", "eu".to_string())?)?;
    dag.append(Node::shared_action("one", act.clone())?.label("the first"))?;
    dag.append_parallel([
        Node::shared_action("two", act.clone())?,
        Node::shared_action("three", act)?,
    ])?;
    let dag = dag.build()?;
    let json = dag.to_json();
    let back = saga_core::dag::Dag::from_json(&serde_json::to_vec(&json)?, &registry)?;
    assert_eq!(back.to_json(), json);
    assert_eq!(back.fingerprint(), dag.fingerprint());
    assert_eq!(dag.fingerprint().len(), 64);

    let none =
        saga_core::dag::Dag::from_json(&serde_json::to_vec(&json)?, &ActionRegistry::<()>::new());
    assert_eq!(
        none.err().map(|e| e.to_string()).as_deref(),
        Some("action `act` is not registered")
    );
    let garbage = saga_core::dag::Dag::<()>::from_json(b"{", &registry);
    assert!(matches!(garbage, Err(DagError::BadJson(_))));
    Ok(())
}

#[test]
fn reads_of_early_nodes_survive_json() -> Result {
    let mut registry = ActionRegistry::new();
    let act = ActionFunc::<(), u32>::new_noop_undo("act", |_cx| async { Ok::<_, BoxError>(1) })?;
    let act = registry.register(act)?;
    let body = || -> Result<_> {
        let mut body = DagBuilder::new("Body")?;
        body.append(Node::shared_action("x", act.clone())?)?;
        Ok(body.build()?)
    };
    let mut dag = DagBuilder::new("Order")?;
    dag.append(Node::shared_action("first", act.clone())?)?;
    dag.append(Node::shared_action("between", act.clone())?)?;
    dag.append(Node::choose("last", vec![body()?], "first")?)?;
    let dag = dag.build()?;
    assert_eq!(edges(&dag, "last"), ["between"]);
    let json = dag.to_json();
    let back = saga_core::dag::Dag::from_json(&serde_json::to_vec(&json)?, &registry)?;
    assert_eq!(back.to_json(), json);
    assert_eq!(back.fingerprint(), dag.fingerprint());

    // a node does not read what need not be there yet
    let loose = json.to_string().replace(r#""after":["between"],"#, "");
    let error = saga_core::dag::Dag::from_json(loose.as_bytes(), &registry).err();
    assert_eq!(
        error.map(|e| e.to_string()).as_deref(),
        Some(
            "the stored DAG does not decode: node 'last' reads the output of 'first' but does not \
             wait for it; add it to `after`"
        )
    );
    Ok(())
}

#[test]
fn ancestors_are_the_nodes_that_have_always_completed() -> Result {
    let mut dag = DagBuilder::new("Diamond")?;
    dag.append(node("a")?)?;
    dag.append_parallel([node("b")?, node("c")?])?;
    dag.append(node("d")?)?;
    let dag = dag.build()?;
    let is = |a: &str, n: &str| -> Result<bool> {
        let index = |name| dag.node_index(name).ok_or("no such node");
        Ok(dag.is_ancestor(index(a)?, index(n)?))
    };
    assert!(is("a", "d")? && is("b", "d")? && is("a", "c")?);
    assert!(!is("b", "c")? && !is("d", "a")? && !is("a", "a")?);
    Ok(())
}

#[test]
fn an_undo_that_cleans_up_after_failures_is_part_of_the_definition() -> Result {
    fn action(name: &str) -> Result<ActionFunc<(), u32>> {
        let act = |_cx| async { Ok::<_, BoxError>(1) };
        let undo = |_cx, _output| async { Ok::<_, BoxError>(()) };
        Ok(ActionFunc::new_undo_maybe(name, act, undo)?)
    }
    let dag = |action: ActionFunc<(), u32>| -> Result<_> {
        let mut dag = DagBuilder::new("Order")?;
        dag.append(Node::action("take", action)?)?;
        Ok(dag.build()?)
    };
    let (plain, cleans_up) = (dag(action("take")?)?, dag(action("take")?.undo_on_failure())?);
    assert_eq!(plain.to_json()["nodes"][0].get("undo_on_failure"), None);
    assert_eq!(cleans_up.to_json()["nodes"][0]["undo_on_failure"], true);
    // it decides what a log may say
    assert_ne!(plain.fingerprint(), cleans_up.fingerprint());

    let mut actions = ActionRegistry::new();
    actions.register(action("take")?.undo_on_failure())?;
    let json = serde_json::to_vec(&cleans_up.to_json())?;
    let again = saga_core::dag::Dag::from_json(&json, &actions)?;
    assert_eq!(again.fingerprint(), cleans_up.fingerprint());
    Ok(())
}

#[test]
fn only_an_undo_without_output_can_clean_up_after_failures() -> Result {
    let act = |_cx| async { Ok::<_, BoxError>(1) };
    let undo = |_cx, _output| async { Ok::<_, BoxError>(()) };
    let needs_it = ActionFunc::<(), u32>::new("act", act, undo)?.undo_on_failure();
    let none = ActionFunc::<(), u32>::new_noop_undo("act", act)?.undo_on_failure();
    for action in [needs_it, none] {
        let mut dag = DagBuilder::new("Order")?;
        dag.append(Node::action("take", action)?)?;
        let error = dag.build().err().ok_or("accepted")?;
        assert!(matches!(error, DagError::Misplaced { what: "undo_on_failure", .. }), "{error:?}");
        let why = "node 'take' cannot have a `undo_on_failure`: it has no undo that does without the \
                   output of the action";
        assert_eq!(error.to_string(), why);
    }
    Ok(())
}

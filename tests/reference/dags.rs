//! Rows: nodes, names and places, DAGs and their builder.

use std::collections::BTreeMap;

use saga_core::SagaId;
use saga_core::dag::{
    ActionName, Dag, DagBuilder, DagError, InternalNode, Node, NodeIndex, NodeName, SagaDag,
    SagaName,
};
use serde_json::json;

use crate::journal::{Any, Journal, act, saga, stages};

fn builder(names: &[&str]) -> Result<DagBuilder<Journal>, Any> {
    let mut dag = DagBuilder::new("Stages")?;
    for name in names {
        dag.append(Node::action(name, act()?)?)?;
    }
    Ok(dag)
}

fn names(dag: &Dag<Journal>) -> Vec<String> {
    dag.nodes().map(|node| node.name().to_string()).collect()
}

#[test]
fn an_empty_stage_is_refused() -> Result<(), Any> {
    let mut dag = builder(&["A"])?;
    assert_eq!(dag.append_parallel([]).err(), Some(DagError::EmptyStage));
    assert_eq!(DagError::EmptyStage.to_string(), "empty stage");
    assert_eq!(names(&dag.build()?), ["A"]);
    Ok(())
}

#[test]
fn a_failed_append_leaves_nothing_behind() -> Result<(), Any> {
    let mut dag = builder(&["A"])?;
    let twice = [Node::action("duplicate", act()?)?, Node::action("duplicate", act()?)?];
    let error = dag.append_parallel(twice).err().ok_or("accepted")?;
    assert_eq!(error.to_string(), "node with name 'duplicate' already exists");
    let error = dag.append(Node::action("A", act()?)?).err().ok_or("accepted")?;
    assert_eq!(error.to_string(), "node with name 'A' already exists");
    let bad = Node::subsaga("S", stages("B")?, "Z")?;
    let error = dag.append_parallel([Node::action("B", act()?)?, bad]).err().ok_or("accepted")?;
    let expected = "bad subsaga params, node with name 'Z' does not exist in dag";
    assert_eq!(error.to_string(), expected);
    dag.append(Node::action("duplicate", act()?)?)?;
    let dag = dag.build()?;
    assert_eq!(names(&dag), ["A", "duplicate"]);
    assert_eq!(dag.predecessors(dag.node_index("duplicate").ok_or("lost")?).count(), 1);
    Ok(())
}

#[test]
fn an_edge_that_closes_a_cycle_is_refused_by_name() -> Result<(), Any> {
    let mut dag = builder(&["A", "B", "C"])?;
    let before = {
        let same = builder(&["A", "B", "C"])?.build()?;
        same.fingerprint().to_string()
    };
    for (from, to, path) in
        [("C", "A", "A -> B -> C -> A"), ("C", "B", "B -> C -> B"), ("B", "B", "B -> B")]
    {
        let error = dag.add_edge(from, to).err().ok_or("accepted")?;
        assert_eq!(error.to_string(), format!("circular dependency: {path}"));
    }
    let error = dag.add_edge("A", "X").err().ok_or("accepted")?;
    assert_eq!(
        error.to_string(),
        "saga has no node named \"X\"; did you mean \"A\"? (its nodes: A, B, C)"
    );
    dag.add_edge("A", "C")?;
    let dag = dag.build()?;
    assert_ne!(dag.fingerprint(), before, "A -> C is there, the refused ones are not");
    let last = dag.node_index("C").ok_or("lost")?;
    assert_eq!(dag.predecessors(last).map(NodeIndex::index).collect::<Vec<_>>(), [0, 1]);
    Ok(())
}

#[test]
fn an_edge_by_name_counts_as_one() -> Result<(), Any> {
    let mut dag = builder(&["A"])?;
    dag.node(Node::action("B", act()?)?)?.after(["A", "C"]);
    dag.node(Node::action("C", act()?)?)?.after(["A"]);
    let error = dag.add_edge("B", "C").err().ok_or("accepted")?;
    assert_eq!(error.to_string(), "circular dependency: C -> B -> C");
    Ok(())
}

#[test]
fn edges_in_declaration_order_are_added_quickly() -> Result<(), Any> {
    const NODES: usize = 10_000;
    let name = |n: usize| format!("n{n}");
    let began = std::time::Instant::now();
    let mut dag = builder(&[])?;
    for n in 0..NODES {
        let placed = dag.node(Node::action(name(n), act()?)?)?;
        if n > 0 {
            placed.after([name(n - 1)]);
        }
    }
    for n in 2..NODES {
        dag.add_edge(&name(n - 2), &name(n))?;
    }
    let error = dag.add_edge(&name(NODES - 1), &name(NODES - 2)).err().ok_or("accepted")?;
    assert_eq!(error.to_string(), "circular dependency: n9998 -> n9999 -> n9998");
    let dag = dag.build()?;
    let last = dag.node_index("n9999").ok_or("lost")?;
    assert_eq!(dag.predecessors(last).map(NodeIndex::index).collect::<Vec<_>>(), [9997, 9998]);
    // a moment; walking all edges for each of them takes minutes
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    Ok(())
}

#[test]
fn a_dag_without_a_root_or_a_single_leaf_is_refused() -> Result<(), Any> {
    let error = builder(&[])?.build().err().ok_or("accepted")?;
    assert_eq!(error.to_string(), "DAG has no root nodes");
    let mut dag = builder(&["A"])?;
    dag.append_parallel([Node::action("B", act()?)?, Node::action("C", act()?)?])?;
    let error = dag.build_with_output().err().ok_or("accepted")?;
    let expected = "DAG must end with exactly one leaf node, this one has 2: B, C; name the output";
    assert_eq!(error.to_string(), expected);
    Ok(())
}

#[test]
fn every_node_is_iterated_once_in_order() -> Result<(), Any> {
    let saga: SagaDag<Journal> = saga("A | B C | D")?;
    let all = saga.nodes().map(|node| node.name().as_str()).collect::<Vec<_>>();
    assert_eq!(all, ["A", "B", "C", "D"]);
    assert_eq!(saga.saga_name().as_str(), "Stages");
    let place = saga.node_index("C").ok_or("lost")?;
    assert_eq!(saga.dag().node(place).map(|node| node.name().as_str()), Some("C"));
    assert!(saga.node("Z").is_none() && saga.node_index("Z").is_none());
    let dag = saga.dag();
    let ancestors = |name| {
        let ancestors = dag.ancestors(dag.node_index(name).unwrap());
        ancestors.into_iter().map(NodeIndex::index).collect::<Vec<_>>()
    };
    assert_eq!((ancestors("A"), ancestors("C"), ancestors("D")), (vec![], vec![0], vec![0, 1, 2]));
    Ok(())
}

#[test]
fn names_and_places_are_read_as_they_are_written() -> Result<(), Any> {
    assert_eq!("a".parse::<NodeName>()?.to_string(), "a");
    assert_eq!("a".parse::<ActionName>()?.to_string(), "a");
    assert_eq!("a".parse::<SagaName>()?.to_string(), "a");
    assert_eq!("a".parse::<SagaId>()?.to_string(), "a");
    let path = "disks[2]/volume".parse::<saga_core::log::NodePath>()?;
    assert_eq!(serde_json::to_value(&path)?, "disks[2]/volume");
    let places: Vec<NodeIndex> = serde_json::from_value(json!([2, 0, 1]))?;
    let numbers = places.iter().map(|place| i64::from(*place)).collect::<Vec<_>>();
    assert_eq!(numbers, [2, 0, 1]);
    assert_eq!("2".parse::<NodeIndex>()?, places[0]);
    assert!("-1".parse::<NodeIndex>().is_err());
    let sorted = BTreeMap::from_iter(places.into_iter().map(|place| (place, ())));
    assert_eq!(sorted.into_keys().map(NodeIndex::index).collect::<Vec<_>>(), [0, 1, 2]);
    assert!("a/b".parse::<NodeName>().is_err());
    Ok(())
}

#[test]
fn a_dag_written_out_shows_where_each_saga_begins_and_ends() -> Result<(), Any> {
    let mut dag = builder(&["A"])?;
    dag.append_parallel([
        Node::constant("size", json!({ "gib": 5 }))?,
        Node::subsaga("inner", stages("X | Y")?, "A")?,
    ])?;
    let dag = dag.build()?;
    let nodes = dag.internal_nodes();
    let labels = nodes.iter().map(InternalNode::label).collect::<Vec<_>>();
    let expected = [
        "(start node)",
        "A",
        "(constant = {\"gib\":5})",
        "(subsaga start: Stages)",
        "X",
        "Y",
        "(subsaga end)",
        "(end node)",
    ];
    assert_eq!(labels, expected);
    let names = nodes.iter().map(|n| n.node_name().map_or("-", |name| name.as_str()));
    assert_eq!(names.collect::<Vec<_>>(), ["-", "A", "size", "-", "X", "Y", "inner", "-"]);
    assert!(matches!(&nodes[1], InternalNode::Action { action, .. } if *action == "act"));
    assert!(!format!("{nodes:?}").contains("gib"), "a value is not for traces");
    Ok(())
}

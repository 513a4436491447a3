//! DAGs as Graphviz, Mermaid and JSON.

use crate::common::lab::{Any, Lab, Provision, provision};
use saga_core::dag::{Dag, DagBuilder, Node};
use saga_core::prelude::*;
use saga_core::render::NodeStates;
use serde_json::json;

const DOT: &str = r##"digraph "Provision" {
    node [shape=box];
    n0 [label="net\nmake\nundone", style=filled, fillcolor="#e1bee7", fontcolor="#1b1b1b"];
    n1 [label="machines\nfor each\nfailed", style=filled, fillcolor="#ffcdd2", fontcolor="#1b1b1b"];
    subgraph cluster_n1_0 {
        label="each item of machines";
        n1_0_0 [label="address\nAddress\n4 undone", style=filled, fillcolor="#e1bee7", fontcolor="#1b1b1b"];
        subgraph cluster_n1_0_0_0 {
            label="saga Address";
            n1_0_0_0_0 [label="reserved\nmake\n4 undone", style=filled, fillcolor="#e1bee7", fontcolor="#1b1b1b"];
            n1_0_0_0_1 [label="announced\nready\n4 undone", style=filled, fillcolor="#e1bee7", fontcolor="#1b1b1b"];
            n1_0_0_0_0 -> n1_0_0_0_1;
        }
        n1_0_0 -> n1_0_0_0_0 [style=dashed];
"##;

#[tokio::test]
async fn bodies_are_clusters_and_instances_are_counted() -> Result<(), Any> {
    let failing = "machines[1]/disks#0[2]/mount";
    let sec = Coordinator::builder(Lab::failing(Some(failing))).saga::<Provision>().build().await?;
    let error = sec.run(provision()).await.unwrap_err();
    let report = error.report().ok_or("no report")?;
    let states = report.nodes.iter().map(|n| (n.node.clone(), n.state)).collect::<NodeStates>();
    let dag = Dag::of::<Provision>()?;
    let dot = dag.to_dot(Some(&states));
    assert!(dot.starts_with(DOT), "{dot}");
    // an arm of one `for` adds nothing to the paths of its nodes
    assert!(dot.contains("label=\"mount\\nready\\n1 failed, 2 undone\""), "{dot}");
    assert!(dot.contains("subgraph cluster_n1_0_1_0_0_0 {"), "{dot}");
    assert_eq!(dot.matches('{').count(), dot.matches('}').count());

    let mermaid = dag.to_mermaid(Some(&states));
    let lines = mermaid.lines().map(str::trim).collect::<Vec<_>>();
    assert_eq!(lines[0], "flowchart TD");
    for expected in [
        "n0[\"net<br/>make<br/>undone\"]:::undone",
        "subgraph n1_0_1_1 [\"arm 1 of disks\"]",
        "n1_0_1 -.-> n1_0_1_1_0",
        "n1 --> n2",
        "classDef undone fill:#e1bee7,color:#1b1b1b",
    ] {
        assert!(lines.contains(&expected), "{expected}\n{mermaid}");
    }
    let count =
        |word: &str| lines.iter().filter(|line| line.split(' ').next() == Some(word)).count();
    assert_eq!(count("subgraph"), count("end"));

    let json = dag.to_json_with(&states);
    let states = |pointer: &str| json.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(states("/nodes/0/states"), json!({"undone": 1}));
    let machine = "/nodes/1/body/nodes";
    assert_eq!(states(&format!("{machine}/0/states")), json!({"undone": 4}));
    assert_eq!(states(&format!("{machine}/0/dag/nodes/1/states")), json!({"undone": 4}));
    // an arm of one `for` adds nothing to the paths of its nodes
    let disk = format!("{machine}/1/arms/0/nodes/0/body/nodes/1");
    assert_eq!(states(&format!("{disk}/name")), "mount");
    assert_eq!(states(&format!("{disk}/states")), json!({"undone": 2, "failed": 1}));
    let plain = dag.to_json();
    assert!(!plain.to_string().contains("\"states\""));
    assert_eq!(dag.to_json_with(&NodeStates::new()), plain);

    assert!(!dag.to_dot(None).contains("fillcolor"));
    assert!(!dag.to_mermaid(None).contains(":::"));
    Ok(())
}

#[test]
fn names_cannot_break_out_of_their_quotes() -> Result<(), Any> {
    let mut dag = DagBuilder::<()>::new("\"; } evil \\")?;
    dag.append(Node::constant("a\"b\\", 1)?.label("<b>*x*</b>\n\"; click n0 \\"))?;
    let dag = dag.build()?;
    let expected = "digraph \"\\\"; } evil \\\\\" {\n    node [shape=box];\n    \
                    n0 [label=\"a\\\"b\\\\\\n<b>*x*</b> \\\"; click n0 \\\\\"];\n}\n";
    assert_eq!(dag.to_dot(None), expected);
    let expected = "flowchart TD\n    n0[\"a#34;b#92;<br/>#60;b#62;#42;x#42;#60;/b#62; #34;#59; click n0 #92;\"]\n";
    assert_eq!(dag.to_mermaid(None), expected);
    Ok(())
}

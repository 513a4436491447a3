//! A saga of more nodes than the macro declares in one function.

use saga_core::dag::{Dag, NodeIndex};
use saga_core::prelude::*;

#[saga_action(no_undo)]
async fn add(to: u64, one: u64) -> Result<u64, String> {
    Ok(to + one)
}

saga! {
    Many<()>(first: u64) -> u64 {
        let n1 = add { to: *first, one: 1 };
        let n2 = add { to: *n1, one: 1 };
        let n3 = add { to: *n2, one: 1 };
        let n4 = add { to: *n3, one: 1 };
        let n5 = add { to: *n4, one: 1 };
        let n6 = add { to: *n5, one: 1 };
        let n7 = add { to: *n6, one: 1 };
        let n8 = add { to: *n7, one: 1 };
        let n9 = add { to: *n8, one: 1 };
        let n10 = add { to: *n9, one: 1 };
        let n11 = add { to: *n10, one: 1 };
        let n12 = add { to: *n11, one: 1 };
        let n13 = add { to: *n12, one: 1 };
        let n14 = add { to: *n13, one: 1 };
        let n15 = add { to: *n14, one: 1 };
        let n16 = add { to: *n15, one: 1 };
        let n17 = add { to: *n16, one: 1 };
        let n18 = add { to: *n17, one: 1 };
        let n19 = add { to: *n18, one: 1 };
        let n20 = add { to: *n19, one: 1 };
        let n21 = add { to: *n20, one: 1 };
        let n22 = add { to: *n21, one: 1 };
        let n23 = add { to: *n22, one: 1 };
        let n24 = add { to: *n23, one: 1 };
        let n25 = add { to: *n24, one: 1 };
        let n26 = add { to: *n25, one: 1 };
        let n27 = add { to: *n26, one: 1 };
        let n28 = add { to: *n27, one: 1 };
        let n29 = add { to: *n28, one: 1 };
        let n30 = add { to: *n29, one: 1 };
        let n31 = add { to: *n30, one: 1 };
        let n32 = add { to: *n31, one: 1 };
        let n33 = add { to: *n32, one: 1 };
        let n34 = add { to: *n33, one: 1 };
        let n35 = add { to: *n34, one: 1 };
        let n36 = add { to: *n35, one: 1 };
        let n37 = add { to: *n36, one: 1 };
        let n38 = add { to: *n37, one: 1 };
        let n39 = add { to: *n38, one: 1 };
        let n40 = add { to: *n39, one: 1 };
        let n41 = add { to: *n40, one: 1 };
        let n42 = add { to: *n41, one: 1 };
        let n43 = add { to: *n42, one: 1 };
        let n44 = add { to: *n43, one: 1 };
        let n45 = add { to: *n44, one: 1 };
        let n46 = add { to: *n45, one: 1 };
        let n47 = add { to: *n46, one: 1 };
        let n48 = add { to: *n47, one: 1 };
        let n49 = add { to: *n48, one: 1 };
        let n50 = add { to: *n49, one: 1 };
        // the others are each in a function of their own
        let step = add { to: *n50, one: *n1 };
        let typed: u64 = add { to: *step, one: *n50 };
        const HUNDRED: u64 = 100;
        let value = { typed + HUNDRED };
        let typed_value: u64 = { value + n1 };
        parallel {
            let early = add { to: *first, one: 1 };
            #[after(early)]
            let after = add { to: *first, one: 1 };
        }
        let chosen = if *typed > 100 { add { to: *typed_value, one: *after } } else { { 0 } };
        let each = for n in [*n1, *chosen] { add { to: n, one: 1 } };
        parallel {
            let left = add { to: each[0], one: 1 };
            let right = add { to: each[1], one: 1 };
        }
        { left + right }
    }
}

#[tokio::test]
async fn all_nodes_have_their_places_and_values() {
    let dag = Dag::of::<Many>().unwrap();
    let after = |node: &str| {
        let before = dag.predecessors(dag.node_index(node).unwrap());
        before.map(NodeIndex::index).collect::<Vec<_>>()
    };
    let at = |node: &str| dag.node_index(node).unwrap().index();
    assert_eq!(after("n50"), [at("n49")]);
    assert_eq!(after("after").last(), Some(&at("early")));
    assert_eq!(after("right"), after("left"));

    let sec = Coordinator::builder(()).saga::<Many>().build().await.unwrap();
    // 50, 51, 101, 201, 202, 203; then 2 and 204, 3 and 205
    assert_eq!(sec.run(Many { first: 0 }).await.unwrap(), 208);
}

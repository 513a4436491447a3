//! Sagas as nodes of sagas: their names do not clash, their parameters come from outer nodes, and a
//! failure anywhere leaves nothing behind.

use crate::common::lab::{Any, Lab, World, make, ready};
use saga_core::dag::Dag;
use saga_core::prelude::*;

saga! {
    /// One stage twice.
    Inner<World>(seed: String, times: usize) -> String {
        let first_stage = make { what: &seed.repeat(*times) };
        let second_stage = make { what: first_stage };
        let third_stage = ready { what: second_stage };
        third_stage
    }

    Outer<World>(name: String) -> String {
        const TWICE: usize = 2;
        let first_stage = make { what: name };
        let second_stage = Inner { seed: first_stage.clone(), times: *TWICE };
        parallel {
            let again: String = Inner { seed: second_stage.to_lowercase(), times: 1 };
            let constant = Inner { seed: "c".to_string(), times: 1 };
        }
        Deep { of: again.clone() };
        let third_stage = make { what: &format!("{second_stage} {again} {constant} {Deep}") };
        third_stage
    }

    Deep<World>(of: String) -> String {
        let before = ready { what: of };
        Inner { seed: before.clone(), times: 1 }
    }
}

const NODES: &[&str] = &[
    "first_stage",
    "second_stage/first_stage",
    "second_stage/second_stage",
    "second_stage/third_stage",
    "again/first_stage",
    "again/second_stage",
    "again/third_stage",
    "constant/first_stage",
    "constant/second_stage",
    "constant/third_stage",
    "Deep/before",
    "Deep/Inner/first_stage",
    "Deep/Inner/second_stage",
    "Deep/Inner/third_stage",
    "third_stage",
];

async fn run(world: &World) -> Result<String, Any> {
    let sec = Coordinator::builder(world.clone()).saga::<Outer>().build().await?;
    Ok(sec.run(Outer { name: "n".to_string() }).await?)
}

#[tokio::test]
async fn names_do_not_clash_and_outputs_are_visible() -> Result<(), Any> {
    assert_eq!(Dag::of::<Outer>()?.node_index("second_stage").map(|n| n.index()), Some(2));
    let world = Lab::failing(None);
    let output = run(&world).await?;
    let expected = "<<<<N><N>>> <<<<<N><N>>>>> <<C>> <<<<<<<N><N>>>>>>>>";
    assert_eq!(output, expected);
    assert_eq!(world.effects().into_iter().collect::<Vec<_>>(), {
        let mut nodes = NODES.to_vec();
        nodes.sort_unstable();
        nodes
    });
    Ok(())
}

#[tokio::test]
async fn a_failure_anywhere_leaves_nothing() -> Result<(), Any> {
    for node in NODES {
        let world = Lab::failing(Some(node));
        let error = run(&world).await.err().ok_or("it completed")?.to_string();
        assert!(error.contains(&format!("{node} fails")), "{node}: {error}");
        assert!(world.effects().is_empty(), "{node}: {:?}", world.effects());
    }
    Ok(())
}

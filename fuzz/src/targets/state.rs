//! A saga's snapshot as JSON, and an executor that is told to go on from it.

use saga_core::dag::{Dag, DagBuilder, Node};
use saga_core::executor::{SagaExecutor, SagaSnapshot};
use saga_core::store::MemoryStore;

pub(super) fn run(input: &[u8]) -> String {
    super::words(serde_json::from_slice::<SagaSnapshot>(input), |state| {
        drop(format!("{state:?}"));
        // what can be read is written as it was
        let written = serde_json::to_vec(&state).expect("a state is JSON");
        assert_eq!(serde_json::from_slice::<SagaSnapshot>(&written).expect("its own JSON"), state);
        let found = SagaExecutor::<()>::from_state(&state, dag(), MemoryStore::new());
        let Err(why) = super::jumping().block_on(found) else { panic!("the store is empty") };
        why.to_string()
    })
}

fn dag() -> Dag<()> {
    let mut dag = DagBuilder::new("Fuzzed").expect("a name");
    dag.append(Node::constant("one", 1u64).expect("a node")).expect("it is the first");
    dag.build().expect("a DAG")
}

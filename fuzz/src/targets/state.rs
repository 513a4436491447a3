//! Decoding a saga's snapshot from JSON, and resuming an executor from it.

use saga_core::dag::{Dag, DagBuilder, Node};
use saga_core::executor::{SagaExecutor, SagaSnapshot};
use saga_core::store::MemoryStore;

pub(super) fn run(input: &[u8]) -> String {
    super::outcome(serde_json::from_slice::<SagaSnapshot>(input), |state| {
        drop(format!("{state:?}"));
        // What can be decoded must survive a round trip.
        let written = serde_json::to_vec(&state).expect("a state is JSON");
        assert_eq!(serde_json::from_slice::<SagaSnapshot>(&written).expect("its own JSON"), state);
        let found = SagaExecutor::<()>::from_state(&state, dag(), MemoryStore::new());
        let Err(why) = super::paused_runtime().block_on(found) else {
            panic!("the store is empty")
        };
        why.to_string()
    })
}

fn dag() -> Dag<()> {
    let mut dag = DagBuilder::new("Fuzzed").expect("a name");
    dag.append(Node::constant("one", 1u64).expect("a node")).expect("it is the first");
    dag.build().expect("a DAG")
}

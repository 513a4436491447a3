//! Requests and answers as another process may leave them in a store.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::operator::{Answer, Command, Decision, Fault, Request};
use saga_core::store::{MemoryStore, Store};
use saga_core::{BoxError, Coordinator};

pub(super) fn run(input: &[u8]) -> String {
    if let Ok(answer) = serde_json::from_slice::<Answer>(input) {
        let written = serde_json::to_vec(&answer).expect("an answer is JSON");
        assert_eq!(serde_json::from_slice::<Answer>(&written).expect("its own JSON"), answer);
        return format!("{answer:?}");
    }
    super::outcome(serde_json::from_slice::<Request>(input), |request| {
        let written = serde_json::to_vec(&request).expect("a request is JSON");
        assert_eq!(serde_json::from_slice::<Request>(&written).expect("its own JSON"), request);
        super::paused_runtime().block_on(carry_out(request)).expect("a saga that takes requests")
    })
}

/// Leaves the request for a saga that is running, paused or ended.
async fn carry_out(mut request: Request) -> Result<String, BoxError> {
    let store = MemoryStore::new();
    let actions = super::registry();
    let mut dag = DagBuilder::new("Asked")?;
    dag.append(Node::shared_action("a", actions.get("list")?)?)?;
    dag.append(Node::shared_action("b", actions.get("flaky")?)?)?;
    let failures = Arc::new(AtomicU32::new(0));
    let builder = Coordinator::builder(failures).store(store.clone()).actions(actions);
    let sec = builder.build().await?;
    let handle = sec.saga_dag(SagaDag::new(dag.build()?, &())?).id("a").start().await?;
    if request.at.0.is_multiple_of(2) {
        // Fails if the saga has already ended.
        drop(sec.operator("bob").pause("a").await);
    } else {
        handle.await?;
    }
    request.saga = "a".parse()?;
    let (id, name) = (request.id, request.command.name());
    store.request(request.clone()).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let answer = store.answer_to(id).await?.ok_or("nobody answered")?;
    // Two more faults and a decision, whatever state the saga is in now.
    if let Command::Decide { .. } = request.command {
        drop(sec.operator("eve").decide("a", "a", Decision::Failed, "").await);
    }
    drop(sec.operator("eve").inject("a", "b", Fault::Error).await);
    sec.shutdown(Duration::ZERO).await?;
    Ok(format!("{name}: {answer:?}"))
}

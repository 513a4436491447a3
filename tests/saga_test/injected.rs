//! Faults that are there before the first node starts, and contexts for unit tests.

use saga_core::StartError;
use saga_core::operator::Fault;
use saga_core::prelude::*;
use saga_core::testing::TestCall;

#[saga_action(undo = close())]
async fn open(cx: &ActionContext<()>) -> Result<u32, String> {
    let _ = cx;
    Ok(1)
}
async fn close(cx: &ActionContext<()>) -> Result<(), String> {
    let _ = cx;
    Ok(())
}

#[saga_action(no_undo)]
async fn close_early(cx: &ActionContext<()>) -> Result<bool, String> {
    Ok(cx.is_cancelled())
}

saga! {
    Inner<()>() -> u32 { open {} }
    Outer<()>() -> u32 {
        let first = open {};
        let inner = Inner {};
        let sum = { first + inner };
        sum
    }
}

async fn start_500(sec: &Coordinator<()>) {
    for n in 0..500 {
        let (node, fault) = match n % 2 {
            0 => ("first", Fault::Error),
            _ => ("inner/open", Fault::Error),
        };
        let handle = sec.saga(Outer {}).inject(node, fault).start().await.unwrap();
        let error = handle.await.unwrap_err();
        let SagaError::RolledBack(report) = error else { panic!("{error}") };
        assert_eq!(report.failed_node().unwrap().as_str(), node);
    }
}

#[tokio::test]
async fn every_saga_gets_its_fault_on_one_thread() {
    let sec = Coordinator::builder(()).saga::<Outer>().build().await.unwrap();
    start_500(&sec).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_saga_gets_its_fault_on_two_threads() {
    let sec = Coordinator::builder(()).saga::<Outer>().build().await.unwrap();
    start_500(&sec).await;
}

#[tokio::test]
async fn a_fault_of_no_node_is_refused_and_an_existing_saga_gets_none() {
    let sec = Coordinator::builder(()).saga::<Outer>().build().await.unwrap();
    for (node, why) in [
        ("frist", "it has no such node"),
        ("sum", "that node runs no action"),
        ("inner", "that node has no action of its own, name one inside it"),
    ] {
        let start = sec.saga(Outer {}).id("one").inject(node, Fault::Error).start().await;
        let error = start.map(drop).unwrap_err();
        assert!(matches!(error, StartError::Fault { .. }), "{error:?}");
        assert!(error.to_string().ends_with(why), "{error}");
    }
    assert!(sec.get::<Outer>("one").await.unwrap().is_none(), "nothing was written");
    let start = || sec.saga(Outer {}).id("one");
    assert_eq!(start().start().await.unwrap().await.unwrap(), 2);
    let again = start().inject("first", Fault::Error).start().await.unwrap();
    assert_eq!(again.await.unwrap(), 2);
}

#[tokio::test]
async fn calls_of_a_unit_test_are_of_one_node() {
    let call = TestCall::new(7);
    let (first, second, undo) = (call.action(), call.action(), call.undo());
    assert_eq!(first.idempotency_key(), second.idempotency_key());
    assert_eq!(undo.action_key(), first.idempotency_key());
    assert_ne!(undo.idempotency_key(), first.idempotency_key());
    assert!(first.token() < second.token() && second.token() < undo.token());
    assert_eq!((*first.user_context().clone(), first.attempt(), second.attempt()), (7, 1, 2));
    assert_ne!(TestCall::new(7).action().idempotency_key(), first.idempotency_key());
    assert_eq!(open(&ActionContext::for_test(())).await, Ok(1));
    let call = TestCall::new(());
    assert_eq!(close_early(&call.action()).await, Ok(false));
    call.cancel();
    assert_eq!(close_early(&call.action()).await, Ok(true));
    assert!(!call.undo().is_cancelled(), "an undo is never cancelled");
}

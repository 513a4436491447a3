//! `#[pivot]` and the other attributes of nodes in `saga!`, and the provided actions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use saga_core::Saga;
use saga_core::dag::Dag;
use saga_core::log::Uuid;
use saga_core::prelude::*;

type Any = Box<dyn std::error::Error + Send + Sync>;
type World = Arc<AtomicU32>;

#[saga_action(no_undo)]
async fn reserve(cx: &ActionContext<World>) -> Result<u32, String> {
    Ok(cx.load(Ordering::SeqCst))
}

/// Succeeds the third time.
#[saga_action(no_undo)]
async fn flaky(cx: &ActionContext<World>) -> Result<u32, String> {
    match cx.fetch_add(1, Ordering::SeqCst) {
        n @ 2.. => Ok(n),
        n => Err(format!("attempt {n}")),
    }
}

#[saga_action(no_undo, retry(forever))]
async fn ship(of: &str) -> Result<String, String> {
    Ok(format!("{of} shipped"))
}

/// Its first undo takes longer than its node allows.
#[saga_action(undo = release(), undo_retry(max = 1))]
async fn hold(cx: &ActionContext<World>) -> Result<(), String> {
    let _ = cx;
    Ok(())
}

async fn release(cx: &ActionContext<World>) -> Result<(), String> {
    if cx.fetch_add(1, Ordering::SeqCst) == 0 {
        std::future::pending::<()>().await;
    }
    Ok(())
}

saga! {
    Undone<World>() {
        #[undo_timeout = "10ms"]
        #[undo_retry(max = 3, base = "1ms")]
        hold {};
        fail_if { condition: true, message: "as planned" };
    }

    HasNoUndo<World>() {
        #[undo_timeout = "10ms"]
        reserve {};
    }

    #[name = "order"]
    Order<World>(fast: bool, parts: Vec<String>) -> String {
        reserve {};
        #[pivot]
        #[label = "the point of no return"]
        #[retry(max = 1)]
        #[timeout = "10s"]
        let paid = now {};
        let id = new_uuid {};
        #[retry(forever, base = "1ms")]
        let attempts = flaky {};
        let count = { parts.len() };
        parallel {
            let parcels = for part in parts { ship { of: part } };
            let express: Option<String> = if *fast { ship { of: "express" } };
            let typed: String = ship { of: &format!("{id}") };
            Forward { of: "inner".to_string() };
        }
        ship { of: &format!("{} {count} {} {Forward} {attempts} {}", parcels.join(","), express.is_some(), *paid > 0 && typed.len() > 36) }
    }

    #[retry(forever)]
    Forward<World>(of: String) -> String {
        let first = ship { of };
        Forward2 { of: first.clone() }
    }

    #[retry(forever)]
    Forward2<World>(of: String) -> String {
        #[retry(forever)]
        reserve {};
        ship { of }
    }

    LastIsThePivot<World>() -> u32 {
        reserve {};
        #[pivot]
        flaky {}
    }

    Ids<()>() -> (Uuid, Uuid) {
        parallel {
            let one = new_uuid {};
            let two = new_uuid {};
        }
        { (*one, *two) }
    }
}

#[tokio::test]
async fn after_the_pivot_a_saga_only_goes_forward() -> Result<(), Any> {
    let dag = Dag::of::<Order>()?;
    assert_eq!(dag.pivot(), dag.node_index("paid"));
    assert_eq!(Order::NAME, "order");
    let json = dag.to_json().to_string();
    assert!(json.contains("the point of no return"), "{json}");
    let world = World::default();
    let sec = Coordinator::builder(world.clone()).saga::<Order>().build().await?;
    let parts = vec!["a".to_string(), "b".to_string()];
    let shipped = sec.run(Order { fast: true, parts }).await?;
    let expected = "a shipped,b shipped 2 true inner shipped shipped 2 true shipped";
    assert_eq!(shipped, expected);
    assert_eq!(world.load(Ordering::SeqCst), 3, "it was tried again");
    Ok(())
}

#[tokio::test]
async fn the_last_line_may_be_the_pivot() -> Result<(), Any> {
    let dag = Dag::of::<LastIsThePivot>()?;
    assert_eq!(dag.pivot(), dag.node_index("flaky"));
    let sec = Coordinator::builder(World::default()).saga::<LastIsThePivot>().build().await?;
    let error = sec.run(LastIsThePivot {}).await.err().ok_or("it completed")?;
    assert!(error.to_string().contains("attempt 0"), "{error}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_node_says_how_long_its_undo_may_take_and_how_often_it_is_tried() -> Result<(), Any> {
    let world = World::default();
    let sec = Coordinator::builder(world.clone()).saga::<Undone>().build().await?;
    let error = sec.run(Undone {}).await.err().ok_or("it completed")?;
    assert!(error.to_string().contains("as planned"), "{error}");
    assert_eq!(world.load(Ordering::SeqCst), 2, "the first undo was cut off");
    let nodes = &Dag::of::<Undone>()?.to_json()["nodes"];
    assert_eq!(nodes[0]["undo_timeout"]["nanos"], 10_000_000);
    Ok(())
}

#[test]
fn an_undo_timeout_without_an_undo_is_refused() {
    let error = Dag::of::<HasNoUndo>().err().map(|error| error.to_string());
    let expected = "node 'reserve' cannot have a `undo_timeout`: it runs no action with an undo";
    assert_eq!(error.as_deref(), Some(expected));
}

#[tokio::test]
async fn each_new_uuid_is_different() -> Result<(), Any> {
    let sec = Coordinator::builder(()).saga::<Ids>().build().await?;
    let (one, two) = sec.run(Ids {}).await?;
    let (third, _) = sec.run(Ids {}).await?;
    assert!(one != two && one != third && two != third);
    Ok(())
}

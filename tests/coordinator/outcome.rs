//! The outcome of each node by its typed key: after the end, while the saga runs, and from another
//! process.

use std::time::Duration;

use saga_core::prelude::*;
use saga_core::store::SqliteStore;
use saga_core::{ActionState, NodeKey, SagaStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;

type Any = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Room {
    no: u32,
}

#[derive(Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[error("{0} is sold out")]
struct SoldOut(String);

#[saga_action(undo = give_back(output))]
#[allow(clippy::needless_lifetimes)] // a lifetime with a name
async fn book<'c>(city: &'c str, night: u32) -> Result<Room, SoldOut> {
    match city {
        "Atlantis" => Err(SoldOut(format!("{city}, night {night}"))),
        _ => Ok(Room { no: 100 + night }),
    }
}

async fn give_back(_: &Room) -> Result<(), String> {
    Ok(())
}

#[saga_action(no_undo, timeout = "1h")]
async fn wait(cx: &ActionContext<()>) -> Result<(), std::io::Error> {
    cx.cancelled().await;
    Ok(())
}

saga! {
    Night<()>(city: String, night: u32) -> Room {
        /// Which one.
        let room = book { city, night: *night };
        { Room { no: room.no + 1000 } }
    }
}

saga! {
    #[allow(unused_variables)]
    Stay<()>(city: String, nights: Vec<u32>, breakfast: bool) -> String {
        const STARS: u32 = 3;
        let count: usize = { nights.len() };
        let first = Night { city: city.clone(), night: *STARS };
        let rooms = for night in nights { book { city, night: *night } };
        let pairs: Vec<Vec<u32>> = for night in nights {
            let one = book { city, night: *night };
            let two = book { city, night: *night };
            { vec![one.no, two.no] }
        };
        let tours: Vec<Room> = for night in nights {
            let before = book { city, night: *night };
            Night { city: city.clone(), night: before.no }
        };
        let extra = if *breakfast { book { city: "Kitchen", night: 1 } };
        let kind = match count {
            0 => book { city: "none", night: 0 },
            _ => Night { city: "many".into(), night: 9 },
        };
        { format!("{STARS} stars, {count} nights") }
    }
}

saga! {
    Waits<()>() {
        let _type = book { city: "Rome", night: 1 };
        wait {};
    }
}

async fn sec(path: &std::path::Path) -> Result<Coordinator<()>, Any> {
    let builder = Coordinator::builder(()).store(SqliteStore::open(path)?);
    Ok(builder.saga::<Stay>().saga::<Night>().saga::<Waits>().build().await?)
}

fn stay(city: &str) -> Stay {
    Stay { city: city.into(), nights: vec![1, 2], breakfast: false }
}

#[test]
fn the_types_of_keys_are_those_of_their_nodes() {
    let _: NodeKey<Stay, u32, ActionError> = Stay::STARS;
    let _: NodeKey<Stay, usize, ActionError> = Stay::count;
    let _: NodeKey<Stay, Room, ActionError> = Stay::first;
    let _: NodeKey<Night, Room, SoldOut> = Night::room;
    let _: NodeKey<Night, Room, ActionError> = Night::output;
    let _: NodeKey<Stay, Room, SoldOut> = Stay::first.node(Night::room);
    let _: NodeKey<Stay, Vec<Room>, SoldOut> = Stay::rooms;
    let _: NodeKey<Stay, Room, SoldOut> = Stay::rooms.at(0);
    let _: NodeKey<Stay, Option<Room>, ActionError> = Stay::extra;
    let _: NodeKey<Stay, Room, ActionError> = Stay::kind;
    let _: NodeKey<Stay, String, ActionError> = Stay::output;
    let _: NodeKey<Waits, Room, SoldOut> = Waits::_type;
    let _: NodeKey<Waits, (), std::io::Error> = Waits::wait;
    assert_eq!(Stay::rooms.at(1).path(), "rooms[1]");
    assert_eq!(Stay::first.node(Night::room).path(), "first/room");
}

#[tokio::test]
async fn outputs_of_all_nodes_are_there_after_the_end() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("sagas.db");
    let first = sec(&path).await?;
    first.saga(stay("Rome")).id("x").start().await?.await?;
    first.shutdown(Duration::ZERO).await?;
    drop(first);

    // in another process too
    let sec = sec(&path).await?;
    let handle = sec.get::<Stay>("x").await?.ok_or("not there")?;
    assert_eq!(handle.status_of(Stay::rooms.at(1)).await?, ActionState::Completed);
    let outcome = handle.outcome().await?;
    assert_eq!((outcome.id().as_str(), outcome.status()), ("x", SagaStatus::Completed));
    assert_eq!(outcome.get(Stay::STARS), Some(&3));
    assert_eq!(outcome.get(Stay::count), Some(&2));
    assert_eq!(outcome.get(Stay::first), Some(&Room { no: 1103 }));
    assert_eq!(outcome.get(Stay::first.node(Night::room)), Some(&Room { no: 103 }));
    assert_eq!(outcome.get(Stay::rooms), Some(&vec![Room { no: 101 }, Room { no: 102 }]));
    assert_eq!(outcome.get(Stay::rooms.at(1)), Some(&Room { no: 102 }));
    assert_eq!(outcome.get(Stay::rooms.at(2)), None);
    assert_eq!(outcome.get(Stay::pairs.at(1)), Some(&vec![102, 102]), "of several statements");
    assert_eq!(outcome.get(Stay::pairs.at(2)), None);
    let end = outcome.node(Stay::pairs.at(1)).ok_or("no such node")?;
    assert_eq!((end.node.as_str(), end.state), ("pairs[1]/output", ActionState::Completed));
    assert_eq!(outcome.get(Stay::tours.at(0)), Some(&Room { no: 1201 }));
    assert_eq!(outcome.get(Stay::tours.at(0).node(Night::room)), Some(&Room { no: 201 }));
    let inner = Stay::kind.node(Night::room);
    assert_eq!(outcome.get(inner.clone()), Some(&Room { no: 109 }), "of the arm that was chosen");
    let none = Stay { nights: Vec::new(), ..stay("Rome") };
    let other = sec.saga(none).start().await?.outcome().await?;
    assert_eq!((other.get(inner), other.get(Stay::kind)), (None, Some(&Room { no: 100 })));
    assert_eq!(outcome.output("pairs[1]/two"), Some(&Room { no: 102 }));
    for path in ["pairs/two", "first[0]", "kind[0]", "tours[0]/Night[0]", "tours[0]/nothing"] {
        assert_eq!(outcome.output::<Room>(path), None, "there is no {path}");
    }
    assert_eq!(outcome.output::<u32>("pairs[1]/two"), None, "it is of another type");
    assert_eq!(outcome.get(Stay::extra), Some(&None));
    assert_eq!(outcome.get(Stay::kind), Some(&Room { no: 1109 }));
    assert_eq!(outcome.output("kind#1/room"), Some(&Room { no: 109 }));
    assert!(outcome.error_of(Stay::rooms.at(1)).is_none());
    assert_eq!(outcome.into_result()?, "3 stars, 2 nights");

    let any = sec.get::<Value>("x").await?.ok_or("not there")?.outcome().await?;
    assert_eq!(any.output("first/room"), Some(&Room { no: 103 }), "its definition is known");
    Ok(())
}

#[tokio::test]
async fn errors_come_back_as_themselves_and_undone_outputs_stay_readable() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let sec = sec(&directory.path().join("sagas.db")).await?;
    let outcome = sec.saga(stay("Atlantis")).start().await?.outcome().await?;
    assert_eq!(outcome.status(), SagaStatus::RolledBack);
    let sold_out = SoldOut("Atlantis, night 3".to_string());
    assert_eq!(outcome.error_of(Stay::first.node(Night::room)).transpose()?, Some(sold_out));
    assert_eq!(outcome.get(Stay::count), Some(&2));
    assert_eq!(outcome.get(Stay::rooms), None);
    let nodes = outcome.nodes().into_iter().map(|node| (node.node.to_string(), node.state));
    assert!(nodes.into_iter().any(|node| node == ("rooms".to_string(), ActionState::Pending)));
    let error = outcome.into_result().unwrap_err();
    assert_eq!(error.failed_node().map(|node| node.as_str()), Some("first/room"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_state_of_a_node_can_be_read_while_the_saga_runs() -> Result<(), Any> {
    let sec = Coordinator::builder(()).saga::<Waits>().build().await?;
    let handle = sec.saga(Waits {}).id("x").start().await?;
    while handle.status_of(Waits::wait).await? == ActionState::Pending {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(handle.status_of(Waits::wait).await?, ActionState::Running);
    assert_eq!(handle.status_of(Waits::_type).await?, ActionState::Completed);
    sec.operator("bob").cancel("x", "enough").await?;
    let (kept, gone) = (handle.clone(), handle.clone());
    let outcome = handle.outcome().await?;
    assert_eq!(outcome.status(), SagaStatus::RolledBack);
    let room = outcome.node(Waits::_type).ok_or("no such node")?;
    assert_eq!(
        (room.state, outcome.get(Waits::_type)),
        (ActionState::Undone, Some(&Room { no: 101 }))
    );

    // a handle keeps nothing open
    sec.shutdown(Duration::ZERO).await?;
    drop(sec);
    let error = kept.status_of(Waits::wait).await.unwrap_err();
    assert!(error.to_string().contains("its coordinator is gone"), "{error}");
    assert!(gone.outcome().await.is_err());
    Ok(())
}

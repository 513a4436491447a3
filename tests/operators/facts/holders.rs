//! How nodes that hold others are shown once their saga has ended.

use saga_core::prelude::*;

#[saga_action(undo = cancel(output))]
async fn book(city: &str) -> Result<String, String> {
    if city == "Atlantis" { Err("it has sunk".into()) } else { Ok(city.to_string()) }
}

async fn cancel(_room: &str) -> Result<(), String> {
    Ok(())
}

saga! { Stay<()>(city: String) -> String { book { city } } }

saga! {
    Tour<()>(first: String, cities: Vec<String>) -> String {
        let stay = Stay { city: first.clone() };
        let rooms = for city in cities { book { city } };
        let last = if rooms.len() > 1 { book { city: &rooms[1] } } else { book { city: "Atlantis" } };
        { format!("{stay}, {}, {last}", rooms.len()) }
    }
}

async fn shown(first: &str, cities: &[&str]) -> String {
    let sec = Coordinator::builder(()).saga::<Tour>().build().await.unwrap();
    let cities = cities.iter().map(ToString::to_string).collect();
    let tour = sec.saga(Tour { first: first.into(), cities }).id("tour").start().await.unwrap();
    let _ = tour.await;
    sec.inspect("tour").await.unwrap().unwrap().to_string()
}

#[tokio::test]
async fn nothing_runs_in_a_saga_that_was_rolled_back() {
    assert_eq!(
        shown("Rome", &["Oslo"]).await,
        "\
tour Tour: rolled_back: node `last#1`: action failed: it has sunk
  stay undone
    stay/book undone
  rooms undone
  rooms[0] undone
  last failed
  last#1 failed: action failed: it has sunk
  output pending
"
    );
    let shown = shown("Rome", &["Oslo", "Atlantis"]).await;
    assert!(shown.contains("\n  stay undone\n"), "{shown}");
    assert!(shown.contains("\n  rooms failed\n"), "{shown}");
    assert!(!shown.contains("running"), "{shown}");
}

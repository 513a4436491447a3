//! Statements without a name: `for`, `if`, `match` and `let _ =`.

use saga_core::dag::{Dag, DagError};
use saga_core::prelude::*;

use super::{Any, run};
use crate::common::lab::{World, make};

#[saga_action(no_undo)]
async fn say(text: &str) -> Result<String, String> {
    Ok(text.to_string())
}

saga! {
    /// Each for its effect, at each place where a statement can stand.
    ForEffect<World>(guests: Vec<String>, vip: bool) -> String {
        for guest in guests { make { what: guest } }
        #[label = "the lounge"]
        if *vip { make { what: "lounge" }; }
        if *vip { say { text: "vip" } } else { say { text: "guest" } };
        match guests.len() {
            0 => say { text: "nobody" },
            _ => {
                for guest in guests {
                    if guest.len() > 3 { make { what: &format!("{guest}!") }; }
                    say { text: guest }
                }
                let _: bool = { *vip };
                say { text: "somebody" }
            }
        }
        let _ = { guests.len() };
        let _ = for _guest in guests { say { text: "bye" } };
        parallel {
            if *vip { say { text: "side" } }
            {
                match vip { _ => say { text: "by side" } }
                let last = say { text: "last" };
            }
        }
        let _ = say { text: last };
        say { text: last };
        let _ = say { text: "twice" };
        { format!("{} {say}", guests.len()) }
    }

    /// A last line for its effect.
    Loop<World>(guests: Vec<String>) {
        for guest in guests { make { what: guest } }
    }
    Maybe<World>(guests: Vec<String>) {
        if let Some(guest) = guests.first() { make { what: guest } }
    }
}

fn names(dag: &Dag<World>) -> Vec<String> {
    let json = dag.to_json();
    let nodes = json["nodes"].as_array().into_iter().flatten();
    nodes.filter_map(|node| node["name"].as_str()).map(String::from).collect()
}

#[tokio::test]
async fn unnamed_statements_run_for_their_effect() -> Result<(), Any> {
    let guests = ["Ada", "Dijkstra"].map(String::from).to_vec();
    let (world, result) = run(ForEffect { guests: guests.clone(), vip: true }, None).await?;
    assert_eq!(result?, "2 last");
    let effects = world.effects().into_iter().collect::<Vec<_>>();
    assert_eq!(effects, ["for_1[0]", "for_1[1]", "if_1#0", "match_1#1/for_2[1]/if_3#0"]);
    // and are undone like everything else
    let (world, result) =
        run(ForEffect { guests: guests.clone(), vip: true }, Some("if_1#0")).await?;
    assert!(result.is_err() && world.effects().is_empty());

    for fails in [None, Some("for_1[1]")] {
        let (world, result) = run(Loop { guests: guests.clone() }, fails).await?;
        assert_eq!(
            (result.is_ok(), world.effects().len()),
            (fails.is_none(), if fails.is_none() { 2 } else { 0 })
        );
    }
    let (world, result) = run(Maybe { guests }, None).await?;
    result?;
    assert_eq!(world.effects().into_iter().collect::<Vec<_>>(), ["if_1#0"]);
    Ok(())
}

#[tokio::test]
async fn unnamed_statements_have_keys() -> Result<(), Any> {
    let sec = Coordinator::builder(World::default()).saga::<ForEffect>().build().await?;
    let saga = ForEffect { guests: vec!["Ada".to_string()], vip: false };
    let outcome = sec.saga(saga).start().await?.outcome().await?;
    assert_eq!(outcome.get(ForEffect::for_1).map(Vec::len), Some(1));
    assert_eq!(outcome.get(ForEffect::if_1), Some(&None));
    assert_eq!(outcome.get(ForEffect::if_2).map(String::as_str), Some("guest"));
    assert_eq!(outcome.get(ForEffect::match_1).map(String::as_str), Some("somebody"));
    assert_eq!(outcome.output::<usize>("value_2"), Some(&1));
    Ok(())
}

#[test]
fn unnamed_statements_are_numbered_in_source_order() -> Result<(), DagError> {
    let expected = [
        "for_1", "if_1", "if_2", "match_1", "value_2", "for_3", "if_4", "match_2", "last", "say_1",
        "say", "say_2", "output",
    ];
    assert_eq!(names(&Dag::of::<ForEffect>()?), expected);
    assert_eq!(names(&Dag::of::<Loop>()?), ["for_1"]);
    assert_eq!(names(&Dag::of::<Maybe>()?), ["if_1"]);
    Ok(())
}

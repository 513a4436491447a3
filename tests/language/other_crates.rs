//! Sagas and actions of other crates: one under strict lints, and one in which `saga-core` has another
//! name. These tests run them; that they compile without warnings is checked by the lints of the
//! workspace.

use pedantic::Desk;
use pedantic::actions::DeskError;
use pedantic::sagas::{Dinner, Pay};
use renamed::Renamed;
use saga_core::prelude::*;

type Any = Box<dyn std::error::Error + Send + Sync>;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

#[tokio::test]
async fn a_crate_under_all_lints_books_dinners() -> Result<(), Any> {
    let desk = Desk::default();
    let builder = Coordinator::builder(desk.clone());
    let sec = builder.saga::<Dinner>().saga::<Pay>().build().await?;
    let guests = texts(&["", "Ann", "Robert", "Klara"]);
    let dinner = Dinner { guests, late: Some(2), r#type: "x".to_string() };
    assert_eq!(sec.run(dinner.clone()).await?, "0::0:Some(2)");
    let done = desk.done();
    assert_eq!(done[..2], ["book 1 for inn [\"by the window\"]", "lock"]);
    assert!(done.contains(&"book 3 for Ann []".to_string()), "{done:?}");

    let many = Dinner { guests: vec![String::new(); 101], ..dinner };
    let error = sec.run(many).await.unwrap_err();
    assert_eq!(error.failed_node().map(ToString::to_string).as_deref(), Some("fail_if"));

    let error = sec.run(Pay { name: String::new() }).await.unwrap_err();
    let error = error.action_error().cloned().ok_or("no error")?.convert::<DeskError>()?;
    assert!(matches!(error, DeskError::Closed), "{error}");
    sec.run(Pay { name: "Ann".to_string() }).await?;
    Ok(())
}

#[tokio::test]
async fn saga_core_may_have_another_name() -> Result<(), Any> {
    let sec = Coordinator::builder(renamed::Desk).saga::<Renamed>().build().await?;
    let saga = Renamed { texts: texts(&["a", "b"]), length: Some(1) };
    let output = sec.run(saga).await?;
    assert_eq!(output, "renamed: a,renamed: b renamed: made here: first false");
    Ok(())
}

/// Has the name of an action in another crate.
#[saga_action(no_undo)]
async fn note(text: &str) -> Result<String, String> {
    Ok(format!("here: {text}"))
}

/// The same, but the other has a durable name of its own.
#[saga_action(no_undo)]
async fn make(text: &str) -> Result<String, String> {
    Ok(format!("made there: {text}"))
}

saga! {
    Two<renamed::Desk>(text: String) -> String {
        let there = renamed::make { text };
        make { text: there }
    }

    Clash<renamed::Desk>(text: String) -> String {
        let there = renamed::note { text };
        note { text: there }
    }

    Here<renamed::Desk>(text: String) -> String {
        note { text }
    }
}

#[tokio::test]
async fn actions_of_two_crates_are_told_apart_by_their_durable_names() -> Result<(), Any> {
    let sec = Coordinator::builder(renamed::Desk).saga::<Two>().build().await?;
    let output = sec.run(Two { text: "x".to_string() }).await?;
    assert_eq!(output, "made there: made here: x");
    Ok(())
}

#[tokio::test]
async fn actions_of_one_name_are_an_error_that_names_both_places() -> Result<(), Any> {
    let one = Coordinator::builder(renamed::Desk).saga::<Clash>().build().await;
    let two = Coordinator::builder(renamed::Desk).saga::<Renamed>().saga::<Here>().build().await;
    for build in [one, two] {
        let error = build.err().ok_or("no error")?.to_string();
        assert!(error.starts_with("two actions are named `note`: "), "{error}");
        for place in ["tests/crates/renamed/src/lib.rs:10", "tests/language/other_crates.rs:50"] {
            assert!(error.contains(place), "{error}");
        }
    }
    Ok(())
}

//! What happens to unfinished and ended sagas when the next program declares them differently.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use saga_core::dag::{Dag, DagError};
use saga_core::prelude::*;
use saga_core::store::SqliteStore;
use saga_core::{Saga, SagaError, StartError};

type Any = Box<dyn Error>;

/// The actions of one version of a program, and its saga `Trip`.
macro_rules! version {
    ($name:ident, #[$($action:tt)*], $($saga:tt)*) => {
        mod $name {
            use saga_core::prelude::*;

            /// Waits for ever where the city is far.
            #[$($action)*]
            pub(crate) async fn book(city: &str) -> Result<String, String> {
                match city {
                    "Far" => std::future::pending().await,
                    city => Ok(format!("a room in {city}")),
                }
            }

            #[allow(dead_code)]
            async fn cancel(_city: &str) -> Result<(), String> {
                Ok(())
            }

            #[allow(dead_code)]
            #[saga_action(no_undo)]
            pub(crate) async fn note(text: &str) -> Result<String, String> {
                Ok(text.to_string())
            }

            saga! { $($saga)* }
        }
    };
}

version!(first, #[saga_action(undo = cancel(city))],
pub(crate) Trip<()>(city: String, guest: String) -> String {
    let room = book { city };
    let _note = note { text: &format!("{guest}: {room}") };
    room
});
version!(retried, #[saga_action(undo = cancel(city), retry(max = 3), timeout = "10ms", label = "Book")],
pub(crate) Trip<()>(city: String, guest: String) -> String {
    let room = book { city };
    let _note = note { text: &format!("{guest} has {room}") };
    room
});
version!(grown, #[saga_action(undo = cancel(city), timeout = "10ms")],
pub(crate) Trip<()>(city: String, guest: String, #[serde(default)] _nights: Option<u32>) -> String {
    let room = book { city };
    let _note = note { text: &format!("{guest}: {room}") };
    room
});
version!(renamed_node, #[saga_action(undo = cancel(city))],
pub(crate) Trip<()>(city: String, guest: String) -> String {
    let bed = book { city };
    let _note = note { text: &format!("{guest}: {bed}") };
    bed
});
version!(renamed_action, #[saga_action(undo = cancel(city), name = "reserve")],
pub(crate) Trip<()>(city: String, guest: String) -> String {
    let room = book { city };
    let _note = note { text: &format!("{guest}: {room}") };
    room
});
version!(revised, #[saga_action(undo = cancel(city), rev = 1)],
pub(crate) Trip<()>(city: String, guest: String) -> String {
    let room = book { city };
    let _note = note { text: &format!("{guest}: {room}") };
    room
});
version!(not_undone, #[saga_action(no_undo)],
pub(crate) Trip<()>(city: String, guest: String) -> String {
    let room = book { city };
    let _note = note { text: &format!("{guest}: {room}") };
    room
});
version!(bound_otherwise, #[saga_action(undo = cancel(city))],
pub(crate) Trip<()>(city: String, guest: String) -> String {
    let room = book { city };
    let _note = note { text: &format!("{city}{guest}: {room}") };
    room
});
version!(computed, #[saga_action(undo = cancel(city))],
pub(crate) Trip<()>(city: String, guest: String) -> String {
    let room = book { city };
    let _note = { format!("{guest}: {room}") };
    room
});
version!(side_by_side, #[saga_action(undo = cancel(city))],
pub(crate) Trip<()>(city: String, guest: String) -> String {
    parallel {
        let room = book { city };
        let _note = note { text: guest };
    }
    room
});
// two that differ in a constant alone, of the saga itself and of a body
version!(old_fee, #[saga_action(no_undo)],
pub(crate) Trip<()>(city: String, guest: String) -> String {
    const FEE: u64 = 7;
    let room = book { city };
    const FEE_AGAIN: u64 = 7;
    { format!("{guest}: {room} for {FEE} {FEE_AGAIN}") }
});
version!(new_fee, #[saga_action(no_undo)],
pub(crate) Trip<()>(city: String, guest: String) -> String {
    const FEE: u64 = 8;
    let room = book { city };
    const FEE_AGAIN: u64 = 8;
    { format!("{guest}: {room} for {FEE} {FEE_AGAIN}") }
});
version!(old_name_inside, #[saga_action(no_undo)],
pub(crate) Trip<()>(city: String, guest: String) -> String {
    let rooms = for _night in [1, 2] {
        const HOUSE: String = "the old house".to_string();
        book { city: &format!("{city}, {HOUSE}") }
    };
    { rooms.concat() + guest }
});
version!(new_name_inside, #[saga_action(no_undo)],
pub(crate) Trip<()>(city: String, guest: String) -> String {
    let rooms = for _night in [1, 2] {
        const HOUSE: String = "the new house".to_string();
        book { city: &format!("{city}, {HOUSE}") }
    };
    { rooms.concat() + guest }
});
// beside the first one, whose sagas end under the name that they have
version!(second, #[saga_action(undo = cancel(city), rev = 1)],
pub(crate) Trip2<()>(city: String) -> String {
    book { city }
});

fn fingerprint<S: Saga>() -> Result<String, DagError> {
    Ok(Dag::of::<S>()?.fingerprint().to_string())
}

#[test]
fn what_counts_as_another_version() -> Result<(), DagError> {
    let first = fingerprint::<first::Trip>()?;
    // retries, timeouts, labels, expressions; a parameter that nothing reads
    assert_eq!(fingerprint::<retried::Trip>()?, first);
    assert_eq!(fingerprint::<grown::Trip>()?, first);
    let others = [
        fingerprint::<renamed_node::Trip>()?,
        fingerprint::<renamed_action::Trip>()?,
        fingerprint::<revised::Trip>()?,
        fingerprint::<not_undone::Trip>()?,
        fingerprint::<bound_otherwise::Trip>()?,
        fingerprint::<computed::Trip>()?,
        fingerprint::<side_by_side::Trip>()?,
        fingerprint::<old_fee::Trip>()?,
        fingerprint::<new_fee::Trip>()?,
        fingerprint::<old_name_inside::Trip>()?,
        fingerprint::<new_name_inside::Trip>()?,
        fingerprint::<second::Trip2>()?,
    ];
    for (i, other) in others.iter().enumerate() {
        assert_ne!(*other, first, "number {i}");
        assert!(!others[..i].contains(other), "number {i}");
    }
    Ok(())
}

async fn program<S: Saga<Context = ()>>(path: &Path) -> Result<Coordinator<()>, Any> {
    let builder = Coordinator::builder(()).store(SqliteStore::open(path)?).saga::<S>();
    Ok(builder.build().await?)
}

/// One saga that ended and one that did not, of the first version.
async fn left_behind(path: &Path) -> Result<(), Any> {
    let sec = program::<first::Trip>(path).await?;
    let trip = |city: &str| first::Trip { city: city.into(), guest: "Ada".into() };
    assert_eq!(sec.saga(trip("Rome")).id("near").start().await?.await?, "a room in Rome");
    sec.saga(trip("Far")).id("far").start().await?;
    let left = sec.shutdown(Duration::ZERO).await?;
    assert_eq!(left.interrupted.len(), 1);
    Ok(())
}

/// What awaiting the saga that is there gives.
async fn outcome(
    sec: &Coordinator<()>,
    id: &str,
) -> Result<Result<serde_json::Value, SagaError>, Any> {
    Ok(sec.get::<serde_json::Value>(id).await?.ok_or(format!("{id} is gone"))?.await)
}

#[tokio::test]
async fn an_unfinished_saga_waits_for_a_program_that_knows_it() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("sagas.db");
    left_behind(&path).await?;

    let sec = program::<renamed_node::Trip>(&path).await?;
    let unknown = sec.unknown_versions();
    assert_eq!(unknown.len(), 1);
    assert_eq!((unknown[0].name.as_str(), unknown[0].unfinished), ("Trip", 1));
    let found = sec.get::<serde_json::Value>("far").await;
    assert!(matches!(found, Err(StartError::UnknownVersion { .. })), "{found:?}");
    sec.shutdown(Duration::ZERO).await?;
    drop(sec);

    // of the same version, with a timeout, and with a parameter that was not written then
    let sec = program::<grown::Trip>(&path).await?;
    assert!(sec.unknown_versions().is_empty());
    assert!(matches!(outcome(&sec, "far").await?, Err(SagaError::RolledBack(_))));
    Ok(())
}

#[tokio::test]
async fn the_output_of_an_ended_saga_is_readable_by_any_program() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("sagas.db");
    left_behind(&path).await?;

    let sec = program::<renamed_node::Trip>(&path).await?;
    // what it returned is in the log, and needs no definition to be read
    assert_eq!(outcome(&sec, "near").await??, "a room in Rome");
    assert_eq!(sec.inspect("near").await?.ok_or("not there")?.nodes.len(), 2);
    sec.shutdown(Duration::ZERO).await?;
    drop(sec);

    let sec = program::<retried::Trip>(&path).await?;
    assert_eq!(outcome(&sec, "near").await??, "a room in Rome");
    Ok(())
}

#[tokio::test]
async fn the_old_saga_is_finished_beside_the_new_one() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("sagas.db");
    left_behind(&path).await?;

    let store = SqliteStore::open(&path)?;
    let builder = Coordinator::builder(()).store(store).saga::<retried::Trip>();
    let sec = builder.saga::<second::Trip2>().build().await?;
    assert!(sec.unknown_versions().is_empty());
    let new = second::Trip2 { city: "Rome".into() };
    assert_eq!(sec.saga(new).id("new").start().await?.await?, "a room in Rome");
    assert!(matches!(outcome(&sec, "far").await?, Err(SagaError::RolledBack(_))));
    Ok(())
}

#[tokio::test]
async fn a_saga_ends_with_the_constants_that_it_started_with() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("sagas.db");
    let sec = program::<old_fee::Trip>(&path).await?;
    let trip = old_fee::Trip { city: "Rome".into(), guest: "Ada".into() };
    assert_eq!(sec.run(trip).await?, "Ada: a room in Rome for 7 7");
    let trip = old_fee::Trip { city: "Far".into(), guest: "Ada".into() };
    sec.saga(trip).id("far").start().await?;
    sec.shutdown(Duration::ZERO).await?;
    drop(sec);

    let sec = program::<new_fee::Trip>(&path).await?;
    assert_eq!(sec.unknown_versions().len(), 1);
    let found = sec.get::<serde_json::Value>("far").await;
    assert!(matches!(found, Err(StartError::UnknownVersion { .. })), "{found:?}");
    let trip = new_fee::Trip { city: "Rome".into(), guest: "Ada".into() };
    assert_eq!(sec.run(trip).await?, "Ada: a room in Rome for 8 8");
    sec.shutdown(Duration::ZERO).await?;
    drop(sec);

    let sec = program::<old_fee::Trip>(&path).await?;
    assert!(sec.unknown_versions().is_empty());
    Ok(())
}

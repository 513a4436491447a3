//! What a program is told about sagas whose values other code wrote: when it starts them again, and when they have ended.

use saga_core::StartError;
use saga_core::prelude::*;
use saga_core::store::MemoryStore;

/// One program in two versions, whose saga `Stay` has the same DAG.
mod old {
    use saga_core::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize, thiserror::Error)]
    #[error("no place for a car")]
    pub(crate) struct Full {
        pub(crate) cars: u32,
    }

    #[saga_action(no_undo)]
    async fn check_in() -> Result<u32, String> {
        Ok(4242)
    }
    #[saga_action(no_undo)]
    async fn leave_car() -> Result<String, Full> {
        Err(Full { cars: 4242 })
    }

    saga! {
        #[allow(unused_variables)]
        pub(crate) Stay<()>(guest: String) -> Vec<u32> {
            let nights = for _night in 0..2 { check_in {} };
            nights
        }
        pub(crate) Parking<()>() { let _car = leave_car {}; }
    }
}

mod new {
    use saga_core::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize, thiserror::Error)]
    #[error("full")]
    pub(crate) struct Full {
        pub(crate) places: u32,
    }

    #[saga_action(no_undo)]
    async fn check_in() -> Result<String, String> {
        Ok("room 7".to_string())
    }
    #[saga_action(no_undo)]
    async fn leave_car() -> Result<String, Full> {
        Ok("P1".to_string())
    }

    fn one() -> u32 {
        1
    }

    saga! {
        #[allow(unused_variables)]
        pub(crate) Stay<()>(
            #[serde(alias = "guest")] name: String,
            #[serde(default = "one")] beds: u32,
        ) -> Vec<String> {
            let nights = for _night in 0..2 { check_in {} };
            nights
        }
        pub(crate) Parking<()>() { let _car = leave_car {}; }
    }
}

async fn old_program(store: &MemoryStore) -> Coordinator<()> {
    let builder = Coordinator::builder(()).store(store.clone());
    builder.saga::<old::Stay>().saga::<old::Parking>().build().await.unwrap()
}

async fn new_program(store: &MemoryStore) -> Coordinator<()> {
    let builder = Coordinator::builder(()).store(store.clone());
    builder.saga::<new::Stay>().saga::<new::Parking>().build().await.unwrap()
}

/// Ended sagas of the old program.
async fn ended() -> MemoryStore {
    let store = MemoryStore::new();
    let sec = old_program(&store).await;
    let stay = old::Stay { guest: "Ada".into() };
    assert_eq!(sec.saga(stay).id("stay").start().await.unwrap().await.unwrap(), [4242, 4242]);
    let parking = sec.saga(old::Parking {}).id("parking").start().await.unwrap().await;
    assert!(matches!(parking, Err(SagaError::RolledBack(_))));
    sec.shutdown(std::time::Duration::ZERO).await.unwrap();
    store
}

#[tokio::test]
async fn a_repeated_start_finds_its_saga_although_the_parameters_have_grown() {
    let store = ended().await;
    let sec = new_program(&store).await;
    let start = async |name: &str, beds| {
        sec.saga(new::Stay { name: name.into(), beds }).id("stay").start().await
    };
    // what older code wrote means the same as what is asked for
    assert_eq!(start("Ada", 1).await.unwrap().status(), SagaStatus::Completed);
    for (name, beds, place) in [("Ada", 2, "beds"), ("Bob", 1, "name")] {
        let Err(StartError::IdConflict { differs, .. }) = start(name, beds).await else {
            panic!("{name}, {beds}: another saga")
        };
        assert_eq!(differs.as_deref(), Some(place));
    }

    // and the other way round: the older program ignores what it does not know
    let start = sec.saga(new::Stay { name: "Bob".into(), beds: 2 }).id("later").start();
    start.await.unwrap().await.unwrap();
    sec.shutdown(std::time::Duration::ZERO).await.unwrap();
    let sec = old_program(&store).await;
    let again = sec.saga(old::Stay { guest: "Bob".into() }).id("later").start().await;
    // here the name of the field has changed
    let Err(error @ StartError::Corrupt { .. }) = again else { panic!("{again:?}") };
    let error = error.to_string();
    assert!(
        error.ends_with("the saga's parameters: missing field `guest` at line 1 column 23"),
        "{error}"
    );
}

#[tokio::test]
async fn the_output_of_an_ended_saga_says_why_it_cannot_be_read() {
    let store = ended().await;
    let sec = new_program(&store).await;
    let handle = sec.get::<new::Stay>("stay").await.unwrap().unwrap();
    let error = handle.clone().await.unwrap_err();
    assert!(matches!(error, SagaError::Corrupt { .. }));
    assert_eq!(
        error.to_string(),
        "saga stay: its output cannot be read: the output of node `nights[0]`: invalid type: integer, expected a string at line 1 column 4; other code wrote \
         it, or it is damaged: let its type read that form too, as with `#[serde(default)]` or `#[serde(alias = \"..\")]`, or \
         run the code that wrote it, alone or as `old_saga` beside a new `#[version]`"
    );
    // whoever wants it as it was written gets it
    sec.shutdown(std::time::Duration::ZERO).await.unwrap();
    let sec = old_program(&store).await;
    let handle = sec.get::<old::Stay>("stay").await.unwrap().unwrap();
    assert_eq!(handle.await.unwrap(), [4242, 4242]);
}

#[tokio::test]
async fn an_outcome_lists_what_it_cannot_read() {
    let store = MemoryStore::new();
    let sec = old_program(&store).await;
    let stay = old::Stay { guest: "Ada".into() };
    let outcome = sec.saga(stay).id("stay").start().await.unwrap().outcome().await.unwrap();
    assert_eq!(outcome.unreadable(), Vec::<String>::new());
    sec.operator("ada").rollback("stay", "for the outcome").await.unwrap();
    let handle = sec.get::<old::Stay>("stay").await.unwrap().unwrap();
    assert!(matches!(handle.await, Err(SagaError::RolledBack(_))));
    sec.shutdown(std::time::Duration::ZERO).await.unwrap();

    let sec = new_program(&store).await;
    let outcome = sec.get::<new::Stay>("stay").await.unwrap().unwrap().outcome().await.unwrap();
    assert_eq!(outcome.get(new::Stay::nights), None);
    let why = |node: &str| {
        format!(
            "this program cannot read the output of node `{node}`: invalid type: integer, expected a string at line 1 \
             column 4"
        )
    };
    assert_eq!(outcome.unreadable(), [why("nights[0]"), why("nights[1]")]);
}

#[tokio::test]
async fn an_error_of_another_type_is_its_message() {
    let store = ended().await;
    let sec = old_program(&store).await;
    let outcome = sec.get::<old::Parking>("parking").await.unwrap().unwrap().outcome().await;
    let full = outcome.unwrap().error_of(old::Parking::_car).unwrap().unwrap();
    assert_eq!(full.cars, 4242);
    sec.shutdown(std::time::Duration::ZERO).await.unwrap();

    let sec = new_program(&store).await;
    let outcome = sec.get::<new::Parking>("parking").await.unwrap().unwrap().outcome().await;
    let error = outcome.unwrap().error_of(new::Parking::_car).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "action failed: no place for a car");
}

//! Idempotency keys across versions: an undo finds what it undoes, and a new node takes no key of an old one.

// the outputs are not needed
#![allow(unused_variables)]

use super::*;

mod first {
    use super::*;
    saga! {
        pub(crate) Rent<World>(city: String) {
            let car = book_car { to: city };
            let rooms: Vec<Hotel> = for _night in vec![1, 2] { book_hotel { to: city } };
            pass {};
            confirm { city };
        }
    }
}

/// `car` is another car than before, and `rooms` have another name.
mod second {
    use super::*;
    saga! {
        #[version = 2]
        pub(crate) Rent<World>(city: String) {
            let nights: Vec<Hotel> = for _night in vec![1, 2] { book_hotel { to: city } };
            pass {};
            let car = book_car { to: city };
            confirm { city };
        }
    }
}

/// And back to the names of the first version.
mod third {
    use super::*;
    saga! {
        #[version = 3]
        pub(crate) Rent<World>(city: String) {
            let rooms: Vec<Hotel> = for _night in vec![1, 2] { book_hotel { to: city } };
            pass {};
            let bus = book_car { to: city };
            let car = book_car { to: city };
            confirm { city };
        }
    }
}

fn to_second() -> Migration<first::Rent, second::Rent> {
    Migration::new(|old: first::Rent| second::Rent { city: old.city })
        .drop_keeping_effect(first::Rent::car)
        .node(first::Rent::rooms, second::Rent::nights)
}

async fn rented(world: &World, city: &str) -> Result<MemoryStore, Any> {
    let store = MemoryStore::new();
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    let sec = builder.saga::<first::Rent>().build().await?;
    sec.saga(first::Rent { city: city.into() }).id("rent").start().await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    sec.shutdown(Duration::from_secs(1)).await?;
    assert_eq!(world.calls().len(), 3);
    world.open();
    Ok(store)
}

#[tokio::test(start_paused = true)]
async fn a_new_node_with_the_name_of_an_old_one_has_a_key_of_its_own() -> Result<(), Any> {
    let world = World::default();
    let store = rented(&world, "Oslo").await?;
    let builder = Coordinator::builder(world.clone()).store(store).saga::<second::Rent>();
    let sec = builder.migrate(to_second()).build().await?;
    sec.get::<second::Rent>("rent").await?.ok_or("it is there")?.await?;
    // with the key of the old car, the second one would not have been booked
    assert_eq!(world.booked(), ["car in Oslo", "car in Oslo", "hotel in Oslo", "hotel in Oslo"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn undos_find_what_was_done_under_other_names_over_several_migrations() -> Result<(), Any> {
    let world = World::default();
    let store = rented(&world, "Atlantis").await?;
    let to_third = Migration::new(|old: second::Rent| third::Rent { city: old.city })
        .node(second::Rent::nights, third::Rent::rooms)
        .node(second::Rent::car, third::Rent::bus);
    let builder = Coordinator::builder(world.clone()).store(store).saga::<third::Rent>();
    let builder = builder.old_saga::<second::Rent>();
    let sec = builder.migrate(to_second()).migrate(to_third).build().await?;
    let rent = sec.get::<third::Rent>("rent").await?.ok_or("it is there")?;
    let Err(SagaError::RolledBack(report)) = rent.await else { return Err("it has sunk".into()) };
    assert_eq!(report.kept, ["car"]);
    // both new cars are gone, the old one is there, and each room was cancelled under its own key
    assert_eq!(world.booked(), ["car in Atlantis"]);
    assert_eq!(
        world.calls(),
        [
            "book car in Atlantis",
            "book car in Atlantis",
            "confirm Atlantis",
            "cancel car in Atlantis",
            "cancel car in Atlantis",
            "cancel room 301",
            "cancel room 301"
        ]
    );
    Ok(())
}

mod fewer {
    use super::*;
    saga! {
        #[version = 2]
        pub(crate) Rent<World>(city: String) {
            let car = book_car { to: city };
            let rooms: Vec<Hotel> = for _night in vec![1] { book_hotel { to: city } };
            pass {};
            let bus = book_car { to: city };
            confirm { city };
        }
    }
}

/// Otherwise it would be migrated, and parked as soon as it goes on.
#[tokio::test(start_paused = true)]
async fn a_for_that_has_begun_must_have_as_many_items_in_the_new_version() -> Result<(), Any> {
    let world = World::default();
    let store = rented(&world, "Oslo").await?;
    let migration = || Migration::new(|old: first::Rent| fewer::Rent { city: old.city });
    let builder = || Coordinator::builder(world.clone()).store(store.clone()).saga::<fewer::Rent>();
    let outlook = builder().migrate(migration()).preview_migrations().await?;
    let why = "nondeterministic: node `rooms` decided for width 2, and decides now: 1";
    assert!(outlook[0].to_string().ends_with(&format!("\n  rent: {why}")), "{}", outlook[0]);
    // it ends with the old version
    let sec = builder().migrate(migration()).build().await?;
    sec.get::<first::Rent>("rent").await?.ok_or("it is there")?.await?;
    assert_eq!(world.booked(), ["car in Oslo", "hotel in Oslo", "hotel in Oslo"]);
    Ok(())
}

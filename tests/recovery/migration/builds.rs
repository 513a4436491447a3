//! What only `build` can see about a migration.

use super::*;
use saga_core::BuildError;

/// Why the coordinator of these two versions is not built with this migration.
async fn refusal<Old, New>(migration: Migration<Old, New>) -> Vec<String>
where
    Old: saga_core::Saga<Context = World>,
    New: saga_core::Saga<Context = World>,
{
    let builder = Coordinator::builder(World::default()).saga::<New>().migrate(migration);
    match builder.build().await {
        Err(error @ BuildError::Migration { .. }) => {
            let said = error.to_string();
            let BuildError::Migration { problems, .. } = error else { unreachable!() };
            assert!(said.starts_with("the migration of `BookTrip` from version "), "{said}");
            problems
        }
        Err(error) => panic!("{error}"),
        Ok(_) => Vec::new(),
    }
}

fn params(old: v1::BookTrip) -> v2::BookTrip {
    v2::BookTrip { city: old.city, guests: 1 }
}

#[tokio::test]
async fn a_node_with_an_undo_must_not_be_forgotten() {
    assert_eq!(
        refusal(Migration::new(params)).await,
        [
            "the new version has no node `hotel`, which has an undo; say what becomes of it with `.node(..)`, \
             `.drop_unbegun(..)` or `.drop_keeping_effect(..)`"
        ]
    );
}

#[tokio::test]
async fn another_undo_must_be_accepted() {
    let migration = Migration::new(params).node(v1::BookTrip::hotel, v2::BookTrip::lodging);
    assert_eq!(
        refusal(migration).await,
        [
            "node `hotel` ran the action `book_hotel`, and `lodging` runs `book_lodging`; if the undo of the new version undoes \
             what the old one did, say so with `.undo_accepted(..)`"
        ]
    );
}

#[tokio::test]
async fn what_is_said_twice_or_about_both_is_refused() {
    let migration = Migration::new(params)
        .node(v1::BookTrip::hotel, v2::BookTrip::lodging)
        .undo_accepted(v1::BookTrip::hotel)
        .drop_unbegun(v1::BookTrip::hotel);
    assert_eq!(
        refusal(migration).await,
        ["node `hotel` is mapped or dropped twice; say once what becomes of it"]
    );
    let migration = Migration::new(params)
        .node_with(v1::BookTrip::hotel, v2::BookTrip::flight, |hotel| hotel.room.to_string())
        .undo_accepted(v1::BookTrip::hotel);
    assert_eq!(
        refusal(migration).await,
        ["nodes `flight` and `hotel` both become `flight`; say what becomes of one of them"]
    );
}

#[tokio::test]
async fn a_migration_needs_two_versions_of_one_saga() {
    let same = Migration::<v1::BookTrip, v1::BookTrip>::new(|old| old);
    assert_eq!(
        refusal(same).await,
        ["both versions have the same definition, so there is nothing to migrate"]
    );
    let builder = Coordinator::builder(World::default()).migrate(migration());
    let error = builder.build().await.err().map(|error| error.to_string());
    assert_eq!(
        error.as_deref(),
        Some(
            "the migration of `BookTrip` from version 1 to version 2: its new version is not registered; add it with \
             `CoordinatorBuilder::saga`"
        )
    );
    // a version on the way to the one that is started
    let builder = Coordinator::builder(World::default()).saga::<v3::BookTrip>();
    let error = builder.migrate(migration()).build().await.err().map(|error| error.to_string());
    let error = error.unwrap_or_default();
    assert!(error.ends_with("add it with `CoordinatorBuilder::old_saga`"), "{error}");
    let builder = Coordinator::builder(World::default()).saga::<v2::BookTrip>();
    let built = builder.migrate(migration()).migrate(migration()).build().await;
    let error = built.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("there are two migrations for its old version"), "{error}");
}

#[tokio::test]
async fn each_of_several_problems_has_a_line() {
    let migration = Migration::new(|old: v2::BookTrip| v3::BookTrip { city: old.city });
    let builder = Coordinator::builder(World::default()).saga::<v3::BookTrip>().migrate(migration);
    let error = builder.build().await.err().map(|error| error.to_string()).unwrap_or_default();
    let lines = error.lines().collect::<Vec<_>>();
    assert_eq!(lines[0], "the migration of `BookTrip` from version 2 to version 3:");
    assert!(lines[1].starts_with("  - the new version has no node `lodging`"), "{error}");
    assert!(lines[2].starts_with("  - the new version has no node `car`"), "{error}");
}

#[tokio::test]
async fn migrations_must_not_lead_in_a_circle() {
    let back = Migration::new(|old: v2::BookTrip| v1::BookTrip { city: old.city });
    let builder = Coordinator::builder(World::default()).saga::<v2::BookTrip>();
    let built = builder.old_saga::<v1::BookTrip>().migrate(migration()).migrate(back).build().await;
    let error = built.err().map(|error| error.to_string());
    assert_eq!(
        error.as_deref(),
        Some(
            "the migration of `BookTrip` from version 2 to version 1: it leads back to a version that a migration leaves; leave \
             one of them out"
        )
    );
}

mod inputs {
    use super::super::*;

    saga! {
        #[version = 5]
        pub(crate) BookTrip<World>(from: String, to: String) -> String {
            let home = book_car { to: from };
            let flight = book_flight { to };
            { format!("{home}{flight}") }
        }
    }

    pub(crate) mod next {
        use super::super::super::*;
        saga! {
            #[version = 6]
            pub(crate) BookTrip<World>(from: String, to: String) -> String {
                let home = book_car { to: from };
                let flight = book_flight { to: home };
                { format!("{home}{flight}{to}") }
            }
        }
    }
}

#[tokio::test]
async fn an_undo_that_gets_other_inputs_must_be_accepted() {
    let migration = || {
        Migration::new(|old: inputs::BookTrip| inputs::next::BookTrip {
            from: old.from,
            to: old.to,
        })
    };
    assert_eq!(
        refusal(migration()).await,
        [
            "the input `to` of node `flight`, which its undo may read, is made of something else in the new version; if the undo of \
             the new version undoes what the old one did, say so with `.undo_accepted(..)`"
        ]
    );
    assert_eq!(refusal(migration().undo_accepted(inputs::BookTrip::flight)).await, [""; 0]);
}

mod typed {
    use super::super::*;

    saga! {
        #[version = 3]
        pub(crate) BookTrip<World>(city: String) -> String {
            let flight = book_flight { to: city };
            let hotel: Lodging = book_lodging { to: city };
            let total = book_flight { to: city };
            let rooms: Vec<Hotel> = for _n in vec![1, 2] { book_hotel { to: city } };
            { format!("{flight}{total}{}{}", hotel.room, rooms.len()) }
        }
    }

    pub(crate) mod next {
        use super::super::super::*;
        saga! {
            #[version = 4]
            pub(crate) BookTrip<World>(city: String) -> String {
                let flight = book_flight { to: city };
                let hotel = book_hotel { to: city };
                let total = { city.len() };
                let suites: Vec<Lodging> = for _n in vec![1, 2] { book_lodging { to: city } };
                { format!("{flight}{total}{}{}", hotel.room, suites.len()) }
            }
        }
    }
}

#[tokio::test]
async fn outputs_of_other_types_and_other_kinds_of_nodes_must_be_mapped() {
    let problems =
        refusal(
            Migration::new(|old: typed::BookTrip| typed::next::BookTrip { city: old.city })
                .node_with(typed::BookTrip::rooms, typed::next::BookTrip::suites, |_| Vec::new()),
        )
        .await;
    assert_eq!(
        problems,
        [
            "node `hotel` has an output of type `recovery::migration::Lodging` in the old version and \
             `recovery::migration::Hotel` in the new one; say how to convert it with `.node(..)` or `.node_with(..)`",
            "node `hotel` ran the action `book_lodging`, and `hotel` runs `book_hotel`; if the undo of the new version undoes what \
             the old one did, say so with `.undo_accepted(..)`",
            "node `total` is an action in the old version and a value in the new one, and has an undo; say what becomes of it with \
             `.node(..)`, `.drop_unbegun(..)` or `.drop_keeping_effect(..)`",
            "node `rooms` holds others, so it is carried over as it is; `suites` must have the same type of output",
        ]
    );
}

mod mail {
    use super::super::*;

    saga! { pub(crate) Told<World>(city: String) { let told = confirm { city }; told } }

    pub(crate) mod next {
        use super::super::super::*;
        saga! {
            #[version = 2]
            pub(crate) Told<World>(city: String) { let informed = confirm { city }; informed }
        }
    }
}

/// Without its old key the action would have its effect twice.
#[tokio::test]
async fn a_node_with_another_name_must_be_mapped_even_if_it_has_no_undo() {
    let migration = || Migration::new(|old: mail::Told| mail::next::Told { city: old.city });
    let build = async |migration| {
        let builder = Coordinator::builder(World::default()).saga::<mail::next::Told>();
        builder.migrate(migration).build().await.err().map(|error| error.to_string())
    };
    let why = build(migration()).await.unwrap_or_default();
    assert!(why.contains("its node `informed` is new and runs the same action"), "{why}");
    let mapped = migration().node(mail::Told::told, mail::next::Told::informed);
    assert_eq!(build(mapped).await, None);
}

#[saga_action(no_undo)]
async fn look_at_hotel(city: &str) -> Result<Hotel, String> {
    Ok(Hotel { room: city.len() as u32 })
}

mod without_undo {
    use super::super::*;
    use super::look_at_hotel;
    saga! {
        #[version = 9]
        pub(crate) BookTrip<World>(city: String) -> String {
            let flight = book_flight { to: city };
            let hotel = look_at_hotel { city };
            pass {};
            confirm { city };
            { format!("{flight}, room {}", hotel.room) }
        }
    }
}

#[tokio::test]
async fn an_undo_that_is_gone_cannot_be_accepted() {
    let migration = Migration::new(|old: v1::BookTrip| without_undo::BookTrip { city: old.city })
        .undo_accepted(v1::BookTrip::hotel);
    assert_eq!(
        refusal(migration).await,
        [
            "node `hotel` has an undo, and `hotel` has none, so nobody would undo what it did; give `hotel` another name and say \
             `.drop_unbegun(..)` or `.drop_keeping_effect(..)`"
        ]
    );
}

mod values {
    use super::super::*;

    saga! {
        #[version = 10]
        pub(crate) BookTrip<World>(city: String) -> String {
            let nights = { 7_u32 };
            confirm { city };
            { nights.to_string() }
        }
    }

    pub(crate) mod next {
        use super::super::super::*;
        saga! {
            #[version = 11]
            pub(crate) BookTrip<World>(city: String) -> String {
                let nights = { 7_u64 };
                confirm { city };
                { nights.to_string() }
            }
        }
    }
}

/// Without a type there is no key that `.node_with` could be told.
#[tokio::test]
async fn how_a_value_is_converted_can_be_said_once_its_type_is_written() {
    let migration =
        Migration::new(|old: values::BookTrip| values::next::BookTrip { city: old.city });
    assert_eq!(
        refusal(migration).await,
        [
            "node `nights` has an output of type `u32` in the old version and `u64` in the new one; say how to convert it with \
             `.node(..)` or `.node_with(..)`; a value has the key for that if its type is written, as in `let total: u64 = ..`. Or \
             give it another name"
        ]
    );
}

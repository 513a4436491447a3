//! An undo is called with the inputs that its action had: what would change them keeps the version.

// the outputs are not needed
#![allow(unused_variables)]

use super::*;

/// Its undo reads what it was called with.
#[saga_action(undo = give_up_seat(seat))]
async fn reserve_seat(cx: &ActionContext<World>, seat: &str) -> Result<(), String> {
    book(cx, format!("seat {seat}")).await;
    Ok(())
}

async fn give_up_seat(cx: &ActionContext<World>, seat: &str) -> Result<(), String> {
    cancel(cx, format!("seat {seat}"))
}

/// Of a type that nothing can be said about.
#[derive(Clone, Copy)]
pub(crate) struct Row(u32);

#[saga_action(undo = free_row(row))]
async fn block_row(row: Row) -> Result<(), String> {
    if row.0 > 0 { Ok(()) } else { Err("there is no such row".into()) }
}

async fn free_row(row: Row) -> Result<(), String> {
    if row.0 > 0 { Ok(()) } else { Err("there is no such row".into()) }
}

/// Versions of one saga, all with the same nodes, sources and types. They differ in expressions.
macro_rules! version {
    ($name:ident $version:literal $city:ident $seat:expr, $of:ident $each:expr, $flight:expr, $row:expr) => {
        mod $name {
            use super::*;
            saga! {
                #[version = $version]
                pub(crate) Ride<World>(city: String) {
                    reserve_seat { seat: &{ let $city = city.as_str(); $seat } };
                    let more: Vec<()> = for n in vec![1, 2] { reserve_seat { seat: &{ let $of = n; $each } } };
                    let flight = book_flight { to: &{ let $city = city.as_str(); $flight } };
                    block_row { row: $row };
                    pass {};
                    confirm { city };
                }
            }
        }
    };
}

version!(first 1 city city.to_string(), n n.to_string(), city.to_string(), Row(1));
version!(same 2 at [at].concat(), i format!("{i}"), at.to_string(), Row(1));
version!(seat 3 city format!("in {city}"), n n.to_string(), city.to_string(), Row(1));
version!(within 4 city city.to_string(), n format!("0{n}"), city.to_string(), Row(1));
version!(panics 5 city city.to_string(), n n.to_string(), city[40..].to_string(), Row(1));
version!(flight 6 city city.to_string(), n n.to_string(), format!("to {city}"), Row(1));

/// Why the saga of the first version stays with it.
async fn staying<New>(
    with: impl Fn(Migration<first::Ride, New>) -> Migration<first::Ride, New>,
    params: fn(first::Ride) -> New,
) -> Result<Vec<String>, Any>
where
    New: saga_core::Saga<Context = World>,
{
    let (world, store) = (World::default(), MemoryStore::new());
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    let sec = builder.saga::<first::Ride>().build().await?;
    sec.saga(first::Ride { city: "Oslo".into() }).id("ride").start().await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    sec.shutdown(Duration::from_secs(1)).await?;
    assert_eq!(world.calls().len(), 4);
    let builder = Coordinator::builder(world).store(store).saga::<New>();
    // the row cannot be compared
    let migration = Migration::new(params);
    let [outlook] = &builder.migrate(with(migration)).preview_migrations().await?[..] else {
        return Err("there is one migration".into());
    };
    Ok(outlook.staying.iter().map(|(_, why)| why.to_string()).collect())
}

/// The row accepted by name.
fn row<New>(migration: Migration<first::Ride, New>) -> Migration<first::Ride, New>
where
    New: saga_core::Saga<Context = World>,
{
    migration.undo_accepted(first::Ride::block_row)
}

const ADVICE: &str =
    "if the undo of the new version undoes what the old one did, say so with `.undo_accepted(..)`";

#[tokio::test(start_paused = true)]
async fn an_undo_that_would_get_another_input_keeps_the_version() -> Result<(), Any> {
    let other = |node: &str| {
        format!(
            "node `{node}` has begun, and its undo would get another `seat` than it was called with; {ADVICE}"
        )
    };
    let changed = staying(row, |old| seat::Ride { city: old.city }).await?;
    assert_eq!(changed, [other("reserve_seat")]);
    let in_a_list = staying(row, |old| within::Ride { city: old.city }).await?;
    assert_eq!(in_a_list, [other("more[0]")]);
    let converted = staying(row, |old| same::Ride { city: old.city.to_uppercase() }).await?;
    assert_eq!(converted, [other("reserve_seat")]);
    let opaque = staying(|migration| migration, |old| same::Ride { city: old.city }).await?;
    let why = format!(
        "node `block_row` has begun, and whether its undo would get the same `row` cannot be said, because its type is neither \
         `Serialize` nor `Debug`; {ADVICE}"
    );
    assert_eq!(opaque, [why]);
    let panics = staying(row, |old| panics::Ride { city: old.city }).await?;
    let [why] = &panics[..] else { return Err(format!("{panics:?}").into()) };
    let begin = "node `flight` has begun, and the inputs of its undo cannot be computed: ";
    assert!(why.starts_with(begin), "{why}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_gets_the_same_inputs_or_is_accepted_does_not() -> Result<(), Any> {
    assert_eq!(staying(row, |old| same::Ride { city: old.city }).await?, [""; 0]);
    // the undo of the flight reads the output only
    assert_eq!(staying(row, |old| flight::Ride { city: old.city }).await?, [""; 0]);
    let accepted = |migration| row(migration).undo_accepted(first::Ride::reserve_seat);
    assert_eq!(staying(accepted, |old| seat::Ride { city: old.city }).await?, [""; 0]);
    let accepted = |migration| row(migration).undo_accepted(first::Ride::more);
    assert_eq!(staying(accepted, |old| within::Ride { city: old.city }).await?, [""; 0]);
    Ok(())
}

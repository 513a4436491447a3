//! Unfinished sagas whose definition the next program does not know: nobody is told that they go on.

use std::error::Error;
use std::time::Duration;

use saga_core::operator::{OperateError, Operator};
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use saga_core::{BuildError, StartError, UnknownVersions};

type Any = Box<dyn Error>;

#[saga_action(no_undo)]
async fn wait() -> Result<(), String> {
    std::future::pending().await
}

mod old {
    use super::wait;
    use saga_core::prelude::*;

    saga! {
        pub(crate) Trip<()>(_city: String) { wait {}; }
        pub(crate) Parcel<()>() { wait {}; }
    }
}

mod new {
    use super::wait;
    use saga_core::prelude::*;

    saga! {
        pub(crate) Trip<()>(_city: String) {
            let _id = new_uuid {};
            wait {};
        }
    }
}

fn trip(city: &str) -> new::Trip {
    new::Trip { _city: city.into() }
}

/// Two trips and a parcel of the old program.
async fn left_behind() -> Result<MemoryStore, Any> {
    let store = MemoryStore::new();
    let sec = Coordinator::builder(()).store(store.clone());
    let sec = sec.saga::<old::Trip>().saga::<old::Parcel>().build().await?;
    for id in ["trip-1", "trip-2"] {
        sec.saga(old::Trip { _city: "Rome".into() }).id(id).start().await?;
    }
    sec.saga(old::Parcel {}).id("parcel-1").start().await?;
    sec.shutdown(Duration::ZERO).await?;
    Ok(store)
}

#[tokio::test]
async fn starting_one_again_is_refused() -> Result<(), Any> {
    let store = left_behind().await?;
    let sec = Coordinator::builder(()).store(store).saga::<new::Trip>().build().await?;
    let unknown = sec.unknown_versions();
    let shown = unknown.iter().map(|v| (v.name.as_str(), v.unfinished)).collect::<Vec<_>>();
    assert_eq!(shown, [("Parcel", 1), ("Trip", 2)]);

    let error = sec.saga(trip("Rome")).id("trip-1").start().await.expect_err("nobody runs it");
    assert!(matches!(error, StartError::UnknownVersion { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "saga trip-1 is running, but was started by a version of `Trip` that is not registered here, so nothing runs it; \
         register that version with `CoordinatorBuilder::old_saga`"
    );
    // also if the parameters are others, as those of another version may be
    let error = sec.saga(trip("Oslo")).id("trip-1").start().await.expect_err("it has the id");
    assert!(matches!(error, StartError::UnknownVersion { .. }), "{error}");
    let error = sec.get::<serde_json::Value>("trip-1").await.expect_err("nobody runs it");
    assert!(matches!(error, StartError::UnknownVersion { .. }), "{error}");
    // its log can be read all the same
    assert_eq!(sec.inspect("trip-1").await?.ok_or("it is there")?.nodes.len(), 1);

    let error = sec.operator("me").cancel("trip-1", "enough").await.expect_err("nobody runs it");
    assert!(matches!(error, OperateError::UnknownVersion { .. }), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_program_can_refuse_to_leave_sagas_behind() -> Result<(), Any> {
    let store = left_behind().await?;
    let builder = Coordinator::builder(()).store(store.clone()).saga::<new::Trip>();
    let built = builder.unknown_versions(UnknownVersions::Refuse).build().await;
    let Err(error @ BuildError::UnknownVersions { .. }) = built else {
        return Err("it was built".into());
    };
    let why = error.to_string();
    let starts = "the store has 3 unfinished sagas that this program cannot run: 1 of `Parcel` version 1 (fingerprint ";
    assert!(why.starts_with(starts), "{why}");
    assert!(why.contains(", 2 of `Trip` version 1 (fingerprint "), "{why}");
    assert!(
        why.ends_with(
            "register these definitions with `CoordinatorBuilder::old_saga`, or allow \
         this with `UnknownVersions::Warn`"
        ),
        "{why}"
    );

    // nothing was done to them, and a program that knows all of them goes on
    let sec =
        Coordinator::builder(()).store(store.clone()).saga::<old::Trip>().saga::<old::Parcel>();
    let sec = sec.unknown_versions(UnknownVersions::Refuse).build().await?;
    assert!(sec.unknown_versions().is_empty());
    sec.shutdown(Duration::ZERO).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_request_from_another_process_waits_for_a_program_that_knows_the_saga() -> Result<(), Any>
{
    let store = left_behind().await?;
    let sec = Coordinator::builder(()).store(store.clone()).saga::<new::Trip>().build().await?;
    let operator = Operator::attach(store.clone(), "me", Duration::from_secs(60));
    let asked = tokio::spawn(async move { operator.cancel("trip-1", "enough").await });
    tokio::time::sleep(Duration::from_secs(2)).await;
    sec.shutdown(Duration::ZERO).await?;

    let builder = Coordinator::builder(()).store(store).abandon_after(Duration::ZERO);
    let sec = builder.saga::<old::Trip>().build().await?;
    let trip = sec.get::<old::Trip>("trip-1").await?.ok_or("it is there")?;
    assert!(matches!(trip.await, Err(SagaError::RolledBack(_))));
    drop(asked.await?);
    Ok(())
}

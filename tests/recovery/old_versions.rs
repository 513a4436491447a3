//! An old version of a saga beside the current one: its sagas are finished, and none is started.

use std::error::Error;
use std::time::Duration;

use saga_core::dag::{Dag, DagBuilder, Node};
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use saga_core::{BuildError, StartError, UnknownVersions};

type Any = Box<dyn Error>;

/// Waits for the truck, which never comes where the parcel is heavy.
#[saga_action(undo = take_back(), timeout = "1h")]
async fn ship(order: &str) -> Result<String, String> {
    if order == "heavy" {
        std::future::pending::<()>().await;
    }
    Ok(format!("shipped {order}"))
}

async fn take_back() -> Result<(), String> {
    Ok(())
}

mod v1 {
    use super::ship;
    use saga_core::prelude::*;

    saga! { pub(crate) Order<()>(order: String) -> String { ship { order } } }
}

mod v2 {
    use super::ship;
    use saga_core::prelude::*;

    saga! {
        #[version = 2]
        pub(crate) Order<()>(order: String) -> String { ship { order } }
    }
}

saga! {
    #[version = 3]
    Order<()>(order: String) -> u64 {
        let parcel = ship { order };
        { parcel.len() as u64 }
    }
}

/// An unfinished saga of each of the old versions.
async fn left_behind() -> Result<MemoryStore, Any> {
    let store = MemoryStore::new();
    let sec = Coordinator::builder(()).store(store.clone()).saga::<v1::Order>().build().await?;
    sec.saga(v1::Order { order: "heavy".into() }).id("one").start().await?;
    sec.shutdown(Duration::ZERO).await?;
    let builder = Coordinator::builder(()).store(store.clone()).saga::<v2::Order>();
    let sec = builder.old_saga::<v1::Order>().build().await?;
    sec.saga(v2::Order { order: "heavy".into() }).id("two").start().await?;
    sec.shutdown(Duration::ZERO).await?;
    Ok(store)
}

#[tokio::test(start_paused = true)]
async fn old_versions_are_finished_and_not_started() -> Result<(), Any> {
    let store = left_behind().await?;
    let builder =
        Coordinator::builder(()).store(store).saga::<Order>().abandon_after(Duration::ZERO);
    let builder = builder.old_saga::<v1::Order>().old_saga::<v2::Order>();
    let sec = builder.unknown_versions(UnknownVersions::Refuse).build().await?;

    // the current one is started
    assert_eq!(sec.run(Order { order: "7".into() }).await?, 9);
    let refused = sec.saga(v1::Order { order: "8".into() }).id("three").start().await;
    let refused = refused.expect_err("it is an old version");
    assert!(matches!(refused, StartError::OldVersion { version: 1, .. }));
    assert_eq!(
        refused.to_string(),
        "version 1 of saga `Order` is registered with `old_saga`, so that no saga of it is started any more; start the current \
         version"
    );
    assert!(sec.get::<Order>("three").await?.is_none());

    // a repeated request for an old one finds it
    let again = sec.saga(Order { order: "heavy".into() }).id("two").start().await?;
    // operators steer the old ones, each with its own definition
    sec.operator("me").cancel("one", "too heavy").await?;
    let one = sec.get::<v1::Order>("one").await?.ok_or("it is there")?;
    assert!(matches!(one.await, Err(SagaError::RolledBack(_))));
    // and this one runs on until its call has taken too long
    assert!(matches!(again.await, Err(SagaError::RolledBack(_))));
    Ok(())
}

#[tokio::test]
async fn a_version_is_part_of_the_fingerprint_and_named_where_it_is_unknown() -> Result<(), Any> {
    let (one, two) = (Dag::of::<v1::Order>()?, Dag::of::<v2::Order>()?);
    assert_eq!((one.version(), two.version()), (1, 2));
    assert_ne!(one.fingerprint(), two.fingerprint());
    // by hand it is the same, and it is stored
    let mut dag = DagBuilder::<()>::new("Constant")?;
    dag.version(7).append(Node::constant("it", 1)?)?;
    let dag = dag.build()?;
    let stored = Dag::<()>::from_json(dag.to_json_text().as_bytes(), &Default::default())?;
    assert_eq!((stored.version(), stored.fingerprint()), (7, dag.fingerprint()));

    let builder = Coordinator::builder(()).store(left_behind().await?).saga::<Order>();
    let built = builder.unknown_versions(UnknownVersions::Refuse).build().await;
    let Err(error @ BuildError::UnknownVersions { .. }) = built else {
        return Err("it was built".into());
    };
    let why = error.to_string();
    assert!(why.contains("1 of `Order` version 1 ("), "{why}");
    assert!(why.contains("1 of `Order` version 2 ("), "{why}");
    Ok(())
}

/// What an old version has written is not damaged: it is asked for with the type of that version.
#[tokio::test]
async fn an_output_of_an_old_version_is_asked_for_with_its_type() -> Result<(), Any> {
    let store = MemoryStore::new();
    let sec = Coordinator::builder(()).store(store.clone()).saga::<v1::Order>().build().await?;
    sec.saga(v1::Order { order: "7".into() }).id("seven").start().await?.await?;
    sec.shutdown(Duration::ZERO).await?;
    let builder = Coordinator::builder(()).store(store).saga::<Order>();
    let sec = builder.old_saga::<v1::Order>().build().await?;

    let seven = sec.get::<Order>("seven").await?.ok_or("it is there")?;
    let error = seven.await.expect_err("it is a text");
    assert!(matches!(&error, SagaError::OtherVersion { version: 1, .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "saga seven was run by version 1 of `Order`, whose output cannot be read as this type (invalid type: string, expected \
         u64 at line 1 column 11); ask for it with the type of that version, such as `get::<v1::Order>`, or with `get::<serde_json::Value>`"
    );
    let again = sec.saga(Order { order: "7".into() }).id("seven").start().await?;
    let outcome = again.outcome().await?;
    assert!(matches!(outcome.into_result(), Err(SagaError::OtherVersion { version: 1, .. })));
    let one = sec.get::<v1::Order>("seven").await?.ok_or("it is there")?;
    assert_eq!(one.await?, "shipped 7");

    // another request under the same id names the version as well
    let other = sec.saga(Order { order: "8".into() }).id("seven").start().await;
    assert_eq!(
        other.expect_err("it is taken").to_string(),
        "id conflict: saga seven exists and was started by version 1 of `Order` with other parameters (`order` differs); use \
         another id"
    );
    Ok(())
}

#[tokio::test]
async fn only_the_registered_type_of_a_name_is_started() -> Result<(), Any> {
    let sec = Coordinator::builder(()).saga::<Order>().build().await?;
    let refused = sec.saga(v2::Order { order: "8".into() }).start().await;
    let refused = refused.expect_err("it is another type").to_string();
    assert!(
        refused.starts_with("saga `Order` is not registered, but another one of this name is, at tests/recovery/old_versions.rs:"),
        "{refused}"
    );

    let sec = Coordinator::builder(()).old_saga::<v1::Order>().build().await?;
    let refused = sec.saga(v1::Order { order: "8".into() }).start().await;
    assert!(matches!(refused, Err(StartError::OldVersion { .. })), "{refused:?}");

    // the same one as both is the current one
    let sec = Coordinator::builder(()).saga::<Order>().old_saga::<Order>().build().await?;
    assert_eq!(sec.run(Order { order: "7".into() }).await?, 9);
    Ok(())
}

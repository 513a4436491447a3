//! A migration that is tried on a saga from production, in a test.

use std::panic::catch_unwind;
use std::path::PathBuf;

use saga_core::testing::{ReplayError, SagaTest};

use super::*;

/// What a test says that fails.
fn said(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(test).expect_err("it fails");
    let said = panic.downcast_ref::<String>();
    said.cloned().unwrap_or_default()
}

/// A saga of version 1 that waits at the gate, as a file.
async fn exported(directory: &tempfile::TempDir) -> Result<PathBuf, Any> {
    let world = World::default();
    let store = waiting_at_the_gate(&world, "Oslo").await?;
    let builder = Coordinator::builder(world).store(store).old_saga::<v1::BookTrip>();
    let sec = builder.build().await?;
    let file = directory.path().join("trip.json");
    std::fs::write(&file, sec.inspect("trip").await?.ok_or("it is there")?.to_json())?;
    Ok(file)
}

#[tokio::test(start_paused = true)]
async fn a_migration_is_tried_on_an_exported_saga() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let file = exported(&directory).await?;
    let replay = SagaTest::<v2::BookTrip>::replay_migrated(&migration(), &file);
    assert_eq!(replay.next(), ["wait"]);
    let shown = replay.pretty();
    assert!(shown.contains("  lodging completed\n"), "{shown}");
    assert!(shown.contains("  migrated: from version 1 to version 2\n"), "{shown}");

    let why = said(|| {
        let migration =
            Migration::new(|old: v1::BookTrip| v2::BookTrip { city: old.city, guests: 1 });
        SagaTest::<v2::BookTrip>::replay_migrated(
            &migration.drop_unbegun(v1::BookTrip::hotel),
            &file,
        );
    });
    let expected = "trip.json cannot be migrated: it is not eligible: node `hotel` has begun, and the new version does not have it";
    assert!(why.ends_with(expected), "{why}");
    let why = said(|| {
        let migration =
            Migration::new(|old: v1::BookTrip| v2::BookTrip { city: old.city, guests: 1 });
        SagaTest::<v2::BookTrip>::replay_migrated(&migration, &file);
    });
    assert!(
        why.contains("trip.json cannot be migrated: the new version has no node `hotel`"),
        "{why}"
    );
    let why = said(|| {
        let migration = Migration::new(|old: v2::BookTrip| v3::BookTrip { city: old.city });
        SagaTest::<v3::BookTrip>::replay_migrated(&migration, &file);
    });
    assert!(
        why.ends_with("it has another definition than the old version of the migration"),
        "{why}"
    );
    let later = Migration::new(|old: v2::BookTrip| v3::BookTrip { city: old.city });
    let Err(error @ ReplayError::NotMigrated { .. }) =
        SagaTest::<v3::BookTrip>::try_replay_migrated(&later, &file)
    else {
        return Err("it is of version 1".into());
    };
    assert_eq!(error.to_string(), why);
    let tried = SagaTest::<v2::BookTrip>::try_replay_migrated(&migration(), &file)?;
    assert_eq!((tried.next(), tried.problems().len()), (replay.next(), 0));
    Ok(())
}

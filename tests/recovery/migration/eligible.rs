//! What a migrated saga has done stays done, and it goes on with the new version.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_saga_goes_on_under_the_new_version() -> Result<(), Any> {
    let world = World::default();
    let store = waiting_at_the_gate(&world, "Oslo").await?;
    world.open();
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    let sec = builder.saga::<v2::BookTrip>().migrate(migration()).build().await?;
    let trip = sec.get::<v2::BookTrip>("trip").await?.ok_or("it is there")?;
    assert_eq!(trip.await?, "Oslo, room 301 on floor 3, car in Oslo, 1 guests");
    assert_eq!(world.calls(), ["book car in Oslo", "confirm Oslo"]);
    assert_eq!(world.booked(), ["car in Oslo", "flight to Oslo", "hotel in Oslo"]);
    let log = since_migration(&sec, "trip").await?;
    assert_eq!(
        log[..5],
        ["migrated", "started flight", "succeeded flight", "started lodging", "succeeded lodging"]
    );

    // a repeated start with what the caller says today finds it
    let again =
        sec.saga(v2::BookTrip { city: "Oslo".into(), guests: 1 }).id("trip").start().await?;
    assert_eq!(again.await?, "Oslo, room 301 on floor 3, car in Oslo, 1 guests");
    sec.shutdown(Duration::ZERO).await?;

    // and the next process needs the old version no more
    let builder = Coordinator::builder(world).store(store).saga::<v2::BookTrip>();
    let sec = builder.unknown_versions(saga_core::UnknownVersions::Refuse).build().await?;
    let trip = sec.get::<v2::BookTrip>("trip").await?.ok_or("it is there")?;
    assert_eq!(trip.await?, "Oslo, room 301 on floor 3, car in Oslo, 1 guests");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_was_done_before_is_undone_by_the_new_version() -> Result<(), Any> {
    let world = World::default();
    let store = waiting_at_the_gate(&world, "Atlantis").await?;
    world.open();
    let builder = Coordinator::builder(world.clone()).store(store);
    let sec = builder.saga::<v2::BookTrip>().migrate(migration()).build().await?;
    let trip = sec.get::<v2::BookTrip>("trip").await?.ok_or("it is there")?;
    let Err(SagaError::RolledBack(report)) = trip.await else { return Err("it has sunk".into()) };
    assert_eq!(report.failed_node().map(ToString::to_string).as_deref(), Some("confirm"));
    assert_eq!(
        world.calls(),
        [
            "book car in Atlantis",
            "confirm Atlantis",
            "cancel car in Atlantis",
            "cancel room 301 on floor 3",
            "cancel flight to Atlantis"
        ]
    );
    assert_eq!(world.booked(), [""; 0]);
    Ok(())
}

/// A call that was cut off by the end of its process: nobody knows whether it took effect.
#[tokio::test(start_paused = true)]
async fn a_call_in_doubt_is_cleared_up_by_the_old_version_first() -> Result<(), Any> {
    let world = World::default();
    let store = MemoryStore::new();
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    let sec = builder.saga::<v1::BookTrip>().build().await?;
    world.hold("hotel in Oslo");
    sec.saga(v1::BookTrip { city: "Oslo".into() }).id("trip").start().await?;
    world.until_held().await;
    sec.shutdown(Duration::ZERO).await?;
    assert_eq!(world.calls(), ["book flight to Oslo", "book hotel in Oslo"]);
    world.release();

    let builder = Coordinator::builder(world.clone()).store(store.clone()).saga::<v2::BookTrip>();
    let [outlook] = &builder.migrate(migration()).preview_migrations().await?[..] else {
        return Err("there is one migration".into());
    };
    assert_eq!(
        outlook.to_string(),
        "`BookTrip` from version 1 to version 2: 0 eligible, 1 still to find out how a call ended, 0 not eligible\n  \
         trip: it is not known yet how an attempt of node `hotel` ended"
    );

    world.open();
    let builder = Coordinator::builder(world.clone()).store(store).saga::<v2::BookTrip>();
    let sec = builder.migrate(migration()).build().await?;
    let trip = sec.get::<v2::BookTrip>("trip").await?.ok_or("it is there")?;
    assert_eq!(trip.await?, "Oslo, room 301 on floor 3, car in Oslo, 1 guests");
    // the old version booked the hotel again, under the same key
    assert_eq!(world.calls(), ["book hotel in Oslo", "book car in Oslo", "confirm Oslo"]);
    assert_eq!(world.booked(), ["car in Oslo", "flight to Oslo", "hotel in Oslo"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_does_not_fit_goes_on_with_the_old_version() -> Result<(), Any> {
    let world = World::default();
    let store = waiting_at_the_gate(&world, "Oslo").await?;
    world.open();
    let dropping = || {
        Migration::new(|old: v1::BookTrip| v2::BookTrip { city: old.city, guests: 1 })
            .drop_unbegun(v1::BookTrip::hotel)
    };
    let builder =
        || Coordinator::builder(world.clone()).store(store.clone()).saga::<v2::BookTrip>();
    let [outlook] = &builder().migrate(dropping()).preview_migrations().await?[..] else {
        return Err("there is one migration".into());
    };
    assert_eq!(outlook.eligible, []);
    let staying =
        outlook.staying.iter().map(|(id, why)| format!("{id}: {why}")).collect::<Vec<_>>();
    assert_eq!(staying, ["trip: node `hotel` has begun, and the new version does not have it"]);

    let sec = builder().migrate(dropping()).build().await?;
    let trip = sec.get::<v1::BookTrip>("trip").await?.ok_or("it is there")?;
    assert_eq!(trip.await?, "Oslo, room 301");
    assert_eq!(world.calls(), ["confirm Oslo"]);
    assert_eq!(since_migration(&sec, "trip").await?, [""; 0]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_is_kept_is_reported_as_remaining() -> Result<(), Any> {
    let world = World::default();
    let store = waiting_at_the_gate(&world, "Atlantis").await?;
    world.open();
    let migration = Migration::new(|old: v1::BookTrip| v3::BookTrip { city: old.city })
        .drop_keeping_effect(v1::BookTrip::hotel);
    let builder = Coordinator::builder(world.clone()).store(store.clone()).saga::<v3::BookTrip>();
    let sec = builder.migrate(migration).build().await?;
    let trip = sec.get::<v3::BookTrip>("trip").await?.ok_or("it is there")?;
    let error = trip.await.expect_err("it has sunk");
    assert!(error.to_string().ends_with("; effects that a migration kept: `hotel`"), "{error}");
    let SagaError::RolledBack(report) = error else { return Err(error.into()) };
    let remaining = report.remaining_effects().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(remaining, ["hotel"]);
    assert_eq!(world.booked(), ["hotel in Atlantis"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_paused_saga_stays_paused_and_answered_requests_stay_answered() -> Result<(), Any> {
    let world = World::default();
    let store = MemoryStore::new();
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    let sec = builder.saga::<v1::BookTrip>().build().await?;
    sec.saga(v1::BookTrip { city: "Oslo".into() }).id("trip").start().await?;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    sec.operator("ann").pause("trip").await?;
    sec.shutdown(Duration::from_secs(1)).await?;
    world.open();

    let builder = Coordinator::builder(world.clone()).store(store).saga::<v2::BookTrip>();
    let sec = builder.migrate(migration()).build().await?;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let view = sec.inspect("trip").await?.ok_or("it is there")?;
    assert!(view.record.paused);
    assert_eq!(view.log.entries().last().map(|entry| entry.kind.name()), Some("paused"));
    sec.operator("ann").resume("trip").await?;
    let trip = sec.get::<v2::BookTrip>("trip").await?.ok_or("it is there")?;
    assert_eq!(trip.await?, "Oslo, room 301 on floor 3, car in Oslo, 1 guests");
    Ok(())
}

/// The migration comes while the saga is loaded; a start that is repeated meanwhile must not take it for another one.
#[tokio::test(start_paused = true)]
async fn a_repeated_start_finds_the_saga_at_once() -> Result<(), Any> {
    let world = World::default();
    let store = waiting_at_the_gate(&world, "Oslo").await?;
    let builder = Coordinator::builder(world.clone()).store(store).saga::<v2::BookTrip>();
    let sec = builder.migrate(migration()).build().await?;
    let again =
        sec.saga(v2::BookTrip { city: "Oslo".into(), guests: 1 }).id("trip").start().await?;
    world.open();
    assert_eq!(again.await?, "Oslo, room 301 on floor 3, car in Oslo, 1 guests");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_saga_keeps_its_version_where_a_new_node_comes_before_one_that_has_begun()
-> Result<(), Any> {
    let world = World::default();
    let store = waiting_at_the_gate(&world, "Oslo").await?;
    let migration = Migration::new(|old: v1::BookTrip| v2::BookTrip { city: old.city, guests: 1 })
        .drop_keeping_effect(v1::BookTrip::hotel);
    let builder = Coordinator::builder(world.clone()).store(store.clone()).saga::<v2::BookTrip>();
    let [outlook] = &builder.migrate(migration).preview_migrations().await?[..] else {
        return Err("there is one migration".into());
    };
    let staying = outlook.staying.iter().map(|(_, why)| why.to_string()).collect::<Vec<_>>();
    let why =
        "node `pass` has begun; in the new version it waits for `lodging`, which has not completed";
    assert_eq!(staying, [why]);
    Ok(())
}

/// From version 1 by way of version 2, in one go.
#[tokio::test(start_paused = true)]
async fn a_saga_takes_two_migrations_one_after_the_other() -> Result<(), Any> {
    let world = World::default();
    let store = waiting_at_the_gate(&world, "Atlantis").await?;
    world.open();
    let next = Migration::new(|old: v2::BookTrip| v3::BookTrip { city: old.city })
        .drop_keeping_effect(v2::BookTrip::lodging)
        .drop_unbegun(v2::BookTrip::car);
    let builder = Coordinator::builder(world.clone()).store(store).saga::<v3::BookTrip>();
    let builder = builder.old_saga::<v2::BookTrip>();
    let sec = builder.migrate(migration()).migrate(next).build().await?;
    let trip = sec.get::<v3::BookTrip>("trip").await?.ok_or("it is there")?;
    let Err(SagaError::RolledBack(report)) = trip.await else { return Err("it has sunk".into()) };
    assert_eq!(report.kept, ["lodging"]);
    assert_eq!(world.calls(), ["confirm Atlantis", "cancel flight to Atlantis"]);
    let log = since_migration(&sec, "trip").await?;
    assert_eq!(log.iter().filter(|word| *word == "migrated").count(), 2);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_is_told_again_is_no_event() -> Result<(), Any> {
    use saga_core::log::without_retold;
    let world = World::default();
    let store = waiting_at_the_gate(&world, "Oslo").await?;
    world.open();
    let builder = Coordinator::builder(world.clone()).store(store.clone()).saga::<v2::BookTrip>();
    let sec = builder.migrate(migration()).build().await?;
    let mut events = sec.events();
    sec.get::<v2::BookTrip>("trip").await?.ok_or("it is there")?.await?;
    let mut heard = Vec::new();
    while heard.last().is_none_or(|word| word != "ended") {
        let event = events.next().await.ok_or("events go on")??;
        heard.push(event.kind.as_str().to_string());
    }
    let view = sec.inspect("trip").await?.ok_or("it is there")?;
    let log = without_retold(view.log.entries()).map(|entry| entry.kind.name());
    let log = log.skip_while(|word| *word != heard[0]).collect::<Vec<_>>();
    assert_eq!(heard, log);
    assert_eq!(heard[..2], ["migrated", "started"]);
    let booked =
        without_retold(view.log.entries()).filter(|entry| entry.kind.name() == "succeeded");
    let booked = booked.filter_map(|entry| Some(entry.node()?.to_string())).collect::<Vec<_>>();
    assert_eq!(booked, ["flight", "hotel", "pass", "car", "confirm", "output"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_value_that_becomes_too_large_keeps_the_version() -> Result<(), Any> {
    let world = World::default();
    let store = waiting_at_the_gate(&world, "Oslo").await?;
    let large =
        Migration::new(|old: v1::BookTrip| v2::BookTrip { city: old.city.repeat(100), guests: 1 })
            .node(v1::BookTrip::hotel, v2::BookTrip::lodging)
            .undo_accepted(v1::BookTrip::hotel);
    let builder = Coordinator::builder(world.clone()).store(store).saga::<v2::BookTrip>();
    let builder = builder.limits(saga_core::Limits::default().max_payload(200)).migrate(large);
    let outlook = builder.preview_migrations().await?;
    assert!(
        outlook[0].to_string().ends_with(
            "\n  trip: the parameters cannot be converted: 422 bytes are more than the limit of 200; raise \
             `Limits::max_payload`"
        ),
        "{}",
        outlook[0]
    );
    Ok(())
}

//! Who runs which saga: takeover after a death, a clean drain, and workers that list each other.

use std::time::{Duration, Instant};

use crate::database::{count, sql};
use crate::shop::{LEASE, Worker, World, database, output};

#[test]
fn a_worker_that_dies_is_taken_over_and_every_effect_happens_once() {
    let (url, world) = (database(), World::new());
    let (first, second) = (Worker::start(&url, &world), Worker::start(&url, &world));
    let orders = (0..50).map(|n| format!("order-{n}")).collect::<Vec<_>>();
    for order in &orders {
        first.begin(order);
    }
    let workers = second.run(second.sec.workers()).unwrap();
    let mut sagas = workers.iter().map(|worker| worker.sagas).collect::<Vec<_>>();
    sagas.sort_unstable();
    assert_eq!(sagas, [0, 50]);

    drop(first);
    let died = Instant::now();
    world.open();
    for order in &orders {
        let output = second.run(second.get(order).into_future()).unwrap();
        assert_eq!(output, format!("paid {order}, shipped {order}"));
    }
    let took = died.elapsed();
    println!(
        "50 sagas of a dead worker were taken over and ended after {took:?}, with a lease of {LEASE:?}"
    );
    assert!(took > LEASE / 2, "not before the lease has ended: {took:?}");
    assert_eq!(world.effects(), 100);
    let workers = second.run(second.sec.workers()).unwrap();
    assert_eq!(workers.len(), 1);
}

#[test]
fn a_worker_that_shuts_down_hands_its_sagas_over_at_once() {
    let (url, world) = (database(), World::new());
    let (first, second) = (Worker::start(&url, &world), Worker::start(&url, &world));
    for n in 0..20 {
        first.begin(&format!("order-{n}"));
    }
    let begun = Instant::now();
    let report = first.run(first.sec.shutdown(Duration::from_millis(100))).unwrap();
    assert_eq!(report.interrupted.len(), 20);
    println!("a drain took {:?}", begun.elapsed());
    world.open();
    for n in 0..20 {
        second.run(second.get(&format!("order-{n}")).into_future()).unwrap();
    }
    assert!(begun.elapsed() < LEASE, "{:?}", begun.elapsed());
    assert_eq!(second.run(second.sec.workers()).unwrap().len(), 1);
}

#[test]
fn a_worker_whose_lease_ended_stops_its_sagas_and_others_go_on() {
    let (url, world) = (database(), World::new());
    let (first, second) = (Worker::start(&url, &world), Worker::start(&url, &world));
    let handle = first.begin("order");
    // as if its thread had been suspended: its runtime does nothing for longer than the lease
    first.run(async { std::thread::sleep(LEASE + Duration::from_millis(1_500)) });
    let owner = second.run(second.sec.inspect("order")).unwrap().unwrap().record.owner.unwrap();
    assert_ne!(owner.as_str(), "");
    world.open();
    // the handle of the worker that lost the saga sees its end
    assert_eq!(first.run(handle.into_future()).unwrap(), "paid order, shipped order");
    assert_eq!(second.run(second.get("order").into_future()).unwrap(), "paid order, shipped order");
    assert_eq!(world.effects(), 2);
}

#[test]
fn sagas_of_a_worker_that_the_database_has_forgotten_are_taken_over() {
    let (url, world) = (database(), World::new());
    let first = Worker::start(&url, &world);
    first.begin("order");
    drop(first);
    sql(&url, "DELETE FROM saga_worker");
    world.open();
    let second = Worker::start(&url, &world);
    assert_eq!(second.run(second.get("order").into_future()).unwrap(), output("order"));
}

/// Sagas that are parked, or of a version that nobody knows, keep their owner when it dies, and it is remembered until
/// somebody has looked after them. However many such owners there are, a poll does not ask about each.
#[test]
fn workers_that_died_with_parked_sagas_do_not_make_a_poll_longer() {
    let (url, world) = (database(), World::new());
    let worker = Worker::start(&url, &world);
    let _waits = worker.begin("order-0");
    let statements = || {
        let commits = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
        // counts arrive a second later
        std::thread::sleep(Duration::from_millis(1500));
        let before = count(&url, commits);
        std::thread::sleep(Duration::from_secs(4));
        count(&url, commits) - before
    };
    let before = statements();
    let parked = "INSERT INTO saga (id, version, status, owner, epoch, next_seq, attempts, paused, parked_reason, created_at, \
        updated_at) SELECT 'parked-' || i, version, 'running', 'dead-' || i, 1, 2, 1, false, 'why', 1, 1 \
        FROM saga, generate_series(1, 300) AS i WHERE id = 'order-0'";
    sql(&url, parked);
    // a hundred more own nothing
    let dead = "INSERT INTO saga_worker SELECT 'dead-' || i, now() - interval '1 day', now() - interval '1 hour' \
        FROM generate_series(1, 400) AS i";
    sql(&url, dead);
    let after = statements();
    println!("{before} statements in 4 s, and {after} with 300 workers that died");
    assert!(after < 2 * before + 50, "{before} and {after}");
    assert_eq!(count(&url, "SELECT count(*) FROM saga_worker"), 301);
}

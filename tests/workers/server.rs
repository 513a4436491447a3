//! A server that crashes, restarts, ends connections, or waits for locks.

use std::time::{Duration, Instant};

use throwaway_postgres::{Stop, ThrowawayPostgres};

use crate::common::dice::Dice;
use crate::database::{count, sql, unfinished};
use crate::network::until;
use crate::shop::{LEASE, Worker, World, database, output};

fn orders(how_many: u32) -> Vec<String> {
    (0..how_many).map(|n| format!("order-{n}")).collect()
}

#[test]
fn sagas_wait_for_a_server_that_crashed_and_go_on_when_it_is_back() {
    let mut server = ThrowawayPostgres::start().unwrap();
    let (url, world) = (server.new_database().unwrap(), World::new());
    let workers = [(); 2].map(|()| Worker::start(&url, &world));
    let orders = orders(60);
    let pairs = orders.iter().zip(workers.iter().cycle());
    let handles = pairs.map(|(order, worker)| (order, worker, worker.begin(order)));
    let handles = handles.collect::<Vec<_>>();
    server.stop(Stop::Immediate).unwrap();
    // what was in flight ends, and cannot be written
    world.open();
    std::thread::sleep(LEASE + Duration::from_secs(2));
    for worker in &workers {
        let health = worker.sec.health();
        assert!(!health.is_good() && health.running == 30, "{health}");
    }
    server.resume().unwrap();
    let back = Instant::now();
    for (order, worker, handle) in handles {
        assert_eq!(worker.run(handle.into_future()).unwrap(), output(order));
    }
    println!("60 sagas had ended {:?} after the server was back", back.elapsed());
    assert_eq!((unfinished(&url), world.effects()), (0, 120));
    until("the workers are well", || workers.iter().all(|worker| worker.sec.health().is_good()));
}

#[test]
fn a_server_that_crashes_while_workers_start_and_recover_strands_nothing() {
    let mut server = ThrowawayPostgres::start().unwrap();
    let (url, world) = (server.new_database().unwrap(), World::new());
    let first = Worker::start(&url, &world);
    let orders = orders(300);
    let handles = first.run(async {
        let mut handles = Vec::new();
        for order in &orders {
            handles.push(first.try_to_begin(order).await.unwrap());
        }
        handles
    });
    drop((first, handles));
    std::thread::sleep(LEASE);
    let seed = uuid::Uuid::new_v4().as_u64_pair().0 >> 40;
    println!("seed {seed}");
    let dice = Dice::new(seed);
    let workers = [(); 2].map(|()| Worker::start(&url, &world));
    for _ in 0..4 {
        dice.sleep(1..150);
        server.stop(Stop::Immediate).unwrap();
        dice.sleep(0..1500);
        server.resume().unwrap();
    }
    let back = Instant::now();
    world.open();
    for (order, worker) in orders.iter().zip(workers.iter().cycle()) {
        let handle = worker.get(order);
        assert_eq!(worker.run(handle.into_future()).unwrap(), output(order));
    }
    println!("300 sagas had ended {:?} after the last crash of the server", back.elapsed());
    assert_eq!((unfinished(&url), world.effects()), (0, 600));
}

#[test]
fn connections_that_an_administrator_ends_are_replaced() {
    let (url, world) = (database(), World::new());
    world.open();
    let workers = [(); 2].map(|()| Worker::start(&url, &world));
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()";
    let handles = std::thread::scope(|threads| {
        let placing = threads.spawn(|| {
            let pairs = (0..200).map(|n| format!("order-{n}")).zip(workers.iter().cycle());
            let placed = pairs.map(|(order, worker)| {
                loop {
                    if let Ok(handle) = worker.run(worker.try_to_begin(&order)) {
                        break (order, worker, handle);
                    }
                }
            });
            placed.collect::<Vec<_>>()
        });
        // less and less often, because a slow machine must be able to connect and begin in between
        let mut pause = Duration::from_millis(20);
        while !placing.is_finished() {
            sql(&url, end);
            std::thread::sleep(pause);
            pause += Duration::from_millis(5);
        }
        placing.join().unwrap()
    });
    for (order, worker, handle) in handles {
        assert_eq!(worker.run(handle.into_future()).unwrap(), output(&order));
    }
    assert_eq!((unfinished(&url), world.effects()), (0, 400));
}

#[test]
fn a_saga_whose_row_is_locked_delays_others_no_longer_than_the_statement_timeout() {
    let (url, world) = (database(), World::new());
    let worker =
        Worker::with(&url, &world, |options| options.statement_timeout(Duration::from_millis(500)));
    let handles = orders(10).into_iter().map(|order| (worker.begin(&order), order));
    let mut handles = handles.collect::<Vec<_>>();
    let (locked, _) = handles.remove(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = runtime.block_on(async {
        let session = crate::database::connect(&url).await.unwrap();
        let lock = "BEGIN; SELECT 1 FROM saga WHERE id = 'order-0' FOR UPDATE";
        session.batch_execute(lock).await.unwrap();
        session
    });
    world.open();
    let began = Instant::now();
    for (handle, order) in handles {
        assert_eq!(worker.run(handle.into_future()).unwrap(), output(&order));
    }
    println!("the others ended {:?} after the lock was taken", began.elapsed());
    // a statement that nobody waits for any more does not wait on
    std::thread::sleep(Duration::from_secs(4));
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waiting = count(&url, waiting);
    assert!(waiting <= 2, "{waiting} statements wait for the lock");
    runtime.block_on(session.batch_execute("ROLLBACK")).unwrap();
    assert_eq!(worker.run(locked.into_future()).unwrap(), output("order-0"));
    assert_eq!(world.effects(), 20);
}

#[test]
fn one_connection_is_enough() {
    let (url, world) = (database(), World::new());
    let one = |options: saga_core::store::PostgresOptions| options.connections(1);
    let (first, second) = (Worker::with(&url, &world, one), Worker::with(&url, &world, one));
    let orders = orders(50);
    let handles = orders.iter().map(|order| first.begin(order)).collect::<Vec<_>>();
    second.run(second.sec.operator("ann").pause("order-0")).unwrap();
    second.run(second.sec.operator("ann").resume("order-0")).unwrap();
    drop((first, handles));
    world.open();
    for order in &orders {
        assert_eq!(second.run(second.get(order).into_future()).unwrap(), output(order));
    }
    assert_eq!((unfinished(&url), world.effects()), (0, 100));
}

#[test]
fn a_worker_that_drains_while_it_takes_over_leaves_everything_to_others() {
    let (url, world) = (database(), World::new());
    let first = Worker::start(&url, &world);
    let orders = orders(300);
    for order in &orders {
        first.begin(order);
    }
    drop(first);
    std::thread::sleep(LEASE);
    let seed = uuid::Uuid::new_v4().as_u64_pair().0 >> 40;
    println!("seed {seed}");
    let dice = Dice::new(seed);
    let alive = "SELECT count(*) FROM saga WHERE ended_at IS NULL AND owner <> '' AND EXISTS \
         (SELECT 1 FROM saga_worker AS w WHERE w.incarnation = saga.owner AND w.lease_until > clock_timestamp())";
    for _ in 0..5 {
        let worker = Worker::start(&url, &world);
        dice.sleep(0..300);
        let began = Instant::now();
        worker.run(worker.sec.shutdown(Duration::ZERO)).unwrap();
        println!("drained in {:?}", began.elapsed());
        assert_eq!(count(&url, alive), 0);
    }
    world.open();
    let last = Worker::start(&url, &world);
    for order in &orders {
        assert_eq!(last.run(last.get(order).into_future()).unwrap(), output(order));
    }
    assert_eq!((unfinished(&url), world.effects()), (0, 600));
}

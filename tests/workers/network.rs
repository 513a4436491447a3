//! A network that loses replies, holds up what is sent, and breaks.

use std::time::{Duration, Instant};

use saga_core::SagaStatus;

use crate::database::{count, sql, unfinished};
use crate::proxy::Proxy;
use crate::shop::{Worker, World, database, output};

/// Waits until something is true.
pub(crate) fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn sagas_run_even_if_the_reply_to_their_claim_was_lost() {
    let (url, world) = (database(), World::new());
    let proxy = Proxy::to(&url);
    let first = Worker::start(&url, &world);
    let orders = (0..10).map(|n| format!("order-{n}")).collect::<Vec<_>>();
    orders.iter().for_each(|order| drop(first.begin(order)));
    let owner: String = sql(&url, "SELECT incarnation FROM saga_worker")[0].get(0);
    let second = Worker::start(proxy.url(), &world);
    proxy.lose_reply_to(&["attempts = least", &owner]);
    drop(first);
    world.open();
    for order in &orders {
        assert_eq!(second.run(second.get(order).into_future()).unwrap(), output(order));
    }
    assert!(proxy.has_lost_it());
    assert_eq!(world.effects(), 20);
}

#[test]
fn a_write_whose_reply_was_lost_takes_effect_once() {
    let (url, world) = (database(), World::new());
    world.open();
    let proxy = Proxy::to(&url);
    // so that each statement is sent with its text
    let worker = Worker::with(proxy.url(), &world, |options| options.prepared_statements(false));
    for (order, statement) in [
        ("created", "INSERT INTO saga ("),
        ("appended", "UPDATE saga AS s SET next_seq"),
        ("version", "INSERT INTO saga_version"),
        ("renewed", "INSERT INTO saga_worker"),
    ] {
        proxy.lose_reply_to(&[statement]);
        let handle = worker.begin(order);
        assert_eq!(worker.run(handle.into_future()).unwrap(), output(order), "{statement}");
    }
    until("the worker renews its lease", || proxy.has_lost_it());
    assert_eq!((world.effects(), world.calls()), (8, 8));
    assert!(worker.sec.health().is_good(), "{}", worker.sec.health());
}

#[test]
fn requests_survive_lost_replies() {
    let (url, world) = (database(), World::new());
    let proxy = Proxy::to(&url);
    let (first, second) = (Worker::start(&url, &world), Worker::start(proxy.url(), &world));
    first.begin("order");
    let operator = second.sec.operator("ann");
    proxy.lose_reply_to(&["INSERT INTO saga_command"]);
    second.run(operator.pause("order")).unwrap();
    proxy.lose_reply_to(&["SELECT answer FROM saga_command"]);
    second.run(operator.resume("order")).unwrap();
    proxy.lose_reply_to(&["SELECT answer FROM saga_command"]);
    second.run(operator.cancel("order", "the customer called")).unwrap();
    world.open();
    until("the order is rolled back", || {
        let view = second.run(second.sec.inspect("order")).unwrap().unwrap();
        view.record.status == SagaStatus::RolledBack
    });
}

#[test]
fn a_worker_that_was_cut_off_for_longer_than_its_lease_goes_on_afterwards() {
    let (url, world) = (database(), World::new());
    let proxy = Proxy::to(&url);
    let limit = |options: saga_core::store::PostgresOptions| {
        options.statement_timeout(Duration::from_secs(1))
    };
    let (first, second) = (Worker::with(proxy.url(), &world, limit), Worker::start(&url, &world));
    let orders = (0..20).map(|n| format!("order-{n}")).collect::<Vec<_>>();
    let handles = orders.iter().map(|order| first.begin(order)).collect::<Vec<_>>();
    proxy.hold_up();
    let owner = "SELECT count(*) FROM saga_worker WHERE lease_until > clock_timestamp()";
    until("the lease ends", || count(&url, owner) == 1);
    let ended = Instant::now();
    world.open();
    for order in &orders {
        assert_eq!(second.run(second.get(order).into_future()).unwrap(), output(order));
    }
    println!("taken over and ended {:?} after the lease", ended.elapsed());
    proxy.deliver();
    let back = Instant::now();
    for (order, handle) in orders.iter().zip(handles) {
        assert_eq!(first.run(handle.into_future()).unwrap(), output(order));
    }
    println!(
        "the handles of the worker that was cut off knew {:?} after it was back",
        back.elapsed()
    );
    let handle = first.begin("later");
    assert_eq!(first.run(handle.into_future()).unwrap(), output("later"));
    assert_eq!(world.effects(), 42);
}

/// As when a firewall forgets connections: nobody is told. It is noticed once a statement has had no answer for the time that
/// it may take, and all other connections of that age are given up with it.
#[test]
fn connections_that_the_network_has_forgotten_are_replaced_after_one_timeout() {
    const TIMEOUT: Duration = Duration::from_secs(3);
    let (url, world) = (database(), World::new());
    let proxy = Proxy::to(&url);
    let worker = Worker::with(proxy.url(), &world, |options| {
        options.statement_timeout(TIMEOUT).lease(Duration::from_secs(60)).connections(8)
    });
    let orders = (0..40).map(|n| format!("order-{n}")).collect::<Vec<_>>();
    let handles = worker.run(async {
        let starts = orders.iter().map(|order| worker.try_to_begin(order));
        let mut handles = Vec::new();
        for handle in starts.map(Box::pin).collect::<Vec<_>>() {
            handles.push(handle.await.unwrap());
        }
        handles
    });
    // many questions at the same time, so that there are as many connections as there may be
    worker.run(async {
        let mut questions = tokio::task::JoinSet::new();
        for order in orders.clone() {
            let sec = worker.sec.clone();
            questions.spawn(async move { sec.inspect(&order).await.unwrap() });
        }
        questions.join_all().await;
    });
    let connections = proxy.swallow();
    world.open();
    let began = Instant::now();
    for (order, handle) in orders.iter().zip(handles) {
        assert_eq!(worker.run(handle.into_future()).unwrap(), output(order));
    }
    let took = began.elapsed();
    println!("{connections} connections were swallowed, and all had ended {took:?} later");
    assert!(connections >= 8, "{connections}");
    assert!(took > TIMEOUT / 2 && took < TIMEOUT + Duration::from_millis(2500), "{took:?}");
    assert_eq!((unfinished(&url), world.effects()), (0, 80));
}

#[test]
fn all_sagas_end_on_a_network_that_breaks_at_random() {
    let seed = std::env::var("WORKERS_SEED")
        .map_or_else(|_| uuid::Uuid::new_v4().as_u64_pair().0 >> 16, |seed| seed.parse().unwrap());
    println!("WORKERS_SEED={seed}");
    let (url, world) = (database(), World::new());
    world.open();
    let proxies = [Proxy::to(&url), Proxy::to(&url)];
    let limit = |options: saga_core::store::PostgresOptions| {
        options.statement_timeout(Duration::from_secs(2))
    };
    let workers = proxies.each_ref().map(|proxy| Worker::with(proxy.url(), &world, limit));
    for (proxy, seed) in proxies.iter().zip(seed..) {
        proxy.fail_at_random(seed);
    }
    let orders = (0..120).map(|n| format!("order-{n}")).collect::<Vec<_>>();
    let mut handles = Vec::new();
    for (order, worker) in orders.iter().zip(workers.iter().cycle()) {
        let started = || worker.run(worker.try_to_begin(order)).ok();
        let mut handle = started();
        until("the order can be placed", || {
            handle = handle.take().or_else(started);
            handle.is_some()
        });
        handles.push((worker, order, handle.unwrap()));
    }
    for proxy in &proxies {
        proxy.work();
    }
    for (worker, order, handle) in handles {
        assert_eq!(worker.run(handle.into_future()).unwrap(), output(order));
    }
    assert_eq!(unfinished(&url), 0);
    assert_eq!(world.effects(), 240);
    let repeated = world.calls() - 240;
    let cuts = proxies.iter().map(Proxy::cuts).sum::<u32>();
    println!("{cuts} connections were cut, {repeated} calls were repeated");
}

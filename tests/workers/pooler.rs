//! Workers behind PgBouncer in transaction mode.

use std::sync::{Arc, Mutex};

use saga_core::store::PostgresOptions;
use throwaway_postgres::{Behind, Pooler, pgbouncer_version};
use tokio_postgres::config::Host;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::database::{sql, unfinished};
use crate::processes::Worker as Process;
use crate::shop::{self, Worker, World, output};
use crate::{processes, receivers};

/// The version since which PgBouncer passes on prepared statements, if it is told to.
const PASSES_ON: (u32, u32) = (1, 21);

/// A pooler in front of a database, and the database's URL through it.
fn pooler(url: &str, settings: &str) -> (Pooler, String) {
    let config: tokio_postgres::Config = url.parse().unwrap();
    let [Host::Tcp(host)] = config.get_hosts() else { panic!("{url}") };
    let password = config.get_password().map(|password| str::from_utf8(password).unwrap());
    let user = config.get_user().unwrap();
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let pooler = Pooler::start(Behind { host, port, user, password }, settings).unwrap();
    let through =
        format!("postgres://{user}@127.0.0.1:{}/{}", pooler.port(), config.get_dbname().unwrap());
    (pooler, through)
}

/// The warnings of this program.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Runs something, and returns what was warned of meanwhile, by whichever thread: `tracing` has one subscriber for
    /// all threads, so tests that warn take turns.
    fn during(work: impl FnOnce()) -> Vec<String> {
        static ALL: Mutex<Option<Warnings>> = Mutex::new(None);
        let mut all = ALL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let warnings = all.get_or_insert_with(|| {
            let warnings = Warnings::default();
            tracing::subscriber::set_global_default(warnings.clone()).unwrap();
            warnings
        });
        warnings.0.lock().unwrap().clear();
        work();
        warnings.0.lock().unwrap().clone()
    }
}

impl Visit for Warnings {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.lock().unwrap().push(format!("{}: {value:?}", field.name()));
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("saga_core")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Self::default();
        event.record(&mut fields);
        let fields = fields.0.lock().unwrap().join(", ");
        self.0.lock().unwrap().push(fields);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Runs orders through a pooler, with more workers than it has connections to the server. Returns the warnings about it.
fn warnings(settings: &str, options: fn(PostgresOptions) -> PostgresOptions) -> Vec<String> {
    let (url, world) = (shop::database(), World::new());
    let (_pooler, through) = pooler(&url, &format!("default_pool_size = 3\n{settings}"));
    let warnings = Warnings::during(|| {
        world.open();
        let worker = Worker::with(&through, &world, options);
        // many at the same time, so that statements are prepared on several connections
        for round in 0..3 {
            let orders = (0..50).map(|n| format!("order-{round}-{n}")).collect::<Vec<_>>();
            let handles = orders.iter().map(|order| worker.begin(order)).collect::<Vec<_>>();
            for (order, handle) in orders.iter().zip(handles) {
                assert_eq!(worker.run(handle.into_future()).unwrap(), output(order));
            }
        }
    });
    assert_eq!((unfinished(&url), world.effects()), (0, 300));
    let of_this = through.split('@').nth(1).unwrap();
    warnings.into_iter().filter(|warning| warning.contains(of_this)).collect()
}

#[test]
fn a_pooler_without_prepared_statements_is_noticed_and_said_once() {
    let off =
        if pgbouncer_version().unwrap() < PASSES_ON { "" } else { "max_prepared_statements = 0" };
    let said = warnings(off, |options| options);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].contains("PostgresOptions::prepared_statements(false)"), "{said:?}");
    let said = warnings(off, |options| options.prepared_statements(false));
    assert_eq!(said.len(), 0, "{said:#?}");
}

#[test]
fn a_pooler_with_prepared_statements_is_used_with_them() {
    let version = pgbouncer_version().unwrap();
    if version < PASSES_ON {
        return println!("not run: PgBouncer {version:?} does not pass on prepared statements");
    }
    let said = warnings("max_prepared_statements = 100", |options| options);
    assert_eq!(said.len(), 0, "{said:#?}");
}

#[test]
fn a_worker_behind_a_pooler_is_killed_and_the_other_finishes_its_sagas() {
    let (store, effects) = (shop::database(), receivers::database());
    let (_pooler, through) = pooler(&store, "default_pool_size = 5");
    let start = |orders: &str| {
        let mut worker = Process::start(&store, &through, &effects, orders, 1);
        worker.until("placed");
        worker
    };
    let (mut first, second) = (start("order-1 100"), start("order-2 100"));
    second.signal("-KILL");
    let (sagas, took) = second.until_taken_over(&store);
    println!("{sagas} sagas were taken over {took:?} after a kill");
    assert!(sagas > 0, "it was killed too late");
    processes::wait_for_all(&store, &mut [&mut first]);
    println!("{:?}", receivers::check(&store, &effects, 200));
    // nothing of a session was left behind at the server
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(sql(&store, locks)[0].get::<_, i64>(0), 0);
}

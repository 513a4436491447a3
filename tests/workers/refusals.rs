//! A server that answers, and refuses to write: its disk is full, it has too many connections, somebody took rights away, it
//! is too slow, or it has become a standby.

use std::time::{Duration, Instant};

use saga_core::StartError;
use throwaway_postgres::{Place, Stop, ThrowawayPostgres};

use crate::database::{connect, count, sql};
use crate::network::until;
use crate::shop::{Worker, World, output};

/// A server whose administrator we are, and the URL of the shop, a user with a password.
struct Server {
    server: ThrowawayPostgres,
    /// As the administrator.
    admin: String,
    shop: String,
}

impl Server {
    fn start() -> Self {
        let server = ThrowawayPostgres::start().unwrap();
        let admin = server.new_database().unwrap();
        sql(&admin, "CREATE ROLE shop LOGIN PASSWORD 's3cret'");
        sql(&admin, "GRANT CREATE, USAGE ON SCHEMA public TO shop");
        // so that a server that asks for passwords is what every error is about
        let password = "host all shop 127.0.0.1/32 scram-sha-256";
        server.configure("pg_hba.conf", password, Place::First).unwrap();
        let shop = admin.replace("saga@", "shop:s3cret@");
        Self { server, admin, shop }
    }

    fn execute(&self, statement: &str) {
        sql(&self.admin, statement);
    }

    /// Settings of a user hold for sessions that begin afterwards, so all sessions of the shop end.
    fn set(&self, setting: &str) {
        self.execute(&format!("ALTER ROLE shop {setting}"));
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop'";
        self.execute(end);
    }
}

/// The server refuses to write while sagas run: they wait, `health` says why and what to do, and all goes on afterwards.
#[track_caller]
fn refuses(
    server: &mut Server,
    breaks: impl FnOnce(&mut Server),
    repairs: impl FnOnce(&mut Server),
    says: &[&str],
) {
    let world = World::new();
    let worker = Worker::start(&server.shop, &world);
    let orders = (0..10).map(|n| format!("order-{n}")).collect::<Vec<_>>();
    let handles = orders.iter().map(|order| Box::pin(worker.begin(order).into_future()));
    let mut handles = handles.collect::<Vec<_>>();
    until("all are paid", || world.effects() == 10);
    // the entry about that may still be under way
    std::thread::sleep(Duration::from_millis(300));
    breaks(server);
    world.open();
    let check = |said: &str| {
        assert!(!said.contains("s3cret"), "{said}");
        says.iter().all(|part| said.contains(part))
    };
    until("health says why", || {
        let health = worker.sec.health();
        check(&health.to_string()) && health.waiting.len() == 10
    });
    println!("{}", worker.sec.health());
    // nothing new can begin either
    let refused = worker.run(worker.try_to_begin("new"));
    let Err(StartError::Store(refused)) = refused else { panic!("it was started") };
    println!("{refused}");
    assert!(check(&refused.to_string()), "{refused}");
    // it goes on to say so while the lease is renewed, and sagas try again ever less often
    let looks = [(); 100].map(|()| {
        std::thread::sleep(Duration::from_millis(30));
        check(&worker.sec.health().to_string())
    });
    let said = looks.into_iter().filter(|said| *said).count();
    println!("health said why in {said} of 100 looks");
    assert!(said > 75, "{said}: {}", worker.sec.health());
    for handle in &mut handles {
        let waits = worker.run(async { tokio::time::timeout(Duration::ZERO, handle).await });
        assert!(waits.is_err(), "{waits:?}");
    }
    assert_eq!(worker.sec.health().running, 10);

    repairs(server);
    let repaired = Instant::now();
    for (order, handle) in orders.iter().zip(handles) {
        assert_eq!(worker.run(handle).unwrap(), output(order));
    }
    println!("10 sagas had ended {:?} after that", repaired.elapsed());
    let new = worker.begin("new");
    assert_eq!(worker.run(new.into_future()).unwrap(), output("new"));
    assert_eq!(world.effects(), 22);
    until("the worker is well", || worker.sec.health().is_good());
    assert_eq!(count(&server.admin, "SELECT count(*) FROM saga WHERE ended_at IS NULL"), 0);
}

/// PostgreSQL answers with SQLSTATE 53100 when it cannot extend a file. Here a trigger does, as long as a table says so.
#[test]
fn sagas_wait_until_a_full_disk_has_room() {
    let server = &mut Server::start();
    // the tables
    drop(Worker::start(&server.shop, &World::new()));
    for statement in [
        "CREATE TABLE disk (is_full boolean NOT NULL)",
        "INSERT INTO disk VALUES (false)",
        "GRANT SELECT ON disk TO shop",
        "CREATE FUNCTION extend() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF (SELECT is_full FROM disk) THEN
                RAISE 'could not extend file \"base/16385/16412\": No space left on device'
                    USING ERRCODE = '53100', HINT = 'Check free disk space.';
            END IF; RETURN NULL; END $$",
        "CREATE TRIGGER extends AFTER INSERT ON saga_log FOR EACH STATEMENT EXECUTE FUNCTION extend()",
    ] {
        server.execute(statement);
    }
    refuses(
        server,
        |server| server.execute("UPDATE disk SET is_full = true"),
        |server| server.execute("UPDATE disk SET is_full = false"),
        &["No space left on device", "the server's disk is full", "sagas go on once there is room"],
    );
}

#[test]
fn sagas_wait_until_there_are_connections_again() {
    refuses(
        &mut Server::start(),
        |server| server.set("CONNECTION LIMIT 0"),
        |server| server.set("CONNECTION LIMIT -1"),
        &["too many connections for role \"shop\"", "CONNECTION LIMIT", "use a pooler"],
    );
}

#[test]
fn sagas_wait_until_rights_are_given_back() {
    refuses(
        &mut Server::start(),
        |server| server.execute("REVOKE INSERT ON saga_log FROM shop"),
        |server| server.execute("GRANT INSERT ON saga_log TO shop"),
        &["permission denied for table saga_log", "GRANT", "INSERT"],
    );
}

#[test]
fn sagas_wait_until_statements_are_in_time_again() {
    let server = &mut Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = runtime.block_on(connect(&server.admin)).unwrap();
    refuses(
        server,
        |server| {
            server.set("SET statement_timeout = '300ms'");
            let lock = session.batch_execute("BEGIN; LOCK TABLE saga_log");
            runtime.block_on(lock).unwrap();
        },
        |_| runtime.block_on(session.batch_execute("COMMIT")).unwrap(),
        &["statement timeout", "`statement_timeout`", "`pg_stat_activity`"],
    );
}

#[test]
fn sagas_wait_until_the_database_can_be_written_again() {
    let read_only = ["cannot execute", "in a read-only transaction", "connect to the primary"];
    refuses(
        &mut Server::start(),
        |server| server.set("SET default_transaction_read_only = on"),
        |server| server.set("RESET default_transaction_read_only"),
        &read_only,
    );
    // after a failover, what was the primary is a standby
    refuses(
        &mut Server::start(),
        |server| {
            server.server.stop(Stop::Fast).unwrap();
            server.server.add_file("standby.signal", "").unwrap();
            server.server.resume().unwrap();
        },
        |server| server.execute("SELECT pg_promote()"),
        &read_only,
    );
}

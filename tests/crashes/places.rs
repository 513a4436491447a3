//! Where the sagas are stored.

use saga_core::prelude::*;
use saga_core::store::rusqlite::Connection;
use saga_core::store::{FileStore, Store, StoreError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

/// A store that a process opens at a place: a path, or a URL.
pub(crate) trait Place: Store + Clone {
    const KIND: Kind;

    fn open(place: &str) -> impl Future<Output = Result<Self, StoreError>>;

    /// The same beside a worker.
    fn attach(place: &str) -> impl Future<Output = Result<Self, StoreError>>;

    /// Creates the table `payment`, if it is not there.
    fn prepare(place: &str) -> impl Future<Output = ()>;

    /// How many payments each saga has made.
    fn payments(place: &str) -> impl Future<Output = Vec<(String, i64)>>;

    /// Nobody waits for leases of processes that have died.
    fn expire(place: &str) -> impl Future<Output = ()>;
}

impl Place for FileStore {
    const KIND: Kind = Kind::File;

    async fn open(place: &str) -> Result<Self, StoreError> {
        Self::open(place)
    }

    async fn attach(place: &str) -> Result<Self, StoreError> {
        Self::attach(place)
    }

    async fn prepare(_: &str) {}

    async fn payments(_: &str) -> Vec<(String, i64)> {
        Vec::new()
    }

    async fn expire(_: &str) {}
}

const CREATE: &str = "CREATE TABLE IF NOT EXISTS payment (saga text PRIMARY KEY)";
const COUNT: &str = "SELECT saga, count(*) FROM payment GROUP BY saga";

impl Place for SqliteStore {
    const KIND: Kind = Kind::Sqlite;

    async fn open(place: &str) -> Result<Self, StoreError> {
        Self::open(place)
    }

    async fn attach(place: &str) -> Result<Self, StoreError> {
        Self::attach(place)
    }

    async fn prepare(place: &str) {
        let conn = Connection::open(place).unwrap();
        conn.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        conn.execute_batch(CREATE).unwrap();
    }

    async fn payments(place: &str) -> Vec<(String, i64)> {
        let conn = Connection::open(place).unwrap();
        // the process may have died before it made the table
        let Ok(mut select) = conn.prepare(COUNT) else { return Vec::new() };
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    async fn expire(_: &str) {}
}

#[cfg(feature = "postgres")]
pub(crate) mod postgres {
    use std::time::Duration;

    use saga_core::store::tokio_postgres::{Client, NoTls, connect};
    use saga_core::store::{PostgresStore, StoreError};

    use super::{COUNT, CREATE, Kind, Place};

    /// The second commit of a payment is cut off by the server, and one append is committed although the store has given it
    /// up, so that the store has to read back what became of them.
    const DISTURB: &str = "CREATE SEQUENCE IF NOT EXISTS commits;
        CREATE OR REPLACE FUNCTION disturb() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('commits') = 2 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
            RETURN NULL; END $$;
        DROP TRIGGER IF EXISTS disturbs ON payment;
        CREATE CONSTRAINT TRIGGER disturbs AFTER INSERT ON payment DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION disturb();
        CREATE SEQUENCE IF NOT EXISTS appends;
        CREATE OR REPLACE FUNCTION delay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('appends') = 4 THEN
                BEGIN PERFORM pg_sleep(10); EXCEPTION WHEN query_canceled THEN NULL; END;
            END IF;
            RETURN NULL; END $$;
        CREATE OR REPLACE TRIGGER delays AFTER INSERT ON saga_log FOR EACH STATEMENT EXECUTE FUNCTION delay()";

    pub(crate) async fn client(url: &str) -> Client {
        let (client, connection) = connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    impl Place for PostgresStore {
        const KIND: Kind = Kind::Postgres;

        async fn open(place: &str) -> Result<Self, StoreError> {
            let options = Self::options(place).lease(Duration::from_secs(6)).connections(4);
            let options = options.statement_timeout(Duration::from_millis(800));
            options.poll_every(Duration::from_millis(200)).connect().await
        }

        async fn attach(place: &str) -> Result<Self, StoreError> {
            <Self as Place>::open(place).await
        }

        async fn prepare(place: &str) {
            let client = client(place).await;
            client.batch_execute(&format!("{CREATE};{DISTURB}")).await.unwrap();
        }

        async fn payments(place: &str) -> Vec<(String, i64)> {
            let client = client(place).await;
            // the process may have died before it made the table
            let rows = client.query(COUNT, &[]).await.unwrap_or_default();
            rows.iter().map(|row| (row.get(0), row.get(1))).collect()
        }

        async fn expire(place: &str) {
            let client = client(place).await;
            let expire = "UPDATE saga_worker SET lease_until = now() - interval '1 second'";
            // the process may have died before it made the table
            let _ = client.execute(expire, &[]).await;
        }
    }
}

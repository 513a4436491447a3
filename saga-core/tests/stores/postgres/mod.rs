//! `PostgresStore` on a server.

mod barrier;
mod conformance;
mod connecting;
mod definitions;
mod tls;
mod transactions;
mod unknown;

use std::time::Duration;

use saga_core::store::PostgresOptions;
use saga_core::store::PostgresStore;
use saga_core::store::tokio_postgres::{Client, NoTls, connect};
use throwaway_postgres::TestDatabase;

/// A new, empty database, which is removed when it is dropped.
fn database() -> TestDatabase {
    throwaway_postgres::new_database().unwrap()
}

/// A store with a short lease.
fn options(url: &str) -> PostgresOptions {
    PostgresStore::options(url).lease(Duration::from_secs(1))
}

/// A connection of the user.
async fn client(url: &str) -> Client {
    let (client, connection) = connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

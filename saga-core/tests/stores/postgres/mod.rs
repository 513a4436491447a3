//! `PostgresStore` on a server of its own.

mod barrier;
mod conformance;
mod connecting;
mod tls;
mod transactions;

use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use saga_core::store::PostgresOptions;
use saga_core::store::PostgresStore;
use saga_core::store::tokio_postgres::{Client, NoTls, connect};
use throwaway_postgres::ThrowawayPostgres;

/// A new, empty database on the server that the tests of this program share.
fn database() -> String {
    static SERVER: OnceLock<Mutex<ThrowawayPostgres>> = OnceLock::new();
    let server = SERVER.get_or_init(|| Mutex::new(ThrowawayPostgres::start().unwrap()));
    server.lock().unwrap().new_database().unwrap()
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

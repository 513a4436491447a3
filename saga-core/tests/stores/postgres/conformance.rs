//! The conformance suite.

use saga_core::store::EncodedStore;
use saga_core::testing::{ConformanceError, store_conformance};

use super::{client, database, options};
use crate::conformance::Bound;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_conforms() -> Result<(), ConformanceError> {
    let mut databases = Vec::new();
    store_conformance(async || {
        databases.push(database());
        options(&databases[databases.len() - 1]).connect().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_with_encoded_payloads_conforms() -> Result<(), ConformanceError> {
    let mut databases = Vec::new();
    store_conformance(async || {
        databases.push(database());
        let store = options(&databases[databases.len() - 1]).connect().await?;
        Ok(EncodedStore::new(store, Bound))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_conforms_with_a_prefix_one_connection_and_no_prepared_statements()
-> Result<(), ConformanceError> {
    let url = database();
    let mut stores = 0;
    store_conformance(async || {
        stores += 1;
        let options = options(&url).table_prefix(format!("shop{stores}_"));
        options.connections(1).prepared_statements(false).connect().await
    })
    .await
}

/// What a role's or database's defaults say is for the user's own transactions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_conforms_where_transactions_are_serializable_by_default()
-> Result<(), ConformanceError> {
    let url = database();
    let session = client(&url).await;
    let name = session.query_one("SELECT current_database()", &[]).await.unwrap();
    let name: &str = name.get(0);
    let set = format!("ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'");
    session.batch_execute(&set).await.unwrap();
    let mut stores = 0;
    store_conformance(async || {
        stores += 1;
        options(&url).table_prefix(format!("shop{stores}_")).connect().await
    })
    .await
}

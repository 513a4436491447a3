//! The conformance suite.

use saga_core::store::EncodedStore;
use saga_core::testing::{ConformanceError, store_conformance};

use super::{database, options};
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

//! What tests do with a database themselves.

use tokio_postgres::{Client, NoTls, Row};

/// Connects. The connection lives as long as the runtime.
pub(crate) async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// Executes one statement on a connection of its own.
pub(crate) fn sql(url: &str, statement: &str) -> Vec<Row> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { connect(url).await.unwrap().query(statement, &[]).await.unwrap() })
}

/// The number that a statement returns.
pub(crate) fn count(url: &str, statement: &str) -> i64 {
    sql(url, statement)[0].get(0)
}

/// How many sagas have not ended.
pub(crate) fn unfinished(url: &str) -> i64 {
    count(url, "SELECT count(*) FROM saga WHERE ended_at IS NULL")
}

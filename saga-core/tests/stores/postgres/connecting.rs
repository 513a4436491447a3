//! Connecting: each mistake gets an error that says what to do, and none shows the password. And disconnecting.

use std::task::Poll;

use saga_core::store::{ListFilter, PostgresOptions, PostgresStore, Store, StoreError};
use throwaway_postgres::{Place, Stop, ThrowawayPostgres};

async fn refused(options: PostgresOptions) -> String {
    let debug = format!("{options:?}");
    let error = options.connect().await.map(drop).expect_err("it connected").to_string();
    for shown in [&error, &debug] {
        assert!(!shown.contains("s3cret"), "the password is shown: {shown}");
    }
    println!("{error}");
    error
}

fn with(url: &str, from: &str, to: &str) -> PostgresOptions {
    assert!(url.contains(from), "{url}");
    PostgresStore::options(&url.replacen(from, to, 1))
}

#[track_caller]
fn assert_says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_url_user_or_database_is_named() {
    let server = ThrowawayPostgres::start().unwrap();
    let url = server.new_database().unwrap();
    let sql = |sql: &str| server.client("psql", &["-d", &url, "-qAtc", sql]).unwrap();
    sql("CREATE USER guest PASSWORD 's3cret'");
    sql("CREATE USER full PASSWORD 's3cret' CONNECTION LIMIT 0");
    let password = "host all guest 127.0.0.1/32 scram-sha-256";
    server.configure("pg_hba.conf", password, Place::First).unwrap();

    let unreadable = [
        "",
        "localhost:5432",
        "mysql://root:s3cret@localhost/shop",
        "postgres://u:s3cret@localhost:port/shop",
    ];
    for url in unreadable {
        let error = refused(PostgresStore::options(url)).await;
        assert_says(&error, &["`postgres://user:password@host:5432/database`"]);
    }
    let port = format!(":{}/", server.port());
    let error = refused(with(&url, &port, ":1/")).await;
    assert_says(
        &error,
        &["PostgreSQL at 127.0.0.1:1/", "cannot connect", "refused", "check host and port"],
    );
    let error = refused(with(&url, "127.0.0.1", "no-such-host.invalid")).await;
    assert_says(&error, &["no-such-host.invalid", "cannot connect"]);
    let error = refused(with(&url, "saga@", "guest:wrong-s3cret@")).await;
    assert_says(&error, &["password authentication failed", "check user and password"]);
    let error = refused(with(&url, "saga@", "guest@")).await;
    assert_says(&error, &["asks for a password", "postgres://user:password@"]);
    let error = refused(with(&url, "saga@", "full:s3cret@")).await;
    assert_says(&error, &["too many connections", "CONNECTION LIMIT", "use a pooler"]);
    let error = refused(with(&url, &port, &format!("{port}no_such_"))).await;
    assert_says(&error, &["does not exist", "createdb"]);
    let error = refused(PostgresStore::options(&format!("{url}?sslmode=require"))).await;
    assert_says(&error, &["has no TLS", "sslmode=require", "ssl = on"]);
    let error = refused(PostgresStore::options(&url).table_prefix("x\"; drop")).await;
    assert_says(&error, &["the table prefix \"x\\\"; drop\" must be 1 to 31 characters"]);
    let error = refused(with(&url, "saga@", "guest:s3cret@")).await;
    assert_says(&error, &["permission denied", "GRANT CREATE, USAGE ON SCHEMA"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attaching_creates_no_tables() {
    let server = ThrowawayPostgres::start().unwrap();
    let url = server.new_database().unwrap();
    let tables = || {
        let count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        server.client("psql", &["-d", &url, "-qAtc", count]).unwrap().trim().to_string()
    };
    let options = || PostgresStore::options(&url);
    let error = options().attach().await.map(drop).unwrap_err().to_string();
    assert_says(&error, &["no sagas in it yet", "PostgresStore::connect"]);
    assert_eq!(tables(), "0");
    options().connect().await.unwrap();
    let attached = options().attach().await.unwrap();
    assert!(attached.list(ListFilter::default()).await.unwrap().is_empty());
    let error = options().table_prefix("shop_").attach().await.map(drop).unwrap_err().to_string();
    assert_says(&error, &["no sagas in it yet", "`table_prefix`"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_could_lose_sagas_is_refused() {
    let mut server = ThrowawayPostgres::start().unwrap();
    let url = server.new_database().unwrap();
    let sql = |server: &ThrowawayPostgres, sql: &str| {
        server.client("psql", &["-d", &url, "-qAtc", sql]).unwrap();
    };
    let options = || PostgresStore::options(&url);
    sql(&server, "ALTER USER saga SET synchronous_commit = off");
    let error = refused(options()).await;
    assert_says(&error, &["`synchronous_commit = off`", "sagas could be lost", "accept_data_loss"]);
    options().accept_data_loss().connect().await.unwrap();
    sql(&server, "ALTER USER saga RESET synchronous_commit");
    options().connect().await.unwrap();

    server.configure("postgresql.conf", "fsync = off", Place::Last).unwrap();
    // the server reads its files a moment later
    let mut tries = 0;
    let error = loop {
        match options().connect().await {
            Err(error) => break error.to_string(),
            Ok(_) if tries < 100 => tries += 1,
            Ok(_) => panic!("a server without fsync is accepted"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_says(&error, &["`fsync = off`"]);
    server.configure("postgresql.conf", "fsync = on", Place::Last).unwrap();

    sql(&server, "ALTER USER saga SET default_transaction_read_only = on");
    let error = refused(options()).await;
    assert_says(&error, &["read-only", "default_transaction_read_only"]);
    sql(
        &server,
        "SET transaction_read_only = off; ALTER USER saga RESET default_transaction_read_only",
    );

    server.client("createdb", &["--encoding=SQL_ASCII", "--template=template0", "ascii"]).unwrap();
    let error = refused(PostgresStore::options(&server.url_of("ascii"))).await;
    assert_says(&error, &["SQL_ASCII", "--encoding=UTF8"]);

    server.stop(Stop::Fast).unwrap();
    server.add_file("standby.signal", "").unwrap();
    server.resume().unwrap();
    let error = refused(options()).await;
    assert_says(&error, &["standby", "connect to the primary"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_others_and_newer_schemas_stay_untouched() {
    for theirs in ["saga", "saga_meta", "saga_log"] {
        let url = super::database();
        let client = super::client(&url).await;
        let sql =
            format!("CREATE TABLE {theirs} (hero text); INSERT INTO {theirs} VALUES ('Njal')");
        client.batch_execute(&sql).await.unwrap();
        let error = refused(PostgresStore::options(&url)).await;
        assert_says(&error, &["another program's", "table_prefix"]);
        let row = client.query_one(&format!("SELECT hero FROM {theirs}"), &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "Njal");
        PostgresStore::options(&url).table_prefix("shop_").connect().await.unwrap();
    }
    let url = super::database();
    PostgresStore::connect(&url).await.unwrap();
    let newer = "UPDATE saga_meta SET schema_version = 99";
    super::client(&url).await.batch_execute(newer).await.unwrap();
    let error = PostgresStore::connect(&url).await.unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { found: 99, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_start_at_the_same_time_create_the_tables_once() {
    // again and again, because they seldom meet
    for _ in 0..5 {
        let url = super::database();
        let connects = (0..8).map(|_| {
            let url = url.to_string();
            tokio::spawn(async move { PostgresStore::connect(&url).await })
        });
        for connect in connects.collect::<Vec<_>>() {
            connect.await.unwrap().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_in_flight_are_finished_when_the_store_is_dropped() {
    let url = super::database();
    let store = PostgresStore::connect(&url).await.unwrap();
    let ids = (0..50).map(|n| format!("saga-{n}")).collect::<Vec<_>>();
    crate::samples::create(&store, &["first"]).await;
    for id in &ids {
        // polled once, so that it has begun, and dropped with its answer
        let mut create = store.create(crate::samples::new_saga(id));
        let waits = std::future::poll_fn(|cx| Poll::Ready(create.as_mut().poll(cx).is_pending()));
        assert!(waits.await);
    }
    drop(store);
    let store = PostgresStore::connect(&url).await.unwrap();
    let mut tries = 0;
    loop {
        let filter = ListFilter { limit: 100, ..ListFilter::default() };
        let stored = store.list(filter).await.unwrap().len();
        if stored == ids.len() + 1 {
            break;
        }
        tries += 1;
        assert!(tries < 100, "{stored} sagas were created");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

//! Databases for tests, each for one of them: on the server of [`URL`], or on one that the test program starts.

use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::runtime::Runtime;
use tokio_postgres::{Client, Config, Error, NoTls};

use crate::ThrowawayPostgres;

/// The environment variable with the URL of a server that tests use instead of starting one.
pub const URL: &str = "SAGA_TEST_POSTGRES_URL";

/// What the names of databases on such a server begin with.
const PREFIX: &str = "saga_test_";

/// A new database. It is removed when this is dropped, whoever is connected to it.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    /// Where it is to be removed. A server of our own is removed as a whole.
    remove: Option<(Sender<Order>, String)>,
}

/// Creates databases on a server that others use as well, and removes them.
///
/// If this process dies before it has removed its databases, the next one that connects there does so: a database has the
/// name of the session that it belongs to, and no such session is there any more.
#[derive(Debug)]
pub struct Databases {
    orders: Sender<Order>,
    url: String,
}

#[derive(Debug)]
enum Order {
    Create(Sender<Result<String, String>>),
    Remove(String, Sender<()>),
}

/// A new database for a test, whose connections have no TLS.
///
/// # Errors
/// What is missing, or what the server said.
pub fn new_database() -> Result<TestDatabase, String> {
    static THEIRS: OnceLock<Result<Databases, String>> = OnceLock::new();
    static OURS: OnceLock<Result<ThrowawayPostgres, String>> = OnceLock::new();
    if let Ok(url) = std::env::var(URL) {
        return THEIRS.get_or_init(|| Databases::at(&url)).as_ref()?.create();
    }
    let server = OURS.get_or_init(ThrowawayPostgres::start).as_ref().map_err(|missing| {
        format!("{missing}, or set {URL} to the URL of a server where databases may be created")
    });
    Ok(TestDatabase { url: server?.new_database()?, remove: None })
}

impl Deref for TestDatabase {
    type Target = str;

    /// The URL.
    fn deref(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Some((orders, name)) = self.remove.take() {
            let (removed, done) = channel();
            if orders.send(Order::Remove(name, removed)).is_ok() {
                // an error says that it is removed, or cannot be
                let _ = done.recv();
            }
        }
    }
}

impl Databases {
    /// Connects, and removes the databases of processes that have died.
    ///
    /// # Errors
    /// What the server said, and what to do. No error contains the password.
    pub fn at(url: &str) -> Result<Self, String> {
        let config = url.parse::<Config>().map_err(|e| format!("{URL} cannot be read: {e}"))?;
        let (orders, received) = channel();
        let (connected, is_connected) = channel();
        // a thread of its own, because tests call this within runtimes of theirs
        std::thread::spawn(move || serve(config, &connected, &received));
        is_connected.recv().map_err(|_| format!("the thread for {URL} has ended"))??;
        Ok(Self { orders, url: url.to_string() })
    }

    /// A new, empty database.
    ///
    /// # Errors
    /// What the server said, and what to do.
    pub fn create(&self) -> Result<TestDatabase, String> {
        let (reply, created) = channel();
        // an error of either says that the thread has ended
        let _ = self.orders.send(Order::Create(reply));
        let name = created.recv().map_err(|_| format!("the connection to {URL} is lost"))??;
        let url = with_database(&self.url, &name);
        Ok(TestDatabase { url, remove: Some((self.orders.clone(), name)) })
    }
}

/// The same URL with another database.
fn with_database(url: &str, name: &str) -> String {
    let (before, parameters) = match url.split_once('?') {
        Some((before, parameters)) => (before, format!("?{parameters}")),
        None => (url, String::new()),
    };
    let server = before.split_once("://").map_or(0, |(scheme, _)| scheme.len() + "://".len());
    let end = before.get(server..).and_then(|rest| rest.find('/')).map(|at| server + at);
    let server = end.and_then(|end| before.get(..end)).unwrap_or(before);
    format!("{server}/{name}{parameters}")
}

/// What the thread does.
fn serve(mut config: Config, connected: &Sender<Result<(), String>>, orders: &Receiver<Order>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let session = format!("{PREFIX}{}_{}", std::process::id(), now % 1_000_000_000);
    config.application_name(&session);
    let failed = |what: &str, error: &Error| format!("{URL}: cannot {what}: {}", explain(error));
    let begun = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match begun {
        Ok(runtime) => runtime,
        Err(error) => return drop(connected.send(Err(format!("{URL}: {error}")))),
    };
    let client = match runtime.block_on(connect(&config)) {
        Ok(client) => client,
        Err(error) => return drop(connected.send(Err(failed("connect", &error)))),
    };
    // nobody else reports that, and the next process tries again
    let _ = connected.send(Ok(()));
    let mut number = 0_u32;
    while let Ok(order) = orders.recv() {
        match order {
            Order::Create(reply) => {
                number += 1;
                let name = format!("{session}_{number}");
                let sql =
                    format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
                let created = execute(&runtime, &client, &sql);
                let created = created.map_err(|error| failed("create a database", &error));
                let _ = reply.send(created.map(|()| name));
            }
            Order::Remove(name, reply) => {
                if let Err(error) = execute(&runtime, &client, &remove(&name)) {
                    eprintln!("{}", failed("remove a database", &error));
                }
                let _ = reply.send(());
            }
        }
    }
}

fn execute(runtime: &Runtime, client: &Client, sql: &str) -> Result<(), Error> {
    runtime.block_on(client.batch_execute(sql))
}

fn remove(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
}

async fn connect(config: &Config) -> Result<Client, Error> {
    let (client, connection) = config.connect(NoTls).await?;
    // it ends with the runtime
    tokio::spawn(async move { drop(connection.await) });
    let left = "SELECT d.datname::text FROM pg_database AS d JOIN pg_roles AS r ON r.oid = d.datdba \
        WHERE r.rolname = current_user AND starts_with(d.datname, $1) AND NOT EXISTS (SELECT FROM pg_stat_activity AS a \
        WHERE a.application_name <> '' AND starts_with(d.datname, a.application_name || '_'))";
    let left = client.query(left, &[&PREFIX]).await?;
    for row in left {
        // another process may remove it as well
        let _ = client.batch_execute(&remove(row.try_get(0)?)).await;
    }
    Ok(client)
}

fn explain(error: &Error) -> String {
    let Some(said) = error.as_db_error() else {
        let cause = std::error::Error::source(error);
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        return format!("{error}{cause}; check host and port, and that the server runs");
    };
    let advice = match said.code().code() {
        "42501" => "; the user needs `ALTER USER .. CREATEDB`",
        "28P01" | "28000" => "; check user and password",
        "53300" => "; raise the server's `max_connections`, or pass `--test-threads=1`",
        _ => "",
    };
    format!("{}{advice}", said.message())
}

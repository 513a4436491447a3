//! The pool of connections.

use std::sync::Arc;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use futures_util::future::BoxFuture;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{CancelToken, Config, NoTls, Socket};

use super::connection::{Cancel, Database};
use super::options::PostgresOptions;
use super::tls;
use crate::store::StoreError;

/// A database to which nothing has connected yet.
pub(super) fn database(options: &PostgresOptions) -> Result<Database, StoreError> {
    let unknown = |why: String| StoreError::Failed { store: "PostgreSQL".to_string(), why };
    // the error does not contain the URL
    let unreadable = |why: &str| {
        unknown(format!(
            "the URL cannot be read: {why}; it looks like `postgres://user:password@host:5432/database`"
        ))
    };
    let mut config: Config =
        options.url.parse().map_err(|e| unreadable(&super::trouble::with_causes(&e)))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(unreadable("it names no host"));
    }
    let place: Arc<str> = place(&config).into();
    let failed = |why: String| StoreError::Failed { store: place.to_string(), why };
    let prefix = options.table_names().map_err(failed)?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(options.statement_timeout);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(options.statement_timeout);
    }
    if config.get_application_name().is_none() {
        config.application_name("saga-core");
    }
    let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let (manager, cancel): (_, Cancel) = if config.get_ssl_mode() == SslMode::Disable {
        let cancel = |token: CancelToken| cancel(token, NoTls);
        (Manager::from_config(config, NoTls, manager_config), Box::new(cancel))
    } else {
        let checks = config.get_ssl_mode() != SslMode::Prefer;
        let tls = tls::connect(options.root_certificates.as_deref(), checks).map_err(failed)?;
        let manager = Manager::from_config(config, tls.clone(), manager_config);
        (manager, Box::new(move |token| cancel(token, tls.clone())))
    };
    let timeout = Some(options.statement_timeout);
    let timeouts = Timeouts { wait: timeout, create: timeout, recycle: timeout };
    let pool = Pool::builder(manager)
        .max_size(options.connections)
        .runtime(Runtime::Tokio1)
        .timeouts(timeouts)
        .build()
        .map_err(|e| failed(e.to_string()))?;
    Ok(Database::new(
        pool,
        prefix,
        place,
        options.statement_timeout,
        options.prepared_statements,
        cancel,
    ))
}

fn cancel<T>(token: CancelToken, tls: T) -> BoxFuture<'static, ()>
where
    T: MakeTlsConnect<
            Socket,
            Stream: Send,
            TlsConnect: Send,
            TlsConnect: TlsConnect<Socket, Future: Send>,
        > + Send
        + 'static,
{
    // if that fails, the server finishes the statement, and finds that nobody waits for it
    Box::pin(async move { drop(token.cancel_query(tls).await) })
}

/// What the server is called in errors: its address and database, without user and password.
fn place(config: &Config) -> String {
    let host = config.get_hosts().first().map_or_else(
        || "localhost".to_string(),
        |host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        },
    );
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("PostgreSQL at {host}:{port}/{database}")
}

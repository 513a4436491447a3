//! The pool of connections.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use futures_util::future::BoxFuture;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{CancelToken, Config, NoTls, Socket};

use super::connection::{Cancel, Database};
use super::options::PostgresOptions;
use super::tls;
use crate::causes::with_causes;
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
    if has_bare_at(&options.url) {
        // what follows the first `@` would be taken for the host, and shown
        return Err(unreadable(
            "it has a second `@`; write each `@` in the user, password or database as `%40`",
        ));
    }
    let mut config: Config =
        options.url.parse().map_err(|e| unreadable(&with_advice(with_causes(&e))))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(unreadable("it names no host"));
    }
    let place: Arc<str> = place(&config).into();
    let failed = |why: String| StoreError::Failed { store: place.to_string(), why };
    let prefix = options.table_names().map_err(failed)?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(options.statement_timeout);
    }
    notice_dead_connections(&mut config, options);
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

/// True if more than the `@` before the host is not encoded.
fn has_bare_at(url: &str) -> bool {
    let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let before_parameters = url.split('?').next().unwrap_or_default();
    is_url && before_parameters.matches('@').count() > 1
}

/// A connection on which nothing arrives any more is given up by the system as well, in about twice the time that a statement
/// may take, unless the URL says otherwise.
fn notice_dead_connections(config: &mut Config, options: &PostgresOptions) {
    let timeout = options.statement_timeout;
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(timeout);
    }
    // the system counts in seconds
    let second = Duration::from_secs(1);
    if config.get_keepalives_idle() == Config::new().get_keepalives_idle()
        && !options.url.contains("keepalives_idle")
    {
        config.keepalives_idle(timeout.max(second));
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval((timeout / 4).max(second));
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(4);
    }
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

/// What users of libpq write, and what it is called here.
fn with_advice(why: String) -> String {
    match why.contains("ssl") {
        true => format!(
            "{why} (`sslmode` is `disable`, `prefer` or `require`, which checks certificate and name; instead of `sslrootcert`, \
             pass the certificates to `PostgresOptions::root_certificates`)"
        ),
        false => why,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::PostgresStore;

    #[test]
    fn a_password_whose_at_is_not_encoded_is_not_shown_as_the_host() {
        for url in ["postgres://u:p@s3cret@h/d", "postgresql://u:p@s3cret/s3cret@h/d"] {
            let refused = database(&PostgresStore::options(url)).err().unwrap().to_string();
            assert!(!refused.contains("s3cret") && refused.contains("`%40`"), "{refused}");
        }
        for url in ["postgres://u:p%40s3cret@h/d", "host=h user=u password=p@s3cret@://"] {
            assert!(database(&PostgresStore::options(url)).is_ok(), "{url}");
        }
    }

    #[test]
    fn the_url_decides_when_a_connection_is_dead_and_else_the_statement_timeout() {
        let config = |parameters: &str| {
            let url = format!("postgres://u@h/d{parameters}");
            let options = PostgresStore::options(&url).statement_timeout(Duration::from_secs(8));
            let mut config = url.parse::<Config>().unwrap();
            notice_dead_connections(&mut config, &options);
            let seconds = |time: Option<&Duration>| time.map(Duration::as_secs);
            let interval = config.get_keepalives_interval();
            (
                config.get_keepalives_idle().as_secs(),
                seconds(interval.as_ref()),
                config.get_keepalives_retries(),
                seconds(config.get_tcp_user_timeout()),
            )
        };
        assert_eq!(config(""), (8, Some(2), Some(4), Some(8)));
        let all =
            "?keepalives_idle=7200&keepalives_interval=3&keepalives_retries=5&tcp_user_timeout=9";
        assert_eq!(config(all), (7200, Some(3), Some(5), Some(9)));
        assert_eq!(config("?keepalives_idle=60"), (60, Some(2), Some(4), Some(8)));
    }
}

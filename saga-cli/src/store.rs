//! Opens a store: for reading and for requests, or as its worker.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use saga_core::operator::Operator;
use saga_core::store::{FileStore, SqliteStore, Store, StoreError};

use crate::args::Global;
use crate::failure::Failure;

/// Where a store is.
#[derive(Clone)]
pub(crate) enum StoreUrl {
    Sqlite(PathBuf),
    File(PathBuf),
    /// With the password in it.
    Postgres(String),
}

impl FromStr for StoreUrl {
    type Err = String;

    /// The error never repeats the text, which may have a password in it.
    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or_default();
        match scheme {
            _ if rest.is_empty() => {}
            "sqlite" => return Ok(Self::Sqlite(rest.into())),
            "file" => return Ok(Self::File(rest.into())),
            "postgres" | "postgresql" => return Ok(Self::Postgres(text.to_string())),
            _ => {}
        }
        Err("a store is sqlite:PATH, file:DIRECTORY or postgres://USER@HOST/DATABASE".to_string())
    }
}

/// A store that is open. Clones share it.
#[derive(Clone)]
pub(crate) enum Opened {
    Sqlite(SqliteStore),
    File(FileStore),
    #[cfg(feature = "postgres")]
    Postgres(saga_core::store::PostgresStore),
}

impl Opened {
    pub(crate) fn store(&self) -> &dyn Store {
        match self {
            Self::Sqlite(store) => store,
            Self::File(store) => store,
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store,
        }
    }

    /// An operator of the sagas in it.
    pub(crate) fn operator(&self, by: &str, patience: Duration) -> Operator {
        match self.clone() {
            Self::Sqlite(store) => Operator::attach(store, by, patience),
            Self::File(store) => Operator::attach(store, by, patience),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => Operator::attach(store, by, patience),
        }
    }
}

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// To read, and to leave requests, also while a worker has it open.
    Attach,
    /// To do what only a worker may do. A store with one worker at a time cannot be opened so while that one runs.
    Work,
}

impl Global {
    /// Where the store is.
    pub(crate) fn url(&self) -> Result<StoreUrl, Failure> {
        let text = self.store.as_deref().ok_or_else(|| {
            Failure::usage("which store? give --store, or set SAGA_STORE, to sqlite:PATH, file:DIRECTORY or postgres://..")
        })?;
        // clap would repeat a text that it cannot read, and that may have a password in it
        text.parse().map_err(|why: String| Failure::usage(why))
    }

    /// Opens the store.
    pub(crate) async fn open(&self, access: Access) -> Result<Opened, Failure> {
        self.open_within(access, PATIENCE).await
    }

    /// Opens the store for somebody who does not wait longer than this, or a second.
    pub(crate) async fn open_within(
        &self,
        access: Access,
        patience: Duration,
    ) -> Result<Opened, Failure> {
        let patience = patience.clamp(SHORTEST, PATIENCE);
        let prefix = self.table_prefix.as_deref();
        match self.url()? {
            StoreUrl::Sqlite(path) => Ok(Opened::Sqlite(sqlite(&path, prefix, access, patience)?)),
            StoreUrl::File(path) => {
                if prefix.is_some() {
                    return Err(Failure::usage(
                        "a store in files has no tables, and no --table-prefix",
                    ));
                }
                // the worker would create what is not there
                if access == Access::Work {
                    FileStore::attach(&path)?;
                    return Ok(Opened::File(FileStore::open(&path).map_err(no_worker)?));
                }
                Ok(Opened::File(FileStore::attach(path)?))
            }
            StoreUrl::Postgres(url) => postgres(&url, prefix, patience).await,
        }
    }
}

/// How long a server may take to answer, and a lock may be held, if nothing else is said.
const PATIENCE: Duration = Duration::from_secs(10);

/// The least of that: a store that works is busy for a moment now and then.
const SHORTEST: Duration = Duration::from_secs(1);

fn sqlite(
    path: &Path,
    prefix: Option<&str>,
    access: Access,
    patience: Duration,
) -> Result<SqliteStore, Failure> {
    let attached = SqliteStore::attach_within(path, prefix, patience)?;
    Ok(match (access, prefix) {
        (Access::Attach, _) => attached,
        // the worker would create what is not there
        (Access::Work, None) => SqliteStore::open(path).map_err(no_worker)?,
        (Access::Work, Some(prefix)) => {
            SqliteStore::open_with_prefix(path, prefix).map_err(no_worker)?
        }
    })
}

/// Why a store cannot be opened as its worker.
fn no_worker(error: StoreError) -> Failure {
    if matches!(error, StoreError::InUse { .. }) {
        let what =
            "let that worker do it with `Coordinator::purge`, or try again when it has stopped";
        return Failure::error(format!("{error}; {what}"));
    }
    error.into()
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str, prefix: Option<&str>, patience: Duration) -> Result<Opened, Failure> {
    let options = saga_core::store::PostgresStore::options(url);
    let mut options = options.connections(2).statement_timeout(patience);
    if let Some(prefix) = prefix {
        options = options.table_prefix(prefix);
    }
    match tokio::time::timeout(patience, options.attach()).await {
        Ok(attached) => Ok(Opened::Postgres(attached?)),
        Err(_) => {
            let place = StoreUrl::Postgres(url.to_string());
            let after = patience.as_secs();
            let why = format!(
                "{place}: the server does not answer (within {after} s); check that it runs, and that nothing holds it up"
            );
            Err(Failure::error(why))
        }
    }
}

#[cfg(not(feature = "postgres"))]
async fn postgres(
    _url: &str,
    _prefix: Option<&str>,
    _patience: Duration,
) -> Result<Opened, Failure> {
    let why =
        "this program was built without PostgreSQL; build saga-cli with its feature `postgres`";
    Err(Failure::usage(why))
}

impl fmt::Display for StoreUrl {
    /// Without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Postgres(url) => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
                write!(f, "postgres://{}", place.split('?').next().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

//! What can go wrong with a statement, what it means for the transaction, and what it tells the user to do.

use std::time::Duration;

use tokio_postgres::error::{DbError, SqlState};

use super::connection::Database;
use crate::causes::with_causes;
use crate::store::StoreError;

/// Why a statement has no result.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There was no connection to be had.
    NotConnected(tokio_postgres::Error),
    /// All connections were in use for too long.
    NoConnection,
    /// The pool failed.
    Pool(String),
    /// The server or the connection failed.
    Sql(tokio_postgres::Error),
    /// The server did not answer in time.
    TimedOut(Duration),
    /// What was read makes no sense, or the store refuses the call.
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What is known about the transaction of a statement that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It may have been committed.
    Unknown,
    /// It was rolled back, and may succeed if it is tried again at once.
    TryAgain,
    /// It was rolled back, or never began, because the database cannot be reached at the moment.
    Unreachable,
    /// It was rolled back, and trying again is useless.
    RolledBack,
}

impl Trouble {
    pub(super) fn fate(&self) -> Fate {
        match self {
            Self::NotConnected(error) => match error.code() {
                Some(code) if is_transient(code) => Fate::Unreachable,
                Some(_) => Fate::RolledBack,
                None => Fate::Unreachable,
            },
            Self::NoConnection | Self::Pool(_) => Fate::Unreachable,
            Self::TimedOut(_) => Fate::Unknown,
            Self::Store(_) => Fate::RolledBack,
            Self::Sql(error) => match error.code() {
                None => Fate::Unknown,
                Some(_) if self.is_about_prepared_statements() => Fate::TryAgain,
                Some(code) => match code.code() {
                    // serialization failure, deadlock, lock timeout
                    "40001" | "40P01" | "55P03" => Fate::TryAgain,
                    // the connection or the server is gone, or the server does not know itself
                    code if code.starts_with("08")
                        || code.starts_with("57P")
                        || code == "40003" =>
                    {
                        Fate::Unknown
                    }
                    _ => Fate::RolledBack,
                },
            },
        }
    }

    /// True if the connection must not be used again.
    pub(super) fn spoils_the_connection(&self) -> bool {
        match self {
            Self::TimedOut(_) => true,
            Self::Sql(error) => self.fate() == Fate::Unknown || error.is_closed(),
            Self::NotConnected(_) | Self::NoConnection | Self::Pool(_) | Self::Store(_) => false,
        }
    }

    /// True if a pooler without prepared statements was in the way.
    pub(super) fn is_about_prepared_statements(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        error.as_db_error().is_some_and(|error| is_prepared(error.code().code(), error.severity()))
    }

    /// True if the transaction could not be serialized, which one with the isolation level READ COMMITTED always can.
    pub(super) fn is_about_isolation(&self) -> bool {
        matches!(self, Self::Sql(error) if error.code().is_some_and(|code| code.code() == "40001"))
    }

    /// True if the server refused the statement because of what it contains, and would perhaps accept it without one of its
    /// values. Otherwise the state of the server is to blame: a full disk, missing rights, a timeout.
    pub(super) fn blames_the_values(&self) -> bool {
        let Self::Sql(error) = self else { return matches!(self, Self::Store(_)) };
        let Some(code) = error.code() else { return false };
        let of_server = ["25", "42501", "53", "57", "58", "F0"];
        self.fate() == Fate::RolledBack
            && !of_server.iter().any(|class| code.code().starts_with(class))
    }

    /// Why the server rolled back a transaction that an action's own work is part of, if the reason is what the transaction
    /// contains, and not the state of the server.
    pub(super) fn blames_the_work(&self) -> Option<String> {
        let Self::Sql(error) = self else { return None };
        let error = error.as_db_error()?;
        let code = error.code().code();
        let of_server = ["08", "53", "57P", "58", "F0", "XX", "40003"];
        if of_server.iter().any(|class| code.starts_with(class)) {
            return None;
        }
        Some(match code {
            "25P02" => "one of the action's statements failed, and the transaction with it; return its error, or make such \
                        an attempt after `SAVEPOINT a` and end it with `ROLLBACK TO a`"
                .to_string(),
            "40001" | "40P01" => {
                format!("{}: another transaction was in the way, a retry may succeed", error.message())
            }
            _ => explain_code(error),
        })
    }

    /// The error of the store.
    pub(super) fn into_store_error(self, database: &Database) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::NotConnected(error) => database.failed(explain_connect(&error)),
            Self::NoConnection => database.failed(
                "all connections were busy for too long; the database is slow, or allow more with \
                 `PostgresOptions::connections`",
            ),
            Self::Pool(why) => database.failed(why),
            Self::Sql(error) => database.failed(explain(&error)),
            Self::TimedOut(after) => database.failed(format!(
                "the database did not answer within {after:?}; see what it waits for in `pg_stat_activity`, or raise \
                 `PostgresOptions::statement_timeout`"
            )),
        }
    }
}

/// True for a statement that the server does not know, or knows already, or knows as another one. PgBouncer has the last of
/// these codes as well for a connection that it lost or gave up, and then ends the client's: nothing is known in that case.
fn is_prepared(code: &str, severity: &str) -> bool {
    matches!(code, "26000" | "42P05") || (code == "08P01" && severity != "FATAL")
}

/// True for a refusal of a connection that may pass: the server starts or stops, or has too many connections.
fn is_transient(code: &SqlState) -> bool {
    matches!(code.code(), "53300")
        || code.code().starts_with("57P")
        || code.code().starts_with("08")
}

/// Says why there is no connection, and what to do.
pub(super) fn explain_connect(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return explain_code(error);
    }
    let why = with_causes(error);
    if why.contains("server does not support TLS") {
        return "the server has no TLS, but `sslmode=require` in the URL demands it; set up TLS on the server (`ssl = on`), or \
                use `sslmode=disable` in a network that you trust"
            .to_string();
    }
    if why.contains("CaUsedAsEndEntity") {
        return "the server's certificate is marked as one of an authority; make one for a server, for example with `openssl req \
                -x509 .. -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:db.example`"
            .to_string();
    }
    if why.contains("invalid peer certificate") || why.contains("certificate") {
        return format!(
            "the server's certificate is not trusted: {why}; pass the certificate of its authority to \
             `PostgresOptions::root_certificates`, and use a name in the URL that the certificate has as its subjectAltName"
        );
    }
    if why.contains("password missing") {
        return "the server asks for a password, and the URL has none; write it as `postgres://user:password@host/database`"
            .to_string();
    }
    format!(
        "cannot connect: {why}; check host and port in the URL, and that the server runs and accepts connections"
    )
}

/// Says why a statement failed.
fn explain(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => explain_code(error),
        None => format!("the connection was lost: {}", with_causes(error)),
    }
}

fn explain_code(error: &DbError) -> String {
    let said = error.message();
    let advice = match error.code().code() {
        "28P01" | "28000" => "check user and password in the URL, and the server's `pg_hba.conf`",
        // PostgreSQL itself has it only for what a pooler has mixed up, and that is tried again
        "08P01" => {
            "a pooler lost its connection to the server, or had none for too long; see its log"
        }
        "3D000" => "create it with `createdb`, or name another one in the URL",
        "42501" => {
            "the user needs the rights to create tables in the schema at the first start, and to read and write them: \
             `GRANT CREATE, USAGE ON SCHEMA public TO ..` and `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \
             public TO ..`"
        }
        "3F000" => {
            "no schema in the user's `search_path` exists; create it, or set another one: `ALTER USER .. SET search_path = ..`"
        }
        "53100" => "the server's disk is full; sagas go on once there is room",
        "53300" => {
            "raise the server's `max_connections` or the user's `CONNECTION LIMIT`, lower `PostgresOptions::connections`, or \
             use a pooler"
        }
        "57014" => {
            "see what statements wait for in `pg_stat_activity`; if the server is only slow, raise the `statement_timeout` that \
             it has for this user"
        }
        "57P03" => "the server is starting or stopping",
        "25006" => {
            "connect to the primary: workers cannot use a standby, nor a database that is set to be read-only"
        }
        _ => return format!("{said} (SQLSTATE {})", error.code().code()),
    };
    format!("{said}; {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pooler_that_lost_its_connection_is_not_one_without_prepared_statements() {
        // PgBouncer: "server conn crashed?", "query_wait_timeout"
        assert!(!is_prepared("08P01", "FATAL"));
        // "bind message supplies 1 parameters, but prepared statement "s1" requires 2"
        assert!(is_prepared("08P01", "ERROR"));
        assert!(is_prepared("26000", "ERROR") && is_prepared("42P05", "ERROR"));
    }
}

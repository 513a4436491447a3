//! Checks the server's settings, and creates and migrates the tables.

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::connection::{Connection, Execute};
use super::trouble::Trouble;
use crate::crash_points::crash_point;
use crate::store::StoreError;

/// Each turns a schema into the next one, from an empty database on. Only ever append to this list. Workers of the version
/// before must be able to work with each schema, so that workers can be upgraded one after the other.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql"), include_str!("schema_2.sql")];

/// The schema version that this version of the library writes.
const KNOWN: u32 = MIGRATIONS.len() as u32;

/// Refuses a server that could lose what it has acknowledged, or that is not the primary.
pub(super) async fn check_server(connection: &Connection, relaxed: bool) -> Result<(), Trouble> {
    let database = connection.database();
    let rows = connection
        .query(
            "SELECT pg_is_in_recovery(), current_setting('fsync'), current_setting('full_page_writes'), \
             current_setting('synchronous_commit'), current_setting('server_encoding'), \
             current_setting('transaction_read_only'), current_setting('default_transaction_isolation')",
            &[],
        )
        .await?;
    let row =
        rows.first().ok_or_else(|| database.failed("the server's settings are not readable"))?;
    let is_standby: bool = row.try_get(0).map_err(Trouble::Sql)?;
    if is_standby {
        return Err(database
            .failed(
                "the server is a standby, whose data may be out of date; connect to the primary",
            )
            .into());
    }
    let names = ["fsync", "full_page_writes", "synchronous_commit"];
    for (column, name) in (1..).zip(names) {
        let value: &str = row.try_get(column).map_err(Trouble::Sql)?;
        if value == "off" && !relaxed {
            let why = format!(
                "the server has `{name} = off`, with which sagas could be lost; set it to `on`, for a test server you can \
                 use `PostgresOptions::accept_data_loss`"
            );
            return Err(database.failed(why).into());
        }
    }
    let encoding: &str = row.try_get(4).map_err(Trouble::Sql)?;
    if encoding != "UTF8" {
        let why = format!(
            "the database has the encoding {encoding}; create one with `createdb --encoding=UTF8`"
        );
        return Err(database.failed(why).into());
    }
    let read_only: &str = row.try_get(5).map_err(Trouble::Sql)?;
    if read_only == "on" {
        let why = "its transactions are read-only; unset `default_transaction_read_only` for this user or database";
        return Err(database.failed(why).into());
    }
    let isolation: &str = row.try_get(6).map_err(Trouble::Sql)?;
    if isolation != "read committed" {
        database.set_isolation();
    }
    Ok(())
}

/// What is done about the tables when a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tables {
    /// They are created or migrated.
    Create,
    /// They must be there.
    AreThere,
}

/// Refuses tables that are not there, or that this version would have to migrate first.
pub(super) async fn check_tables(connection: &Connection) -> Result<(), Trouble> {
    let why = match found_schema(connection).await? {
        Some(KNOWN) => return Ok(()),
        None | Some(0) => "there are no sagas in it yet; a worker creates the tables with `PostgresStore::connect`, and \
                           `table_prefix` must be the same"
            .to_string(),
        Some(older) => format!(
            "it has schema {older}, but this program reads schema {KNOWN}; a worker migrates it with `PostgresStore::connect`"
        ),
    };
    Err(connection.database().failed(why).into())
}

/// Creates or migrates the tables. Workers that start at the same time wait for each other.
pub(super) async fn migrate(connection: &mut Connection) -> Result<(), Trouble> {
    if found_schema(connection).await? == Some(KNOWN) {
        return Ok(());
    }
    crash_point("postgres.meta.before");
    create_meta(connection).await?;
    crash_point("postgres.meta.after");
    let sql = |text: &str| connection.sql(text).into_owned();
    let lock = sql("SELECT schema_version FROM saga_meta FOR UPDATE");
    let set = sql("UPDATE saga_meta SET schema_version = $1");
    let migrations = MIGRATIONS.iter().map(|text| sql(text)).collect::<Vec<_>>();
    let place = connection.database().place.to_string();
    let client = connection.client()?;
    let transaction = client.transaction().await.map_err(Trouble::Sql)?;
    let row = transaction.query_one(&lock, &[]).await.map_err(Trouble::Sql)?;
    let found = version(row.try_get(0).map_err(Trouble::Sql)?);
    check_known(found, &place)?;
    for (creates, migration) in (1..).zip(&migrations) {
        if creates > found {
            transaction.batch_execute(migration).await.map_err(|e| taken(e, &place))?;
            crash_point("postgres.migration.created");
        }
    }
    if found < KNOWN {
        let known = i32::try_from(KNOWN).unwrap_or(i32::MAX);
        transaction.execute(&set, &[&known]).await.map_err(Trouble::Sql)?;
    }
    crash_point("postgres.migration.written");
    transaction.commit().await.map_err(Trouble::Sql)?;
    crash_point("postgres.migration.committed");
    Ok(())
}

/// Waits until what was committed before is as durable as every commit: a commit that waited for a standby, and was given up,
/// can be read on the primary although no standby has it. A later commit waits for all that is before it in the log of the
/// server, so this writes something that changes nothing.
pub(super) async fn wait_for_standbys(connection: &Connection) -> Result<(), Trouble> {
    crash_point("postgres.standbys.before");
    connection.query("UPDATE saga_meta SET schema_version = schema_version", &[]).await?;
    crash_point("postgres.standbys.after");
    Ok(())
}

/// Creates the table with the schema version, whose row is the lock for migrations.
async fn create_meta(connection: &Connection) -> Result<(), Trouble> {
    // a single statement, so that there is no moment without the row
    let create = "DO $$ BEGIN CREATE TABLE IF NOT EXISTS saga_meta \
        (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), schema_version integer NOT NULL); \
        INSERT INTO saga_meta (schema_version) VALUES (0) ON CONFLICT DO NOTHING; END $$";
    let mut tries = 0;
    loop {
        match connection.batch(create).await {
            // another worker creates it at the same time
            Err(Trouble::Sql(error))
                if tries < 10
                    && matches!(
                        error.code(),
                        Some(
                            &SqlState::UNIQUE_VIOLATION
                                | &SqlState::DUPLICATE_TABLE
                                | &SqlState::DUPLICATE_OBJECT
                        )
                    ) =>
            {
                tries += 1;
            }
            Err(Trouble::Sql(error)) if error.code() == Some(&SqlState::UNDEFINED_COLUMN) => {
                return Err(not_ours(&connection.database().place).into());
            }
            other => return other,
        }
    }
}

/// The schema version; `None` if the tables do not exist.
async fn found_schema(connection: &Connection) -> Result<Option<u32>, Trouble> {
    let place = &connection.database().place;
    let name = connection.sql("saga_meta").into_owned();
    let there = "SELECT to_regclass($1) IS NOT NULL";
    let rows = connection.query(there, &[(&name, Type::TEXT)]).await?;
    let is_there = rows.first().map(|row| row.try_get(0)).transpose().map_err(Trouble::Sql)?;
    if is_there != Some(true) {
        return Ok(None);
    }
    match connection.query("SELECT schema_version FROM saga_meta", &[]).await {
        Ok(rows) => {
            let Some(row) = rows.first() else { return Ok(None) };
            let found = version(row.try_get(0).map_err(Trouble::Sql)?);
            check_known(found, place)?;
            Ok(Some(found))
        }
        Err(Trouble::Sql(error)) if error.code() == Some(&SqlState::UNDEFINED_COLUMN) => {
            Err(not_ours(place).into())
        }
        Err(trouble) => Err(trouble),
    }
}

fn version(stored: i32) -> u32 {
    u32::try_from(stored).unwrap_or(0)
}

fn check_known(found: u32, place: &str) -> Result<(), StoreError> {
    if found > KNOWN {
        return Err(StoreError::NewerSchema { store: place.to_string(), found, known: KNOWN });
    }
    Ok(())
}

/// Explains the error if another program's table has a name that the store needs.
fn taken(error: tokio_postgres::Error, place: &str) -> Trouble {
    match error.code() {
        Some(&SqlState::DUPLICATE_TABLE) => not_ours(place).into(),
        _ => Trouble::Sql(error),
    }
}

fn not_ours(place: &str) -> StoreError {
    let why = "it has tables with the names that the store needs, but they are another program's; use \
               `PostgresOptions::table_prefix`, or another database";
    StoreError::Failed { store: place.to_string(), why: why.to_string() }
}

//! steno over a `SecStore` in SQLite, with the same group commit as the floor. Nothing is compared before an
//! append, because steno's interface has no owner and no sequence number.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, params};
use steno::{SagaCachedState, SagaCreateParams, SagaId, SagaNodeEvent, SecStore};

use super::group_commit::GroupCommit;
use crate::Any;
use crate::closed_loop::{Durations, Load, closed_loop};
use crate::engine::Steno;

const SCHEMA: &str = "
    CREATE TABLE saga (
        id    TEXT NOT NULL PRIMARY KEY,
        name  TEXT NOT NULL,
        dag   TEXT NOT NULL,
        state TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE saga_node_event (
        saga_id    TEXT    NOT NULL,
        node_id    INTEGER NOT NULL,
        event_type TEXT    NOT NULL,
        event      TEXT    NOT NULL,
        PRIMARY KEY (saga_id, node_id, event_type)
    ) STRICT, WITHOUT ROWID;";

pub(super) async fn run(path: &Path, at_once: usize, load: Load) -> Result<Durations, Any> {
    let store = SqliteSecStore { writer: GroupCommit::open(path, SCHEMA)? };
    let steno = Arc::new(Steno::five_steps(Arc::new(store))?);
    let durations = {
        let steno = steno.clone();
        closed_loop(at_once, load, move |_| {
            let steno = steno.clone();
            async move { steno.complete().await }
        })
        .await?
    };
    if let Some(steno) = Arc::into_inner(steno) {
        steno.shut_down().await;
    }
    Ok(durations)
}

#[derive(Debug)]
struct SqliteSecStore {
    writer: GroupCommit,
}

impl SqliteSecStore {
    /// Writes what steno does not expect to fail.
    async fn must(&self, write: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static) {
        if let Err(error) = self.writer.write(write).await {
            eprintln!("steno's store: {error}");
            std::process::exit(1);
        }
    }
}

#[async_trait]
impl SecStore for SqliteSecStore {
    async fn saga_create(&self, saga: SagaCreateParams) -> Result<(), anyhow::Error> {
        let (id, name) = (saga.id.to_string(), saga.name.to_string());
        let (dag, state) = (saga.dag.to_string(), saga.state.to_string());
        let write = self.writer.write(move |conn| {
            conn.prepare_cached("INSERT INTO saga VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![id, name, dag, state])?;
            Ok(())
        });
        write.await.map_err(|error| anyhow::anyhow!(error))
    }

    async fn record_event(&self, event: SagaNodeEvent) {
        let write = |conn: &Connection, event: SagaNodeEvent, json: String| {
            let (id, node) = (event.saga_id.to_string(), u32::from(event.node_id));
            conn.prepare_cached("INSERT INTO saga_node_event VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![id, node, event.event_type.label(), json])?;
            Ok(())
        };
        let json = serde_json::to_string(&event.event_type).unwrap_or_default();
        self.must(move |conn| write(conn, event, json)).await;
    }

    async fn saga_update(&self, id: SagaId, update: SagaCachedState) {
        let (id, state) = (id.to_string(), update.to_string());
        self.must(move |conn| {
            conn.prepare_cached("UPDATE saga SET state = ?2 WHERE id = ?1")?
                .execute(params![id, state])?;
            Ok(())
        })
        .await;
    }
}

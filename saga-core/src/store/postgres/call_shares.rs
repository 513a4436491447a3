//! How workers divide the calls of actions between them.

use tokio_postgres::types::Type;

use super::connection::{Connection, Execute, Params};
use super::rows::{plain, text};
use super::trouble::Trouble;
use crate::crash_points::crash_point;
use crate::log::Timestamp;
use crate::store::{CallShare, CallShares, ShareChange, SharedCalls, WorkerId};

/// What all workers hold of the calls of these actions.
///
/// `now()` is when the transaction began, and not later than what the statement sees. So a worker that is dead by that
/// time has not begun its lease again in what the statement sees, and will find that its lease had ended when it does.
pub(super) async fn read(
    connection: &Connection,
    actions: &[String],
) -> Result<SharedCalls, Trouble> {
    let sql = "SELECT (extract(epoch FROM now()) * 1000)::bigint, \
        ARRAY (SELECT incarnation FROM saga_worker WHERE lease_until > now()), \
        coalesce(s.version, 0), coalesce(s.shares, '[]') \
        FROM unnest($1) WITH ORDINALITY AS a (action, place) LEFT JOIN saga_call_share AS s ON s.action = a.action \
        ORDER BY a.place";
    let actions = actions.iter().map(|action| text(action)).collect::<Vec<_>>();
    let rows = connection.query(sql, &[(&actions, Type::TEXT_ARRAY)]).await?;
    let mut seen = SharedCalls { now: Timestamp(0), alive: Vec::new(), actions: Vec::new() };
    for row in &rows {
        let now: i64 = row.try_get(0).map_err(Trouble::Sql)?;
        let alive: Vec<&str> = row.try_get(1).map_err(Trouble::Sql)?;
        let version: i64 = row.try_get(2).map_err(Trouble::Sql)?;
        let shares: &str = row.try_get(3).map_err(Trouble::Sql)?;
        let shares: Vec<CallShare> = serde_json::from_str(shares).map_err(|e| {
            connection.database().failed(format!("a row of saga_call_share is damaged: {e}"))
        })?;
        seen.now = Timestamp(now.unsigned_abs());
        seen.alive = alive.into_iter().map(|id| WorkerId::from(&*plain(id))).collect();
        seen.actions.push(CallShares { version: version.unsigned_abs(), shares });
    }
    Ok(seen)
}

/// Changes the shares of one action, if nobody has changed them since they were read.
pub(super) async fn change(connection: &Connection, change: &ShareChange) -> Result<bool, Trouble> {
    let shares = serde_json::to_string(&change.shares)
        .map_err(|e| connection.database().failed(e.to_string()))?;
    let version = i64::try_from(change.version).unwrap_or(i64::MAX);
    let action = text(&change.action);
    let params: Params<'_> =
        &[(&action, Type::TEXT), (&version, Type::INT8), (&shares, Type::TEXT)];
    let sql = "INSERT INTO saga_call_share AS s (action, version, shares) VALUES ($1, $2 + 1, $3) \
        ON CONFLICT (action) DO UPDATE SET version = excluded.version, shares = excluded.shares \
        WHERE s.version = $2 RETURNING 1";
    crash_point("postgres.shares.before");
    let changed = !connection.query(sql, params).await?.is_empty();
    crash_point("postgres.shares.after");
    Ok(changed)
}

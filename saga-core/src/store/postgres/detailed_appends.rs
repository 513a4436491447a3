//! Appends that change more of a record than every append does: rarer columns, answers to requests, or the definition.

use std::borrow::Cow;
use std::sync::LazyLock;

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::appends::{AppendRow, CHANGES, COMPARE, Common};
use super::connection::{Execute, Params};
use super::log_columns::{self, LogColumns};
use super::rows::{owner_column, text};
use super::trouble::Trouble;
use crate::crash_points::crash_point;
use crate::log::Payload;
use crate::store::StoreError;

/// How often definitions are stored that others remove again, since no saga has them yet.
const ROUNDS: usize = 3;

/// Compares and writes, and returns for each append whether it was written, and not fenced.
pub(super) async fn append(
    connection: &impl Execute,
    rows: &[&AppendRow],
) -> Result<Vec<bool>, Trouble> {
    if rows.iter().all(|row| row.append.change.definition.is_none()) {
        let written = execute(connection, rows, &DETAILED, &[]).await?;
        return log_columns::are_at(&written, rows.len());
    }
    let new = Definitions::of(rows);
    for _ in 0..ROUNDS {
        let found = execute(connection, rows, &WITH_DEFINITIONS, &new.params()).await?;
        let (mut written, mut are_stored) = (Vec::with_capacity(found.len()), true);
        for row in found {
            match row.try_get(1).map_err(Trouble::Sql)? {
                true => written.push(row),
                false => are_stored = false,
            }
        }
        if are_stored {
            return log_columns::are_at(&written, rows.len());
        }
        crash_point("postgres.define.before");
        new.store(connection, rows).await?;
        crash_point("postgres.define.after");
    }
    let why =
        "a definition that a saga goes on under is removed by others again and again".to_string();
    Err(StoreError::Failed { store: "the database".to_string(), why }.into())
}

/// The definitions that appends bring, in columns.
struct Definitions<'a> {
    fingerprints: Vec<Option<Cow<'a, str>>>,
    inputs: Vec<Option<&'a [u8]>>,
    dags: Vec<Option<&'a [u8]>>,
}

impl<'a> Definitions<'a> {
    fn of(rows: &[&'a AppendRow]) -> Self {
        let new = || rows.iter().map(|row| row.append.change.definition.as_deref());
        Self {
            fingerprints: new().map(|new| new.map(|new| text(&new.fingerprint))).collect(),
            inputs: new().map(|new| new.map(|new| new.params.as_bytes())).collect(),
            dags: new().map(|new| new.map(|new| new.dag.as_bytes())).collect(),
        }
    }

    fn params(&self) -> [(&(dyn ToSql + Sync), Type); 3] {
        [
            (&self.fingerprints, Type::TEXT_ARRAY),
            (&self.inputs, Type::BYTEA_ARRAY),
            (&self.dags, Type::BYTEA_ARRAY),
        ]
    }

    /// Stores those that are not stored yet, under the names of their sagas.
    async fn store(&self, connection: &impl Execute, rows: &[&AppendRow]) -> Result<(), Trouble> {
        let ids = rows.iter().map(|row| row.append.saga.as_str()).collect::<Vec<_>>();
        let params: Params<'_> = &[
            (&ids, Type::TEXT_ARRAY),
            (&self.fingerprints, Type::TEXT_ARRAY),
            (&self.dags, Type::BYTEA_ARRAY),
        ];
        connection.query(STORE_DEFINITIONS, params).await.map(drop)
    }
}

/// Executes one of the statements below; `more` are the parameters from the 24th on.
async fn execute(
    connection: &impl Execute,
    rows: &[&AppendRow],
    sql: &str,
    more: Params<'_>,
) -> Result<Vec<Row>, Trouble> {
    let Common { ids, epochs, expected, next, statuses, wake, updated, ended, progress } =
        Common::of(rows);
    let index = |index: usize| i64::try_from(index).unwrap_or(i64::MAX);
    let places = (0..rows.len()).map(index).collect::<Vec<_>>();
    let owners = rows.iter().map(|row| owner_column(&row.append.owner)).collect::<Vec<_>>();
    let logs = LogColumns::of((0..).zip(rows.iter().map(|row| &row.log)))?;
    let errors = rows.iter().map(|row| row.error.as_deref()).collect::<Vec<_>>();
    let contexts = rows.iter().map(|row| row.append.change.context.as_ref().map(Payload::as_bytes));
    let contexts = contexts.collect::<Vec<_>>();
    let paused = rows.iter().map(|row| row.append.change.paused).collect::<Vec<_>>();
    let parks =
        rows.iter().map(|row| row.append.change.parked_reason.is_some()).collect::<Vec<_>>();
    let reasons = rows.iter().map(|row| row.parked_reason.as_deref()).collect::<Vec<_>>();
    let answers = (0..)
        .zip(rows)
        .flat_map(|(place, row)| row.answers.iter().map(move |answer| (index(place), answer)));
    let answers = answers.collect::<Vec<_>>();
    let answer_places = answers.iter().map(|(place, _)| *place).collect::<Vec<_>>();
    let requests = answers.iter().map(|(_, (id, _))| *id).collect::<Vec<_>>();
    let answers = answers.iter().map(|(_, (_, answer))| &**answer).collect::<Vec<_>>();
    let mut params: Vec<(&(dyn ToSql + Sync), Type)> = vec![
        (&places, Type::INT8_ARRAY),
        (&ids, Type::TEXT_ARRAY),
        (&owners, Type::TEXT_ARRAY),
        (&epochs, Type::INT8_ARRAY),
        (&expected, Type::INT8_ARRAY),
        (&next, Type::INT8_ARRAY),
        (&statuses, Type::TEXT_ARRAY),
        (&wake, Type::INT8_ARRAY),
        (&updated, Type::INT8_ARRAY),
        (&ended, Type::BOOL_ARRAY),
        (&progress, Type::BOOL_ARRAY),
        (&logs.places, Type::INT8_ARRAY),
        (&logs.first_seqs, Type::INT8_ARRAY),
        (&logs.entries, Type::TEXT_ARRAY),
        (&logs.payloads, Type::BYTEA_ARRAY),
        (&errors, Type::TEXT_ARRAY),
        (&contexts, Type::BYTEA_ARRAY),
        (&paused, Type::BOOL_ARRAY),
        (&parks, Type::BOOL_ARRAY),
        (&reasons, Type::TEXT_ARRAY),
        (&answer_places, Type::INT8_ARRAY),
        (&requests, Type::UUID_ARRAY),
        (&answers, Type::BYTEA_ARRAY),
    ];
    params.extend_from_slice(more);
    connection.query(sql, &params).await
}

/// The appends `a`, with more columns of these definitions and names.
fn appends(more: &str, columns: &str) -> String {
    format!(
        "a AS (SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], \
         $7::text[], $8::bigint[], $9::bigint[], $10::boolean[], $11::boolean[], $16::text[], $17::bytea[], \
         $18::boolean[], $19::boolean[], $20::text[]{more}) \
         AS a (place, id, owner, epoch, expected, next, status, wake, updated, ended, progress, \
         error, context, paused, parks, reason{columns}))"
    )
}

/// What an append may change besides the columns that every append changes.
const DETAILS: &str = "error = coalesce(a.error, s.error), context = coalesce(a.context, s.context), \
    paused = coalesce(a.paused, s.paused), \
    parked_reason = CASE WHEN a.parks THEN a.reason ELSE s.parked_reason END";

/// Writes the logs and the answers of the sagas `u`.
const LOGS_AND_ANSWERS: &str = "l AS (INSERT INTO saga_log (number, first_seq, entries, payloads) \
    SELECT u.number, r.first_seq, r.entries, r.payloads \
    FROM unnest($12::bigint[], $13::bigint[], $14::text[], $15::bytea[]) AS r (place, first_seq, entries, payloads) \
    JOIN u ON u.place = r.place), \
    c AS (UPDATE saga_command AS m SET answer = w.answer \
    FROM unnest($21::bigint[], $22::uuid[], $23::bytea[]) AS w (place, id, answer) JOIN u ON u.place = w.place \
    WHERE m.id = w.id AND m.answer IS NULL)";

static DETAILED: LazyLock<String> = LazyLock::new(|| {
    let appends = appends("", "");
    format!(
        "WITH {appends}, u AS (UPDATE saga AS s SET {CHANGES}, {DETAILS} \
         FROM a WHERE s.owner = a.owner AND {COMPARE} RETURNING s.number, a.place), \
         {LOGS_AND_ANSWERS} SELECT place FROM u"
    )
});

/// The same for appends of which some bring a definition. `d` finds each of these among those that are stored; a version that
/// is marked as unused counts as missing, as it does for a new saga. If one is missing, nothing is written, and the places
/// of those are returned with a false.
static WITH_DEFINITIONS: LazyLock<String> = LazyLock::new(|| {
    let appends =
        appends(", $24::text[], $25::bytea[], $26::bytea[]", ", fingerprint, params, dag");
    format!(
        "WITH {appends}, \
         d AS (SELECT a.place, v.version, CASE WHEN v.dag <> a.dag THEN a.dag END AS dag FROM a \
         JOIN saga AS s ON s.owner = a.owner AND {COMPARE} JOIN saga_version AS old ON old.version = s.version \
         LEFT JOIN saga_version AS v ON v.fingerprint = a.fingerprint AND v.name = old.name AND v.retired_at IS NULL \
         WHERE a.fingerprint IS NOT NULL), \
         m AS (SELECT place FROM d WHERE version IS NULL), \
         u AS (UPDATE saga AS s SET {CHANGES}, {DETAILS}, version = coalesce(d.version, s.version) \
         FROM a LEFT JOIN d ON d.place = a.place WHERE s.owner = a.owner AND {COMPARE} \
         AND (a.fingerprint IS NULL OR d.version IS NOT NULL) AND NOT EXISTS (SELECT 1 FROM m) \
         RETURNING s.number, a.place), \
         i AS (UPDATE saga_input AS i SET params = a.params, dag = d.dag \
         FROM u JOIN a ON a.place = u.place JOIN d ON d.place = u.place WHERE i.number = u.number), \
         {LOGS_AND_ANSWERS} SELECT place, true FROM u UNION ALL SELECT place, false FROM m"
    )
});

/// In order, so that two workers that store the same ones do not wait for each other.
const STORE_DEFINITIONS: &str = "INSERT INTO saga_version (fingerprint, name, dag) \
    SELECT DISTINCT ON (a.fingerprint, old.name) a.fingerprint, old.name, a.dag \
    FROM unnest($1::text[], $2::text[], $3::bytea[]) AS a (id, fingerprint, dag) \
    JOIN saga AS s ON s.id = a.id JOIN saga_version AS old ON old.version = s.version \
    WHERE a.fingerprint IS NOT NULL AND NOT EXISTS (SELECT 1 FROM saga_version AS v \
    WHERE v.fingerprint = a.fingerprint AND v.name = old.name AND v.retired_at IS NULL) \
    ORDER BY a.fingerprint, old.name ON CONFLICT (fingerprint, name) DO UPDATE SET retired_at = NULL";

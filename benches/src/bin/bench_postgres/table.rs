//! The results as a table, in Markdown.

use saga_benches::measure::Spread;
use saga_benches::results::{PostgresRate, PostgresResults};

const COLUMNS: [&str; 14] = [
    "engine",
    "workers",
    "at once",
    "sagas/s",
    "÷ bare writer",
    "saga-core ÷ this",
    "p50, ms",
    "p99, ms",
    "commits a saga",
    "WAL bytes a saga",
    "HOT",
    "client, µs a saga",
    "server, µs a saga",
    "sagas/s a core",
];

pub(crate) fn of(results: &PostgresResults) -> String {
    let PostgresResults { rounds, server, processors, .. } = results;
    let mut text = format!(
        "\n{server} on the same {processors} processors; median (min–max) of {rounds} rounds:\n\n| {} |\n|---|{}\n",
        COLUMNS.join(" | "),
        "---:|".repeat(COLUMNS.len() - 1)
    );
    for rate in &results.rates {
        text += &row(rate);
    }
    text
}

fn row(rate: &PostgresRate) -> String {
    let median = |spread: Spread, digits: usize| format!("{:.digits$}", spread.median);
    let or_dash =
        |spread: Option<Spread>, digits| spread.map_or("–".to_string(), |s| median(s, digits));
    let Spread { median: sagas, min, max } = rate.per_second;
    let cells = [
        rate.engine.to_string(),
        rate.workers.to_string(),
        rate.at_once.to_string(),
        format!("{sagas:.0} ({min:.0}–{max:.0})"),
        or_dash(rate.of_floor, 2),
        or_dash(rate.ours_of_this, 1),
        median(rate.p50_ms, 1),
        median(rate.p99_ms, 1),
        median(rate.commits, 1),
        median(rate.wal_bytes, 0),
        rate.hot.map_or("–".to_string(), |share| format!("{:.0} %", share.median * 100.0)),
        median(rate.client_us, 0),
        or_dash(rate.server_us, 0),
        or_dash(rate.per_core, 0),
    ];
    format!("| {} |\n", cells.join(" | "))
}

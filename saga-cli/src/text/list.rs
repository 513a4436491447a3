//! Lists of sagas.

use std::io::IsTerminal;

use saga_core::log::Timestamp;
use saga_core::operator::{NeedsHuman, SagaSummary};

use super::escape::{plain, short};
use super::table::{right, table, text};
use super::time::age;

/// How much of an error or a reason is shown in a list on a terminal; `show` and `why` have more of it.
const NOTE: usize = 80;

/// How much of it is shown to another program, or in a file: everything but what nobody would read.
const WHOLE_NOTE: usize = 4000;

fn note(text: &str) -> String {
    short(text, if std::io::stdout().is_terminal() { NOTE } else { WHOLE_NOTE })
}

/// A line for each saga.
pub(crate) fn sagas(sagas: &[SagaSummary], now: Timestamp) -> String {
    if sagas.is_empty() {
        return "no sagas\n".to_string();
    }
    let mut table = table(&["ID", "SAGA", "VERSION", "STATE", "AGE", "LAST ENTRY", "NOTE"]);
    for saga in sagas {
        let said = saga.parked_reason.as_ref().or(saga.error.as_ref());
        table.add_row([
            saga.id.to_string(),
            plain(&saga.saga),
            version(saga),
            saga.state.to_string(),
            age(saga.created_at, now),
            age(saga.updated_at, now) + " ago",
            said.map(|said| note(said)).unwrap_or_default(),
        ]);
    }
    right(&mut table, &[2, 4, 5]);
    text(&table)
}

/// A line for each saga that needs a human, and why.
pub(crate) fn needs_human(sagas: &[NeedsHuman], now: Timestamp) -> String {
    if sagas.is_empty() {
        return "no saga needs a human\n".to_string();
    }
    let mut table = table(&["ID", "SAGA", "VERSION", "REASON", "LAST ENTRY", "BECAUSE"]);
    for NeedsHuman { saga, reason, because, .. } in sagas {
        table.add_row([
            saga.id.to_string(),
            plain(&saga.saga),
            version(saga),
            reason.to_string(),
            age(saga.updated_at, now) + " ago",
            note(because),
        ]);
    }
    right(&mut table, &[2, 4]);
    text(&table)
}

/// So many sagas.
pub(crate) fn count(sagas: u64) -> String {
    if sagas == 1 { "1 saga".to_string() } else { format!("{sagas} sagas") }
}

/// How to see the next page.
pub(crate) fn more(next: Option<&str>) -> String {
    next.map(|next| format!("there are more; go on with --after={}\n", plain(next)))
        .unwrap_or_default()
}

pub(crate) fn version(saga: &SagaSummary) -> String {
    saga.version.map_or_else(|| "?".to_string(), |version| version.to_string())
}

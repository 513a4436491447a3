//! What the doctor has found.

use super::escape::plain;
use super::table::{table, text};
use crate::commands::{Checkup, Level};

/// A line for each thing that was looked at.
pub(crate) fn checkup(checkup: &Checkup) -> String {
    let mut table = table(&["CHECK", "RESULT", "WHAT"]);
    for finding in &checkup.findings {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Unknown => "unknown",
            Level::Problem => "PROBLEM",
        };
        table.add_row([finding.check, level, &plain(&finding.what)]);
    }
    text(&table)
}

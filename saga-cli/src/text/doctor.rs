//! What the doctor has found.

use saga_core::operator::{Checkup, Level};

use super::escape::plain;
use super::table::{table, text};

/// A line for each thing that was looked at.
pub(crate) fn checkup(checkup: &Checkup) -> String {
    let mut table = table(&["CHECK", "RESULT", "WHAT"]);
    for finding in &checkup.findings {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Unknown => "unknown",
            Level::Problem => "PROBLEM",
        };
        table.add_row([finding.check.as_str(), level, &plain(&finding.what)]);
    }
    text(&table)
}

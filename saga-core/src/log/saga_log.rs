//! A saga's log as a whole, for people.

use std::collections::HashMap;
use std::fmt;

use super::{Entry, EntryKind, SagaId, Timestamp};

/// The log of one saga.
///
/// [`pretty`](Self::pretty) shows it; payloads are not part of what is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaLog {
    saga: SagaId,
    entries: Vec<Entry>,
    /// The names of the saga's nodes in the order of declaration, as far as they are known.
    nodes: Vec<String>,
}

impl SagaLog {
    /// A log that was read from a store. `nodes`: the names of the saga's nodes in the order of
    /// declaration; nodes that are not among them are numbered as they come.
    pub fn of(saga: SagaId, entries: Vec<Entry>, nodes: Vec<String>) -> Self {
        Self { saga, entries, nodes }
    }

    /// Which saga's.
    pub fn saga(&self) -> &SagaId {
        &self.saga
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// True once the saga has begun to unwind.
    pub fn is_unwinding(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.kind, EntryKind::Unwinding(_)))
    }

    /// The log as text: the saga's id, its direction and the number of entries, then a line for each, with
    /// its number, time, node, attempt, and the messages of errors.
    pub fn pretty(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for SagaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.is_unwinding() { "unwinding" } else { "forward" };
        writeln!(f, "saga id:   {}", self.saga)?;
        writeln!(f, "direction: {direction}")?;
        writeln!(f, "entries:   {}", self.entries.len())?;
        let mut numbers = (0..).zip(&self.nodes).map(|(i, n)| (n.as_str(), i)).collect();
        for entry in &self.entries {
            write!(f, "{:03} {} ", entry.seq, Utc(entry.at))?;
            if let Some(path) = &entry.node {
                write!(f, "N{:03} ", number(&mut numbers, path.as_str()))?;
            }
            write!(f, "{}", entry.kind.name())?;
            if let Some(path) = &entry.node {
                write!(f, " {path}")?;
            }
            if entry.attempt > 1 {
                write!(f, " (attempt {})", entry.attempt)?;
            }
            if let Some(message) = entry.kind.message() {
                write!(f, ": {message}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The number of the declared node that a path begins with.
fn number<'a>(numbers: &mut HashMap<&'a str, usize>, path: &'a str) -> usize {
    let name = path.split(['/', '[', '#']).next().unwrap_or_default();
    let next = numbers.len();
    *numbers.entry(name).or_insert(next)
}

/// A moment as `2026-01-31T12:34:56.789Z`.
pub(crate) struct Utc(pub(crate) Timestamp);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.0;
        let (days, of_day) = (millis / 86_400_000, millis % 86_400_000);
        // Howard Hinnant's civil_from_days: years begin in March, so that leap days come last
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let (seconds, millis) = (of_day / 1000, of_day % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Cause, Failure, FailureKind, Uuid};

    #[test]
    fn moments_are_shown_in_utc() {
        let shown = |millis| Utc(Timestamp(millis)).to_string();
        assert_eq!(shown(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(shown(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(shown(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(shown(951_868_800_000), "2000-03-01T00:00:00.000Z");
        assert_eq!(shown(1_795_490_000_123), "2026-11-24T03:13:20.123Z");
        assert_eq!(shown(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn a_line_says_what_happened_to_which_node() {
        let mut seq = 0;
        let mut entry = |node: Option<&str>, attempt, kind| {
            seq += 1;
            Entry { seq, epoch: 1, at: Timestamp(1000), node: node.map(Into::into), attempt, kind }
        };
        let failure = Failure::new(FailureKind::Failed, "sold out");
        let entries = vec![
            entry(None, 0, EntryKind::Created { birth: Uuid::nil() }),
            entry(Some("flight"), 1, EntryKind::Started),
            entry(Some("nics[2]/ip"), 2, EntryKind::Failed(failure)),
            entry(None, 0, EntryKind::Unwinding(Cause::Failed { node: "nics[2]/ip".into() })),
        ];
        let nodes = vec!["hotel".to_string(), "flight".to_string()];
        let id = "order-42".parse().unwrap();
        let pretty = SagaLog::of(id, entries, nodes).pretty();
        let expected = "saga id:   order-42\n\
             direction: unwinding\n\
             entries:   4\n\
             001 1970-01-01T00:00:01.000Z created\n\
             002 1970-01-01T00:00:01.000Z N001 started flight\n\
             003 1970-01-01T00:00:01.000Z N002 failed nics[2]/ip (attempt 2): sold out\n\
             004 1970-01-01T00:00:01.000Z unwinding: node `nics[2]/ip` failed\n";
        assert_eq!(pretty, expected);
    }
}

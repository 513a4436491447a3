//! How many sagas there are.

use saga_core::operator::{Fleet, FleetVersion, ListedState};

use super::escape::plain;
use super::table::{right, table, text};
use super::time::age;

/// A line for each version of each saga, with a column for each state that there is.
pub(crate) fn fleet(fleet: &Fleet) -> String {
    if fleet.versions.is_empty() {
        return "no sagas\n".to_string();
    }
    let states = ListedState::ALL.into_iter().filter(|state| fleet.in_state(*state) > 0);
    let states = states.collect::<Vec<_>>();
    let counts = states.iter().map(|state| state.as_str().to_uppercase()).collect::<Vec<_>>();
    let mut headings = vec!["SAGA", "VERSION", "FINGERPRINT"];
    headings.extend(counts.iter().map(String::as_str));
    headings.push("OLDEST UNFINISHED");
    let mut table = table(&headings);
    for version in &fleet.versions {
        let FleetVersion { saga, fingerprint, .. } = version;
        let number = version.version.map_or("?".to_string(), |number| number.to_string());
        let mut row = vec![plain(saga), number, fingerprint.chars().take(8).collect()];
        row.extend(states.iter().map(|state| version.in_state(*state).to_string()));
        row.push(
            version.oldest_unfinished().map(|oldest| age(oldest, fleet.at)).unwrap_or_default(),
        );
        table.add_row(row);
    }
    let numbers = (1..=headings.len()).filter(|column| *column != 2).collect::<Vec<_>>();
    right(&mut table, &numbers);
    text(&table)
}

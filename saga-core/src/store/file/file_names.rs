//! The names of log files.

use sha2::{Digest, Sha256};

use crate::log::SagaId;

const BEFORE: &str = "saga-";
const AFTER: &str = ".jsonl";

/// A longer name is truncated, and a hash keeps it unique: file systems allow 255 bytes.
const MAX: usize = 180;
const CUT: usize = 100;

/// Returns the name of a saga's log file.
///
/// The prefix keeps an id from becoming a reserved name (`con`), a hidden file (`.a`) or a path out of the
/// directory (`..`). Capitals are escaped because on some file systems `A` and `a` name the same file, and `:`
/// because some file systems do not allow it.
pub(super) fn of_log(id: &SagaId) -> String {
    let mut name = String::new();
    for c in id.as_str().chars() {
        match c {
            'a'..='z' | '0'..='9' | '.' | '_' | '-' => name.push(c),
            other => name += &format!("%{:02x}", u32::from(other)),
        }
    }
    if name.len() > MAX {
        name.truncate(CUT);
        let hash = Sha256::digest(id.as_str().as_bytes());
        name.push('~');
        name.extend(hash.iter().map(|b| format!("{b:02x}")));
    }
    format!("{BEFORE}{name}{AFTER}")
}

/// True for names that [`of_log`] returns.
pub(super) fn is_log(name: &str) -> bool {
    name.starts_with(BEFORE) && name.ends_with(AFTER)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn name(id: &str) -> String {
        of_log(&id.parse().unwrap())
    }

    #[test]
    fn a_file_name_shows_the_id() {
        assert_eq!(name("order-42"), "saga-order-42.jsonl");
        assert_eq!(name("Order:42"), "saga-%4frder%3a42.jsonl");
    }

    #[test]
    fn each_id_has_a_safe_and_unique_file_name() {
        let long = |last: char| format!("{}{last}", "A".repeat(127));
        let mut ids: Vec<String> = [
            "a", "A", "..", ".", ".hidden", "con", "CON", "con.txt", "nul", "COM1", "lpt1", "a.",
            "a:b", "a_b", "-", "%", "saga-", "4f", "~",
        ]
        .map(str::to_string)
        .into();
        ids.extend([long('a'), long('A'), long('b'), "a".repeat(128), ":".repeat(128)]);
        let ids: Vec<SagaId> = ids.into_iter().filter_map(|id| id.parse().ok()).collect();
        assert_eq!(ids.len(), 22, "two of them are not valid ids");
        let mut names = BTreeSet::new();
        for id in &ids {
            let name = of_log(id);
            assert!(is_log(&name) && name.len() <= 255, "{name}");
            assert!(name.starts_with("saga-"), "reserved or hidden name: {name}");
            let safe = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-' | '%' | '~');
            assert!(name.chars().all(safe), "{name}");
            assert!(names.insert(name.to_lowercase()), "{id} shares its file");
        }
    }
}

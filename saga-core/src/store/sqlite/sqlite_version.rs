//! Checks the version of SQLite. A program links only one SQLite, and its version may be decided by other crates
//! that link it too, such as sqlx and diesel.

use std::sync::Once;

/// The oldest version that the store is tested with, that of rusqlite 0.32.
const MIN: i32 = 3_046_000;

/// Refuses versions that are too old, and warns once about versions with a known bug.
pub(super) fn check(version: i32) -> Result<(), String> {
    if version < MIN {
        let (found, needed) = (dotted(version), dotted(MIN));
        return Err(format!(
            "the program links SQLite {found}, but the store needs at least {needed}; upgrade rusqlite, or the \
             system's SQLite if the program links that"
        ));
    }
    static SAID: Once = Once::new();
    if has_reset_race(version) {
        SAID.call_once(|| {
            tracing::warn!(
                target: "saga_core",
                version = dotted(version),
                "this version of SQLite can damage a file if one connection writes while another one checkpoints \
                 (sqlite.org/wal.html#walresetbug). The store's own connections do not trigger this bug. If other \
                 connections write to the same file, set `PRAGMA wal_autocheckpoint = 0` on each of them, or \
                 use SQLite 3.51.3 or later"
            );
        });
    }
    Ok(())
}

/// True for versions with this bug: a checkpoint that begins while another connection commits may consider the
/// WAL older than it is, and later skip pages that it should copy. Fixed in 3.51.3, and backported to 3.50.7.
///
/// The store is safe because only the worker's writer checkpoints, right after its own commits, while its own
/// pages still wait to be copied. So no other connection can restart the WAL before it has copied them.
fn has_reset_race(version: i32) -> bool {
    version < 3_051_003 && !(3_050_007..3_051_000).contains(&version)
}

fn dotted(version: i32) -> String {
    format!("{}.{}.{}", version / 1_000_000, version / 1000 % 1000, version % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_that_is_too_old_is_refused() {
        assert_eq!(check(MIN), Ok(()));
        let why = check(3_045_001).unwrap_err();
        assert!(
            why.starts_with(
                "the program links SQLite 3.45.1, but the store needs at least 3.46.0; "
            ),
            "{why}"
        );
    }

    #[test]
    fn the_versions_with_the_race_are_those_that_sqlite_names() {
        for (version, expected) in [
            (3_046_000, true),
            (3_050_006, true),
            (3_050_007, false),
            (3_051_000, true),
            (3_051_002, true),
            (3_051_003, false),
            (3_054_001, false),
        ] {
            assert_eq!(has_reset_race(version), expected, "{}", dotted(version));
        }
    }
}

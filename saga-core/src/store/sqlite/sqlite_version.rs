//! Which SQLite the program has. One program has one, whose version the crates around this one may decide:
//! sqlx, diesel and others link it, too.

use std::sync::Once;

/// The oldest one that the store is tested with: that of rusqlite 0.32.
const MIN: i32 = 3_046_000;

/// Refuses what is too old, and says what to be careful with.
pub(super) fn check(version: i32) -> Result<(), String> {
    if version < MIN {
        let (found, needed) = (dotted(version), dotted(MIN));
        return Err(format!(
            "the program has SQLite {found}, the store needs {needed}; upgrade rusqlite, or the SQLite of \
             the system where the program uses that"
        ));
    }
    static SAID: Once = Once::new();
    if has_reset_race(version) {
        SAID.call_once(|| {
            tracing::warn!(
                target: "saga_core",
                version = dotted(version),
                "this SQLite can damage a file while one connection writes and another checkpoints \
                 (sqlite.org/wal.html#walresetbug). The store itself never does both, so all is well if no \
                 one else writes to its file; set `PRAGMA wal_autocheckpoint = 0` on each connection that \
                 does, or use SQLite 3.51.3 or later"
            );
        });
    }
    Ok(())
}

/// A checkpoint that begins while another connection commits may take the journal for older than it is, and
/// later skip what it should copy. Mended in 3.51.3, and in 3.50.7 for those who stay with that.
///
/// The store is safe from it because only the worker's writer checkpoints: right after a commit of its own,
/// when its own pages wait to be copied. So nobody can start the journal anew until it has copied them.
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
    fn an_old_sqlite_is_refused_by_its_version() {
        assert_eq!(check(MIN), Ok(()));
        let why = check(3_045_001).unwrap_err();
        assert!(
            why.starts_with("the program has SQLite 3.45.1, the store needs 3.46.0; "),
            "{why}"
        );
    }

    #[test]
    fn the_race_is_in_what_its_authors_say() {
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

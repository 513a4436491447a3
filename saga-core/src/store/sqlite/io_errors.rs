//! What SQLite's errors of the disk mean.
//!
//! SQLite says "disk I/O error" for all of them; only its extended code tells which call has failed.

use rusqlite::{ErrorCode, ffi};

/// The error in words, with the call of the system that failed if the disk is to blame.
pub(super) fn in_words(e: &rusqlite::Error) -> String {
    let Some(error) = e.sqlite_error().filter(|_| is_io_error(e)) else { return e.to_string() };
    match error.extended_code {
        ffi::SQLITE_IOERR_SHMSIZE => {
            format!("{e}: its file of shared memory cannot grow; the disk is full, or fails")
        }
        ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ => format!("{e}: a read failed"),
        ffi::SQLITE_IOERR_WRITE => format!("{e}: a write failed"),
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => format!("{e}: an fsync failed"),
        other => format!("{e}: SQLite's extended result code is {other}"),
    }
}

/// It is not known what is on the disk.
///
/// That is not so if the index of the write-ahead log cannot grow: it is shared memory in a file, which is made anew from
/// the log and never needs to be durable.
pub(super) fn leaves_doubt(e: &rusqlite::Error) -> bool {
    let of_index = |e: &ffi::Error| e.extended_code == ffi::SQLITE_IOERR_SHMSIZE;
    is_io_error(e) && !e.sqlite_error().is_some_and(of_index)
}

fn is_io_error(e: &rusqlite::Error) -> bool {
    e.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i32) -> rusqlite::Error {
        let message = "disk I/O error".to_string();
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(message))
    }

    #[test]
    fn an_error_of_the_disk_names_the_call_that_failed() {
        let words = |code| in_words(&error(code));
        assert_eq!(words(ffi::SQLITE_IOERR_FSYNC), "disk I/O error: an fsync failed");
        assert_eq!(words(ffi::SQLITE_IOERR_WRITE), "disk I/O error: a write failed");
        assert!(words(ffi::SQLITE_IOERR_SHMSIZE).contains("the disk is full"));
        assert!(words(ffi::SQLITE_IOERR_UNLOCK).contains("2058"));
        assert_eq!(words(ffi::SQLITE_BUSY), "disk I/O error");
    }

    #[test]
    fn only_what_must_be_durable_leaves_doubt() {
        assert!(leaves_doubt(&error(ffi::SQLITE_IOERR_FSYNC)));
        assert!(leaves_doubt(&error(ffi::SQLITE_IOERR_WRITE)));
        assert!(!leaves_doubt(&error(ffi::SQLITE_IOERR_SHMSIZE)));
        assert!(!leaves_doubt(&error(ffi::SQLITE_FULL)));
    }
}

//! What `recorder.c` writes down.

use std::path::PathBuf;

/// Something that a process did to its disk, or said.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    Create {
        file: i64,
        path: PathBuf,
    },
    Directory {
        file: i64,
        path: PathBuf,
    },
    Write {
        file: i64,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: i64,
        len: usize,
    },
    Sync {
        file: i64,
    },
    /// What was not durable by now never will be, even if a later fsync succeeds.
    SyncFailed {
        file: i64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink {
        path: PathBuf,
    },
    /// Another call failed, and did nothing. 0 if there is no file that it was for.
    Failed {
        file: i64,
    },
    Said(String),
}

const HEAD: usize = 25;

pub(crate) fn read(mut journal: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    while let Some((head, rest)) = journal.split_at_checked(HEAD) {
        let number = |at: usize| i64::from_ne_bytes(head[at..at + 8].try_into().unwrap());
        let (file, at, length) = (number(1), number(9), number(17));
        let (bytes, rest) = rest.split_at(usize::try_from(length).unwrap());
        let text = || String::from_utf8(bytes.to_vec()).unwrap();
        let at = usize::try_from(at).unwrap();
        records.push(match head[0] {
            b'c' => Record::Create { file, path: text().into() },
            b'd' => Record::Directory { file, path: text().into() },
            b'w' => Record::Write { file, at, bytes: bytes.to_vec() },
            b't' => Record::Truncate { file, len: at },
            b's' => Record::Sync { file },
            b'f' => Record::SyncFailed { file },
            b'r' => {
                let both = text();
                let (from, to) = both.split_once('\0').unwrap();
                Record::Rename { from: from.into(), to: to.into() }
            }
            b'u' => Record::Unlink { path: text().into() },
            b'x' => Record::Failed { file },
            b'!' => Record::Said(text()),
            other => panic!("a record of {other}"),
        });
        journal = rest;
    }
    assert!(journal.is_empty(), "the last record is cut off");
    records
}

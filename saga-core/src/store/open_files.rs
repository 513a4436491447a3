//! Detects that the files a store has open are no longer the files at their paths.
//!
//! A program that has a file open keeps writing to it after somebody has removed it, renamed its directory or
//! put another file in its place. Whoever opens the path next sees none of those writes, so the next process
//! would repeat the same work. A store therefore checks its files before it writes, and again before it reports
//! a write as durable.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Identifies a file independently of its name.
///
/// The inode number of an open file is not reused, so equal numbers mean the same file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg(unix)]
struct FileId {
    device: u64,
    inode: u64,
}

#[cfg(unix)]
impl FileId {
    fn of(found: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: found.dev(), inode: found.ino() }
    }
}

/// Other systems do not allow an open file to be removed or replaced, so it is enough that the file exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg(not(unix))]
struct FileId;

#[cfg(not(unix))]
impl FileId {
    fn of(_: &Metadata) -> Self {
        Self
    }
}

/// The files that a store has open, each with its identity when it was opened.
#[derive(Debug, Default)]
pub(super) struct OpenFiles {
    files: Vec<(PathBuf, FileId)>,
    /// The first difference that was found. It is final, because writes may have gone elsewhere since.
    lost: OnceLock<String>,
}

impl OpenFiles {
    /// Adds an open file.
    pub(super) fn add(&mut self, path: &Path, open: &File) -> io::Result<()> {
        self.files.push((path.to_path_buf(), FileId::of(&open.metadata()?)));
        Ok(())
    }

    /// Adds the file that is at this path now, which another part of the program has open. A path that does not
    /// exist is ignored.
    pub(super) fn add_found(&mut self, path: &Path) -> io::Result<()> {
        match fs::metadata(path) {
            Ok(found) => self.files.push((path.to_path_buf(), FileId::of(&found))),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// Compares each file with the one at its path, at the cost of one `stat` each. Once a difference has been
    /// found, the result stays the same.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(why) = self.lost.get() {
            return Err(why.clone());
        }
        match self.files.iter().find_map(|(path, opened)| difference(path, *opened)) {
            None => Ok(()),
            Some(why) => Err(self.lost.get_or_init(|| why).clone()),
        }
    }
}

fn difference(path: &Path, opened: FileId) -> Option<String> {
    let what = match fs::metadata(path) {
        Ok(found) if FileId::of(&found) == opened => return None,
        Ok(_) => "is not the file that was opened: it was replaced".to_string(),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            "is gone: it was removed or renamed".to_string()
        }
        Err(e) => format!("can no longer be found ({e}): it was removed or renamed"),
    };
    Some(format!(
        "{} {what} while the program ran, so the store accepts no more writes; stop the program, put the right \
         files back, then start it again",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Watches three paths: `a`, which we opened, `b`, which someone else opened, and `c`, which does not exist.
    fn open(directory: &Path) -> OpenFiles {
        let mut files = OpenFiles::default();
        let a = directory.join("a");
        files.add(&a, &File::create(&a).unwrap()).unwrap();
        fs::write(directory.join("b"), "b").unwrap();
        files.add_found(&directory.join("b")).unwrap();
        files.add_found(&directory.join("c")).unwrap();
        files
    }

    #[test]
    fn writing_to_a_file_does_not_change_its_identity() {
        let directory = tempfile::tempdir().unwrap();
        let files = open(directory.path());
        for name in ["a", "b", "c"] {
            fs::write(directory.path().join(name), "more").unwrap();
        }
        assert_eq!(files.check(), Ok(()));
    }

    #[cfg(unix)]
    #[test]
    fn a_removed_or_replaced_file_is_reported_for_good() {
        let directory = tempfile::tempdir().unwrap();
        let (b, other) = (directory.path().join("b"), directory.path().join("other"));
        for (change, expected) in
            [("removed", "b is gone: "), ("replaced", "b is not the file that")]
        {
            let files = open(directory.path());
            fs::rename(&b, &other).unwrap();
            if change == "replaced" {
                fs::copy(&other, &b).unwrap();
            }
            let why = files.check().unwrap_err();
            assert!(why.contains(expected), "{why}");
            fs::rename(&other, &b).unwrap();
            assert_eq!(files.check(), Err(why), "putting the file back does not help");
        }
    }
}

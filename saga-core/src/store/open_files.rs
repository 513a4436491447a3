//! Whether the files that a store has open are still the ones that its paths lead to.
//!
//! A program that has a file open goes on writing to it when somebody removes it, renames its directory or
//! puts another file in its place. All of that is lost for whoever opens the path next, and the next process
//! would do the same work again. So a store compares before it writes, and again before it says that it has
//! written.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What tells a file from any other file, whatever their names are.
///
/// The number of a file that is open is not given to another one, so equal numbers are the same file.
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

/// Other systems do not let anybody remove or replace a file that is open, so here it is enough that there is
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg(not(unix))]
struct FileId;

#[cfg(not(unix))]
impl FileId {
    fn of(_: &Metadata) -> Self {
        Self
    }
}

/// Files that a store has open, each with what it was when it was opened.
#[derive(Debug, Default)]
pub(super) struct OpenFiles {
    files: Vec<(PathBuf, FileId)>,
    /// What was found to be wrong. It stays wrong: nobody knows what was written elsewhere meanwhile.
    lost: OnceLock<String>,
}

impl OpenFiles {
    /// Adds a file that is open.
    pub(super) fn add(&mut self, path: &Path, open: &File) -> io::Result<()> {
        self.files.push((path.to_path_buf(), FileId::of(&open.metadata()?)));
        Ok(())
    }

    /// Adds what is at a path now, which another part of the program has open. Nothing there is no error,
    /// and is not looked for again.
    pub(super) fn add_found(&mut self, path: &Path) -> io::Result<()> {
        match fs::metadata(path) {
            Ok(found) => self.files.push((path.to_path_buf(), FileId::of(&found))),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// Compares each file with what its path leads to; costs a `stat` for each. After the first difference
    /// the answer is always the same.
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
        Err(e) => format!("cannot be found any more ({e}): it was removed or renamed"),
    };
    Some(format!(
        "{} {what} while the program ran, so the store takes no more; stop the program, put the right \
         files back, then start it again",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two files, `a` opened by us and `b` by somebody else, and one that is not there.
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
    fn what_is_written_to_a_file_leaves_it_the_same_file() {
        let directory = tempfile::tempdir().unwrap();
        let files = open(directory.path());
        for name in ["a", "b", "c"] {
            fs::write(directory.path().join(name), "more").unwrap();
        }
        assert_eq!(files.check(), Ok(()));
    }

    #[cfg(unix)]
    #[test]
    fn a_difference_is_named_and_stays() {
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
            assert_eq!(files.check(), Err(why), "nobody knows what happened meanwhile");
        }
    }
}

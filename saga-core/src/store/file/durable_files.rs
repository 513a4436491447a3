//! Writes to the files of a store, such that a crash leaves each file either as it was or as it should be.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::super::worker_lock::private;
use super::directory::{Directory, UNFINISHED};
use super::sealed_line;
use crate::crash_points::crash_point;

/// A write that is in its file, and not durable yet.
pub(super) struct Unsynced {
    file: Arc<File>,
    /// Where the file belongs.
    target: PathBuf,
    before: Before,
}

/// What there was before a write, in case it fails.
enum Before {
    /// No file; the new one has this path until it is durable.
    Nothing { unfinished: PathBuf },
    /// A file of this length.
    File { len: u64 },
}

impl Unsynced {
    /// The file that must be made durable before [`Directory::finish`].
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// True if the file is new, so that its directory must be made durable after [`Directory::finish`].
    pub(super) fn is_new(&self) -> bool {
        matches!(self.before, Before::Nothing { .. })
    }
}

impl Directory {
    /// Creates or replaces a whole file. The file is durable when this returns. After an error because the disk
    /// [is full](is_full), nothing has changed.
    pub(super) fn write(&self, name: &Path, bytes: &[u8]) -> io::Result<()> {
        let unsynced = self.begin_write(name, bytes)?;
        crash_point("file.write.unsynced");
        let synced = self.sync(&unsynced.file);
        self.finish(&unsynced, synced)?;
        crash_point("file.write.unlisted");
        self.sync_directory(unsynced.target.parent().unwrap_or(&self.path("")))
            .map_err(unknown_state)
    }

    /// Writes a whole file that will be new, or replace another one. After an error, nothing has changed.
    pub(super) fn begin_write(&self, name: &Path, bytes: &[u8]) -> io::Result<Unsynced> {
        let target = self.path(name);
        let file_name = name.file_name().unwrap_or_default();
        let mut unfinished = OsStr::new(UNFINISHED).to_owned();
        unfinished.push(file_name);
        // Two processes may write the same file at the same time.
        unfinished.push(format!("-{}", std::process::id()));
        let unfinished = target.with_file_name(unfinished);
        crash_point("file.new.writing");
        let written = private(OpenOptions::new().write(true).create(true).truncate(true))
            .open(&unfinished)
            .and_then(|mut file| self.write_all(&mut file, bytes).map(|()| file));
        match written {
            Ok(file) => {
                crash_point("file.new.written");
                let before = Before::Nothing { unfinished };
                Ok(Unsynced { file: Arc::new(file), target, before })
            }
            Err(e) => {
                let _ = fs::remove_file(&unfinished);
                Err(e)
            }
        }
    }

    /// Appends to a file of `len` bytes. After an error, whatever was written is cut off again if possible; it was
    /// possible if the error says that the disk [is full](is_full).
    pub(super) fn begin_append(&self, name: &Path, len: u64, bytes: &[u8]) -> io::Result<Unsynced> {
        let target = self.path(name);
        let mut file = OpenOptions::new().append(true).open(&target).map_err(unknown_state)?;
        crash_point("file.append.writing");
        match self.write_all(&mut file, bytes) {
            Ok(()) => {
                crash_point("file.append.written");
                let before = Before::File { len };
                Ok(Unsynced { file: Arc::new(file), target, before })
            }
            Err(e) => match file.set_len(len) {
                Ok(()) => Err(e),
                Err(_) => Err(unknown_state(e)),
            },
        }
    }

    /// Finishes a write after the attempt to make its file durable. If that has failed, the write is undone as far
    /// as possible.
    pub(super) fn finish(&self, write: &Unsynced, synced: io::Result<()>) -> io::Result<()> {
        let finished = match &write.before {
            Before::Nothing { unfinished } => {
                let named = synced.and_then(|()| {
                    crash_point("file.rename.before");
                    fs::rename(unfinished, &write.target)?;
                    crash_point("file.rename.after");
                    Ok(())
                });
                named.inspect_err(|_| drop(fs::remove_file(unfinished)))
            }
            Before::File { len } => synced.inspect_err(|_| drop(write.file.set_len(*len))),
        };
        finished.map_err(unknown_state)
    }

    /// Checks that a file still has the length that it should have, so that no other program has changed it.
    pub(super) fn check_len(&self, name: &Path, len: u64) -> Result<(), String> {
        match fs::metadata(self.path(name)) {
            Ok(found) if found.len() == len => Ok(()),
            Ok(found) => {
                let found = found.len();
                Err(format!(
                    "another program has changed its file: it has {found} bytes instead of {len}"
                ))
            }
            Err(e) => Err(format!("its file cannot be found: {e}")),
        }
    }

    fn write_all(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        if self.disk_is_full.load(std::sync::atomic::Ordering::SeqCst) {
            file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(ErrorKind::StorageFull.into());
        }
        file.write_all(bytes)
    }

    /// Opens a file that an earlier process may not have synced, and cuts off everything after this length.
    pub(super) fn reopen(&self, name: &Path, len: Option<u64>) -> io::Result<File> {
        // Windows syncs only files that are open for writing.
        let file = OpenOptions::new().write(true).open(self.path(name))?;
        match len {
            Some(len) => {
                crash_point("file.tail.cutting");
                file.set_len(len)?;
                crash_point("file.tail.cut");
                Ok(file)
            }
            None => Ok(file),
        }
    }

    /// Removes a file, if it exists. The removal is durable after [`Self::sync_directories`].
    pub(super) fn remove(&self, name: &Path) -> io::Result<()> {
        crash_point("file.remove.before");
        match fs::remove_file(self.path(name)) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            Ok(()) | Err(_) => {
                crash_point("file.remove.after");
                Ok(())
            }
        }
    }

    /// Makes created and removed files of these directories durable.
    pub(super) fn sync_directories(&self, below: &[&str]) -> io::Result<()> {
        below.iter().try_for_each(|below| self.sync_directory(&self.path(below)))
    }

    pub(super) fn sync(&self, file: &File) -> io::Result<()> {
        #[cfg(test)]
        if let [true, _] = self.broken() {
            return Err(io::Error::other("the test's disk is broken"));
        }
        crash_point("file.sync.before");
        file.sync_all()?;
        crash_point("file.sync.after");
        Ok(())
    }

    #[cfg(test)]
    fn broken(&self) -> [bool; 2] {
        self.fsync_fails.each_ref().map(|fails| fails.load(std::sync::atomic::Ordering::SeqCst))
    }

    /// Makes the directory's entries durable, not only the files' contents. Windows neither has such a call nor
    /// needs it.
    pub(super) fn sync_directory(&self, path: &Path) -> io::Result<()> {
        #[cfg(test)]
        if let [_, true] = self.broken() {
            return Err(io::Error::other("the test's disk is broken"));
        }
        crash_point("file.sync_directory.before");
        if cfg!(unix) {
            File::open(path)?.sync_all()?;
        }
        crash_point("file.sync_directory.after");
        Ok(())
    }
}

/// True if a write failed because the disk is full, in which case nothing of it is left.
pub(super) fn is_full(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Marks an error after which it is unknown what is on disk, even if it says that the disk is full.
fn unknown_state(e: io::Error) -> io::Error {
    if is_full(&e) { io::Error::other(e) } else { e }
}

/// Encodes the contents of a file that consists of one sealed line.
pub(super) fn sealed(body: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    sealed_line::seal(&mut bytes, body)?;
    Ok(bytes)
}

//! Writes to the files of a store, such that a crash leaves each file either as it was or as it should be.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde::Serialize;

use super::super::worker_lock::private;
use super::directory::{Directory, UNFINISHED};
use super::sealed_line;

impl Directory {
    /// Creates or replaces a whole file. The file is durable when this returns. After an error because the disk
    /// [is full](is_full), nothing has changed.
    pub(super) fn write(&self, name: &Path, bytes: &[u8]) -> io::Result<()> {
        let target = self.path(name);
        let file_name = name.file_name().unwrap_or_default();
        let mut unfinished = OsStr::new(UNFINISHED).to_owned();
        unfinished.push(file_name);
        // Two processes may write the same file at the same time.
        unfinished.push(format!("-{}", std::process::id()));
        let unfinished = target.with_file_name(unfinished);
        let written = || -> io::Result<()> {
            let mut file = private(OpenOptions::new().write(true).create(true).truncate(true))
                .open(&unfinished)?;
            self.write_all(&mut file, bytes)?;
            self.sync(&file).map_err(unknown_state)?;
            fs::rename(&unfinished, &target).map_err(unknown_state)
        };
        if let Err(e) = written() {
            let _ = fs::remove_file(&unfinished);
            return Err(e);
        }
        self.sync_directory(target.parent().unwrap_or(&self.path(""))).map_err(unknown_state)
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

    /// Appends to a file of `len` bytes. The bytes are durable when this returns. After an error, whatever was
    /// written is cut off again if possible; it was possible if the error says that the disk [is full](is_full).
    pub(super) fn append(&self, name: &Path, len: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file =
            OpenOptions::new().append(true).open(self.path(name)).map_err(unknown_state)?;
        let written = self.write_all(&mut file, bytes);
        let written = written.and_then(|()| self.sync(&file).map_err(unknown_state));
        match written {
            Ok(()) => Ok(()),
            Err(e) => match file.set_len(len) {
                Ok(()) => Err(e),
                Err(_) => Err(unknown_state(e)),
            },
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

    /// Cuts off everything after the first `len` bytes of a file.
    pub(super) fn cut(&self, name: &Path, len: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(name))?;
        file.set_len(len)?;
        self.sync(&file)
    }

    /// Removes a file, if it exists. The removal is durable after [`Self::sync_directories`].
    pub(super) fn remove(&self, name: &Path) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Makes created and removed files of these directories durable.
    pub(super) fn sync_directories(&self, below: &[&str]) -> io::Result<()> {
        below.iter().try_for_each(|below| self.sync_directory(&self.path(below)))
    }

    /// Makes a file durable that an earlier process may not have synced.
    pub(super) fn make_durable(&self, name: &Path) -> io::Result<()> {
        // Windows syncs only files that are open for writing.
        self.sync(&OpenOptions::new().append(true).open(self.path(name))?)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        #[cfg(test)]
        if let [true, _] = self.broken() {
            return Err(io::Error::other("the test's disk is broken"));
        }
        file.sync_all()
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
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
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

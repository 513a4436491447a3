//! The lock of the one worker of a store on disk, and files for their owner's eyes only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::open_files::OpenFiles;

/// Held by the one worker of a store; the system lets go of it when the process dies.
pub(super) struct WorkerLock {
    file: File,
    path: PathBuf,
}

impl WorkerLock {
    /// Takes the lock of the store `place` on this file.
    pub(super) fn take(place: &str, path: &Path) -> Result<Self, StoreError> {
        let failed = |why| StoreError::Failed { store: place.to_string(), why };
        let file = private(OpenOptions::new().write(true).create(true).truncate(false))
            .open(path)
            .map_err(|e| {
                let why = format!("cannot open its lock file {}: {e}", path.display());
                failed(format!("{why}; a worker must be able to write there"))
            })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file, path: path.to_path_buf() }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { store: place.to_string() }),
            Err(TryLockError::Error(e)) => {
                Err(failed(format!("cannot lock {}: {e}", path.display())))
            }
        }
    }

    /// The lock's file is one to watch: where it is gone, another worker takes a lock of its own.
    pub(super) fn watch(&self, files: &mut OpenFiles) -> io::Result<()> {
        files.add(&self.path, &self.file)
    }
}

impl Drop for WorkerLock {
    /// Closing the file alone would not do at once: a process that is being forked just now has it too.
    fn drop(&mut self) {
        // if it fails, closing the file lets go of it
        let _ = self.file.unlock();
    }
}

/// A file that is created like this is its owner's only.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

//! The lock that keeps a second worker away from a store on disk, and the permissions of new files.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::open_files::OpenFiles;
use crate::crash_points::crash_point;

/// Held by the one worker of a store. The operating system releases it when the process dies.
pub(super) struct WorkerLock {
    file: File,
    path: PathBuf,
}

impl WorkerLock {
    /// Takes the lock of the store `place`, which is a lock on the file at `path`.
    pub(super) fn take(place: &str, path: &Path) -> Result<Self, StoreError> {
        let failed = |why| StoreError::Failed { store: place.to_string(), why };
        let file = private(OpenOptions::new().write(true).create(true).truncate(false))
            .open(path)
            .map_err(|e| {
                let why = format!("cannot open its lock file {}: {e}", path.display());
                failed(format!("{why}; a worker needs write access to it"))
            })?;
        crash_point("store.lock.opened");
        match file.try_lock() {
            Ok(()) => Ok(Self { file, path: path.to_path_buf() }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { store: place.to_string() }),
            Err(TryLockError::Error(e)) => {
                Err(failed(format!("cannot lock {}: {e}", path.display())))
            }
        }
    }

    /// Adds the lock file to the files to watch: if it is gone, another worker can lock a new one.
    pub(super) fn watch(&self, files: &mut OpenFiles) -> io::Result<()> {
        files.add(&self.path, &self.file)
    }
}

impl Drop for WorkerLock {
    /// Unlocks explicitly: closing the file may not be enough, because a child process that is being spawned
    /// may have inherited it.
    fn drop(&mut self) {
        // If this fails, closing the file releases the lock.
        let _ = self.file.unlock();
        crash_point("store.lock.released");
    }
}

/// Makes a file that these options create accessible to its owner only.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

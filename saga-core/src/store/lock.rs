//! The lock of the one worker of a store on disk, and files for their owner's eyes only.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::StoreError;

/// Held by the one worker of a store; the system lets go of it when the process dies.
pub(super) struct WorkerLock(File);

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
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { store: place.to_string() }),
            Err(TryLockError::Error(e)) => {
                Err(failed(format!("cannot lock {}: {e}", path.display())))
            }
        }
    }
}

impl Drop for WorkerLock {
    /// Closing the file alone would not do at once: a process that is being forked just now has it too.
    fn drop(&mut self) {
        // if it fails, closing the file lets go of it
        let _ = self.0.unlock();
    }
}

/// A file that is created like this is its owner's only.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

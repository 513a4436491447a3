//! The lock that keeps a second worker away from a store on disk, and the permissions of new files.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::open_files::OpenFiles;
use super::{CurrentWorker, StoreError, WorkerId};
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
        match lock(&file) {
            Ok(()) => {
                // whoever had it before has written its name there; this is only for people, so it may fail
                let _ = file.set_len(0);
                Ok(Self { file, path: path.to_path_buf() })
            }
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { store: place.to_string() }),
            Err(TryLockError::Error(e)) => {
                Err(failed(format!("cannot lock {}: {e}", path.display())))
            }
        }
    }

    /// Whether a process holds the lock on the file at `path`, and which worker it is.
    pub(super) fn holder(path: &Path) -> CurrentWorker {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return CurrentWorker::Absent,
            Err(_) => return CurrentWorker::Unknown,
        };
        match file.try_lock_shared() {
            Ok(()) => {
                let _ = file.unlock();
                CurrentWorker::Absent
            }
            Err(TryLockError::WouldBlock) => {
                // not on every system can a file be read that somebody else has locked
                let name = io::read_to_string(&file).unwrap_or_default();
                let name = Some(name).filter(|name| !name.is_empty());
                CurrentWorker::Present(name.map(|name| WorkerId::from(name.as_str())))
            }
            Err(TryLockError::Error(_)) => CurrentWorker::Unknown,
        }
    }

    /// Writes the name of the worker that holds the lock into its file. It is for people, so it may fail.
    pub(super) fn sign(path: &Path, worker: &WorkerId) {
        let _ = std::fs::write(path, worker.as_str());
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

/// Takes the lock. One who only looks who holds it has it for a moment, so it is tried again.
fn lock(file: &File) -> Result<(), TryLockError> {
    const LOOKS_LAST: Duration = Duration::from_millis(5);
    for _ in 0..4 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOOKS_LAST),
            done => return done,
        }
    }
    file.try_lock()
}

/// Makes a file that these options create accessible to its owner only.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

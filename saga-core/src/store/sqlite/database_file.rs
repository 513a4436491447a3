//! The database's files: their paths, permissions and lock.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::super::StoreError;
use super::super::open_files::OpenFiles;
use super::super::worker_lock::{WorkerLock, private};
use crate::crash_points::crash_point;

/// Returns the database's path without symbolic links and dots, so that every path to it has the same lock.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        return Err(failed(
            path,
            "it is not the path of a file; for a store in memory use `MemoryStore`",
        ));
    }
    match fs::canonicalize(path) {
        Ok(found) if found.is_dir() => {
            return Err(failed(path, "it is a directory; give the path of a file"));
        }
        Ok(found) => return Ok(found),
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(failed(path, format!("cannot find the file: {e}"))),
    }
    if path.is_symlink() {
        return Err(failed(
            path,
            "it is a symbolic link to a file that does not exist; fix the link",
        ));
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "the kinds of I/O errors are std's")]
    let directory = fs::canonicalize(directory).map_err(|e| match e.kind() {
        ErrorKind::NotFound => failed(
            path,
            format!("the directory {} does not exist; create it first", directory.display()),
        ),
        _ => failed(path, format!("cannot find the directory {}: {e}", directory.display())),
    })?;
    let name = path.file_name().ok_or_else(|| failed(path, "it does not name a file"))?;
    Ok(directory.join(name))
}

/// Returns the files to watch while the connections are open: the database, the files that SQLite keeps beside
/// it, and the worker's lock.
pub(super) fn watch(
    path: &Path,
    resolved: &Path,
    lock: Option<&WorkerLock>,
) -> Result<OpenFiles, StoreError> {
    let mut files = OpenFiles::default();
    // Includes the path as it was given, because a symbolic link in it may change, and makes it absolute,
    // because the process may change its working directory.
    let absolute = std::path::absolute(path);
    absolute
        .and_then(|path| files.add_found(&path))
        .and_then(|()| files.add_found(resolved))
        // If these are removed, other connections create new ones, and neither side sees the other's writes.
        .and_then(|()| files.add_found(&beside(resolved, "-wal")))
        .and_then(|()| files.add_found(&beside(resolved, "-shm")))
        .and_then(|()| lock.map_or(Ok(()), |lock| lock.watch(&mut files)))
        .map_err(|e| failed(path, format!("cannot read its files' metadata: {e}")))?;
    Ok(files)
}

/// Takes the lock beside the database.
pub(super) fn lock(path: &Path, resolved: &Path) -> Result<WorkerLock, StoreError> {
    WorkerLock::take(&path.display().to_string(), &lock_file(resolved))
}

/// The file that the worker locks.
pub(super) fn lock_file(resolved: &Path) -> PathBuf {
    beside(resolved, ".lock")
}

fn beside(resolved: &Path, extension: &str) -> PathBuf {
    let mut name = resolved.as_os_str().to_owned();
    name.push(extension);
    name.into()
}

/// Creates the database file, if it does not exist, accessible to its owner only. SQLite gives its other files
/// the same permissions.
///
/// An existing file must not be opened here: closing it would release the POSIX locks that other SQLite
/// connections of this process hold on it (sqlite.org/howtocorrupt.html, 2.2).
pub(super) fn create(path: &Path, resolved: &Path) -> Result<(), StoreError> {
    match private(OpenOptions::new().write(true).create_new(true)).open(resolved) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(failed(path, format!("cannot create the file: {e}"))),
    }
}

/// Makes the names of the files durable. SQLite does so too, but ignores it if that fails.
pub(super) fn sync_directory(path: &Path, resolved: &Path) -> Result<(), StoreError> {
    // Windows neither has such a call nor needs it.
    if !cfg!(unix) {
        return Ok(());
    }
    crash_point("sqlite.sync_directory.before");
    let directory = resolved.parent().unwrap_or(Path::new("."));
    fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|e| failed(path, format!("cannot make its files durable: {e}")))?;
    crash_point("sqlite.sync_directory.after");
    Ok(())
}

fn failed(path: &Path, why: impl Into<String>) -> StoreError {
    StoreError::Failed { store: path.display().to_string(), why: why.into() }
}

//! The directory of a store: its layout, the marker that identifies it, and reading its files.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::StoreError;
use super::super::open_files::OpenFiles;
use super::super::worker_lock::WorkerLock;
use super::file_names;
use super::log_file::{self, LogFile};
use crate::crash_points::crash_point;
use crate::log::SagaId;

/// The schema version that this version of the library writes.
const KNOWN: u32 = 1;

const MARKER: &str = "saga-store.json";
pub(super) const LOCK: &str = "lock";
pub(super) const COMMANDS: &str = "commands";
pub(super) const ANSWERS: &str = "answers";

/// The prefix of files that are being written. A crash may leave some behind.
pub(super) const UNFINISHED: &str = "tmp-";

#[derive(Serialize, Deserialize)]
struct Marker {
    schema_version: u32,
}

/// A store's directory.
#[derive(Clone)]
pub(super) struct Directory {
    path: PathBuf,
    place: Arc<str>,
    /// For tests: makes fsync of files (the first flag) or of directories (the second) fail.
    #[cfg(test)]
    pub(super) fsync_fails: Arc<[std::sync::atomic::AtomicBool; 2]>,
    /// For tests: makes each write fail half way because the disk is full.
    #[cfg(test)]
    pub(super) disk_is_full: Arc<std::sync::atomic::AtomicBool>,
}

impl Directory {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            // The process may change its working directory later.
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()),
            place: path.display().to_string().into(),
            #[cfg(test)]
            fsync_fails: Arc::default(),
            #[cfg(test)]
            disk_is_full: Arc::default(),
        }
    }

    /// The store's name in error messages.
    pub(super) fn place(&self) -> &Arc<str> {
        &self.place
    }

    pub(super) fn failed(&self, why: impl Into<String>) -> StoreError {
        StoreError::Failed { store: self.place.to_string(), why: why.into() }
    }

    /// The error of a store that accepts no more writes until it is opened again.
    pub(super) fn closed(&self, why: impl Into<String>) -> StoreError {
        StoreError::Closed { store: self.place.to_string(), why: why.into() }
    }

    pub(super) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Creates the directory, if it does not exist.
    pub(super) fn create(&self) -> Result<(), StoreError> {
        match make_directory(&self.path) {
            Ok(()) => {
                crash_point("file.directory.created");
                let parent = self.path.parent().filter(|p| !p.as_os_str().is_empty());
                self.sync_directory(parent.unwrap_or(Path::new(".")))
                    .map_err(|e| self.failed(format!("cannot create the directory: {e}")))
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists && self.path.is_dir() => {
                self.refuse_foreign()
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                Err(self.failed("it is a file; give the path of a directory"))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                Err(self.failed("its parent directory does not exist; create that first"))
            }
            Err(e) => Err(self.failed(format!("cannot create the directory: {e}"))),
        }
    }

    /// Refuses a directory that contains other files, which is most likely a mistake.
    fn refuse_foreign(&self) -> Result<(), StoreError> {
        if self.path(MARKER).exists() {
            return Ok(());
        }
        for name in self.names("")? {
            if name != LOCK && !name.starts_with(UNFINISHED) && name != COMMANDS && name != ANSWERS
            {
                let why = format!(
                    "it is not a saga store and not empty (it contains {name:?}); choose an empty \
                     directory, or one that does not exist"
                );
                return Err(self.failed(why));
            }
        }
        Ok(())
    }

    /// Prepares the directory for a worker, which holds the lock: writes the marker, and cleans up after a
    /// crash.
    pub(super) fn prepare(&self) -> Result<(), StoreError> {
        let is_new = !self.check_marker()?;
        // Not only of a new store: after a power failure the marker may be there without them.
        for directory in [COMMANDS, ANSWERS] {
            match make_directory(&self.path(directory)) {
                Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                    return Err(self.failed(format!("cannot create {directory}: {e}")));
                }
                Ok(()) | Err(_) => {}
            }
        }
        if is_new {
            crash_point("file.marker.writing");
            let mut marker = serde_json::to_vec(&Marker { schema_version: KNOWN })
                .map_err(|e| self.failed(e.to_string()))?;
            marker.push(b'\n');
            self.write(Path::new(MARKER), &marker)
                .map_err(|e| self.failed(format!("cannot write {MARKER}: {e}")))?;
            crash_point("file.marker.written");
        }
        // Leaves `commands` alone: another process may be writing a request there.
        for name in self.names("")?.iter().filter(|name| name.starts_with(UNFINISHED)) {
            fs::remove_file(self.path(name))
                .map_err(|e| self.failed(format!("cannot remove {name}: {e}")))?;
            crash_point("file.unfinished.removed");
        }
        // A killed worker may have created a log whose directory entry is not durable yet. This worker acts on
        // what it finds, so it must be.
        self.sync_directories(&["", COMMANDS, ANSWERS])
            .map_err(|e| self.failed(format!("cannot make its files durable: {e}")))
    }

    /// Returns the files that must not be replaced while the worker runs. Logs are checked individually, when
    /// they grow.
    pub(super) fn watch(&self, lock: &WorkerLock) -> Result<OpenFiles, StoreError> {
        let mut files = OpenFiles::default();
        files
            .add_found(&self.path)
            .and_then(|()| lock.watch(&mut files))
            .map_err(|e| self.failed(format!("cannot read its files' metadata: {e}")))?;
        Ok(files)
    }

    /// Returns true if the directory is a store that this version can use, and false if it is not a store yet.
    pub(super) fn check_marker(&self) -> Result<bool, StoreError> {
        let bytes = match fs::read(self.path(MARKER)) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(self.failed(format!("cannot read {MARKER}: {e}"))),
        };
        match serde_json::from_slice::<Marker>(&bytes) {
            Ok(Marker { schema_version: KNOWN }) => Ok(true),
            Ok(Marker { schema_version: found }) if found > KNOWN => {
                Err(StoreError::NewerSchema { store: self.place.to_string(), found, known: KNOWN })
            }
            Ok(Marker { .. }) | Err(_) => {
                Err(self.failed(format!("{MARKER} does not contain a valid schema version")))
            }
        }
    }

    /// Lists the file names in the directory, or in a subdirectory, without those that are not valid UTF-8.
    pub(super) fn names(&self, below: &str) -> Result<Vec<String>, StoreError> {
        let read = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for file in fs::read_dir(self.path(below))? {
                names.extend(file?.file_name().into_string());
            }
            names.sort_unstable();
            Ok(names)
        };
        read().map_err(|e| self.failed(format!("cannot list its files: {e}")))
    }

    /// Reads a file; `None` if it does not exist.
    pub(super) fn read(&self, name: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        match fs::read(self.path(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.failed(format!("cannot read {}: {e}", name.display()))),
        }
    }

    /// Reads and decodes a saga's log; `None` if there is none.
    pub(super) fn log(&self, id: &SagaId) -> Result<Option<LogFile>, StoreError> {
        let Some(bytes) = self.read(Path::new(&file_names::of_log(id)))? else { return Ok(None) };
        let corrupt = |why| StoreError::Corrupt { saga: id.clone(), seq: 0, why };
        let found = log_file::read(&bytes).map_err(corrupt)?;
        let actual = &found.saga.record.id;
        if actual != id {
            return Err(corrupt(format!("its file contains saga {actual}")));
        }
        Ok(Some(found))
    }

    /// Reads all logs whose record can be decoded. Loading one of the others by id reports what is wrong.
    pub(super) fn logs(&self) -> Result<Vec<LogFile>, StoreError> {
        let mut logs = Vec::new();
        for name in self.names("")?.iter().filter(|name| file_names::is_log(name)) {
            let Some(bytes) = self.read(Path::new(name))? else { continue };
            if let Ok(found) = log_file::read(&bytes)
                && file_names::of_log(&found.saga.record.id) == *name
            {
                logs.push(found);
            }
        }
        Ok(logs)
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

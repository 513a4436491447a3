//! The directory of a store: what it must look like, and how its files are written so that a crash
//! leaves each of them as it was or as it should be.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::StoreError;
use super::super::open_files::OpenFiles;
use super::super::worker_lock::{WorkerLock, private};
use super::log_file::{self, LogFile};
use super::{file_names, sealed_line};
use crate::log::SagaId;

/// The schema that this version writes.
const KNOWN: u32 = 1;

const MARKER: &str = "saga-store.json";
pub(super) const LOCK: &str = "lock";
pub(super) const COMMANDS: &str = "commands";
pub(super) const ANSWERS: &str = "answers";

/// Files whose names begin like this are unfinished, and left from a crash if no one writes them.
const UNFINISHED: &str = "tmp-";

#[derive(Serialize, Deserialize)]
struct Marker {
    schema_version: u32,
}

/// A store's directory.
#[derive(Clone)]
pub(super) struct Directory {
    path: PathBuf,
    place: Arc<str>,
    /// Tests: the disk loses what it is asked to keep of files, or of directories.
    #[cfg(test)]
    pub(super) fsync_fails: Arc<[std::sync::atomic::AtomicBool; 2]>,
    /// Tests: half of each write does not fit.
    #[cfg(test)]
    pub(super) disk_is_full: Arc<std::sync::atomic::AtomicBool>,
}

impl Directory {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            // The process may change its working directory.
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()),
            place: path.display().to_string().into(),
            #[cfg(test)]
            fsync_fails: Arc::default(),
            #[cfg(test)]
            disk_is_full: Arc::default(),
        }
    }

    /// The store's name in errors.
    pub(super) fn place(&self) -> &Arc<str> {
        &self.place
    }

    pub(super) fn failed(&self, why: impl Into<String>) -> StoreError {
        StoreError::Failed { store: self.place.to_string(), why: why.into() }
    }

    /// It takes no more until it is opened again.
    pub(super) fn closed(&self, why: impl Into<String>) -> StoreError {
        StoreError::Closed { store: self.place.to_string(), why: why.into() }
    }

    pub(super) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Creates the directory, if there is none.
    pub(super) fn create(&self) -> Result<(), StoreError> {
        match make_directory(&self.path) {
            Ok(()) => {
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
                Err(self.failed("the directory above it does not exist; create that first"))
            }
            Err(e) => Err(self.failed(format!("cannot create the directory: {e}"))),
        }
    }

    /// A directory that holds other files is most likely a mistake.
    fn refuse_foreign(&self) -> Result<(), StoreError> {
        if self.path(MARKER).exists() {
            return Ok(());
        }
        for name in self.names("")? {
            if name != LOCK && !name.starts_with(UNFINISHED) && name != COMMANDS && name != ANSWERS
            {
                let why = format!(
                    "it is no saga store and not empty (it holds {name:?}); give an empty \
                     directory, or one that does not exist"
                );
                return Err(self.failed(why));
            }
        }
        Ok(())
    }

    /// The worker's part of opening, under its lock: marks the directory and clears up after a
    /// crash.
    pub(super) fn prepare(&self) -> Result<(), StoreError> {
        if !self.check_marker()? {
            for directory in [COMMANDS, ANSWERS] {
                match make_directory(&self.path(directory)) {
                    Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                        return Err(self.failed(format!("cannot create {directory}: {e}")));
                    }
                    _ => {}
                }
            }
            let mut marker = serde_json::to_vec(&Marker { schema_version: KNOWN })
                .map_err(|e| self.failed(e.to_string()))?;
            marker.push(b'\n');
            self.write(Path::new(MARKER), &marker)
                .map_err(|e| self.failed(format!("cannot write {MARKER}: {e}")))?;
        }
        // Not in `commands`: another process may be about to finish its request.
        for name in self.names("")?.iter().filter(|name| name.starts_with(UNFINISHED)) {
            fs::remove_file(self.path(name))
                .map_err(|e| self.failed(format!("cannot remove {name}: {e}")))?;
        }
        // A worker that was killed may have created a log that a power failure would take away
        // again; what is found here is acted on.
        self.sync_all(&["", COMMANDS, ANSWERS])
            .map_err(|e| self.failed(format!("cannot make its files durable: {e}")))
    }

    /// What must stay as it is while the worker runs. The logs are checked one by one, each when it grows.
    pub(super) fn watch(&self, lock: &WorkerLock) -> Result<OpenFiles, StoreError> {
        let mut files = OpenFiles::default();
        files
            .add_found(&self.path)
            .and_then(|()| lock.watch(&mut files))
            .map_err(|e| self.failed(format!("cannot look at its files: {e}")))?;
        Ok(files)
    }

    /// True if this is a store that this version can use, false if it is none yet.
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
            _ => Err(self.failed(format!("{MARKER} does not say which schema it has"))),
        }
    }

    /// The names in the directory, or in one below it; those that are not text are not ours.
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

    /// The content of a file, if there is one.
    pub(super) fn read(&self, name: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        match fs::read(self.path(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.failed(format!("cannot read {}: {e}", name.display()))),
        }
    }

    /// A saga's log, if there is one.
    pub(super) fn log(&self, id: &SagaId) -> Result<Option<LogFile>, StoreError> {
        let Some(bytes) = self.read(Path::new(&file_names::of_log(id)))? else { return Ok(None) };
        let corrupt = |why| StoreError::Corrupt { saga: id.clone(), seq: 0, why };
        let found = log_file::read(&bytes).map_err(corrupt)?;
        let holds = &found.saga.record.id;
        if holds != id {
            return Err(corrupt(format!("its file holds saga {holds}")));
        }
        Ok(Some(found))
    }

    /// All logs whose record can be read. The others are found by their id, and say what is wrong.
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

    /// Writes a whole file, in place of the one that may be there. Durable when it returns. [Full](is_full) is
    /// an error that has left no trace.
    pub(super) fn write(&self, name: &Path, bytes: &[u8]) -> io::Result<()> {
        let target = self.path(name);
        let file_name = name.file_name().unwrap_or_default();
        let mut unfinished = OsStr::new(UNFINISHED).to_owned();
        unfinished.push(file_name);
        // Two processes may write the same file.
        unfinished.push(format!("-{}", std::process::id()));
        let unfinished = target.with_file_name(unfinished);
        let written = || -> io::Result<()> {
            let mut file = private(OpenOptions::new().write(true).create(true).truncate(true))
                .open(&unfinished)?;
            self.write_all(&mut file, bytes)?;
            self.sync(&file).map_err(unknown)?;
            fs::rename(&unfinished, &target).map_err(unknown)
        };
        if let Err(e) = written() {
            let _ = fs::remove_file(&unfinished);
            return Err(e);
        }
        self.sync_directory(target.parent().unwrap_or(&self.path)).map_err(unknown)
    }

    /// Checks that nobody else has changed a file that should have so many bytes.
    pub(super) fn check_len(&self, name: &Path, len: u64) -> Result<(), String> {
        match fs::metadata(self.path(name)) {
            Ok(found) if found.len() == len => Ok(()),
            Ok(found) => {
                let found = found.len();
                Err(format!("another program changed its file: it has {found} bytes, not {len}"))
            }
            Err(e) => Err(format!("its file cannot be found: {e}")),
        }
    }

    /// Grows a file of `len` bytes. Durable when it returns; after an error what was written is cut
    /// off again, as far as that works. [Full](is_full) is an error after which it has worked.
    pub(super) fn append(&self, name: &Path, len: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(self.path(name)).map_err(unknown)?;
        let written = self.write_all(&mut file, bytes);
        let written = written.and_then(|()| self.sync(&file).map_err(unknown));
        match written {
            Ok(()) => Ok(()),
            Err(e) => match file.set_len(len) {
                Ok(()) => Err(e),
                Err(_) => Err(unknown(e)),
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

    /// Cuts off what follows the first `len` bytes.
    pub(super) fn cut(&self, name: &Path, len: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(name))?;
        file.set_len(len)?;
        self.sync(&file)
    }

    /// Removes a file, if it is there. Durable after [`Self::sync_all`].
    pub(super) fn remove(&self, name: &Path) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// Makes durable which files there are.
    pub(super) fn sync_all(&self, below: &[&str]) -> io::Result<()> {
        below.iter().try_for_each(|below| self.sync_directory(&self.path(below)))
    }

    /// Makes a file durable that an earlier process may have left otherwise.
    pub(super) fn keep(&self, name: &Path) -> io::Result<()> {
        // Windows syncs only what is open for writing
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

    /// The entry of a new file in its directory is data too. Windows has no call for that, and no
    /// need of it.
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        #[cfg(test)]
        if let [_, true] = self.broken() {
            return Err(io::Error::other("the test's disk is broken"));
        }
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }
}

/// True if a write did not fit, and nothing of it is there.
pub(super) fn is_full(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// An error after which nobody knows what is on disk, whatever it says.
fn unknown(e: io::Error) -> io::Error {
    if is_full(&e) { io::Error::other(e) } else { e }
}

fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// One sealed line as a file.
pub(super) fn sealed(body: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    sealed_line::seal(&mut bytes, body)?;
    Ok(bytes)
}

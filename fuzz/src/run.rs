//! Runs one input at a time and records its panics.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, Once, PoisonError};
use std::{fs, thread};

use crate::targets::Target;

/// All panics since the last input, including those that were caught.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Held while an input runs, so that every panic is caused by that input.
static RUNNING: Mutex<()> = Mutex::new(());
/// True while an input runs. Other panics are not recorded.
static INPUT_RUNS: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

fn panics() -> std::sync::MutexGuard<'static, Vec<String>> {
    PANICS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a target on one input, and returns the outcome.
///
/// # Errors
/// Returns all panics that it caused, on any thread, whether or not they were caught.
pub fn run_one(target: &Target, input: &[u8]) -> Result<String, String> {
    let _alone = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !INPUT_RUNS.load(SeqCst) {
                return usual(info);
            }
            let thread = thread::current();
            let name = thread.name().unwrap_or_default();
            panics().push(format!("thread {name:?}: {info}"));
        }));
    });
    panics().clear();
    INPUT_RUNS.store(true, SeqCst);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    INPUT_RUNS.store(false, SeqCst);
    let panics = std::mem::take(&mut *panics());
    match outcome {
        Ok(outcome) if panics.is_empty() => Ok(outcome),
        Ok(_) | Err(_) => Err(panics.join("\n")),
    }
}

/// The file with the current input, which survives if the input kills the process.
#[derive(Debug)]
pub struct CurrentInput(PathBuf);

impl CurrentInput {
    /// Creates the file's path for this process.
    pub fn new() -> Self {
        Self(std::env::temp_dir().join(format!("saga-fuzz-{}", std::process::id())))
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes the next input.
    ///
    /// # Errors
    /// Returns errors of the file system.
    pub fn set(&self, input: &[u8]) -> io::Result<()> {
        fs::write(&self.0, input)
    }
}

impl Default for CurrentInput {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for CurrentInput {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Files with their contents.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// Returns the corpus of a target: its directory, and its files in order of name.
///
/// # Errors
/// Returns errors of the file system.
pub fn corpus(target: &Target) -> io::Result<(PathBuf, Files)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut files = Vec::new();
    if directory.is_dir() {
        for file in fs::read_dir(&directory)? {
            let path = file?.path();
            files.push((path.clone(), fs::read(path)?));
        }
    }
    files.sort();
    Ok((directory, files))
}

/// Returns the name of an input's file: a hash of its contents (FNV-1a).
pub fn name_of(input: &[u8]) -> String {
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{hash:016x}")
}

//! One input at a time: what became of it, and what it was if it broke something.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, Once, PoisonError};
use std::{fs, thread};

use crate::targets::Target;

/// All panics since the last input, also those that are caught on their way.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// One input at a time: a panic is then the fault of that one.
static RUNNING: Mutex<()> = Mutex::new(());
/// Panics at other times are none of ours.
static AT_WORK: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

fn panics() -> std::sync::MutexGuard<'static, Vec<String>> {
    PANICS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives a target one input.
///
/// # Errors
/// All panics of it, on whatever thread and whether or not somebody caught them.
pub fn run_one(target: &Target, input: &[u8]) -> Result<String, String> {
    let _alone = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !AT_WORK.load(SeqCst) {
                return usual(info);
            }
            let thread = thread::current();
            let name = thread.name().unwrap_or_default();
            panics().push(format!("thread {name:?}: {info}"));
        }));
    });
    panics().clear();
    AT_WORK.store(true, SeqCst);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    AT_WORK.store(false, SeqCst);
    let panics = std::mem::take(&mut *panics());
    match outcome {
        Ok(outcome) if panics.is_empty() => Ok(outcome),
        _ => Err(panics.join("\n")),
    }
}

/// The input at work, on disk: there it is still found when the process has died of it.
#[derive(Debug)]
pub struct Watch(PathBuf);

impl Watch {
    /// Of this process.
    pub fn new() -> Self {
        Self(std::env::temp_dir().join(format!("saga-fuzz-{}", std::process::id())))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The next one.
    ///
    /// # Errors
    /// The file system's.
    pub fn set(&self, input: &[u8]) -> io::Result<()> {
        fs::write(&self.0, input)
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Files with what is in them.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// The corpus of a target: its directory, and its files by name.
///
/// # Errors
/// The file system's.
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

/// The name of an input's file: a hash of it (FNV-1a).
pub fn name_of(input: &[u8]) -> String {
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{hash:016x}")
}

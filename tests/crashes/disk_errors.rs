//! Disks that are full, and disks that fail: the n-th write, fsync, rename or new file of a process is an error. The store
//! says which one it is and why; after an error that leaves open what is on the disk, it refuses to go on. Nothing that was
//! acknowledged is lost, even if the power fails afterwards as well, and the next process goes on.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use saga_core::prelude::*;
use saga_core::store::FileStore;

use crate::after::{heard, recover};
use crate::child::child;
use crate::disk::Recorded;
use crate::disk::journal::Record;
use crate::disk::replay::{Lie, Unsynced};
use crate::life::Home;
use crate::places::{Kind, Place};
use crate::said::{Heard, Said};

/// The numbers of the errors.
const IO: i32 = 5;
const FULL: i32 = 28;

/// What fails.
#[derive(Debug, Clone, Copy)]
struct Failure {
    /// As `recorder.c` calls it.
    call: &'static str,
    error: i32,
    /// Every call from the n-th one on, and not only that one.
    for_good: bool,
    /// How many different n are tried at most.
    tries: usize,
}

const fn once(call: &'static str, error: i32, tries: usize) -> Failure {
    Failure { call, error, for_good: false, tries }
}

const fn for_good(call: &'static str, error: i32, tries: usize) -> Failure {
    Failure { call, error, for_good: true, tries }
}

const FAILURES: [Failure; 9] = [
    once("write", FULL, 24),
    once("write", IO, 24),
    once("short", FULL, 12),
    once("short", IO, 12),
    once("sync", IO, 100),
    once("sync", FULL, 12),
    for_good("write", FULL, 8),
    once("rename", IO, 8),
    once("create", FULL, 8),
];

impl Failure {
    fn of_recorder(self, n: usize) -> String {
        let Self { call, error, .. } = self;
        format!("{call}:{n}{}:{error}", if self.for_good { "-" } else { "" })
    }

    /// It is not known what is on the disk afterwards.
    fn is_final(self) -> bool {
        self.error == IO || self.call == "sync"
    }

    /// How the system and SQLite call it. SQLite does not say why an fsync has failed, or why there is no new file.
    fn words(self) -> [&'static str; 2] {
        match (self.call, self.error) {
            ("create", _) => ["No space left on device", "unable to open database file"],
            ("sync", FULL) => ["No space left on device", "disk I/O error"],
            (_, IO) => ["Input/output error", "disk I/O error"],
            _ => ["No space left on device", "disk is full"],
        }
    }
}

struct Run<'a> {
    heard: Heard,
    journal: Vec<Record>,
    recorded: Recorded,
    directory: &'a Path,
}

fn run<'a, P: Place>(directory: &'a Path, name: &str, fail: Option<&str>) -> Run<'a> {
    std::fs::create_dir(directory).unwrap();
    let root = directory.join("lived");
    std::fs::create_dir(&root).unwrap();
    let runtime = crate::life::runtime(P::KIND);
    runtime.block_on(P::prepare(&root.join(name).display().to_string()));
    let recorded = Recorded::at(&root, name, &directory.join("said"));
    let output = recorded.live::<P>("failing:f", fail);
    assert!(output.status.success(), "{fail:?}: {}", String::from_utf8_lossy(&output.stderr));
    let heard = heard(&recorded.home);
    assert!(heard.over, "{fail:?}");
    Run { heard, journal: recorded.journal(), recorded, directory }
}

impl Run<'_> {
    /// Where in the journal the call failed; none if it never came to that.
    fn failed_at(&self) -> Option<usize> {
        let failed = |r: &Record| matches!(r, Record::Failed { .. } | Record::SyncFailed { .. });
        self.journal.iter().position(failed)
    }

    fn check<P: Place>(&self, failure: Failure, name: &str) -> Result<(), String> {
        let Some(failed_at) = self.failed_at() else { return Ok(()) };
        let store = &self.recorded.home.place;
        for why in &self.heard.failures {
            if !why.contains(store.as_str()) && !why.contains("waits for the disk") {
                return Err(format!("this does not say which store has failed: {why}"));
            }
        }
        let says = |words: &str| self.heard.failures.iter().any(|why| why.contains(words));
        if !self.heard.failures.is_empty() && !failure.words().iter().any(|words| says(words)) {
            return Err(format!("this does not say why: {:?}", self.heard.failures));
        }
        if failure.is_final() {
            // SQLite ignores the first; the store then syncs the directory itself, before it acknowledges anything. The second
            // is never read after a crash.
            if !self.is_sqlite_directory::<P>(failed_at) && !self.is_shared_memory(failed_at) {
                self.refuses_to_go_on(failed_at)?;
            }
        } else if !failure.for_good {
            let left = self.heard.started.difference(&self.heard.ended).collect::<Vec<_>>();
            if !left.is_empty() {
                return Err(format!("there is room again, and these do not go on: {left:?}"));
            }
        }
        let mut image = self.recorded.before.clone();
        self.journal.iter().for_each(|record| image.follow(record, Lie::None));
        let root = self.directory.join("after");
        std::fs::create_dir(&root).unwrap();
        image.write_to(&root, Unsynced::Nothing);
        let said = root.with_extension("said");
        std::fs::copy(&self.recorded.home.said, &said).unwrap();
        let home = Home { place: root.join(name).display().to_string(), said };
        recover::<P>(&home).map_err(|why| format!("after a power failure: {why}"))?;
        let next = recover::<P>(&self.recorded.home);
        next.map(drop).map_err(|why| format!("in the next process: {why}"))
    }

    fn is_sqlite_directory<P: Place>(&self, failed_at: usize) -> bool {
        let Record::SyncFailed { file } = self.journal[failed_at] else { return false };
        P::KIND == Kind::Sqlite && self.recorded.before.is_directory(file)
    }

    fn is_shared_memory(&self, failed_at: usize) -> bool {
        let Record::Failed { file } = self.journal[failed_at] else { return false };
        shared_memory(&self.journal).contains(&file)
    }

    /// Nothing that begins after the error is acknowledged.
    fn refuses_to_go_on(&self, failed_at: usize) -> Result<(), String> {
        let mut begun = BTreeSet::new();
        for record in &self.journal[failed_at..] {
            let Record::Said(line) = record else { continue };
            match serde_json::from_str::<Said>(line).unwrap() {
                Said::Starting { saga } => drop(begun.insert(saga)),
                Said::Started { saga } if begun.contains(&saga) => {
                    return Err(format!(
                        "the store goes on after the error: it has started {saga}"
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The files that are SQLite's index of the write-ahead log.
fn shared_memory(journal: &[Record]) -> BTreeSet<i64> {
    let is_index = |record: &Record| match record {
        Record::Create { file, path } if path.to_string_lossy().ends_with("-shm") => Some(*file),
        _ => None,
    };
    journal.iter().filter_map(is_index).collect()
}

/// Which writes of the journal, counted from 1, make that index longer.
fn writes_to_shared_memory(journal: &[Record]) -> Vec<usize> {
    let index = shared_memory(journal);
    let writes = journal.iter().filter_map(|record| match record {
        Record::Write { file, .. } => Some(index.contains(file)),
        _ => None,
    });
    writes.zip(1..).filter_map(|(of_index, n)| of_index.then_some(n)).collect()
}

fn fail_everywhere<P: Place>(name: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("calm");
    let calm = run::<P>(&path, name, None);
    assert_eq!(calm.heard.failures, Vec::<String>::new());
    let count = |of: fn(&Record) -> bool| calm.journal.iter().filter(|record| of(record)).count();
    let mut cases = Vec::new();
    for failure in FAILURES {
        let calls = match failure.call {
            "sync" => count(|r| matches!(r, Record::Sync { .. })),
            "rename" => count(|r| matches!(r, Record::Rename { .. })),
            "create" => count(|r| matches!(r, Record::Create { .. })),
            _ => count(|r| matches!(r, Record::Write { .. })),
        };
        let tries = failure.tries.min(calls);
        cases.extend((0..tries).map(|n| (failure, 1 + n * calls / tries)));
    }
    // SQLite reports these few writes differently, and every n-th write need not be one of them.
    for n in writes_to_shared_memory(&calm.journal) {
        cases.extend([once("write", FULL, 1), once("write", IO, 1)].map(|failure| (failure, n)));
    }
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|all| {
        for _ in 0..4 {
            all.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((failure, n)) = cases.get(number) else { return };
                    let (fail, path) =
                        (failure.of_recorder(*n), directory.path().join(number.to_string()));
                    let run = run::<P>(&path, name, Some(&fail));
                    failed.fetch_add(usize::from(run.failed_at().is_some()), Ordering::Relaxed);
                    if let Err(why) = run.check::<P>(*failure, name) {
                        wrong.lock().unwrap().push(format!("{fail}: {why}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let failed = failed.into_inner();
    println!("{:?}: {} runs, {failed} with an error of the disk", P::KIND, cases.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(failed * 10 > cases.len() * 8, "the errors are too rare");
}

#[test]
fn files_on_a_disk_that_fails_lose_nothing() {
    fail_everywhere::<FileStore>("sagas");
}

#[test]
fn sqlite_on_a_disk_that_fails_loses_nothing() {
    fail_everywhere::<SqliteStore>("sagas.db");
}

/// A small file system of its own. It is gone when this is dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// None if this process may not mount anything.
    fn mount(at: &'a Path) -> Option<Self> {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=600k", "tmpfs"])
            .arg(at)
            .output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }

    fn make_room(&self) {
        let larger = ["-o", "remount,size=64m"];
        assert!(Command::new("mount").args(larger).arg(self.0).status().unwrap().success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

fn fill<P: Place>(name: &str) {
    let directory = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(directory.path()) else {
        println!("skipped: this process may not mount a file system");
        return;
    };
    let outside = tempfile::tempdir().unwrap();
    let home = Home {
        place: directory.path().join(name).display().to_string(),
        said: outside.path().join("said"),
    };
    let mut process = child::<P>(&home, "filling").spawn().unwrap();
    while heard(&home).failures.len() < 5 {
        assert!(process.try_wait().unwrap().is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    let before = heard(&home);
    disk.make_room();
    assert!(process.wait().unwrap().success());
    let after = heard(&home);
    assert!(after.over);
    let why = &before.failures[0];
    let words = once("write", FULL, 0).words();
    assert!(why.contains(&home.place) && words.iter().any(|words| why.contains(words)), "{why}");
    assert_eq!(after.started, after.ended, "all go on when there is room");
    println!(
        "{:?}: {} sagas until the file system was full, {} in all",
        P::KIND,
        before.started.len(),
        after.started.len()
    );
    recover::<P>(&home).unwrap();
}

#[test]
fn files_on_a_full_file_system_go_on_when_there_is_room() {
    fill::<FileStore>("sagas");
}

#[test]
fn sqlite_on_a_full_file_system_goes_on_when_there_is_room() {
    fill::<SqliteStore>("sagas.db");
}

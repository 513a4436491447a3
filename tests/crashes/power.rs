//! Power failures: only what an fsync has made durable survives, and by chance some of the rest.
//!
//! `POWER_SEED=n cargo test --all-features --test crashes power::` repeats the moments and what survives them, as far as the
//! machine runs the processes alike.

use std::fs;
use std::path::{Path, PathBuf};

use saga_core::prelude::*;
use saga_core::store::FileStore;

use crate::after::{heard, recover};
use crate::dice::Dice;
use crate::disk::Recorded;
use crate::disk::journal::Record;
use crate::disk::replay::{Image, Lie, Unsynced};
use crate::life::Home;
use crate::places::Place;

const SEED: &str = "POWER_SEED";

fn seed() -> u64 {
    let chosen = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let seed = chosen.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 44);
    println!("{SEED}={seed}");
    seed
}

/// A life that was recorded, after lives that said other things.
struct Life {
    recorded: Recorded,
    journal: Vec<Record>,
    said_before: String,
    name: &'static str,
}

impl Life {
    fn lead<P: Place>(directory: &Path, name: &'static str, root: &Path, life: &str) -> Self {
        let said = directory.join(format!("said-{}", life.replace(':', "-")));
        let before = fs::read_to_string(directory.join("said")).unwrap_or_default();
        fs::write(&said, &before).unwrap();
        let recorded = Recorded::at(root, name, &said);
        let output = recorded.live::<P>(life, None);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let journal = recorded.journal();
        Self { recorded, journal, said_before: before, name }
    }

    /// The disk as it is after so many records, and what was said by then.
    fn at(&self, moment: usize, lie: Lie) -> (Image, String) {
        let (mut image, mut said) = (self.recorded.before.clone(), self.said_before.clone());
        for record in &self.journal[..moment] {
            image.follow(record, lie);
            if let Record::Said(text) = record {
                said.push_str(text);
            }
        }
        (image, said)
    }

    /// What a power failure at this moment leaves, in a new directory.
    fn after(&self, moment: usize, lie: Lie, unsynced: Unsynced, root: PathBuf) -> Home {
        let (image, said) = self.at(moment, lie);
        fs::create_dir(&root).unwrap();
        image.write_to(&root, unsynced);
        let place = root.join(self.name).display().to_string();
        let home = Home { place, said: root.with_extension("said") };
        fs::write(&home.said, said).unwrap();
        home
    }

    /// The journal has all that the process did: with everything in it, the files are as the process left them.
    fn check_journal(&self, root: PathBuf) {
        let all = self.after(self.journal.len(), Lie::None, Unsynced::All, root.clone());
        compare(&self.recorded.root, &root);
        assert_eq!(fs::read(&self.recorded.home.said).unwrap(), fs::read(&all.said).unwrap());
    }
}

fn compare(lived: &Path, replayed: &Path) {
    let names = |path: &Path| {
        let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names = names.collect::<Vec<_>>();
        names.retain(|name| !name.to_string_lossy().ends_with("-shm"));
        names.sort();
        names
    };
    assert_eq!(names(lived), names(replayed));
    for name in names(lived) {
        let (lived, replayed) = (lived.join(&name), replayed.join(&name));
        if lived.is_dir() {
            compare(&lived, &replayed);
        } else {
            assert!(fs::read(&lived).unwrap() == fs::read(&replayed).unwrap(), "{name:?} differs");
        }
    }
}

fn new_root(directory: &Path, name: &str) -> PathBuf {
    let root = directory.join(name);
    fs::create_dir(&root).unwrap();
    root
}

/// The power fails at many moments of a life with everything in it: requests, answers, purges, recovery.
fn fail_at_many_moments<P: Place>(name: &'static str) {
    let dice = Dice::new(seed());
    let directory = tempfile::tempdir().unwrap();
    let root = new_root(directory.path(), "lived");
    let life = Life::lead::<P>(directory.path(), name, &root, "whole");
    life.check_journal(directory.path().join("all"));
    let moments = life.journal.len();
    let mut wrong = Vec::new();
    const TRIES: usize = 120;
    for n in 0..TRIES {
        // spread over the whole life
        let moment = (n * moments + dice.roll(moments as u64) as usize) / TRIES;
        let unsynced = match n % 3 {
            0 => Unsynced::Nothing,
            _ => Unsynced::Some(dice.roll(1 << 40)),
        };
        let home = life.after(moment, Lie::None, unsynced, directory.path().join(format!("{n}")));
        if let Err(why) = recover::<P>(&home) {
            wrong.push(format!("moment {moment} of {moments}, {unsynced:?}: {why}"));
        }
    }
    println!("{:?}: {TRIES} power failures in a life of {moments} steps", P::KIND);
    assert!(wrong.is_empty(), "{} of {TRIES}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn files_survive_a_power_failure_at_any_moment() {
    fail_at_many_moments::<FileStore>("sagas");
}

#[test]
fn sqlite_survives_a_power_failure_at_any_moment() {
    fail_at_many_moments::<SqliteStore>("sagas.db");
}

/// Power failures one after the other, until 300 sagas have been acknowledged. None of them is lost.
fn fail_again_and_again<P: Place>(name: &'static str) {
    let dice = Dice::new(seed());
    let directory = tempfile::tempdir().unwrap();
    let mut root = new_root(directory.path(), "first");
    let (mut acknowledged, mut failures) = (0, 0);
    while acknowledged < 300 {
        let life = Life::lead::<P>(directory.path(), name, &root, &format!("many:{failures}"));
        let moments = life.journal.len() as u64;
        // at any moment, also of recovery
        let moment = dice.roll(moments) as usize;
        let unsynced =
            if dice.one_in(2) { Unsynced::Nothing } else { Unsynced::Some(dice.roll(1 << 40)) };
        failures += 1;
        root = directory.path().join(format!("after-{failures}"));
        let home = life.after(moment, Lie::None, unsynced, root.clone());
        fs::copy(&home.said, directory.path().join("said")).unwrap();
        acknowledged = heard(&home).started.len();
        assert!(failures < 40, "{acknowledged} sagas after {failures} failures");
    }
    let home =
        Home { place: root.join(name).display().to_string(), said: directory.path().join("said") };
    recover::<P>(&home).unwrap();
    println!(
        "{:?}: {acknowledged} acknowledged sagas, {failures} power failures, none lost",
        P::KIND
    );
    assert!(failures >= 4);
}

#[test]
fn three_hundred_acknowledged_sagas_survive_power_failures_on_files() {
    fail_again_and_again::<FileStore>("sagas");
}

#[test]
fn three_hundred_acknowledged_sagas_survive_power_failures_on_sqlite() {
    fail_again_and_again::<SqliteStore>("sagas.db");
}

/// On a disk that says that something is durable when it is not, something is lost: so the tests above can fail.
fn find_a_lie<P: Place>(name: &'static str, lie: Lie) {
    let directory = tempfile::tempdir().unwrap();
    let root = new_root(directory.path(), "lived");
    let life = Life::lead::<P>(directory.path(), name, &root, "many:0");
    let moment = life.journal.len() * 3 / 4;
    let honest = life.after(moment, Lie::None, Unsynced::Nothing, directory.path().join("honest"));
    recover::<P>(&honest).unwrap();
    let lied = life.after(moment, lie, Unsynced::Nothing, directory.path().join("lied"));
    let why = recover::<P>(&lied).expect_err("the lie is found");
    println!("{:?}, {lie:?}: {why}", P::KIND);
}

#[test]
fn a_disk_that_lies_about_files_is_found_out() {
    find_a_lie::<FileStore>("sagas", Lie::AboutFiles);
    find_a_lie::<SqliteStore>("sagas.db", Lie::AboutFiles);
}

#[test]
fn a_disk_that_lies_about_directories_is_found_out() {
    find_a_lie::<FileStore>("sagas", Lie::AboutDirectories);
    find_a_lie::<SqliteStore>("sagas.db", Lie::AboutDirectories);
}

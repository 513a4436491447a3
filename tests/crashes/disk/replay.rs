//! What a power failure leaves of what a process did.
//!
//! A disk must honour two things: what was in a file when its fsync returned is in the file afterwards, and the names that
//! were in a directory when its fsync returned are there afterwards. Nothing else is relied upon here. Writes that no fsync
//! followed are lost, or some of their sectors of 512 bytes survive, in any order. Names that were created, changed or
//! removed without an fsync of their directory are as before, or some are changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::journal::Record;
use crate::dice::Dice;

const SECTOR: usize = 512;

/// What survives of what no fsync has made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsynced {
    /// Everything, as after a kill of the process.
    All,
    Nothing,
    /// As the dice with this seed fall.
    Some(u64),
}

/// How a disk lies: it says that something is durable, and it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    None,
    AboutFiles,
    AboutDirectories,
}

#[derive(Debug, Clone)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate { len: usize },
}

#[derive(Debug, Clone)]
enum NameChange {
    Add { path: PathBuf, object: usize },
    Remove { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf, object: usize },
}

#[derive(Debug, Clone, Default)]
struct Object {
    is_directory: bool,
    durable: Vec<u8>,
    /// Not durable yet, in order.
    changes: Vec<Change>,
    names: Vec<NameChange>,
}

/// Files and directories: what is durable, and what is not yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    root: PathBuf,
    objects: Vec<Object>,
    /// The object that a number of the file system means now.
    numbers: BTreeMap<i64, usize>,
    /// As the process sees it.
    live: BTreeMap<PathBuf, usize>,
    /// As it would be after a power failure.
    durable: BTreeMap<PathBuf, usize>,
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, bytes } => {
            let end = at + bytes.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            content[*at..end].copy_from_slice(bytes);
        }
        Change::Truncate { len } => content.resize(*len, 0),
    }
}

impl Image {
    /// What is in a directory, all of it durable.
    pub(crate) fn of(root: &Path) -> Self {
        let mut image = Self { root: root.to_path_buf(), ..Self::default() };
        image.find(root);
        image
    }

    fn find(&mut self, path: &Path) {
        let is_directory = path.is_dir();
        let durable = if is_directory { Vec::new() } else { fs::read(path).unwrap() };
        let number = i64::try_from(fs::metadata(path).unwrap().ino()).unwrap();
        let object = self.add(number, Object { is_directory, durable, ..Object::default() });
        self.live.insert(path.to_path_buf(), object);
        self.durable.insert(path.to_path_buf(), object);
        if is_directory {
            for entry in fs::read_dir(path).unwrap() {
                self.find(&entry.unwrap().path());
            }
        }
    }

    fn add(&mut self, number: i64, object: Object) -> usize {
        self.objects.push(object);
        self.numbers.insert(number, self.objects.len() - 1);
        self.objects.len() - 1
    }

    fn object(&mut self, number: i64) -> &mut Object {
        &mut self.objects[self.numbers[&number]]
    }

    /// True if the file system gives a directory this number.
    pub(crate) fn is_directory(&self, number: i64) -> bool {
        self.numbers.get(&number).is_some_and(|object| self.objects[*object].is_directory)
    }

    /// The directory that a name is in.
    fn parent(&mut self, path: &Path) -> &mut Object {
        let parent = self.live[path.parent().unwrap()];
        &mut self.objects[parent]
    }

    fn new_name(&mut self, number: i64, path: &Path, is_directory: bool) {
        let object = self.add(number, Object { is_directory, ..Object::default() });
        self.live.insert(path.to_path_buf(), object);
        let path = path.to_path_buf();
        self.parent(&path).names.push(NameChange::Add { path: path.clone(), object });
    }

    /// The process did this.
    pub(crate) fn follow(&mut self, record: &Record, lie: Lie) {
        match record {
            Record::Create { file, path } => self.new_name(*file, path, false),
            Record::Directory { file, path } => self.new_name(*file, path, true),
            Record::Write { file, at, bytes } => {
                let change = Change::Write { at: *at, bytes: bytes.clone() };
                self.object(*file).changes.push(change);
            }
            Record::Truncate { file, len } => {
                self.object(*file).changes.push(Change::Truncate { len: *len });
            }
            Record::Sync { file } => self.sync(*file, lie),
            Record::SyncFailed { file } => {
                // only the process still sees it
                self.object(*file).changes.clear();
            }
            Record::Rename { from, to } => {
                let object = self.live.remove(from).unwrap();
                self.live.insert(to.clone(), object);
                let change = NameChange::Rename { from: from.clone(), to: to.clone(), object };
                self.parent(to).names.push(change);
            }
            Record::Unlink { path } => {
                self.live.remove(path);
                self.parent(path).names.push(NameChange::Remove { path: path.clone() });
            }
            Record::Failed { .. } | Record::Said(_) => {}
        }
    }

    fn sync(&mut self, file: i64, lie: Lie) {
        let object = self.object(file);
        let lies = if object.is_directory { Lie::AboutDirectories } else { Lie::AboutFiles };
        if lie == lies {
            return;
        }
        for change in std::mem::take(&mut object.changes) {
            apply(&mut object.durable, &change);
        }
        for change in std::mem::take(&mut object.names) {
            rename(&mut self.durable, &change);
        }
    }

    /// Writes what a power failure leaves to a new directory.
    pub(crate) fn write_to(&self, root: &Path, unsynced: Unsynced) {
        let dice = Dice::new(if let Unsynced::Some(seed) = unsynced { seed } else { 0 });
        let survives = || match unsynced {
            Unsynced::All => true,
            Unsynced::Nothing => false,
            Unsynced::Some(_) => dice.one_in(2),
        };
        let mut names = self.durable.clone();
        for change in self.objects.iter().flat_map(|object| &object.names) {
            if survives() {
                rename(&mut names, change);
            }
        }
        // a directory comes before what is in it
        let mut there = BTreeSet::new();
        for (path, object) in &names {
            let (object, path) = (&self.objects[*object], path.strip_prefix(&self.root).unwrap());
            let reached = path.parent().is_none_or(|parent| there.contains(parent));
            // SQLite makes this one anew
            if !reached || path.to_string_lossy().ends_with("-shm") {
                continue;
            }
            if object.is_directory {
                there.insert(path.to_path_buf());
                let _ = fs::create_dir(root.join(path));
            } else {
                fs::write(root.join(path), object.after(&survives)).unwrap();
            }
        }
    }
}

fn rename(names: &mut BTreeMap<PathBuf, usize>, change: &NameChange) {
    match change {
        NameChange::Add { path, object } => drop(names.insert(path.clone(), *object)),
        NameChange::Remove { path } => drop(names.remove(path)),
        NameChange::Rename { from, to, object } => {
            names.remove(from);
            names.insert(to.clone(), *object);
        }
    }
}

impl Object {
    /// Its content after a power failure.
    fn after(&self, survives: &dyn Fn() -> bool) -> Vec<u8> {
        let mut content = self.durable.clone();
        for change in &self.changes {
            match change {
                Change::Truncate { .. } if survives() => apply(&mut content, change),
                Change::Truncate { .. } => {}
                Change::Write { at, bytes } => {
                    let mut done = 0;
                    while done < bytes.len() {
                        let next = SECTOR - (at + done) % SECTOR;
                        let part = bytes[done..bytes.len().min(done + next)].to_vec();
                        let change = Change::Write { at: at + done, bytes: part.clone() };
                        done += part.len();
                        if survives() {
                            apply(&mut content, &change);
                        }
                    }
                }
            }
        }
        content
    }
}

//! Files that are removed, renamed or replaced under a running coordinator: it stops at once, and the
//! next process finds everything that was reported as started.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use saga_core::StartError;
use saga_core::prelude::*;
use saga_core::store::{FileStore, ListFilter, SqliteStore, Store};

use super::{Three, W, build};
use crate::common::world::{Do, World};

/// A directory with a database `sagas.db` in it, or with the directory `sagas` of a file store.
struct Place {
    above: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let above = tempfile::tempdir().unwrap();
        fs::create_dir(above.path().join("state")).unwrap();
        std::os::unix::fs::symlink("state", above.path().join("link")).unwrap();
        Self { above }
    }

    fn state(&self) -> PathBuf {
        self.above.path().join("state")
    }

    fn elsewhere(&self) -> PathBuf {
        self.above.path().join("elsewhere")
    }

    async fn build(&self, kind: &str, world: &W) -> Coordinator<W> {
        // by a link, which may come to lead elsewhere
        let directory = self.above.path().join("link");
        match kind {
            "sqlite" => build(world, SqliteStore::open(directory.join("sagas.db")).unwrap()).await,
            _ => build(world, FileStore::open(directory.join("sagas")).unwrap()).await,
        }
    }
}

/// Copies files as they are, as a backup does.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let to = to.join(file.file_name());
        match file.file_type().unwrap().is_dir() {
            true => copy(&file.path(), &to),
            false => drop(fs::copy(file.path(), to).unwrap()),
        }
    }
}

type Change = fn(&Place);

fn remove(place: &Place, name: &str) {
    fs::remove_file(place.state().join(name)).unwrap();
}

/// What goes wrong, for which store, and what whoever writes next is told.
const CHANGES: [(&str, &str, Change, &str); 15] = [
    ("sqlite", "all removed", |p| fs::remove_dir_all(p.state()).unwrap(), "sagas.db is gone"),
    ("sqlite", "emptied", |p| empty(&p.state()), "sagas.db is gone"),
    ("sqlite", "database removed", |p| remove(p, "sagas.db"), "sagas.db is gone"),
    ("sqlite", "journal removed", |p| remove(p, "sagas.db-wal"), "sagas.db-wal is gone"),
    ("sqlite", "index removed", |p| remove(p, "sagas.db-shm"), "sagas.db-shm is gone"),
    ("sqlite", "lock removed", |p| remove(p, "sagas.db.lock"), "sagas.db.lock is gone"),
    ("sqlite", "backup restored", |p| restore(p, "sagas.db"), "sagas.db is not the file"),
    ("sqlite", "renamed", rename, "sagas.db is gone"),
    ("sqlite", "renamed and copied", renamed_and_copied, "sagas.db is not the file"),
    ("sqlite", "link led elsewhere", relink, "sagas.db is gone"),
    ("file", "all removed", |p| fs::remove_dir_all(p.state()).unwrap(), "sagas is gone"),
    ("file", "lock removed", |p| remove(p, "sagas/lock"), "lock is gone"),
    ("file", "renamed", rename, "sagas is gone"),
    ("file", "renamed and copied", renamed_and_copied, "sagas is not the file"),
    ("file", "link led elsewhere", relink, "sagas is gone"),
];

fn empty(directory: &Path) {
    for file in fs::read_dir(directory).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
}

fn restore(place: &Place, name: &str) {
    let (file, backup) = (place.state().join(name), place.elsewhere());
    fs::copy(&file, &backup).unwrap();
    fs::rename(backup, file).unwrap();
}

fn rename(place: &Place) {
    fs::rename(place.state(), place.elsewhere()).unwrap();
    fs::create_dir(place.state()).unwrap();
}

fn renamed_and_copied(place: &Place) {
    fs::rename(place.state(), place.elsewhere()).unwrap();
    copy(&place.elsewhere(), &place.state());
}

fn relink(place: &Place) {
    let link = place.above.path().join("link");
    fs::remove_file(&link).unwrap();
    fs::create_dir(place.elsewhere()).unwrap();
    std::os::unix::fs::symlink("elsewhere", &link).unwrap();
}

async fn run(sec: &Coordinator<W>, id: &str) -> Result<(), StartError> {
    let started = sec.saga(Three { word: id.to_string() }).id(id).start().await;
    started.map(drop)
}

#[tokio::test]
async fn no_saga_starts_in_missing_files() {
    for (kind, name, change, expected) in CHANGES {
        let place = Place::new();
        let world = Arc::new(World::default());
        let sec = place.build(kind, &world).await;
        sec.run(Three { word: "early".to_string() }).await.unwrap();
        assert_eq!(world.count("do a"), 1);
        change(&place);

        for id in ["late", "later"] {
            let refused = run(&sec, id).await.map_err(|error| error.to_string());
            let why = refused.expect_err(name);
            assert!(why.contains(expected), "{kind}, {name}: {why}");
            assert!(why.contains("while the program ran"), "{kind}, {name}: {why}");
        }
        assert_eq!(world.count("do a"), 1, "{kind}, {name}: what is not started does nothing");
        drop(sec.shutdown(Duration::ZERO).await);
        drop(sec);

        // another process finds what is there, and none of it is half done
        fs::create_dir_all(place.state()).unwrap();
        let sec = place.build(kind, &world).await;
        assert!(sec.get::<Three>("late").await.unwrap().is_none(), "{kind}, {name}");
        sec.run(Three { word: "again".to_string() }).await.unwrap();
        assert_eq!(world.count("do a"), 2, "{kind}, {name}");
        sec.shutdown(Duration::ZERO).await.unwrap();
    }
}

/// A saga that is between two nodes when its files go is not driven any further, and goes on where it was
/// when the files are back.
#[tokio::test]
async fn a_saga_whose_files_disappear_stops_and_resumes_when_they_are_back() {
    for kind in ["sqlite", "file"] {
        let place = Place::new();
        let world = Arc::new(World::default());
        world.script("c", [Do::Waits]);
        let sec = place.build(kind, &world).await;
        let saga = sec.saga(Three { word: "x".to_string() }).id("x").start().await.unwrap();
        world.hears("do c", 1).await;
        rename(&place);
        // any write of its own finds out; so does this one
        let cancelled = sec.operator("bob").cancel("x", "enough").await;
        let why = cancelled.expect_err(kind).to_string();
        assert!(why.contains("while the program ran"), "{kind}: {why}");
        let told = tokio::time::timeout(Duration::from_millis(200), saga.clone()).await;
        assert!(!matches!(told, Ok(Ok(_))), "{kind}: it has not completed");
        drop(sec.shutdown(Duration::ZERO).await);
        drop((saga, sec));

        fs::remove_dir_all(place.state()).unwrap();
        fs::rename(place.elsewhere(), place.state()).unwrap();
        let sec = place.build(kind, &world).await;
        let saga = sec.get::<Three>("x").await.unwrap().expect(kind);
        assert_eq!(saga.await.unwrap(), "x a b c", "{kind}");
        assert_eq!(world.count("do a"), 1, "{kind}: what is in the log is not done again");
        assert_eq!(world.effects(), ["a", "b", "c"], "{kind}");
        sec.shutdown(Duration::ZERO).await.unwrap();
    }
}

/// One who only looks must not be shown what is no longer there, nor leave a request for nobody.
#[tokio::test]
async fn an_attached_store_notices_missing_files_too() {
    let place = Place::new();
    let world = Arc::new(World::default());
    let sec = place.build("sqlite", &world).await;
    sec.saga(Three { word: "x".to_string() }).id("x").start().await.unwrap().await.unwrap();
    let reader = SqliteStore::attach(place.state().join("sagas.db")).unwrap();
    assert_eq!(reader.list(ListFilter::default()).await.unwrap().len(), 1);
    restore(&place, "sagas.db");
    let why = reader.list(ListFilter::default()).await.unwrap_err().to_string();
    assert!(why.contains("sagas.db is not the file that was opened"), "{why}");
    drop(sec.shutdown(Duration::ZERO).await);
}

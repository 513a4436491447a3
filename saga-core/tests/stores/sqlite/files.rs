//! The files of the store, and files that are refused as one.

use super::*;

#[tokio::test]
async fn the_users_tables_may_live_in_the_same_file() {
    let place = Place::new();
    place
        .connection()
        .execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")
        .unwrap();
    let store = place.open();
    create(&store, &["a"]).await;
    let theirs: i64 =
        place.connection().query_row("SELECT x FROM theirs", [], |row| row.get(0)).unwrap();
    assert_eq!(theirs, 1);
}

#[tokio::test]
async fn a_user_table_may_have_the_name_of_a_store_table_under_a_prefix() {
    let place = Place::new();
    let theirs = "CREATE TABLE saga (title TEXT); INSERT INTO saga VALUES ('Njal')";
    place.connection().execute_batch(theirs).unwrap();
    let e = refusal(&place.path);
    let expected = "table saga already exists, but it is not a table of the store; use \
                    `SqliteStore::open_with_prefix`";
    assert!(e.contains(expected), "{e}");

    for prefix in ["x\"; drop", "", "1st", "sqlite_"] {
        let e = SqliteStore::open_with_prefix(&place.path, prefix).unwrap_err().to_string();
        assert!(e.contains(&format!("sagas.db: the table prefix {prefix:?} must be")), "{e}");
        assert!(SqliteStore::attach_with_prefix(&place.path, prefix).is_err());
    }
    let store = SqliteStore::open_with_prefix(&place.path, "shop_").unwrap();
    create(&store, &["a"]).await;
    store.append(append("a", 2, b"ok")).await.unwrap();
    let reader = SqliteStore::attach_with_prefix(&place.path, "shop_").unwrap();
    assert_eq!(entries(&reader, "a").await, 2);
    assert!(SqliteStore::attach(&place.path).is_err());
    drop((store, reader));
    let store = SqliteStore::open_with_prefix(&place.path, "shop_").unwrap();
    assert_eq!(entries(&store, "a").await, 2);
    let title: String =
        place.connection().query_row("SELECT title FROM saga", [], |row| row.get(0)).unwrap();
    assert_eq!(title, "Njal");
}

#[test]
fn a_file_that_cannot_be_a_store_is_refused_by_name() {
    let place = Place::new();
    let directory = place.directory();

    let text = directory.join("notes.txt");
    fs::write(&text, "just some text, and long enough to have no SQLite header at all\n").unwrap();
    let e = refusal(&text);
    assert!(e.contains("notes.txt: the file is not a SQLite database"), "{e}");
    assert!(fs::read_to_string(&text).unwrap().starts_with("just some text"));

    let e = refusal(directory);
    assert!(e.ends_with("it is a directory; give the path of a file"), "{e}");

    let missing = directory.join("missing").join("sagas.db");
    let e = refusal(&missing);
    assert!(e.contains("missing/sagas.db: the directory"), "{e}");
    assert!(e.ends_with("does not exist; create it first"), "{e}");

    for path in ["", ":memory:"] {
        assert!(refusal(path).contains("use `MemoryStore`"));
    }
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let place = Place::new();
    drop(place.open());
    place.connection().execute_batch("UPDATE saga_meta SET schema_version = 99").unwrap();
    let newer =
        StoreError::NewerSchema { store: place.path.display().to_string(), found: 99, known: 5 };
    assert_eq!(SqliteStore::open(&place.path).unwrap_err(), newer);
    assert_eq!(SqliteStore::attach(&place.path).unwrap_err(), newer);
    place.connection().execute_batch("UPDATE saga_meta SET schema_version = 5").unwrap();
    place.open();
}

#[tokio::test]
async fn a_file_of_the_schema_before_is_migrated_with_its_sagas() {
    let place = Place::new();
    let schema_4 = include_str!("../../../src/store/sqlite/schema_4.sql");
    place.connection().execute_batch(schema_4).unwrap();
    place
        .connection()
        .execute_batch(
            "INSERT INTO saga_definition VALUES (1, 'f1', 'book_trip', CAST('{}' AS BLOB)); \
             INSERT INTO saga_input VALUES (1, '67e55044-10b1-426f-9247-bb680e5fe0c8', CAST('{}' AS BLOB)); \
             INSERT INTO saga (number, id, definition, status, epoch, next_seq, attempts, paused, created_at, updated_at) \
             VALUES (1, 'old', 1, 'running', 1, 1, 0, 0, 10, 10)",
        )
        .unwrap();
    let e = SqliteStore::attach(&place.path).unwrap_err().to_string();
    assert!(e.contains("it has schema 4, but this program reads schema 5"), "{e}");
    let store = place.open();
    let claimed = store.claim(&WorkerId::from("one"), &["f1".to_string()], 10).await.unwrap();
    assert_eq!(claimed.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["old"]);
}

#[test]
fn schemas_before_the_first_release_are_refused_and_left_alone() {
    let place = Place::new();
    drop(place.open());
    for schema in [1, 2, 3] {
        let older = format!("UPDATE saga_meta SET schema_version = {schema}");
        place.connection().execute_batch(&older).unwrap();
        let e = refusal(&place.path);
        let expected = format!("it has schema {schema}, which only development versions");
        assert!(e.contains(&expected), "{e}");
        assert!(e.contains("choose a new file"), "{e}");
        assert_eq!(SqliteStore::attach(&place.path).unwrap_err().to_string(), e);
    }
}

/// Runs one of these tests as a user who may not write everywhere.
#[cfg(unix)]
fn as_nobody(test: &str) {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    const AGAIN: &str = "SAGA_TEST_AS_NOBODY";
    assert!(std::env::var_os(AGAIN).is_none(), "nobody may write anywhere, too");
    // where this program is, and where its files go, may be root's alone
    let directory = tempfile::tempdir().unwrap();
    let (program, files) = (directory.path().join("test"), directory.path().join("files"));
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::create_dir(&files).unwrap();
    for (path, mode) in [(directory.path(), 0o755), (&program, 0o755), (&files, 0o777)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut child = std::process::Command::new(program);
    child.args(["--exact", test]).current_dir(&files).env("TMPDIR", &files).env(AGAIN, "1");
    let output = child.uid(NOBODY).gid(NOBODY).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_read_only_file_or_directory_is_refused_by_name() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    drop(place.open());
    let rights = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));

    rights(&place.path, 0o400).unwrap();
    if fs::OpenOptions::new().write(true).open(&place.path).is_ok() {
        // root may write anywhere
        return as_nobody("sqlite::files::a_read_only_file_or_directory_is_refused_by_name");
    }
    let e = refusal(&place.path);
    assert!(e.contains("sagas.db: the file is read-only"), "{e}");
    rights(&place.path, 0o600).unwrap();

    fs::remove_file(place.directory().join("sagas.db.lock")).unwrap();
    rights(place.directory(), 0o500).unwrap();
    let e = refusal(&place.path);
    rights(place.directory(), 0o700).unwrap();
    assert!(e.contains("cannot open its lock file"), "{e}");
}

#[test]
fn the_files_are_their_owners_only_and_in_wal_mode() {
    let place = Place::new();
    let _store = place.open();
    let mode: String =
        place.connection().pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    #[cfg(unix)]
    for file in fs::read_dir(place.directory()).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
    }
}

#[tokio::test]
async fn a_definition_is_stored_once_and_goes_with_its_last_saga() {
    let place = Place::new();
    let store = place.open();
    let count = || -> i64 {
        let sql = "SELECT count(*) FROM saga_definition";
        place.connection().query_row(sql, [], |row| row.get(0)).unwrap()
    };
    create(&store, &["a", "b"]).await;
    assert_eq!(count(), 1);
    let mut other = new_saga("c");
    other.record.fingerprint = "f2".into();
    store.create(other.clone()).await.unwrap();
    // Its id is taken, so its definition is not needed.
    other.record.fingerprint = "f3".into();
    store.create(other).await.unwrap();
    assert_eq!(count(), 2);

    store.release(&WorkerId::from("one")).await.unwrap();
    for (gone, left) in [("a", 2), ("c", 1), ("b", 0)] {
        assert_eq!(store.delete(&id(gone)).await, Ok(true));
        assert_eq!(count(), left, "without {gone}");
    }
    create(&store, &["a"]).await;
    assert_eq!(&*store.load(&id("a")).await.unwrap().unwrap().record.fingerprint, "f1");
}

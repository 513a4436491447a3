//! Payloads that are encrypted in the store, with the codec of `examples/encrypted`.

#[path = "../../examples/encrypted/codec.rs"]
mod codec;
#[path = "../common/damaged_entries.rs"]
mod damaged_entries;

use std::path::Path;
use std::time::Duration;

use saga_core::prelude::*;
use saga_core::store::{EncodedStore, ListFilter, SqliteStore, Store, StoreError};
use saga_core::{SagaId, StartError};

use self::codec::{Keyring, Secret, random_key};
use self::damaged_entries::damage_entries;

type Any = Box<dyn std::error::Error + Send + Sync>;
type Encrypted = EncodedStore<SqliteStore>;

#[derive(Debug, PartialEq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("the test was positive")]
struct Positive {
    marker: String,
}

#[saga_action(no_undo)]
async fn ward(patient: &str) -> Result<String, Positive> {
    Ok(format!("WARD-of-{patient}"))
}

#[saga_action(no_undo)]
async fn test(ward: &str, sick: bool) -> Result<String, Positive> {
    match sick {
        true => Err(Positive { marker: format!("MARKER in {ward}") }),
        false => Ok(format!("RESULT in {ward}")),
    }
}

saga! {
    Admit<()>(patient: String, sick: bool) -> String {
        let ward = ward { patient };
        let result = test { ward, sick: *sick };
        result
    }
}

fn open(file: &Path, keys: Keyring) -> Result<Encrypted, StoreError> {
    Ok(EncodedStore::new(SqliteStore::open(file)?, keys))
}

async fn coordinator(store: Encrypted) -> Result<Coordinator<()>, Any> {
    Ok(Coordinator::builder(()).store(store).saga::<Admit>().build().await?)
}

fn admit(patient: &str, sick: bool) -> Admit {
    Admit { patient: patient.to_string(), sick }
}

/// Runs two sagas, one of which fails, and closes the file.
async fn fill(file: &Path, id: &str, key: &Secret) -> Result<(), Any> {
    let sec = coordinator(open(file, Keyring::new(id, key))?).await?;
    sec.saga(admit("ada", false)).id("well").start().await?.await?;
    let error = sec.saga(admit("bob", true)).id("sick").start().await?.await.unwrap_err();
    assert_eq!(error.failed_node().map(ToString::to_string).as_deref(), Some("result"));
    sec.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

fn id(text: &str) -> SagaId {
    text.parse().unwrap()
}

#[tokio::test]
async fn payloads_are_in_no_file_in_the_clear_and_come_back_with_the_key() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("sagas.db");
    let key = random_key();
    fill(&file, "one", &key).await?;
    for entry in std::fs::read_dir(directory.path())? {
        let bytes = std::fs::read(entry?.path())?;
        for secret in ["\"patient\"", "WARD-of-ada", "MARKER in", "RESULT in"] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in a file");
        }
    }

    let sec = coordinator(open(&file, Keyring::new("one", &key))?).await?;
    let well = sec.saga(admit("ada", false)).id("well").start().await?;
    assert_eq!(well.await?, "RESULT in WARD-of-ada", "the same input finds the saga that ran");
    let other = sec.saga(admit("eve", false)).id("well").start().await.map(|_| ());
    assert!(matches!(other, Err(StartError::IdConflict { .. })), "{other:?}");
    let Err(SagaError::RolledBack(report)) = sec.get::<Admit>("sick").await?.unwrap().await else {
        panic!("it failed");
    };
    let error = report.error.unwrap();
    assert_eq!(error.to_string(), "action failed: the test was positive");
    assert_eq!(
        error.convert::<Positive>()?,
        Positive { marker: "MARKER in WARD-of-bob".to_string() }
    );
    Ok(())
}

#[tokio::test]
async fn keys_change_while_old_sagas_stay_readable() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("sagas.db");
    let (old, new) = (random_key(), random_key());
    fill(&file, "old", &old).await?;

    let both = || Keyring::new("new", &new).with_old("old", &old);
    let sec = coordinator(open(&file, both())?).await?;
    assert_eq!(sec.get::<Admit>("well").await?.unwrap().await?, "RESULT in WARD-of-ada");
    sec.saga(admit("eve", false)).id("later").start().await?.await?;
    sec.shutdown(Duration::from_secs(5)).await?;
    drop(sec);

    let store = open(&file, Keyring::new("new", &new))?;
    let unknown = |saga| StoreError::UnknownKey { saga: id(saga), key_id: "old".to_string() };
    assert_eq!(store.load(&id("well")).await, Err(unknown("well")));
    assert_eq!(store.load(&id("sick")).await, Err(unknown("sick")));
    let later = store.load(&id("later")).await?.unwrap();
    assert_eq!(later.record.params.as_bytes(), br#"{"patient":"eve","sick":false}"#);
    let shown = store.list(ListFilter::default()).await?;
    let shown = shown.iter().map(|record| (record.id.as_str(), record.params.is_empty()));
    assert_eq!(shown.collect::<Vec<_>>(), [("later", false), ("sick", true), ("well", true)]);

    let sec = coordinator(store).await?;
    let again = sec.saga(admit("ada", false)).id("well").start().await.map(|_| ());
    assert!(
        matches!(&again, Err(StartError::Store(e)) if *e == unknown("well")),
        "nobody can say whether it is the same input: {again:?}"
    );
    Ok(())
}

#[tokio::test]
async fn swapped_rows_do_not_decode() -> Result<(), Any> {
    let swaps = [
        // (what is put, where)
        ("id = 'well' AND node = 'result' AND kind = 'succeeded'", "ward"),
        ("id = 'sick' AND node = 'ward' AND kind = 'succeeded'", "ward"),
    ];
    for (from, to) in swaps {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("sagas.db");
        let key = random_key();
        fill(&file, "one", &key).await?;
        let conn = rusqlite::Connection::open(&file)?;
        let sql = format!(
            "UPDATE saga_event
             SET payload = (SELECT payload FROM saga_event JOIN saga USING (number) WHERE {from})
             WHERE number = (SELECT number FROM saga WHERE id = 'well') AND node = '{to}' AND kind = 'succeeded'"
        );
        damage_entries(&conn, &sql)?;
        drop(conn);
        let loaded = open(&file, Keyring::new("one", &key))?.load(&id("well")).await;
        let Err(StoreError::Corrupt { why, .. }) = loaded else { panic!("{from}: {loaded:?}") };
        let place = "output of well, node `ward` does not decode";
        assert_eq!(why, format!("{place}: it was changed, or belongs elsewhere"), "{from}");
    }
    Ok(())
}

/// Waits until its key is there.
#[saga_action(no_undo)]
async fn linger() -> Result<(), String> {
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(())
}

saga! { Stay<()>() { linger {}; } }

async fn ward_of(store: Encrypted) -> Result<Coordinator<()>, Any> {
    Ok(Coordinator::builder(()).store(store).saga::<Stay>().build().await?)
}

#[tokio::test]
async fn a_saga_whose_key_is_missing_is_parked_until_the_key_is_back() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("sagas.db");
    let (old, new) = (random_key(), random_key());
    let sec = ward_of(open(&file, Keyring::new("old", &old))?).await?;
    sec.saga(Stay {}).id("x").start().await?;
    sec.shutdown(Duration::ZERO).await?;
    drop(sec);

    let sec = ward_of(open(&file, Keyring::new("new", &new))?).await?;
    let mut parked = Vec::new();
    while parked.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let all = sec.list(ListFilter::default()).await?;
        parked.extend(all.into_iter().filter_map(|record| record.parked_reason));
    }
    assert_eq!(
        parked,
        ["saga x: the payload codec does not have the key \"old\"; add that key to it"]
    );
    assert!(sec.operator("me").unpark("x").await.is_err(), "not without the key");
    sec.shutdown(Duration::ZERO).await?;
    drop(sec);

    let both = Keyring::new("new", &new).with_old("old", &old);
    let sec = ward_of(open(&file, both)?).await?;
    sec.operator("me").unpark("x").await?;
    sec.get::<Stay>("x").await?.ok_or("it is there")?.await?;
    Ok(())
}

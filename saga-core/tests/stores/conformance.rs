//! Every store of the library against the conformance suite.

use saga_core::log::Payload;
use saga_core::store::{
    Aad, CodecError, EncodedStore, FileStore, ListFilter, MemoryStore, NewDefinition, PayloadCodec,
    PayloadKind, Store, StoreError,
};
use saga_core::testing::{ConformanceError, store_conformance};

use crate::samples::{append, create, id};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_store_conforms() -> Result<(), ConformanceError> {
    store_conformance(async || Ok(MemoryStore::new())).await
}

/// Puts the place of a payload in front of it.
pub(crate) struct Bound;

impl PayloadCodec for Bound {
    fn encode(&self, plain: &[u8], aad: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
        Ok([&aad.to_bytes(), plain].concat())
    }

    fn decode(&self, stored: &[u8], aad: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
        let plain = stored.strip_prefix(aad.to_bytes().as_slice());
        plain.map(Vec::from).ok_or_else(|| CodecError::Failed { why: "another place".to_string() })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_with_encoded_payloads_conforms() -> Result<(), ConformanceError> {
    store_conformance(async || Ok(EncodedStore::new(MemoryStore::new(), Bound))).await
}

/// A codec that has lost the key for DAGs.
struct NoKeyForDags;

impl PayloadCodec for NoKeyForDags {
    fn encode(&self, plain: &[u8], aad: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
        match aad.kind() {
            PayloadKind::Dag if aad.subject() == "f2" => {
                Err(CodecError::UnknownKey { key_id: "lost".to_string() })
            }
            _ => Ok([b"!", plain].concat()),
        }
    }

    fn decode(&self, stored: &[u8], _: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
        Ok(stored.strip_prefix(b"!").unwrap().into())
    }
}

#[tokio::test]
async fn a_definition_that_cannot_be_encoded_is_not_written() {
    let store = EncodedStore::new(MemoryStore::new(), NoKeyForDags);
    create(&store, &["a"]).await;
    let before = store.load(&id("a")).await.unwrap();
    let mut migration = append("a", 2, b"x");
    let (params, dag) = (Payload::from(&b"p"[..]), Payload::from(&b"d"[..]));
    let definition = NewDefinition { fingerprint: "f2".into(), params, dag };
    migration.change.definition = Some(Box::new(definition.clone()));
    let lost = StoreError::UnknownKey { saga: id("a"), key_id: "lost".to_string() };
    assert_eq!(store.append(migration.clone()).await, Err(lost));
    assert_eq!(store.load(&id("a")).await.unwrap(), before);
    let known = NewDefinition { fingerprint: "f3".into(), ..definition };
    migration.change.definition = Some(Box::new(known));
    store.append(migration).await.unwrap();
    let stored = store.inner().load(&id("a")).await.unwrap().unwrap().record;
    assert_eq!((stored.params.as_bytes(), stored.dag.as_bytes()), (&b"!p"[..], &b"!d"[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_store_conforms() -> Result<(), ConformanceError> {
    let directory = tempfile::tempdir().unwrap();
    let mut stores = 0;
    store_conformance(async || {
        stores += 1;
        FileStore::open(directory.path().join(stores.to_string()))
    })
    .await
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sqlite_store_conforms() -> Result<(), ConformanceError> {
    let directory = tempfile::tempdir().unwrap();
    let mut stores = 0;
    store_conformance(async || {
        stores += 1;
        saga_core::store::SqliteStore::open(directory.path().join(stores.to_string()))
    })
    .await
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sqlite_store_conforms_with_a_prefix() -> Result<(), ConformanceError> {
    let directory = tempfile::tempdir().unwrap();
    let mut stores = 0;
    store_conformance(async || {
        stores += 1;
        let path = directory.path().join(stores.to_string());
        saga_core::store::SqliteStore::open_with_prefix(path, "shop_")
    })
    .await
}

#[tokio::test]
async fn clones_of_a_store_share_its_content() -> Result<(), StoreError> {
    async fn check(store: impl Store + Clone) -> Result<(), StoreError> {
        let clone = store.clone();
        store_conformance(async || Ok(clone.clone())).await.unwrap_err();
        drop(clone);
        // The saga that the first check has created.
        assert_eq!(store.list(ListFilter::default()).await?.len(), 1);
        Ok(())
    }
    let directory = tempfile::tempdir().unwrap();
    check(MemoryStore::new()).await?;
    check(FileStore::open(directory.path().join("files"))?).await?;
    #[cfg(feature = "sqlite")]
    check(saga_core::store::SqliteStore::open(directory.path().join("sagas.db"))?).await?;
    Ok(())
}

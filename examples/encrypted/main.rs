//! Encrypts parameters and outputs in the log, and rotates the key while the log has sagas.
//!
//! ```text
//! cargo run --example encrypted
//! ```
//!
//! An application only has to write the codec, in `codec.rs`.

mod codec;

use std::error::Error;
use std::path::Path;

use saga_core::prelude::*;
use saga_core::store::{EncodedStore, ListFilter, SqliteStore, Store, StoreError};

use crate::codec::{Keyring, random_key};

#[saga_action(no_undo)]
async fn prescribe(patient: &str, diagnosis: &str) -> Result<String, String> {
    Ok(format!("a fortnight at the sea for {patient}, against {diagnosis}"))
}

saga! {
    /// Data that must not be readable in a backup.
    pub Treat<()>(patient: String, diagnosis: String) -> String {
        let therapy = prescribe { patient, diagnosis };
        therapy
    }
}

async fn treat(file: &Path, keys: Keyring, patient: &str) -> Result<(), Box<dyn Error>> {
    let store = EncodedStore::new(SqliteStore::open(file)?, keys);
    let sec = Coordinator::builder(()).store(store).saga::<Treat>().build().await?;
    let (id, patient) = (format!("treat-{patient}"), patient.to_string());
    let therapy = sec.saga(Treat { patient, diagnosis: "gout".into() }).id(id).start().await?;
    println!("{}", therapy.await?);
    sec.shutdown(std::time::Duration::from_secs(1)).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("sagas.db");
    let (spring, autumn) = (random_key(), random_key());

    treat(&file, Keyring::new("spring", &spring), "ada").await?;
    // the new key encrypts from now on, and the old one still decrypts
    treat(&file, Keyring::new("autumn", &autumn).with_old("spring", &spring), "ada").await?;
    treat(&file, Keyring::new("autumn", &autumn), "bob").await?;

    // without the old key, what it encrypted is lost, and everything else is readable
    let store = EncodedStore::new(SqliteStore::open(&file)?, Keyring::new("autumn", &autumn));
    for record in store.list(ListFilter::default()).await? {
        match store.load(&record.id).await {
            Ok(_) => println!("{}: {}, readable", record.id, record.status),
            Err(e @ StoreError::UnknownKey { .. }) => println!("{e}"),
            Err(other) => return Err(other.into()),
        }
    }
    Ok(())
}

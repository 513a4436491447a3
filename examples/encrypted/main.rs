//! Parameters and outputs are encrypted in the log, and the key is changed while sagas are in it.
//!
//! ```text
//! cargo run --example encrypted
//! ```
//!
//! `codec.rs` has the codec; it is all that an application needs to write.

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
    /// What a doctor would not want in a backup.
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
    // the new key encrypts from now on; the old one still decrypts
    treat(&file, Keyring::new("autumn", &autumn).with_old("spring", &spring), "ada").await?;
    treat(&file, Keyring::new("autumn", &autumn), "bob").await?;

    // once the old key is gone, so is what it encrypted; all else is there
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

//! A cloud in a directory, with one file per resource, so that it outlives the programs that use it.
//!
//! It meets the obligations of a service that sagas call:
//! - a resource is created with a key, and the same key returns the same resource again;
//! - deleting twice is the same as deleting once;
//! - deleting a resource that does not exist leaves a tombstone, so that a late creation with this key is refused
//!   when it arrives.
//!
//! Like real clouds, it refuses to delete a resource that has dependents.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use saga_core::log::Uuid;
use serde::{Deserialize, Serialize};

/// A resource in the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resource {
    /// For example `vpc-1c9f0b7e`.
    pub(crate) id: String,
    pub(crate) kind: String,
    /// The resources that it depends on.
    pub(crate) on: Vec<String>,
    /// The deployment that it belongs to.
    pub(crate) owner: String,
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum CloudError {
    #[error("no capacity for a {kind}")]
    NoCapacity { kind: String },
    #[error("{id} has dependents: {}", dependents.join(", "))]
    InUse { id: String, dependents: Vec<String> },
    #[error("there is no {id} to stand on")]
    Missing { id: String },
    #[error("the {kind} was deleted before it was created")]
    Deleted { kind: String },
    #[error("the cloud is broken: {0}")]
    Broken(String),
}

impl From<std::io::Error> for CloudError {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// The content of a file: a resource or a tombstone.
type Slot = Option<Resource>;

/// The connection to the cloud.
pub(crate) struct Cloud {
    directory: PathBuf,
    /// Serializes requests.
    door: Mutex<()>,
    /// The kind for which there is no capacity.
    pub(crate) fail_at: Option<String>,
    /// The process aborts as soon as a resource of this kind is created.
    pub(crate) crash_at: Option<String>,
}

impl Cloud {
    pub(crate) fn open(directory: &Path) -> Result<Self, CloudError> {
        std::fs::create_dir_all(directory)?;
        let directory = directory.to_path_buf();
        Ok(Self { directory, door: Mutex::default(), fail_at: None, crash_at: None })
    }

    /// Creates a resource that depends on these, once per key.
    pub(crate) fn create(
        &self,
        key: Uuid,
        owner: &str,
        kind: &str,
        on: &[&Resource],
    ) -> Result<Resource, CloudError> {
        let _door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        match self.read(key)? {
            Some(Some(there)) => return Ok(there),
            Some(None) => return Err(CloudError::Deleted { kind: kind.to_string() }),
            None => {}
        }
        if self.fail_at.as_deref() == Some(kind) {
            return Err(CloudError::NoCapacity { kind: kind.to_string() });
        }
        let there = self.all()?;
        if let Some(missing) = on.iter().find(|on| !there.contains(on)) {
            return Err(CloudError::Missing { id: missing.id.clone() });
        }
        let id = format!("{kind}-{:08x}", key.as_fields().0);
        let on = on.iter().map(|on| on.id.clone()).collect();
        let new = Resource { id, kind: kind.to_string(), on, owner: owner.to_string() };
        self.write(key, &Some(new.clone()))?;
        if self.crash_at.as_deref() == Some(kind) {
            eprintln!("crashing now, after {} was created", new.id);
            std::process::abort();
        }
        Ok(new)
    }

    /// Deletes the resource with this key, or leaves a tombstone.
    pub(crate) fn delete(&self, key: Uuid) -> Result<(), CloudError> {
        let _door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some(Resource { id, .. })) = self.read(key)? {
            let all = self.all()?.into_iter();
            let dependents = all.filter(|other| other.on.contains(&id)).map(|other| other.id);
            let dependents = dependents.collect::<Vec<_>>();
            if !dependents.is_empty() {
                return Err(CloudError::InUse { id, dependents });
            }
        }
        self.write(key, &None)
    }

    /// All resources, by id.
    pub(crate) fn all(&self) -> Result<Vec<Resource>, CloudError> {
        let mut all = Vec::new();
        for file in std::fs::read_dir(&self.directory)? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                all.extend(decode(&std::fs::read(&path)?)?);
            }
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    fn read(&self, key: Uuid) -> Result<Option<Slot>, CloudError> {
        match std::fs::read(self.path(key)) {
            Ok(bytes) => decode(&bytes).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes atomically: a file with this name is never half written.
    fn write(&self, key: Uuid, slot: &Slot) -> Result<(), CloudError> {
        let bytes = serde_json::to_vec(slot).map_err(|e| CloudError::Broken(e.to_string()))?;
        let half = self.directory.join(format!("{key}.new"));
        std::fs::write(&half, bytes)?;
        Ok(std::fs::rename(half, self.path(key))?)
    }

    fn path(&self, key: Uuid) -> PathBuf {
        self.directory.join(format!("{key}.json"))
    }
}

fn decode(bytes: &[u8]) -> Result<Slot, CloudError> {
    serde_json::from_slice(bytes).map_err(|e| CloudError::Broken(e.to_string()))
}

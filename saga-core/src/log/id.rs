//! What a saga and its nodes are called in the log.

use std::borrow::Borrow;
use std::fmt;
use std::hash::BuildHasher;
use std::str::FromStr;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use crate::ambient::{HashOrder, random_uuid, system_time};

/// The name that a user gives one run of a saga: 1–128 bytes of `[A-Za-z0-9._:-]`.
///
/// ```
/// use saga_core::SagaId;
/// let id: SagaId = "order-42".parse()?;
/// assert_eq!(id.as_str(), "order-42");
/// assert!("../../etc/passwd".parse::<SagaId>().is_err());
/// # Ok::<(), saga_core::log::InvalidSagaId>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SagaId(Arc<str>);

/// Why a string is not a [`SagaId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSagaId {
    /// The id is empty.
    #[error("a saga id must not be empty")]
    Empty,
    /// The id is longer than [`SagaId::MAX_LEN`] bytes.
    #[error("a saga id has at most {max} bytes, this one has {0}", max = SagaId::MAX_LEN)]
    TooLong(usize),
    /// The id holds a character outside `[A-Za-z0-9._:-]`.
    #[error("saga id \"{}\" contains {found:?}; allowed are A-Z a-z 0-9 . _ : -", id.escape_default())]
    BadCharacter {
        /// The id as it was given.
        id: String,
        /// The first character that is not allowed.
        found: char,
    },
}

impl SagaId {
    /// The longest id, in bytes.
    pub const MAX_LEN: usize = 128;

    /// The id that is this UUID.
    pub(crate) fn of_uuid(uuid: Uuid) -> Self {
        Self(uuid.hyphenated().to_string().into())
    }

    /// A new id that sorts by time: a UUIDv7.
    pub fn generate() -> Self {
        Self::of_run(random_uuid())
    }

    /// A new id for the run with this key, which is random. The operating system is slow to give random numbers,
    /// so the id gets none of its own; but nobody can tell the key from it.
    pub(crate) fn of_run(run_key: Uuid) -> Self {
        let time = system_time().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        // the first 12 bits after the milliseconds are a finer time, so that ids of one process sort by it
        let finer = (u64::from(time.subsec_nanos() % 1_000_000) << 12) / 1_000_000;
        let mut rest = [0; 10];
        rest[..2].copy_from_slice(&(finer as u16).to_be_bytes());
        rest[2..].copy_from_slice(&HashOrder::default().hash_one(run_key).to_be_bytes());
        let id = Builder::from_unix_timestamp_millis(millis, &rest).into_uuid().hyphenated();
        Self(Arc::from(&*id.encode_lower(&mut Uuid::encode_buffer())))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SagaId {
    type Err = InvalidSagaId;
    fn from_str(s: &str) -> Result<Self, InvalidSagaId> {
        if s.is_empty() {
            return Err(InvalidSagaId::Empty);
        }
        if s.len() > Self::MAX_LEN {
            return Err(InvalidSagaId::TooLong(s.len()));
        }
        let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
        match s.chars().find(|c| !ok(*c)) {
            Some(found) => Err(InvalidSagaId::BadCharacter { id: s.to_string(), found }),
            None => Ok(Self(s.into())),
        }
    }
}

impl TryFrom<String> for SagaId {
    type Error = InvalidSagaId;
    fn try_from(s: String) -> Result<Self, InvalidSagaId> {
        s.parse()
    }
}

impl TryFrom<&str> for SagaId {
    type Error = InvalidSagaId;
    fn try_from(s: &str) -> Result<Self, InvalidSagaId> {
        s.parse()
    }
}

impl From<SagaId> for String {
    fn from(id: SagaId) -> String {
        id.0.to_string()
    }
}

impl AsRef<str> for SagaId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for SagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SagaId({})", self.0)
    }
}

impl Borrow<str> for SagaId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The position of a node in its saga: names joined by `/`, with `[i]` for an instance of a `for` and
/// `#k` for an arm of a choice, as in `disks[2]/volume`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodePath(Arc<str>);

impl NodePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for NodePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodePath {
    type Err = std::convert::Infallible;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Ok(s.into())
    }
}

impl From<Arc<str>> for NodePath {
    fn from(s: Arc<str>) -> Self {
        Self(s)
    }
}

impl From<&str> for NodePath {
    fn from(s: &str) -> Self {
        Self(s.into())
    }
}

impl From<String> for NodePath {
    fn from(s: String) -> Self {
        Self(s.into())
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl PartialEq<str> for NodePath {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for NodePath {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_ids_sort_by_time_and_do_not_tell_the_run_key() {
        let key = Uuid::new_v4();
        let before = SagaId::of_run(key);
        std::thread::sleep(std::time::Duration::from_millis(2));
        let after = SagaId::of_run(key);
        assert!(before < after, "{before} {after}");
        assert_ne!(SagaId::of_run(key), SagaId::of_run(Uuid::new_v4()));
        let id = Uuid::parse_str(before.as_str()).unwrap();
        assert_eq!(id.get_version(), Some(uuid::Version::SortRand));
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
    }
}

//! The names of sagas, nodes and actions, and the indices of nodes. All names obey the same rules, so that a
//! node path can be taken apart again.

mod source;

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use source::{BodyId, Source};

/// A string that is not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} name \"{}\" {why}", name.escape_default())]
pub struct InvalidName {
    what: &'static str,
    name: String,
    why: &'static str,
}

fn check(what: &'static str, name: &str) -> Result<(), InvalidName> {
    // The beginning of a very long name is enough to recognize it.
    let bad = |why| Err(InvalidName { what, name: name.chars().take(200).collect(), why });
    if name.is_empty() {
        return bad("must not be empty");
    }
    if name.len() > 200 {
        return bad("is longer than 200 bytes");
    }
    if name.chars().any(|c| matches!(c, '/' | '[' | ']' | '#') || c.is_control()) {
        return bad("must not contain / [ ] # or control characters");
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the name: it must not be empty or longer than 200 bytes, and must not contain control
            /// characters or any of `/ [ ] #`, which have a meaning in node paths.
            ///
            /// # Errors
            /// [`InvalidName`] says which rule the name breaks.
            pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidName> {
                check($what, name.as_ref())?;
                Ok(Self(name.as_ref().into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(s: &str) -> Result<Self, InvalidName> {
                Self::new(s)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(s: String) -> Result<Self, InvalidName> {
                Self::new(s)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }
    };
}

name! {
    /// The name of a node, unique in its DAG.
    ///
    /// ```
    /// use saga_core::dag::NodeName;
    /// let name: NodeName = "payment".parse()?;
    /// assert_eq!(name.to_string(), "payment");
    /// assert!(NodeName::new("disks[2]/volume").is_err(), "that is a path");
    /// # Ok::<(), saga_core::dag::InvalidName>(())
    /// ```
    NodeName, "node"
}
name! {
    /// The durable name of an action: what the log and a stored DAG call it.
    ActionName, "action"
}
name! {
    /// The durable name of a saga.
    SagaName, "saga"
}
name! {
    /// The durable name of an event that sagas wait for.
    EventName, "event"
}

/// What identifies a type of event: its name, and its revision, which changes when the fields do.
///
/// ```
/// use saga_core::dag::EventType;
/// assert_eq!(EventType::new("Approved", 0)?.to_string(), "`Approved`");
/// assert_eq!(EventType::new("Approved", 2)?.to_string(), "`Approved` (rev 2)");
/// # Ok::<(), saga_core::dag::InvalidName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventType {
    /// Its durable name.
    pub name: EventName,
    /// Its revision, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rev: u32,
}

impl EventType {
    /// The type with this name and revision.
    ///
    /// # Errors
    /// [`InvalidName`] says which rule the name breaks.
    pub fn new(name: impl AsRef<str>, rev: u32) -> Result<Self, InvalidName> {
        Ok(Self { name: EventName::new(name)?, rev })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(rev: &u32) -> bool {
    *rev == 0
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.name)?;
        match self.rev {
            0 => Ok(()),
            rev => write!(f, " (rev {rev})"),
        }
    }
}

impl NodeName {
    /// The name, shared rather than copied.
    pub(crate) fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl SagaName {
    /// The name, shared rather than copied.
    pub(crate) fn shared(&self) -> Arc<str> {
        self.0.clone()
    }

    /// What contexts of unit tests say.
    #[cfg(feature = "testing")]
    pub(crate) fn of_test() -> Self {
        Self("Test".into())
    }
}

/// The index of a node in its DAG, in order of declaration, from 0.
///
/// ```
/// use saga_core::dag::NodeIndex;
/// let place: NodeIndex = "3".parse()?;
/// assert_eq!((place.index(), place.to_string(), i64::from(place)), (3, "3".to_string(), 3));
/// # Ok::<(), std::num::ParseIntError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeIndex(pub(crate) u32);

impl NodeIndex {
    /// The index as a number.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl FromStr for NodeIndex {
    type Err = std::num::ParseIntError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse().map(Self)
    }
}

impl From<NodeIndex> for i64 {
    fn from(place: NodeIndex) -> i64 {
        place.0.into()
    }
}

impl fmt::Display for NodeIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The most similar name, if one is similar enough to have been meant.
pub(crate) fn nearest<'a>(
    wrong: &str,
    names: impl Iterator<Item = &'a NodeName>,
) -> Option<&'a NodeName> {
    let near = |name: &&NodeName| {
        let distance = strsim::osa_distance(wrong, name.as_str());
        let longest = wrong.chars().count().max(name.as_str().chars().count());
        (distance <= (longest / 3).max(1)).then_some(distance)
    };
    names.filter_map(|name| near(&name).map(|d| (d, name))).min_by_key(|(d, _)| *d).map(|(_, n)| n)
}

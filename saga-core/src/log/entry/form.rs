//! Entries as serde sees them: for stores that keep them as JSON, and for whoever reads it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{CorruptEntry, Entry, EntryKind};
use crate::log::{NodePath, Payload, Timestamp};

/// An [`Entry`] whose kind is not decoded.
#[derive(Serialize, Deserialize)]
pub(crate) struct EntryForm {
    pub(crate) seq: u64,
    epoch: u64,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<NodePath>,
    #[serde(default, skip_serializing_if = "is_zero")]
    attempt: u32,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl From<&Entry> for EntryForm {
    fn from(entry: &Entry) -> Self {
        Self {
            seq: entry.seq,
            epoch: entry.epoch,
            at: entry.at,
            node: entry.node().cloned(),
            attempt: entry.attempt(),
            kind: entry.kind.name().to_string(),
            payload: entry.kind.encode(),
        }
    }
}

impl TryFrom<EntryForm> for Entry {
    type Error = CorruptEntry;
    fn try_from(form: EntryForm) -> Result<Self, CorruptEntry> {
        let payload = form.payload.as_ref().map(Payload::as_bytes);
        Ok(Self {
            seq: form.seq,
            epoch: form.epoch,
            at: form.at,
            kind: EntryKind::decode(&form.kind, form.node, form.attempt, payload)?,
        })
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        EntryForm::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        EntryForm::deserialize(deserializer)?.try_into().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::NodeEntry;

    #[test]
    fn an_entry_is_one_flat_object() {
        let entry = Entry {
            seq: 3,
            epoch: 1,
            at: Timestamp(1_000),
            kind: NodeEntry::Succeeded(Payload::from(&b"\"room 7\""[..])).about("hotel", 2),
        };
        let stored = serde_json::to_string(&entry).unwrap();
        let expected = r#"{"seq":3,"epoch":1,"at":1000,"node":"hotel","attempt":2,"kind":"succeeded","payload":"\"room 7\""}"#;
        assert_eq!(stored, expected);
        assert_eq!(serde_json::from_str::<Entry>(&stored).unwrap(), entry);

        let dreamt = stored.replace("succeeded", "dreamt");
        let e = serde_json::from_str::<Entry>(&dreamt).unwrap_err().to_string();
        assert!(e.contains("unknown log entry kind \"dreamt\""), "{e}");
    }
}

//! A payload that is JSON, as a part of other JSON: as it is written, digit by digit.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use serde_json::value::RawValue;

use super::Payload;

/// JSON that is kept as it is written. Only in what is read from JSON itself: where serde looks at a value
/// before it knows its type, as for a tagged enum, numbers have been rounded already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawJson(pub(crate) Payload);

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let raw = serde_json::from_slice::<&RawValue>(self.0.as_bytes());
        raw.map_err(|_| ser::Error::custom("what is to be a part of JSON is no JSON"))?
            .serialize(to)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        Ok(Self(Payload::from(raw.get().as_bytes())))
    }
}

/// For a field that may be left out; `null` is a value like others.
pub(crate) mod optional {
    use super::{Deserialize, Deserializer, Payload, RawJson, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        payload: &Option<Payload>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        payload.clone().map(RawJson).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Payload>, D::Error> {
        RawJson::deserialize(from).map(|raw| Some(raw.0))
    }
}

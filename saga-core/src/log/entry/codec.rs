//! How a kind of entry is stored: as a word, and bytes for what it carries. Stores keep both as they are.
//!
//! Both come from serde's view of the enum: the word is the name of the variant, and the bytes are the JSON of
//! its content. Only an output is not JSON of ours: its bytes are stored as the action's output was encoded.

use std::cell::Cell;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, VariantAccess, Visitor,
};
use serde::{Serialize, forward_to_deserialize_any};
use serde_json::Error;
use serde_json::de::SliceRead;
use serde_json::error::Category;

use super::{CorruptEntry, EntryKind, NodeEntry, SagaEntry};
use crate::log::{NodePath, Payload};

impl EntryKind {
    /// The bytes that are stored next to [`name`](Self::name); none where the word says it all.
    ///
    /// An output is stored as it was encoded; everything else is JSON.
    pub fn encode(&self) -> Option<Payload> {
        match self {
            Self::Node { entry: NodeEntry::Succeeded(output), .. } => Some(output.clone()),
            Self::Node { entry, .. } if entry.is_only_a_word() => None,
            Self::Node { entry, .. } => content(entry, entry.name()),
            Self::Saga(entry) => content(entry, entry.name()),
        }
    }

    /// The kind with this name and these bytes, of an entry about this node and this attempt.
    ///
    /// # Errors
    /// [`CorruptEntry`] if no kind has this name, the bytes are not what it carries, or a node is named for an
    /// entry about the saga, or none for an entry about a node.
    pub fn decode(
        name: &str,
        node: Option<NodePath>,
        attempt: u32,
        bytes: Option<&[u8]>,
    ) -> Result<Self, CorruptEntry> {
        let bytes = bytes.unwrap_or_default();
        if node.is_none()
            && attempt == 0
            && let Some(entry) = parse::<SagaEntry>(name, bytes)?
        {
            return Ok(Self::Saga(entry));
        }
        let entry = match name {
            "succeeded" => Some(NodeEntry::Succeeded(Payload::from(bytes))),
            // most of the others
            "started" if bytes.is_empty() => Some(NodeEntry::Started),
            _ => parse::<NodeEntry>(name, bytes)?,
        };
        if let Some(entry) = entry {
            let node = node.ok_or(CorruptEntry::NoNode { kind: entry.name() })?;
            return Ok(Self::Node { node, attempt, entry });
        }
        match parse::<SagaEntry>(name, bytes)? {
            Some(entry) => Err(CorruptEntry::UnexpectedNode { kind: entry.name() }),
            None => Err(CorruptEntry::UnknownKind(name.to_string())),
        }
    }
}

/// The content of a variant. Serde writes `"word"` for one without content, and `{"word":content}` for others;
/// none of these types can fail to encode, as they have no maps with odd keys, no floats and no user code.
fn content<T: Serialize>(entry: &T, word: &str) -> Option<Payload> {
    let json = serde_json::to_vec(entry).ok()?;
    let content = json.get(word.len() + 4..json.len().checked_sub(1)?)?;
    Some(Payload::from(content))
}

/// The variant with this word and this content; none if the enum has no such variant.
fn parse<T: DeserializeOwned>(word: &str, bytes: &[u8]) -> Result<Option<T>, CorruptEntry> {
    let found = Cell::new(None);
    let result = T::deserialize(Variant { word, bytes, found: &found });
    let Some(kind) = found.get() else { return Ok(None) };
    result.map(Some).map_err(|e| {
        // the decoder's own message may quote what it found, which belongs to the user
        let what = match e.classify() {
            Category::Eof => "it ends too early",
            Category::Syntax | Category::Io => "it is not JSON, or nested too deeply",
            Category::Data => "it holds something else",
        };
        let why = format!("{what} (line {}, column {})", e.line(), e.column());
        CorruptEntry::BadPayload { kind, why }
    })
}

/// One variant of an enum: its word, and its content as JSON.
struct Variant<'a> {
    word: &'a str,
    bytes: &'a [u8],
    /// The word as the enum has it, if it has it.
    found: &'a Cell<Option<&'static str>>,
}

impl<'de> Variant<'de> {
    fn read<T>(
        self,
        read: impl FnOnce(&mut serde_json::Deserializer<SliceRead<'de>>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut from = serde_json::Deserializer::from_slice(self.bytes);
        let content = read(&mut from)?;
        from.end()?;
        Ok(content)
    }
}

impl<'de> de::Deserializer<'de> for Variant<'de> {
    type Error = Error;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Some(word) = words.iter().find(|word| **word == self.word).copied() else {
            // serde's own error would list all words, which takes longer than decoding
            return Err(de::Error::custom("the enum has no such word"));
        };
        self.found.set(Some(word));
        visitor.visit_enum(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(de::Error::custom("only an enum has a word"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let word: StrDeserializer<'_, Error> = self.word.into_deserializer();
        Ok((seed.deserialize(word)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        self.read(|from| seed.deserialize(from))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.read(|from| de::Deserializer::deserialize_tuple(from, len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.read(|from| de::Deserializer::deserialize_struct(from, "", fields, visitor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_a_node_if_it_is_about_one_and_only_then() {
        let decode = |name, node: Option<&str>, attempt| {
            EntryKind::decode(name, node.map(NodePath::from), attempt, None)
        };
        assert_eq!(decode("started", Some("a"), 2), Ok(NodeEntry::Started.about("a", 2)));
        assert_eq!(decode("paused", None, 0), Ok(SagaEntry::Paused.into()));
        let no_node = CorruptEntry::NoNode { kind: "started" };
        assert_eq!(decode("started", None, 1), Err(no_node));
        let unexpected = CorruptEntry::UnexpectedNode { kind: "paused" };
        assert_eq!(decode("paused", Some("a"), 0), Err(unexpected.clone()));
        assert_eq!(decode("paused", None, 1), Err(unexpected));
        let unknown = CorruptEntry::UnknownKind("dreamt".to_string());
        assert_eq!(decode("dreamt", Some("a"), 1), Err(unknown));
    }

    #[test]
    fn a_payload_that_does_not_decode_says_where() {
        let decode = |payload: &str| {
            let error = EntryKind::decode("chosen", Some("a".into()), 0, Some(payload.as_bytes()));
            error.unwrap_err().to_string()
        };
        let why = "the payload of a `chosen` entry does not decode: ";
        assert_eq!(decode(""), format!("{why}it ends too early (line 1, column 0)"));
        assert_eq!(decode("\"many\""), format!("{why}it holds something else (line 1, column 6)"));
        let syntax = "it is not JSON, or nested too deeply (line 1, column 3)";
        assert_eq!(decode("1 2"), format!("{why}{syntax}"));
    }
}

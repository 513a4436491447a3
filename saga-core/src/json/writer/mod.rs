//! The serializer of users' values: it writes what `serde_json` writes, and refuses what could not be read
//! back. JSON cannot express NaN and infinity, and its reader limits the nesting depth.
//!
//! It is one type without parameters, so that a user's type is compiled for one serializer only, and what is
//! not generic here is compiled once, with this crate. The path of what is refused is put together while the
//! error is returned, so that it costs nothing where nothing is refused.

mod compound;
mod error;
mod text;

use std::fmt;

use serde::ser::{self, Serialize};

use super::encode::{MAX_NESTING, depth};
use compound::Compound;
pub(crate) use error::WriteError;

type Result<T = ()> = std::result::Result<T, WriteError>;

/// Appends values to a buffer as JSON.
#[doc(hidden)]
pub struct JsonWriter {
    out: Vec<u8>,
    /// How many arrays and objects are open.
    depth: usize,
}

impl JsonWriter {
    /// Writes into this buffer.
    pub(super) fn new(out: Vec<u8>) -> Self {
        Self { out, depth: 0 }
    }

    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.out
    }

    fn open(&mut self, bracket: u8) -> Result {
        self.out.push(bracket);
        self.deeper(1)
    }

    /// Checks the depth within `levels` more of nesting.
    fn deeper(&mut self, levels: usize) -> Result {
        self.depth += levels;
        match self.depth > MAX_NESTING {
            false => Ok(()),
            true => Err(WriteError::too_deep()),
        }
    }

    fn close(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.depth -= 1;
    }

    /// Writes a value that can be nothing but text, a number or a word, as `serde_json` does.
    fn plain<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        serde_json::to_writer(&mut self.out, value).map_err(ser::Error::custom)
    }

    fn word(&mut self, word: &'static str) -> Result {
        self.out.extend_from_slice(word.as_bytes());
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result {
        if text::needs_escapes(text) {
            return self.plain(text);
        }
        // room for a colon too
        self.out.reserve(text.len() + 3);
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
        Ok(())
    }

    /// The key of an object, with the colon.
    fn name(&mut self, key: &'static str) -> Result {
        self.text(key)?;
        self.out.push(b':');
        Ok(())
    }

    /// Makes a key of what has just been written from `start` on. Numbers and booleans become text.
    fn make_key(&mut self, start: usize) -> Result {
        match self.out.get(start) {
            Some(b'"') => {}
            Some(b'-' | b'0'..=b'9' | b't' | b'f') => {
                self.out.insert(start, b'"');
                self.out.push(b'"');
            }
            // an array, an object, or `null`
            Some(_) | None => return Err(ser::Error::custom("key must be a string")),
        }
        Ok(())
    }

    /// Replaces the text that has just been written from `start` on with what the text says.
    fn make_raw(&mut self, start: usize) -> Result {
        let text = self.out.get(start..).unwrap_or_default();
        let raw = serde_json::from_slice::<String>(text).map_err(ser::Error::custom)?;
        self.out.truncate(start);
        self.out.extend_from_slice(raw.as_bytes());
        let levels = depth(raw.as_bytes());
        self.deeper(levels)?;
        self.depth -= levels;
        Ok(())
    }

    /// `{"variant":`
    fn variant(&mut self, variant: &'static str) -> Result {
        self.open(b'{')?;
        self.name(variant)
    }
}

macro_rules! plain {
    ($($method:ident: $ty:ty),*) => {
        $(fn $method(self, value: $ty) -> Result {
            self.plain(&value)
        })*
    };
}

macro_rules! floats {
    ($($method:ident: $ty:ty),*) => {
        $(fn $method(self, value: $ty) -> Result {
            match value.is_finite() {
                true => self.plain(&value),
                false => Err(WriteError::not_finite()),
            }
        })*
    };
}

/// `serde_json` passes a text that is JSON already, and numbers of any length, as structs with such names.
const RAW: &str = "$serde_json::private::";

impl<'w> ser::Serializer for &'w mut JsonWriter {
    type Ok = ();
    type Error = WriteError;
    type SerializeSeq = Compound<'w>;
    type SerializeTuple = Compound<'w>;
    type SerializeTupleStruct = Compound<'w>;
    type SerializeTupleVariant = Compound<'w>;
    type SerializeMap = Compound<'w>;
    type SerializeStruct = Compound<'w>;
    type SerializeStructVariant = Compound<'w>;

    plain! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32,
        serialize_i64: i64, serialize_i128: i128, serialize_u8: u8, serialize_u16: u16,
        serialize_u32: u32, serialize_u64: u64, serialize_u128: u128, serialize_char: char,
        serialize_bytes: &[u8]
    }

    floats!(serialize_f32: f32, serialize_f64: f64);

    fn serialize_str(self, text: &str) -> Result {
        self.text(text)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result {
        self.plain(&format_args!("{value}"))
    }

    fn serialize_none(self) -> Result {
        self.word("null")
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result {
        self.word("null")
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result {
        self.word("null")
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.text(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        self.variant(variant)?;
        value.serialize(&mut *self).map_err(|error| error.in_field(variant))?;
        self.close(b'}');
        Ok(())
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'w>> {
        Compound::list(self)
    }
    fn serialize_tuple(self, _: usize) -> Result<Compound<'w>> {
        Compound::list(self)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'w>> {
        Compound::list(self)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'w>> {
        self.variant(variant)?;
        Ok(Compound::list(self)?.of_variant())
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'w>> {
        Compound::object(self)
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Compound<'w>> {
        match name.starts_with(RAW) {
            false => Compound::object(self),
            true => Ok(Compound::raw(self)),
        }
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'w>> {
        self.variant(variant)?;
        Ok(Compound::object(self)?.of_variant())
    }
}

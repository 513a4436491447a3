//! Encodes users' values as JSON that can be read back. JSON cannot express NaN and infinity, and its reader
//! limits the nesting depth. An error now is better than a log that cannot be read after a crash.

use std::fmt;

use serde::ser::{self, Serialize};

use crate::log::Payload;

/// How deeply arrays and objects may be nested, which is what the reader of `serde_json` accepts.
pub(crate) const MAX_DEPTH: usize = 127;

/// Writes a value as JSON that can be read back.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let json = serde_json::to_vec(value)?;
    if depth(&json) > MAX_DEPTH {
        let why = format!("it is nested more than {MAX_DEPTH} levels deep");
        return Err(ser::Error::custom(why));
    }
    // NaN is written as `null`, so a text without `null` needs no check.
    if json.windows(4).any(|word| word == b"null") {
        let mut look = FiniteCheck::default();
        if let Err(NotFinite(path)) = value.serialize(&mut look) {
            let field = if path.is_empty() { "the value".to_string() } else { format!("`{path}`") };
            let why = format!("{field} is NaN or infinite, which JSON cannot hold");
            return Err(ser::Error::custom(why));
        }
    }
    Ok(json)
}

/// A user's error as JSON. `None` if it cannot be encoded or does not fit into a log entry.
pub(crate) fn error_json<T: Serialize + ?Sized>(error: &T) -> Option<Payload> {
    let json = write(error).ok()?;
    has_room(&json).then(|| Payload::from(json))
}

/// True if this JSON can be part of a log entry, which adds levels of nesting of its own.
pub(crate) fn has_room(json: &[u8]) -> bool {
    depth(json) <= MAX_DEPTH / 2
}

pub(crate) fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A serializer that writes nothing, and stops at the first number that is not finite.
#[derive(Default)]
struct FiniteCheck {
    path: String,
    /// The index of the current element of a sequence.
    index: usize,
    /// The current key of a map.
    key: String,
}

/// The path to a number that is not finite.
#[derive(Debug)]
struct NotFinite(String);

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotFinite {}

impl ser::Error for NotFinite {
    fn custom<T: fmt::Display>(message: T) -> Self {
        NotFinite(message.to_string())
    }
}

impl FiniteCheck {
    fn number(&self, finite: bool) -> Result<(), NotFinite> {
        if finite { Ok(()) } else { Err(NotFinite(self.path.clone())) }
    }

    fn inside<T: Serialize + ?Sized>(&mut self, segment: &str, value: &T) -> Result<(), NotFinite> {
        let (length, index) = (self.path.len(), std::mem::take(&mut self.index));
        if !self.path.is_empty() && !segment.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(segment);
        value.serialize(&mut *self)?;
        self.path.truncate(length);
        self.index = index;
        Ok(())
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotFinite> {
        let segment = format!("[{}]", self.index);
        self.inside(&segment, value)?;
        self.index += 1;
        Ok(())
    }
}

macro_rules! leaves {
    ($($method:ident: $ty:ty),*) => {
        $(fn $method(self, _: $ty) -> Result<(), NotFinite> { Ok(()) })*
    };
}

impl<'a> ser::Serializer for &'a mut FiniteCheck {
    type Ok = ();
    type Error = NotFinite;
    type SerializeSeq = &'a mut FiniteCheck;
    type SerializeTuple = &'a mut FiniteCheck;
    type SerializeTupleStruct = &'a mut FiniteCheck;
    type SerializeTupleVariant = &'a mut FiniteCheck;
    type SerializeMap = &'a mut FiniteCheck;
    type SerializeStruct = &'a mut FiniteCheck;
    type SerializeStructVariant = &'a mut FiniteCheck;

    leaves! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32,
        serialize_i64: i64, serialize_i128: i128, serialize_u8: u8, serialize_u16: u16,
        serialize_u32: u32, serialize_u64: u64, serialize_u128: u128, serialize_char: char,
        serialize_bytes: &[u8], serialize_unit_struct: &'static str
    }

    fn serialize_str(self, key: &str) -> Result<(), NotFinite> {
        self.key = key.to_string();
        Ok(())
    }
    fn serialize_f32(self, number: f32) -> Result<(), NotFinite> {
        self.number(number.is_finite())
    }
    fn serialize_f64(self, number: f64) -> Result<(), NotFinite> {
        self.number(number.is_finite())
    }
    fn serialize_none(self) -> Result<(), NotFinite> {
        Ok(())
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NotFinite> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<(), NotFinite> {
        Ok(())
    }
    fn serialize_unit_variant(self, _: &str, _: u32, _: &str) -> Result<(), NotFinite> {
        Ok(())
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), NotFinite> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), NotFinite> {
        self.inside(variant, value)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, NotFinite> {
        self.index = 0;
        Ok(self)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self, NotFinite> {
        self.serialize_seq(None)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, NotFinite> {
        self.serialize_seq(None)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, NotFinite> {
        self.serialize_seq(None)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self, NotFinite> {
        Ok(self)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, NotFinite> {
        Ok(self)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, NotFinite> {
        Ok(self)
    }
}

macro_rules! sequences {
    ($($kind:ident $method:ident),*) => {
        $(impl ser::$kind for &mut FiniteCheck {
            type Ok = ();
            type Error = NotFinite;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotFinite> {
                self.element(value)
            }
            fn end(self) -> Result<(), NotFinite> {
                Ok(())
            }
        })*
    };
}

sequences! {
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
}

macro_rules! structs {
    ($($kind:ident),*) => {
        $(impl ser::$kind for &mut FiniteCheck {
            type Ok = ();
            type Error = NotFinite;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), NotFinite> {
                self.inside(key, value)
            }
            fn end(self) -> Result<(), NotFinite> {
                Ok(())
            }
        })*
    };
}

structs!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for &mut FiniteCheck {
    type Ok = ();
    type Error = NotFinite;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NotFinite> {
        // A key that is not a string is shown without its name.
        self.key.clear();
        let mut name = FiniteCheck::default();
        let _ = key.serialize(&mut name);
        self.key = name.key;
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotFinite> {
        let segment = format!("[{:?}]", self.key);
        self.inside(&segment, value)
    }
    fn end(self) -> Result<(), NotFinite> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::write;

    #[derive(Serialize, Default)]
    struct Trip {
        price: f64,
        legs: Vec<Leg>,
        extras: BTreeMap<String, f32>,
        note: Option<String>,
    }

    #[derive(Serialize)]
    enum Leg {
        Flight { miles: f64 },
        Walk(f64, f64),
        Rest,
    }

    fn error(trip: Trip) -> String {
        write(&trip).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_finite_is_named_by_its_path() {
        let trip = Trip { price: f64::NAN, ..Trip::default() };
        assert_eq!(error(trip), "`price` is NaN or infinite, which JSON cannot hold");
        let legs = vec![Leg::Rest, Leg::Flight { miles: f64::INFINITY }];
        assert!(error(Trip { legs, ..Trip::default() }).starts_with("`legs[1].miles` is"));
        let legs = vec![Leg::Walk(1.0, 2.0), Leg::Walk(1.0, f64::NAN)];
        assert!(error(Trip { legs, ..Trip::default() }).starts_with("`legs[1][1]` is"));
        let extras = [("a".to_string(), 1.0), ("b c".to_string(), f32::NAN)].into();
        assert!(error(Trip { extras, ..Trip::default() }).starts_with("`extras[\"b c\"]` is"));
        assert!(write(&f64::NAN).unwrap_err().to_string().starts_with("the value is"));
    }

    #[test]
    fn other_nulls_are_fine() {
        let trip = Trip { note: None, ..Trip::default() };
        assert!(write(&trip).is_ok());
        assert!(write(&(Some(1.5), None::<f64>, (), "null")).is_ok());
    }

    #[test]
    fn what_could_not_be_read_back_is_not_written() {
        let nested = |levels| (0..levels).fold(serde_json::json!(1), |v, _| serde_json::json!([v]));
        let deepest = write(&nested(127)).unwrap();
        assert!(serde_json::from_slice::<serde_json::Value>(&deepest).is_ok());
        let error = write(&nested(128)).unwrap_err().to_string();
        assert_eq!(error, "it is nested more than 127 levels deep");
        let text = "[".repeat(500) + "\\\"";
        assert!(write(&text).is_ok());
    }
}

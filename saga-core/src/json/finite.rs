//! Finds numbers that JSON cannot express: NaN and infinity.

use std::fmt;

use serde::ser::{self, Serialize};

/// A serializer that writes nothing, and stops at the first number that is not finite.
#[derive(Default)]
pub(super) struct FiniteCheck {
    path: String,
    /// The index of the current element of a sequence.
    index: usize,
    /// The current key of a map.
    key: String,
}

/// The path to a number that is not finite.
#[derive(Debug)]
pub(super) struct NotFinite(pub(super) String);

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

//! Lists and objects that are being written.

use serde::ser::{self, Serialize};

use super::{JsonWriter, Result};

/// What is being written.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    List,
    Object,
    /// JSON text that is taken over as it is.
    Raw,
}

/// A list or an object whose elements are being written.
#[doc(hidden)]
pub struct Compound<'w> {
    writer: &'w mut JsonWriter,
    kind: Kind,
    /// True if it stands in an object of its own, under the name of a variant.
    is_variant: bool,
    /// How many elements or keys have been written.
    count: usize,
}

impl<'w> Compound<'w> {
    pub(super) fn list(writer: &'w mut JsonWriter) -> Result<Self> {
        writer.open(b'[')?;
        Ok(Self::new(writer, Kind::List))
    }

    pub(super) fn object(writer: &'w mut JsonWriter) -> Result<Self> {
        writer.open(b'{')?;
        Ok(Self::new(writer, Kind::Object))
    }

    pub(super) fn raw(writer: &'w mut JsonWriter) -> Self {
        Self::new(writer, Kind::Raw)
    }

    fn new(writer: &'w mut JsonWriter, kind: Kind) -> Self {
        Self { writer, kind, is_variant: false, count: 0 }
    }

    pub(super) fn of_variant(self) -> Self {
        Self { is_variant: true, ..self }
    }

    fn comma(&mut self) {
        if self.count > 0 {
            self.writer.out.push(b',');
        }
        self.count += 1;
    }

    /// What comes before the value of a field; returns where the value starts.
    fn before(&mut self, name: &'static str) -> Result<usize> {
        if self.kind == Kind::Object {
            self.comma();
            self.writer.name(name)?;
        }
        Ok(self.writer.out.len())
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.comma();
        let index = self.count - 1;
        value.serialize(&mut *self.writer).map_err(|error| error.in_element(index))
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result {
        let start = self.before(name)?;
        value.serialize(&mut *self.writer).map_err(|error| error.in_field(name))?;
        match self.kind {
            Kind::Raw => self.writer.make_raw(start),
            Kind::List | Kind::Object => Ok(()),
        }
    }

    fn finish(self) -> Result {
        match self.kind {
            Kind::List => self.writer.close(b']'),
            Kind::Object => self.writer.close(b'}'),
            Kind::Raw => {}
        }
        if self.is_variant {
            self.writer.close(b'}');
        }
        Ok(())
    }
}

macro_rules! lists {
    ($($kind:ident $method:ident),*) => {
        $(impl ser::$kind for Compound<'_> {
            type Ok = ();
            type Error = super::WriteError;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
                self.element(value)
            }
            fn end(self) -> Result {
                self.finish()
            }
        })*
    };
}

lists! {
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
}

macro_rules! structs {
    ($($kind:ident),*) => {
        $(impl ser::$kind for Compound<'_> {
            type Ok = ();
            type Error = super::WriteError;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result {
                self.field(name, value)
            }
            fn end(self) -> Result {
                self.finish()
            }
        })*
    };
}

structs!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = super::WriteError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.comma();
        let start = self.writer.out.len();
        key.serialize(&mut *self.writer)?;
        self.writer.make_key(start)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.writer.out.push(b':');
        value.serialize(&mut *self.writer).map_err(super::WriteError::in_key)
    }
    fn end(self) -> Result {
        self.finish()
    }
}

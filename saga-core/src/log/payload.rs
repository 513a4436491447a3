//! Encoded values, and how they are written inside JSON.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An encoded value: parameters, an output, a context. Cheap to clone; its `Debug` shows the size only,
/// so that what users store never ends in their traces.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Payload(Arc<[u8]>);

impl Payload {
    /// The encoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is not a single byte.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

/// What users encode is text, and stays readable; every bit of the rest comes back too.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PayloadForm<T> {
    Text(T),
    Hex { hex: String },
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.as_bytes();
        match std::str::from_utf8(bytes) {
            Ok(text) => PayloadForm::Text(text),
            Err(_) => PayloadForm::Hex { hex: bytes.iter().map(|b| format!("{b:02x}")).collect() },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match PayloadForm::<String>::deserialize(deserializer)? {
            PayloadForm::Text(text) => Ok(text.into_bytes().into()),
            PayloadForm::Hex { hex } => unhex(&hex)
                .map(Self::from)
                .ok_or_else(|| de::Error::custom("a payload is not hexadecimal")),
        }
    }
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    rest.is_empty().then_some(())?;
    pairs.iter().map(|[high, low]| Some((digit(*high)? << 4) | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_a_payload_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        let cases: [(&[u8], &str); 6] = [
            (b"", r#""""#),
            (br#"{"a":1.50}"#, r#""{\"a\":1.50}""#),
            (b"[1,\n2] ", r#""[1,\n2] ""#),
            ("größe\0".as_bytes(), r#""größe\u0000""#),
            (b"\x00\xff", r#"{"hex":"00ff"}"#),
            (&all, ""),
        ];
        for (given, expected) in cases {
            let payload = Payload::from(given);
            let stored = serde_json::to_string(&payload).unwrap();
            assert!(expected.is_empty() || stored == expected, "{stored} for {expected}");
            assert_eq!(serde_json::from_str::<Payload>(&stored).unwrap(), payload, "{stored}");
        }
        for bad in ["0", "0g", "+1", "é"] {
            let stored = format!(r#"{{"hex":"{bad}"}}"#);
            assert!(serde_json::from_str::<Payload>(&stored).is_err(), "{bad}");
        }
    }
}

//! Encoded values in a file, as readable as they can be while every bit comes back.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::log::Payload;

/// What users encode is JSON, so it stands in the file as it is; other text is a string, and
/// everything else hexadecimal.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bytes {
    Json(Box<RawValue>),
    Text(String),
    Hex(String),
}

impl From<&Payload> for Bytes {
    fn from(payload: &Payload) -> Self {
        let bytes = payload.as_bytes();
        let Ok(text) = std::str::from_utf8(bytes) else { return Self::Hex(hex(bytes)) };
        // Space around it would not come back, and a line must stay one line.
        match serde_json::from_str::<Box<RawValue>>(text) {
            Ok(json) if json.get() == text && !text.contains(['\n', '\r']) => Self::Json(json),
            _ => Self::Text(text.to_string()),
        }
    }
}

impl TryFrom<Bytes> for Payload {
    type Error = String;
    fn try_from(bytes: Bytes) -> Result<Self, String> {
        match bytes {
            Bytes::Json(json) => Ok(json.get().as_bytes().into()),
            Bytes::Text(text) => Ok(text.into_bytes().into()),
            Bytes::Hex(hex) => {
                unhex(&hex).map(Self::from).ok_or("a value is not hexadecimal".to_string())
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    rest.is_empty().then_some(())?;
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_comes_back_through_json() {
        let all: Vec<u8> = (0..=255).collect();
        let cases: [(&[u8], &str); 12] = [
            (b"", r#"{"text":""}"#),
            (b"null", r#"{"json":null}"#),
            (br#"{"b":1,"a":1.50,"a":2}"#, r#"{"json":{"b":1,"a":1.50,"a":2}}"#),
            (br#""\ud800 \u0000""#, r#"{"json":"\ud800 \u0000"}"#),
            (b" 1", r#"{"text":" 1"}"#),
            (b"1 ", r#"{"text":"1 "}"#),
            (b"[1,\n2]", r#"{"text":"[1,\n2]"}"#),
            (b"[1,\r2]", r#"{"text":"[1,\r2]"}"#),
            (b"1 2", r#"{"text":"1 2"}"#),
            ("größe".as_bytes(), r#"{"text":"größe"}"#),
            (b"\x00\xff", r#"{"hex":"00ff"}"#),
            (&all, ""),
        ];
        for (given, expected) in cases {
            let payload = Payload::from(given);
            let stored = serde_json::to_string(&Bytes::from(&payload)).unwrap();
            assert!(expected.is_empty() || stored == expected, "{stored} for {expected}");
            assert!(!stored.contains('\n'), "{stored}");
            let read: Bytes = serde_json::from_str(&stored).unwrap();
            assert_eq!(Payload::try_from(read).unwrap(), payload, "{stored}");
        }
    }

    #[test]
    fn deep_json_comes_back() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let payload = Payload::from(deep.as_bytes());
        let stored = serde_json::to_string(&Bytes::from(&payload)).unwrap();
        let read: Bytes = serde_json::from_str(&stored).unwrap();
        assert_eq!(Payload::try_from(read).unwrap(), payload);
    }

    #[test]
    fn what_is_not_hexadecimal_is_an_error() {
        for bad in ["0", "0g", "+1", "é"] {
            assert!(Payload::try_from(Bytes::Hex(bad.to_string())).is_err(), "{bad}");
        }
    }
}

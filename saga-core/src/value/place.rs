//! Finds the place in a value that its type does not accept.

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::json::{PathSegment, show};

/// The path to the part of the value that keeps it from being a `T`, such as `legs[1].miles`; empty for the
/// value as a whole. The value is decoded a second time for this, so that successful decoding stays fast.
pub(super) fn path<T: DeserializeOwned>(json: &[u8]) -> String {
    let reader = &mut serde_json::Deserializer::from_slice(json);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(reader) else {
        return String::new();
    };
    let (line, column) = (error.inner().line(), error.inner().column());
    let steps = error.path().iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(PathSegment::Item(*index)),
        Segment::Map { key } | Segment::Enum { variant: key } => {
            Some(PathSegment::Field(key.clone()))
        }
        Segment::Unknown => None,
    });
    let mut steps = steps.collect::<Vec<_>>();
    if let Some(PathSegment::Field(name)) = steps.last()
        && key_at(json, line, column) == Some(name.as_bytes())
    {
        // This is not the name of a field, but data that was found in the place of one.
        steps.pop();
    }
    show(&steps)
}

/// The key of an object in which, or right after which, the reader stopped.
fn key_at(json: &[u8], line: usize, column: usize) -> Option<&[u8]> {
    let lines = json.split_inclusive(|byte| *byte == b'\n');
    let offset = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum::<usize>() + column;
    let (mut escaped, mut begin, mut text) = (false, None, None);
    for (at, byte) in json.iter().enumerate() {
        if at >= offset && begin.is_none() && !byte.is_ascii_whitespace() {
            return text.filter(|_| *byte == b':');
        }
        match (byte, begin) {
            _ if escaped => escaped = false,
            (b'\\', Some(_)) => escaped = true,
            (b'"', None) => begin = Some(at + 1),
            (b'"', Some(from)) => {
                text = json.get(from..at);
                begin = None;
            }
            (_, Some(_)) => {}
            (byte, None) if byte.is_ascii_whitespace() => {}
            (_, None) => text = None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "it is never read")]
    struct Trip {
        legs: Vec<Leg>,
        #[serde(default)]
        extras: BTreeMap<String, u8>,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "it is never read")]
    struct Leg {
        miles: u8,
        #[serde(default)]
        from: (String, u8),
    }

    fn found(json: &str) -> String {
        path::<Trip>(json.as_bytes())
    }

    #[test]
    fn what_does_not_fit_is_found() {
        assert_eq!(found("{}"), "");
        assert_eq!(found(r#"{"legs":3}"#), "legs");
        assert_eq!(found(r#"{"legs":{"miles":3}}"#), "legs");
        assert_eq!(found(r#"{"legs":[{"miles":1},{"miles":300}]}"#), "legs[1].miles");
        assert_eq!(found(r#"{"legs":[{"miles":1},{"from":["a",3]}]}"#), "legs[1]");
        assert_eq!(found(r#"{"legs":[{"miles":1},{}]}"#), "legs[1]");
        assert_eq!(found(r#"{"legs":[{"miles":1},"x"]}"#), "legs[1]");
        assert_eq!(found(r#"{"legs":[{"from":["}],{\"", "x"]}]}"#), "legs[0].from[1]");
        assert_eq!(found("{\n  \"legs\": [\n    { \"miles\": -1 }\n  ]\n}"), "legs[0].miles");
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[allow(dead_code, reason = "it is never read")]
        card: BTreeMap<u8, String>,
    }

    #[test]
    fn a_key_that_does_not_fit_is_not_shown() {
        let place = |json: &str| {
            assert!(serde_json::from_str::<Strict>(json).is_err(), "{json}");
            path::<Strict>(json.as_bytes())
        };
        assert_eq!(place(r#"{"s3cret":1}"#), "");
        assert_eq!(place(r#"{ "s3cret" : 1 }"#), "");
        assert_eq!(place(r#"{"card":{"s3cret":"x"}}"#), "card");
        assert_eq!(place("{\n\"card\": {\"1\": \"x\", \"s3\\\"cret\":\"x\"}}"), "card");
        assert_eq!(place(r#"{"card":{"7":8}}"#), "card[..]");
        assert_eq!(place(r#"{"card":"s3cret"}"#), "card");
    }

    #[test]
    fn a_key_that_is_no_name_is_not_shown() {
        let extras = |key: &str| format!(r#"{{"legs":[],"extras":{{"a":1,"{key}":300}}}}"#);
        assert_eq!(found(&extras("luggage")), "extras.luggage");
        assert_eq!(found(&extras("4111 1111 1111 1111")), "extras[..]");
        assert_eq!(found(&extras("ada@example.org")), "extras[..]");
        assert_eq!(found(&extras("")), "extras[..]");
        assert_eq!(found(&extras(&"a".repeat(41))), "extras[..]");
    }
}

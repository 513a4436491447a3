//! Finds the place in a value that its type does not accept.

use std::ops::Range;

use serde_json::error::Error;

use crate::json::{PathSegment, show};

/// The path to the part of the value that keeps it from being decoded, such as `legs[1].miles`; empty for the
/// value as a whole.
///
/// A key of a map is the user's data, and is shown as `[..]`: it is no name of a field if the error is the same with
/// another key in its place.
///
/// It is found by where the reader stopped, so that types need not be compiled for a second reader that keeps
/// track of it. `again` decodes another text and returns the error.
pub(super) fn path(
    json: &str,
    error: &Error,
    again: &mut dyn FnMut(&str) -> Option<Error>,
) -> String {
    let stopped = offset(json.as_bytes(), error);
    let mut walk = Walk::new(json.as_bytes());
    let mut last = None;
    while walk.at < stopped && walk.at < json.len() {
        let (at, before) = (walk.at, walk.ends_element().then(|| walk.levels.clone()));
        if walk.step() {
            last = before.map(|levels| (at, levels));
        }
    }
    // After the end of a list or object, this is what does not fit; or its last element does not, if a type
    // refused that only after the reader was done with it. With text that cannot be read in place of the end,
    // the reader still gets to that error, but not to one of the whole. It is the same after a comma.
    if let Some((end, levels)) = last
        && error.is_data()
    {
        let unfinished = [json.get(..end).unwrap_or_default(), "!"].concat();
        if again(&unfinished).is_some_and(|error| error.is_data()) {
            return shown(json, levels, error, again);
        }
    }
    shown(json, walk.levels, error, again)
}

fn shown(
    json: &str,
    levels: Vec<Level>,
    error: &Error,
    again: &mut dyn FnMut(&str) -> Option<Error>,
) -> String {
    let mut is_name = |key: &Range<usize>| {
        let without = with_another_key(json, key).and_then(|json| again(&json));
        without.is_none_or(|without| without.to_string() != error.to_string())
    };
    let segments = levels.into_iter().filter_map(|level| level.segment(json, &mut is_name));
    show(&segments.collect::<Vec<_>>())
}

/// The text with another key of the same length in this place. `None` if the place is none.
fn with_another_key(json: &str, key: &Range<usize>) -> Option<String> {
    let (before, after) = (json.get(..key.start)?, json.get(key.end..)?);
    let letter = if json.get(key.clone())?.contains('q') { "x" } else { "q" };
    Some([before, &letter.repeat(key.len()), after].concat())
}

/// How many bytes the reader had consumed.
fn offset(json: &[u8], error: &Error) -> usize {
    let lines = json.split_inclusive(|byte| *byte == b'\n');
    let before = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len);
    before.sum::<usize>() + error.column()
}

/// A list or an object around the place.
#[derive(Clone)]
enum Level {
    List(usize),
    /// With the place of the key between its quotes, where the reader is at its value.
    Object(Option<Range<usize>>),
}

impl Level {
    fn segment(
        self,
        json: &str,
        is_name: &mut dyn FnMut(&Range<usize>) -> bool,
    ) -> Option<PathSegment> {
        Some(match self {
            Self::List(index) => PathSegment::Item(index),
            Self::Object(key) => {
                let key = key?;
                let name = json.get(key.clone()).filter(|_| is_name(&key)).unwrap_or_default();
                PathSegment::Field(name.to_string())
            }
        })
    }
}

/// Walks over a JSON text, one token at a time.
struct Walk<'j> {
    json: &'j [u8],
    at: usize,
    levels: Vec<Level>,
    /// The place of the last text, which is a key if a colon follows.
    text: Range<usize>,
}

impl<'j> Walk<'j> {
    fn new(json: &'j [u8]) -> Self {
        Self { json, at: 0, levels: Vec::new(), text: 0..0 }
    }

    fn ends_element(&self) -> bool {
        matches!(self.json.get(self.at), Some(b'}' | b']' | b','))
    }

    /// Steps over a token; returns false if it was nothing but space.
    fn step(&mut self) -> bool {
        let Some(byte) = self.json.get(self.at) else { return false };
        let start = self.at;
        self.at += 1;
        match byte {
            b'{' => self.levels.push(Level::Object(None)),
            b'[' => self.levels.push(Level::List(0)),
            b'}' | b']' => _ = self.levels.pop(),
            b'"' => {
                self.at = end_of_text(self.json, self.at);
                self.text = start + 1..self.at.saturating_sub(1);
            }
            b':' => {
                if let Some(Level::Object(key)) = self.levels.last_mut() {
                    *key = Some(self.text.clone());
                }
            }
            b',' => match self.levels.last_mut() {
                Some(Level::Object(key)) => *key = None,
                Some(Level::List(index)) => *index += 1,
                None => {}
            },
            byte if byte.is_ascii_whitespace() => return false,
            // a number or a word
            _ => {}
        }
        true
    }
}

/// Where the text ends that starts right before `at`.
fn end_of_text(json: &[u8], mut at: usize) -> usize {
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;

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

    /// The path to what does not fit into a `T`; empty if everything fits.
    fn place<T: DeserializeOwned>(json: &str) -> String {
        let read = |json: &str| serde_json::from_str::<T>(json).err();
        let error = read(json);
        error.map_or_else(String::new, |error| path(json, &error, &mut |json| read(json)))
    }

    fn found(json: &str) -> String {
        place::<Trip>(json)
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
            place::<Strict>(json)
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
        assert_eq!(found(&extras("luggage")), "extras[..]", "it could be a name, and is data");
        assert_eq!(found(&extras("qx")), "extras[..]");
        assert_eq!(found(&extras("4111 1111 1111 1111")), "extras[..]");
        assert_eq!(found(&extras("ada@example.org")), "extras[..]");
        assert_eq!(found(&extras("")), "extras[..]");
        assert_eq!(found(&extras(&"a".repeat(41))), "extras[..]");
    }

    /// Refused by a conversion, which knows nothing of the reader.
    #[derive(Deserialize)]
    #[serde(try_from = "String")]
    #[allow(dead_code, reason = "it is never read")]
    struct Code(u8);

    impl TryFrom<String> for Code {
        type Error = std::num::ParseIntError;
        fn try_from(text: String) -> Result<Self, Self::Error> {
            text.parse().map(Self)
        }
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "it is never read")]
    struct Coded {
        first: Code,
        rest: Vec<Code>,
        #[serde(default)]
        last: Option<Code>,
        #[serde(default)]
        number: u8,
    }

    #[test]
    fn what_a_conversion_refuses_is_found() {
        assert_eq!(place::<Code>(r#""x""#), "");
        assert_eq!(place::<Coded>(r#"{"first":"x","rest":[]}"#), "first");
        assert_eq!(place::<Coded>(r#"{"rest":[],"first":"x"}"#), "first");
        assert_eq!(place::<Coded>(r#"{"rest":[],"first":"x" }"#), "first");
        assert_eq!(place::<Coded>(r#"{"first":"1","rest":["1","x","2"]}"#), "rest[1]");
        assert_eq!(place::<Coded>(r#"{"first":"1","rest":["1" , "x" , "2"]}"#), "rest[1]");
        assert_eq!(place::<Coded>(r#"{"first":"1","rest":["1","x"]}"#), "rest[1]");
        assert_eq!(place::<Coded>(r#"{"first":"1","rest":["1",{}]}"#), "rest[1]");
        assert_eq!(place::<Coded>(r#"{"first":"1","rest":["1"],"last":"x"}"#), "last");
        assert_eq!(place::<Coded>(r#"{"first":"1","last":"2"}"#), "");
        assert_eq!(place::<Coded>(r#"{"first":"1","rest":[],"number":{}}"#), "number");
        assert_eq!(place::<Vec<Coded>>(r#"[{"first":"1","rest":[{}]}]"#), "[0].rest[0]");
        assert_eq!(place::<Vec<Coded>>(r#"[{"first":"1","rest":[[]]}]"#), "[0].rest[0]");
        assert_eq!(place::<Vec<Coded>>(r#"[{"first":"1","rest":{}}]"#), "[0].rest");
        assert_eq!(place::<(Coded, u8)>(r#"[{"first":"1"},1]"#), "[0]");
        assert_eq!(place::<(u8, Coded)>(r#"[1,{"first":"1"}]"#), "[1]");
        assert_eq!(place::<(u8, u8)>(r#"[1]"#), "");
    }
}

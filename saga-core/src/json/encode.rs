//! Encodes users' values as JSON that can be read back. An error now is better than a log that cannot be read
//! after a crash.

use std::cell::Cell;

use serde::ser::Serialize;

use super::writer::{JsonWriter, WriteError};
use crate::log::Payload;

/// How deeply arrays and objects may be nested, which is what the reader of `serde_json` accepts.
pub(crate) const MAX_NESTING: usize = 127;

thread_local! {
    /// The buffer that values are written into. They are copied out of it, because how long they are is known
    /// only afterwards.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer that has grown larger than this is given back.
const MAX_BUFFER: usize = 64 * 1024;

/// Lets `write` write one value, and returns its JSON, which can be read back.
pub(crate) fn written(
    write: impl FnOnce(&mut JsonWriter) -> Result<(), WriteError>,
) -> Result<Payload, WriteError> {
    let mut buffer = BUFFER.take();
    buffer.clear();
    let mut writer = JsonWriter::new(buffer);
    let result = write(&mut writer);
    let buffer = writer.into_buffer();
    let payload = result.map(|()| Payload::from(buffer.as_slice()));
    if buffer.capacity() <= MAX_BUFFER {
        BUFFER.set(buffer);
    }
    payload
}

/// Writes a value as JSON that can be read back.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T) -> Result<Payload, WriteError> {
    written(|writer| value.serialize(writer))
}

/// A user's error as JSON. `None` if it cannot be encoded or does not fit into a log entry.
pub(crate) fn error_json<T: Serialize + ?Sized>(error: &T) -> Option<Payload> {
    write(error).ok().filter(|json| has_room(json.as_bytes()))
}

/// True if this JSON can be part of a log entry, which adds levels of nesting of its own.
pub(crate) fn has_room(json: &[u8]) -> bool {
    !is_deeper(json, MAX_NESTING / 2)
}

/// True if this JSON is nested more than `levels` deep.
pub(crate) fn is_deeper(json: &[u8], levels: usize) -> bool {
    // each level takes two brackets, so what is short need not be read
    json.len() > 2 * levels && depth(json) > levels
}

pub(super) fn depth(json: &[u8]) -> usize {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::{is_deeper, write};

    #[derive(Serialize, Default)]
    struct Measured {
        price: f64,
        legs: Vec<Segment>,
        extras: BTreeMap<String, f32>,
        note: Option<String>,
    }

    #[derive(Serialize)]
    enum Segment {
        Flight { miles: f64 },
        Walk(f64, f64),
        Rest,
    }

    fn error(measured: Measured) -> String {
        write(&measured).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_finite_is_named_by_its_path() {
        let measured = Measured { price: f64::NAN, ..Measured::default() };
        assert_eq!(error(measured), "`price` is NaN or infinite, which JSON cannot hold");
        let legs = vec![Segment::Rest, Segment::Flight { miles: f64::INFINITY }];
        assert!(error(Measured { legs, ..Measured::default() }).starts_with("`legs[1].miles` is"));
        let legs = vec![Segment::Walk(1.0, 2.0), Segment::Walk(1.0, f64::NAN)];
        assert!(error(Measured { legs, ..Measured::default() }).starts_with("`legs[1][1]` is"));
        let extras = [("a".to_string(), 1.0), ("b c".to_string(), f32::NAN)].into();
        // a key is data
        assert!(error(Measured { extras, ..Measured::default() }).starts_with("`extras[..]` is"));
        assert!(write(&f64::NAN).unwrap_err().to_string().starts_with("the value is"));
    }

    #[test]
    fn other_nulls_are_fine() {
        let measured = Measured { note: None, ..Measured::default() };
        assert!(write(&measured).is_ok());
        assert!(write(&(Some(1.5), None::<f64>, (), "null")).is_ok());
    }

    #[test]
    fn what_could_not_be_read_back_is_not_written() {
        let nested = |levels| (0..levels).fold(serde_json::json!(1), |v, _| serde_json::json!([v]));
        let deepest = write(&nested(127)).unwrap();
        assert!(serde_json::from_slice::<serde_json::Value>(deepest.as_bytes()).is_ok());
        let error = write(&nested(128)).unwrap_err().to_string();
        assert_eq!(error, "it is nested more than 127 levels deep");
        let text = "[".repeat(500) + "\\\"";
        assert!(write(&text).is_ok());
    }

    #[test]
    fn what_is_too_deep_is_found_whatever_its_length() {
        for depth in 0..6 {
            let json = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let padded = format!("{{\"[[[[[[\": \"{}\", \"b\": {json} }}", "[".repeat(40));
            for levels in 0..8 {
                assert_eq!(is_deeper(json.as_bytes(), levels), depth > levels, "{json}");
                assert_eq!(is_deeper(padded.as_bytes(), levels), depth + 1 > levels, "{padded}");
            }
        }
    }

    #[derive(Serialize)]
    struct Unit;

    #[derive(Serialize)]
    struct Wrapped(u64);

    #[derive(Serialize)]
    struct Pair(u8, String);

    #[derive(Serialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Key {
        One,
    }

    #[derive(Serialize)]
    enum Form {
        Unit,
        Newtype(Option<f32>),
        Tuple(u8, &'static str),
        Struct { a: (), b: char },
        Empty {},
    }

    #[derive(Serialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        A { wei: u64 },
    }

    #[derive(Serialize)]
    struct Flat {
        first: bool,
        #[serde(flatten)]
        rest: BTreeMap<String, i8>,
    }

    fn same<T: Serialize>(value: T) {
        let expected = serde_json::to_string(&value).unwrap();
        assert_eq!(std::str::from_utf8(write(&value).unwrap().as_bytes()).unwrap(), expected);
    }

    #[test]
    fn what_is_written_is_what_serde_json_writes() {
        same((1_u8, -1_i64, u64::MAX, i128::MIN, u128::MAX, 1.0_f64, 0.1_f32, 1e300, -0.0));
        same(("a\"\\\n\u{1}é😀", 'x', true, None::<u8>, Some(()), ()));
        same((Unit, Wrapped(7), Pair(1, "x".into()), [0_u8; 0], Vec::<Pair>::new()));
        same([Form::Unit, Form::Newtype(Some(1.5)), Form::Tuple(1, "x"), Form::Empty {}]);
        same((Form::Struct { a: (), b: 'b' }, Form::Newtype(None), Tagged::A { wei: 5 }));
        same(Flat { first: true, rest: [("a b".to_string(), -5)].into() });
        same(BTreeMap::from([(1_u8, "x"), (2, "y")]));
        same(BTreeMap::from([(-1_i128, BTreeMap::from([(true, 1)]))]));
        same(BTreeMap::from([('c', BTreeMap::from([(Key::One, Some("null"))]))]));
        same(BTreeMap::from([(Some("a"), 1)]));
        same(serde_json::json!({"a": [1, 2.5, null, {"b": "c"}], "d": {}}));
        same(std::net::Ipv4Addr::LOCALHOST);
        same(format_args!("{} {:?}", 1, "x"));
        let raw = r#"{ "wei": 1000000000000000000001, "text": "a\\nb" }"#;
        same(vec![serde_json::value::RawValue::from_string(raw.to_string()).unwrap()]);
    }

    #[test]
    fn a_key_that_is_no_text_is_refused_with_its_place() {
        let told = |error: super::WriteError| error.to_string();
        let keys = BTreeMap::from([("a", BTreeMap::from([((1, 2), 3)]))]);
        assert_eq!(told(write(&keys).unwrap_err()), "`[..]`: key must be a string");
        assert_eq!(told(write(&BTreeMap::from([((), 3)])).unwrap_err()), "key must be a string");
        assert_eq!(told(write(&BTreeMap::from([([1], 3)])).unwrap_err()), "key must be a string");
        let raw = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let raw = |levels| serde_json::value::RawValue::from_string(raw(levels)).unwrap();
        assert!(write(&[raw(126)]).is_ok());
        let error = told(write(&[[raw(126)]]).unwrap_err());
        assert_eq!(error, "it is nested more than 127 levels deep");
    }
}

//! JSON text as it is stored: compared, and brought into one canonical form. Numbers are treated as digits and
//! never converted to floats; `serde_json::Value` would round integers beyond `u64`.

mod encode;
mod writer;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use encode::write;
pub(crate) use encode::{MAX_NESTING, error_json, has_room, is_deeper, written};
pub(crate) use writer::{JsonWriter, WriteError};

/// The maximum nesting depth that is examined, which is what the reader of `serde_json` accepts.
const MAX_DEPTH: usize = 128;

/// A parsed JSON text.
enum Json<'a> {
    /// `null`, `true`, `false`, or a number, as it is written.
    Word(&'a str),
    Text(String),
    List(Vec<Json<'a>>),
    Object(BTreeMap<String, Json<'a>>),
}

impl<'a> Json<'a> {
    fn read(json: &'a [u8]) -> Option<Self> {
        Self::of(serde_json::from_slice(json).ok()?, MAX_DEPTH)
    }

    fn of(raw: &'a RawValue, depth: usize) -> Option<Self> {
        let (text, depth) = (raw.get(), depth.checked_sub(1)?);
        Some(match text.as_bytes().first()? {
            b'"' => Self::Text(serde_json::from_str(text).ok()?),
            b'[' => {
                let items = serde_json::from_str::<Vec<&RawValue>>(text).ok()?.into_iter();
                Self::List(items.map(|item| Self::of(item, depth)).collect::<Option<_>>()?)
            }
            b'{' => {
                let fields = serde_json::from_str::<BTreeMap<String, &RawValue>>(text).ok()?;
                let fields = fields.into_iter();
                let fields = fields.map(|(key, value)| Some((key, Self::of(value, depth)?)));
                Self::Object(fields.collect::<Option<_>>()?)
            }
            _ => Self::Word(text),
        })
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Word(word) => out.push_str(word),
            Self::Text(text) => write_text(text, out),
            Self::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (i, (key, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// Looks for the first difference between two texts, and leaves the path to it in `path`.
    fn differs(&self, other: &Self, path: &mut Vec<PathSegment>) -> bool {
        match (self, other) {
            (Self::Word(one), Self::Word(other)) => !is_same_word(one, other),
            (Self::Text(one), Self::Text(other)) => one != other,
            (Self::List(one), Self::List(other)) => {
                for (i, pair) in one.iter().zip(other).enumerate() {
                    path.push(PathSegment::Item(i));
                    if pair.0.differs(pair.1, path) {
                        return true;
                    }
                    path.pop();
                }
                let same = one.len() == other.len();
                if !same {
                    path.push(PathSegment::Item(one.len().min(other.len())));
                }
                !same
            }
            (Self::Object(one), Self::Object(other)) => {
                for (key, value) in one {
                    path.push(PathSegment::Field(key.clone()));
                    if other.get(key).is_none_or(|other| value.differs(other, path)) {
                        return true;
                    }
                    path.pop();
                }
                let more = other.keys().find(|key| !one.contains_key(*key));
                path.extend(more.cloned().map(PathSegment::Field));
                more.is_some()
            }
            // texts of different kinds
            (Self::Word(_) | Self::Text(_) | Self::List(_) | Self::Object(_), _) => true,
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    // A string can always be encoded.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// One segment of a path into a JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathSegment {
    /// The item of a list at this index.
    Item(usize),
    /// The field of an object with this name.
    Field(String),
}

/// A key that is longer than this, or is not an identifier, is taken for the user's data rather than the name
/// of a field.
const LONGEST_NAME: usize = 40;

/// A path for humans: `legs[1].miles`. A key that is not an identifier is shown as `[..]`.
pub(crate) fn show(path: &[PathSegment]) -> String {
    let mut shown = String::new();
    for step in path {
        match step {
            PathSegment::Item(index) => shown.push_str(&format!("[{index}]")),
            PathSegment::Field(name) if is_name(name) => {
                if !shown.is_empty() {
                    shown.push('.');
                }
                shown.push_str(name);
            }
            PathSegment::Field(_) => shown.push_str("[..]"),
        }
    }
    shown
}

fn is_name(key: &str) -> bool {
    let first = key.chars().next();
    key.len() <= LONGEST_NAME
        && first.is_some_and(|first| first == '_' || first.is_ascii_alphabetic())
        && key.chars().all(|c| c == '_' || c == '-' || c.is_ascii_alphanumeric())
}

/// True for equal literals: `null`, booleans and numbers. `1.0` and `1e0` are the same number, and so are `0`
/// and `-0`.
fn is_same_word(one: &str, other: &str) -> bool {
    one == other || number(one).is_some_and(|one| number(other) == Some(one))
}

/// The sign of a number, its significant digits, and the power of ten of the last of them.
fn number(word: &str) -> Option<(bool, String, i64)> {
    let (negative, word) = match word.strip_prefix('-') {
        Some(word) => (true, word),
        None => (false, word),
    };
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        // With an exponent this large, only identical texts count as the same number.
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (word, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    let zeros = i64::try_from(digits.len() - significant.len()).ok()?;
    let fraction = i64::try_from(fraction.len()).ok()?;
    let power = exponent.checked_sub(fraction)?.checked_add(zeros)?;
    Some((negative, significant.to_string(), power))
}

/// The canonical form of a JSON text: without spaces, and with its keys in order. Numbers stay as they are
/// written. `None` if it is not valid JSON.
pub(crate) fn canonical(json: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(json.len());
    Json::read(json)?.write(&mut text);
    Some(text)
}

/// The path to the first difference between two JSON texts, or `None` if they are equivalent. Spaces and the
/// order of keys do not matter. Text that is not valid JSON equals only itself.
pub(crate) fn difference(one: &[u8], other: &[u8]) -> Option<Vec<PathSegment>> {
    if one == other {
        return None;
    }
    let mut path = Vec::new();
    match (Json::read(one), Json::read(other)) {
        (Some(one), Some(other)) => one.differs(&other, &mut path).then_some(path),
        _ => Some(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(one: &str, other: &str) -> Option<String> {
        let found = difference(one.as_bytes(), other.as_bytes());
        let back = difference(other.as_bytes(), one.as_bytes());
        assert_eq!(found, back, "{one} against {other}");
        found.map(|path| show(&path))
    }

    #[test]
    fn the_first_difference_is_found() {
        let same = [
            (r#"{"a":1,"b":[true,null,"x"]}"#, r#"{ "b" : [true, null, "\u0078"], "a" : 1 }"#),
            ("1.0", "1"),
            ("-0.0", "0"),
            ("1e2", "100.00"),
            ("12.50", "125E-1"),
            ("1e99999999999999999999", "1e99999999999999999999"),
        ];
        for (one, other) in same {
            assert_eq!(differs(one, other), None, "{one} and {other}");
        }
        let wei = "1000000000000000000000";
        let more = "1000000000000000000001";
        assert_eq!(differs(wei, more).as_deref(), Some(""));
        assert_eq!(differs(&format!("-{wei}"), wei).as_deref(), Some(""));
        assert_eq!(
            differs(r#"{"a":1,"b":{"c":[1,2]}}"#, r#"{"a":1,"b":{"c":[1,3]}}"#).unwrap(),
            "b.c[1]"
        );
        assert_eq!(differs(r#"{"a":[1]}"#, r#"{"a":[1,2]}"#).unwrap(), "a[1]");
        assert_eq!(differs(r#"{"a":1}"#, r#"{"a":1,"b":2}"#).unwrap(), "b");
        assert_eq!(differs(r#"{"a":null}"#, r#"{"a":false}"#).unwrap(), "a");
        assert_eq!(differs(r#"{"a":"1"}"#, r#"{"a":1}"#).unwrap(), "a");
        assert_eq!(differs(r#"{"a":[]}"#, r#"{"a":{}}"#).unwrap(), "a");
        assert_eq!(differs(r#"{"4111 1111":[1]}"#, r#"{"4111 1111":[2]}"#).unwrap(), "[..][0]");
        assert_eq!(differs("1e99999999999999999999", "2e99999999999999999999").unwrap(), "");
        assert_eq!(differs("no json", "1").unwrap(), "");
    }

    #[test]
    fn one_text_stands_for_what_says_the_same() {
        let text = |json: &str| canonical(json.as_bytes());
        let spaced = "{ \"b\" : [ 1.50, 1000000000000000000001 ], \"a\": \"\\u0041\\n\" }";
        let expected = r#"{"a":"A\n","b":[1.50,1000000000000000000001]}"#;
        assert_eq!(text(spaced).as_deref(), Some(expected));
        assert_eq!(text("[1,"), None);
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(text(&nested(MAX_DEPTH)).is_some());
        assert_eq!(text(&nested(100_000)), None, "and no overflow of the stack");
    }
}

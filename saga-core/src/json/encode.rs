//! Encodes users' values as JSON that can be read back. JSON cannot express NaN and infinity, and its reader
//! limits the nesting depth. An error now is better than a log that cannot be read after a crash.

use serde::ser::{self, Serialize};

use super::finite::{FiniteCheck, NotFinite};
use crate::log::Payload;

/// How deeply arrays and objects may be nested, which is what the reader of `serde_json` accepts.
pub(crate) const MAX_NESTING: usize = 127;

/// Writes a value as JSON that can be read back.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let json = serde_json::to_vec(value)?;
    if depth(&json) > MAX_NESTING {
        let why = format!("it is nested more than {MAX_NESTING} levels deep");
        return Err(ser::Error::custom(why));
    }
    // NaN is written as `null`, so a text without `null` needs no check.
    if json.windows(4).any(|word| word == b"null") {
        let mut check = FiniteCheck::default();
        if let Err(NotFinite(path)) = value.serialize(&mut check) {
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
    depth(json) <= MAX_NESTING / 2
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::write;

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
        assert!(
            error(Measured { extras, ..Measured::default() }).starts_with("`extras[\"b c\"]` is")
        );
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
        assert!(serde_json::from_slice::<serde_json::Value>(&deepest).is_ok());
        let error = write(&nested(128)).unwrap_err().to_string();
        assert_eq!(error, "it is nested more than 127 levels deep");
        let text = "[".repeat(500) + "\\\"";
        assert!(write(&text).is_ok());
    }
}

//! Messages about stored values that cannot be decoded. They must not quote the value: it is the user's data,
//! and the message goes into logs and traces.

use serde_json::error::Category;

/// What a decoder may find instead of what it expects, as serde names it.
const FOUND: [&str; 18] = [
    "boolean",
    "integer",
    "floating point",
    "character",
    "string",
    "byte array",
    "unit value",
    "null",
    "Option value",
    "newtype struct",
    "sequence",
    "map",
    "enum",
    "unit variant",
    "newtype variant",
    "tuple variant",
    "struct variant",
    "number",
];

/// The beginnings of messages that quote nothing of the value: their names and sizes are those of the type.
const NAMES_ONLY: [&str; 7] = [
    "missing field ",
    "duplicate field ",
    "invalid length ",
    "data did not match any variant of ",
    "no variant of enum ",
    // From flattened fields, and from tagged and untagged enums.
    "u128 is not supported",
    "i128 is not supported",
];

/// The decoder's message, without what it quotes of the value, and with the path to the place of the error.
pub(super) fn without_the_value(error: &serde_json::Error, path: &str) -> String {
    let told = told(error);
    if path.is_empty() {
        return told;
    }
    let place = format!(" at line {} column {}", error.line(), error.column());
    format!("`{path}`: {}", told.strip_suffix(&place).unwrap_or(&told))
}

fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let plain = error.classify() != Category::Data;
    if plain || NAMES_ONLY.iter().any(|start| text.starts_with(start)) {
        return text;
    }
    let place = match error.line() {
        0 => String::new(),
        line => format!(" at line {line} column {}", error.column()),
    };
    let told = ["invalid type: ", "invalid value: ", "unknown variant ", "unknown field "];
    let told = told.into_iter().find_map(|start| Some((start, text.strip_prefix(start)?)));
    // The expectation comes last, so a value that contains these very words is left out as well.
    let expected = text.rsplit_once(", expected ").map(|(_, expected)| expected);
    match (told, expected) {
        (Some((start, value)), Some(expected)) => {
            let found = FOUND.into_iter().find(|found| value.starts_with(found));
            let found = found.filter(|_| start.ends_with(": ")).unwrap_or_default();
            let start = if found.is_empty() { start.trim_end_matches(": ") } else { start };
            format!("{}, expected {expected}", format!("{start}{found}").trim_end())
        }
        // A message of the type's own decoder may quote the value.
        _ => format!("its type does not accept it{place}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Debug;
    use std::num::NonZeroU8;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use uuid::Uuid;

    use super::super::place;
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Card {
        #[allow(dead_code, reason = "it is never read")]
        number: u8,
    }

    #[derive(Debug, Deserialize)]
    enum Kind {
        Debit,
        Credit,
    }

    fn told<T: DeserializeOwned + Debug>(json: &str) -> String {
        let read = |json: &str| serde_json::from_str::<T>(json).err();
        let error = read(json).unwrap();
        let path = place::path(json, &error, &mut |json| read(json));
        without_the_value(&error, &path)
    }

    #[test]
    fn the_type_and_the_place_are_told() {
        assert_eq!(told::<u8>(r#""42""#), "invalid type: string, expected u8 at line 1 column 4");
        assert_eq!(told::<u8>("4242"), "invalid value: integer, expected u8 at line 1 column 4");
        let expected = "invalid value: integer, expected a nonzero u8 at line 1 column 1";
        assert_eq!(told::<NonZeroU8>("0"), expected);
        assert_eq!(
            told::<String>("null"),
            "invalid type: null, expected a string at line 1 column 4"
        );
        assert_eq!(told::<Card>("{}"), "missing field `number` at line 1 column 2");
        let expected = "unknown variant, expected `Debit` or `Credit` at line 1 column 6";
        assert_eq!(told::<Kind>(r#""4242""#), expected);
        assert!(matches!(serde_json::from_str(r#""Debit""#), Ok(Kind::Debit)));
        assert!(matches!(serde_json::from_str(r#""Credit""#), Ok(Kind::Credit)));
        let expected = "unknown field, expected `number` at line 1 column 7";
        assert_eq!(told::<Card>(r#"{"4242":1}"#), expected);
        assert_eq!(told::<Uuid>(r#""4242""#), "its type does not accept it at line 1 column 6");
        assert_eq!(told::<u8>("{"), "invalid type: map, expected u8 at line 1 column 0");
        assert_eq!(told::<Card>("{"), "EOF while parsing an object at line 1 column 1");
        let of_value = serde_json::from_value::<u8>("4242".into()).unwrap_err();
        assert_eq!(without_the_value(&of_value, ""), "invalid type: string, expected u8");
    }

    #[derive(Debug, Deserialize)]
    #[serde(tag = "kind")]
    #[allow(dead_code, reason = "it is never read")]
    enum Receipt {
        Chain { wei: u128 },
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "it is never read")]
    enum Paid {
        Cash { cents: u8 },
        Nothing,
    }

    #[derive(Debug, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        #[allow(dead_code, reason = "it is never read")]
        paid: Paid,
    }

    #[test]
    fn a_variant_of_another_kind_is_told() {
        let told_of = |json: &str| told::<Paid>(json).split(" at line").next().unwrap().to_string();
        let expected = "invalid type: unit variant, expected struct variant";
        assert_eq!(told_of(r#""Cash""#), expected);
        assert_eq!(
            told_of(r#"{"Cash": 5}"#),
            "`Cash`: invalid type: integer, expected struct variant Paid::Cash"
        );
        assert_eq!(told_of(r#"{"Nothing": 5}"#), "`Nothing`: invalid type: integer, expected unit");
        assert_eq!(
            told::<Flat>("{}"),
            "no variant of enum Paid found in flattened data at line 1 column 2"
        );
    }

    #[test]
    fn the_field_is_told() {
        let map = r#"{"a": [1, "4242"]}"#;
        let expected = "`[..][1]`: invalid type: string, expected u8";
        assert_eq!(told::<BTreeMap<String, Vec<u8>>>(map), expected);
        let receipts = r#"{"a": {"kind": "Chain", "wei": 5}}"#;
        let expected = "`[..]`: u128 is not supported";
        assert_eq!(told::<BTreeMap<String, Receipt>>(receipts), expected);
        assert_eq!(told::<Vec<Uuid>>(r#"["4242"]"#), "`[0]`: its type does not accept it");
        assert_eq!(told::<Vec<Card>>("[{}]"), "`[0]`: missing field `number`");
    }

    #[test]
    fn no_value_gets_through_whatever_it_says() {
        let secrets =
            ["s3cret", ", expected s3cret", "\", expected `s3cret` at line 1", "`s3cret`"];
        for secret in secrets {
            let json = serde_json::to_string(secret).unwrap();
            let map = format!("{{{json}: {json}}}");
            let list = format!("[{json}]");
            for told in [
                told::<u8>(&json),
                told::<Kind>(&json),
                told::<Uuid>(&json),
                told::<char>(&json),
                told::<Card>(&map),
                told::<Kind>(&map),
                told::<BTreeMap<u8, u8>>(&map),
                told::<Vec<std::net::IpAddr>>(&list),
                told::<Vec<f64>>(&list),
            ] {
                assert!(!told.contains("s3cret"), "{told}");
            }
        }
    }
}

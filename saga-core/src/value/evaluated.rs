//! What the expressions of a node were evaluated to, so that two evaluations can be compared: by tests, and by a migration.

use std::any::type_name;
use std::fmt;

use serde::Serialize;
use serde_json::Value as Json;

#[cfg(feature = "testing")]
use crate::log::Payload;

/// One expression of a node, and its value.
pub struct Evaluated {
    pub(crate) what: Expression,
    pub(crate) value: Comparable,
}

/// Which expression of a node it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Expression {
    /// An argument of the action, by the name of its parameter.
    Argument(&'static str),
    #[cfg(feature = "testing")]
    /// The value of a computed node.
    Value,
    #[cfg(feature = "testing")]
    /// The list of a `for`, of which only the length is compared: its items are arguments.
    Width,
    #[cfg(feature = "testing")]
    /// The condition of an `if` or `match`, by the arm that it chooses.
    Arm,
    #[cfg(feature = "testing")]
    /// The parameters of a saga that is a node.
    Params,
}

/// A value in a form in which it can be compared with another one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Comparable {
    /// As JSON. `is_list` if it is a list whose order counts: elsewhere, an array may have been a `HashSet`.
    Json { json: Json, is_list: bool },
    /// As text.
    Text(String),
    /// It cannot be compared; the name of its type.
    Opaque(&'static str),
}

impl Evaluated {
    /// The value of an argument.
    pub fn argument(name: &'static str, value: Option<Evaluation>) -> Self {
        let value = value.map_or(Comparable::Opaque("?"), |value| value.0);
        Self { what: Expression::Argument(name.trim_start_matches("r#")), value }
    }

    /// The name of the parameter, if it is an argument.
    pub(crate) fn parameter(&self) -> Option<&'static str> {
        match self.what {
            Expression::Argument(name) => Some(name),
            #[cfg(feature = "testing")]
            Expression::Value | Expression::Width | Expression::Arm | Expression::Params => None,
        }
    }

    /// Something that a program reads from the log as JSON.
    #[cfg(feature = "testing")]
    pub(crate) fn payload(what: Expression, payload: &Payload, ty: &str) -> Self {
        let json = serde_json::from_slice(payload.as_bytes());
        let text = |_| Comparable::Text(String::from_utf8_lossy(payload.as_bytes()).into_owned());
        let is_list = is_list(ty);
        let value = json.map_or_else(text, |json| Comparable::Json { json, is_list });
        Self { what, value }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn number(what: Expression, number: u64) -> Self {
        Self { what, value: Comparable::Json { json: number.into(), is_list: false } }
    }
}

/// The value of an argument, for the code that the macros write.
pub struct Evaluation(Comparable);

impl Evaluation {
    /// Of a type that serde can write. `None` if it cannot write this value.
    pub fn serialized<T: Serialize>(value: &T) -> Option<Self> {
        if let Ok(json) = serde_json::to_value(value) {
            return Some(Self(Comparable::Json { json, is_list: is_list(type_name::<T>()) }));
        }
        // such as a `u128`
        serde_json::to_string(value).ok().map(|text| Self(Comparable::Text(text)))
    }

    /// Of a type that is shown to people.
    pub fn shown<T: fmt::Debug>(value: &T) -> Self {
        Self(Comparable::Text(format!("{value:?}")))
    }

    /// Of another type.
    pub fn opaque<T>(_: &T) -> Self {
        Self(Comparable::Opaque(type_name::<T>()))
    }
}

/// True for a type of the standard library whose order is the same each time.
fn is_list(ty: &str) -> bool {
    let ty = ty.trim_start_matches('&');
    ["[", "alloc::vec::Vec<", "alloc::collections::vec_deque::VecDeque<"]
        .iter()
        .any(|list| ty.starts_with(list))
}

impl Comparable {
    /// The same text for values that are equal but for the order of lists.
    #[cfg(feature = "testing")]
    pub(crate) fn without_order(&self) -> Option<String> {
        match self {
            Self::Json { json, .. } => Some(canonical(json, false)),
            Self::Text(_) | Self::Opaque(_) => None,
        }
    }

    /// The same text for equal values, if it can be compared.
    pub(crate) fn canonical(&self) -> Option<String> {
        match self {
            Self::Json { json, is_list } => Some(canonical(json, *is_list)),
            Self::Text(text) => Some(text.clone()),
            Self::Opaque(_) => None,
        }
    }
}

#[cfg(feature = "testing")]
impl fmt::Display for Comparable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 200;
        let text = match self {
            Self::Json { json, .. } => json.to_string(),
            Self::Text(text) => text.clone(),
            Self::Opaque(ty) => format!("a {ty}"),
        };
        match text.char_indices().nth(LONGEST) {
            None => f.write_str(&text),
            Some((end, _)) => write!(f, "{}..", text.get(..end).unwrap_or_default()),
        }
    }
}

fn canonical(json: &Json, is_list: bool) -> String {
    let join = |mut parts: Vec<String>, sorted: bool| {
        if sorted {
            parts.sort();
        }
        parts.join(",")
    };
    match json {
        Json::Array(items) => {
            format!(
                "[{}]",
                join(items.iter().map(|item| canonical(item, false)).collect(), !is_list)
            )
        }
        Json::Object(fields) => {
            let field = |(name, value)| format!("{:?}:{}", name, canonical(value, false));
            format!("{{{}}}", join(fields.iter().map(field).collect(), true))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => json.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn of<T: Serialize>(value: T) -> String {
        Evaluation::serialized(&value).unwrap().0.canonical().unwrap()
    }

    #[test]
    fn the_order_counts_in_a_list_and_not_in_a_set() {
        assert_ne!(of(vec![1, 2]), of(vec![2, 1]));
        assert_ne!(of(&[1, 2][..]), of(&[2, 1][..]));
        let ten = || (0..10).collect::<HashSet<u32>>();
        assert_eq!(of(ten()), of(ten()));
        // a list of sets
        assert_eq!(of(vec![ten()]), of(vec![ten()]));
        assert_ne!(of(ten()), of((0..9).collect::<HashSet<u32>>()));
        assert_eq!(of(u128::MAX), u128::MAX.to_string());
    }
}

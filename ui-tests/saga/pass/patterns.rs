//! Every kind of pattern and condition, and the variables that they bind.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

use saga_core::dag::{Dag, DagError};
use saga_core::prelude::*;
use serde::{Deserialize, Serialize};
use ui_tests::actions::*;
use ui_tests::types::*;

#[derive(Serialize, Deserialize)]
enum Shape {
    Unit,
    Tuple(String, u32),
    Struct { name: String, sides: Vec<u32>, inner: Option<Box<Shape>> },
}
use Shape::*;

const FEW: u32 = 3;

impl Shape {
    fn name(&self) -> &str {
        match self {
            Unit => "unit",
            Tuple(name, _) | Struct { name, .. } => name,
        }
    }
}

saga! {
    Patterns<Agency>(shape: Shape, output: u32, pairs: Vec<(String, Option<u32>)>, names: [String; 2]) -> String {
        let r#type = add { a: *output, b: 1 };
        let kinds = match shape {
            Unit => note { text: "unit" },
            Tuple(name, FEW) => note { text: name },
            Shape::Tuple(name, n @ (0 | 1 | 7..)) if *n != *output => note { text: &format!("{name}{n}") },
            Tuple(_, n) => { let n_too = add { a: *n, b: *r#type }; { n_too.to_string() } }
            Struct { name, sides, .. } if let [first, .., last] = sides[..] && first < last => {
                let both = add { a: first, b: last };
                { format!("{name}{both}") }
            }
            Struct { name: other, inner: Some(inner), .. } if matches!(**inner, Unit) => note { text: other },
            Struct { sides, inner: None, name: _ } => {
                let sum = for &side in sides { add { a: side, b: 0 } };
                { sum.iter().sum::<u32>().to_string() }
            }
            | Struct { .. } => note { text: "rest" },
        };
        let owned = for (name, n) in pairs.clone() {
            if let Some(n) = n && n > 1 {
                let count = { let mut name = name; name.push('x'); n + name.len() as u32 };
                note { text: &count.to_string() }
            } else {
                note { text: &name }
            }
        };
        let borrowed = match *shape { Tuple(ref name, ref n) => note { text: &format!("{name}{n}") }, ref other => note { text: other.name() } };
        let outputs = for kind in [kinds, &owned.concat()] { note { text: kind } };
        let fixed = for (i, &[ref a, ref b]) in [names].into_iter().enumerate().collect::<Vec<_>>() {
            note { text: &format!("{i}{a}{b}") }
        };
        let by_value = for (a, b) in vec![(1, 2), (3, *output)] { add { a, b } };
        let shadows = for output in [output] {
            let text = if let output @ 1.. = *output { note { text: &output.to_string() } } else { note { text: "0" } };
            match output { r#type => note { text: &format!("{type}{text}") } }
        };
        let negated = if !pairs.is_empty() && (*output > 3 || names[0] == *kinds) { note { text: "not" } };
        let lengths = match (names.len(), pairs.first().map(|(name, _)| name.as_str())) {
            (2, Some("a" | "b")) => { { 1u32 } }
            (len, Some(text)) => { { (len + text.len()) as u32 } }
            (_, None) => { { 0 } }
        };
        { format!("{kinds}{owned:?}{outputs:?}{fixed:?}{by_value:?}{shadows:?}{negated:?}{lengths}{borrowed}") }
    }
}

fn main() -> Result<(), DagError> {
    assert_eq!(Dag::of::<Patterns>()?.len(), 11);
    Ok(())
}

//! Mutates an input: its bytes, its lines, or the JSON in it.

use serde_json::{Value, json};

use super::Rng;
use crate::targets::seal;

/// Makes new inputs from existing ones.
#[derive(Debug)]
pub struct Mutator<'a> {
    rng: &'a mut Rng,
    /// True if the lines of inputs have a checksum. It is usually updated, so that the change is read.
    sealed: bool,
}

impl<'a> Mutator<'a> {
    /// Creates a mutator; `sealed` says whether the lines of inputs have a checksum.
    pub fn new(rng: &'a mut Rng, sealed: bool) -> Self {
        Self { rng, sealed }
    }

    /// Mutates an input, and mixes in parts of another one.
    pub fn mutate(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut input = input.to_vec();
        for _ in 0..=self.rng.below(4) {
            input = match self.rng.below(8) {
                0 => self.bytes(input, other),
                1 | 2 => self.lines(&input, other),
                _ => self.json(&input, other),
            };
        }
        input
    }

    fn bytes(&mut self, mut input: Vec<u8>, other: &[u8]) -> Vec<u8> {
        let at = self.rng.below(input.len());
        match self.rng.below(6) {
            0 if !input.is_empty() => input[at] ^= 1 << self.rng.below(8),
            1 if !input.is_empty() => input[at] = self.rng.number() as u8,
            2 => input.insert(at, self.rng.number() as u8),
            3 => input.truncate(at),
            4 if !input.is_empty() => {
                drop(input.drain(at..(at + 1 + self.rng.below(16)).min(input.len())))
            }
            _ => {
                input.truncate(at);
                input.extend(&other[self.rng.below(other.len())..]);
            }
        }
        input
    }

    fn lines(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut lines = input.split_inclusive(|b| *b == b'\n').collect::<Vec<_>>();
        let others = other.split_inclusive(|b| *b == b'\n').collect::<Vec<_>>();
        let (a, b) = (self.rng.below(lines.len()), self.rng.below(lines.len()));
        match (self.rng.below(6), lines.get(a).copied()) {
            (0, Some(_)) => drop(lines.remove(a)),
            (1, Some(line)) => lines.insert(b, line),
            (2, Some(_)) => lines.swap(a, b),
            (3, Some(_)) => lines.truncate(a),
            (4, Some(line)) => lines.insert(a, line),
            _ => lines.extend(self.rng.pick(&others)),
        }
        lines.concat()
    }

    /// Changes the JSON of one line.
    fn json(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let lines = input.split_inclusive(|b| *b == b'\n').collect::<Vec<_>>();
        let others = other.split(|b| *b == b'\n').collect::<Vec<_>>();
        let given = self.rng.pick(&others).and_then(|line| serde_json::from_slice(line).ok());
        let given = given.unwrap_or(Value::Null);
        let at = self.rng.below(lines.len());
        let mut output = Vec::with_capacity(input.len());
        for (i, line) in lines.iter().enumerate() {
            match serde_json::from_slice::<Value>(line) {
                Ok(mut value) if i == at => {
                    self.value(&mut value, &given, 0);
                    output.extend(self.write(value));
                    output.push(b'\n');
                }
                _ => output.extend(*line),
            }
        }
        output
    }

    fn write(&mut self, mut value: Value) -> Vec<u8> {
        if self.sealed && !self.rng.one_in(16) {
            if let Value::Object(map) = &mut value {
                map.remove("crc");
            }
            return seal(&value);
        }
        value.to_string().into_bytes()
    }

    /// Goes down to some place, and changes what is there.
    fn value(&mut self, value: &mut Value, given: &Value, depth: usize) {
        let down = depth < 40 && !self.rng.one_in(4);
        match value {
            Value::Array(items) if down && !items.is_empty() => {
                let at = self.rng.below(items.len());
                self.value(&mut items[at], given, depth + 1);
            }
            Value::Object(map) if down && !map.is_empty() => {
                let at = self.rng.below(map.len());
                if let Some((_, inner)) = map.iter_mut().nth(at) {
                    self.value(inner, given, depth + 1);
                }
            }
            // JSON in a string: payloads are
            Value::String(text) if down && let Ok(mut inner) = serde_json::from_str(text) => {
                self.value(&mut inner, given, depth + 1);
                *text = inner.to_string();
            }
            here => self.change(here, given),
        }
    }

    fn change(&mut self, here: &mut Value, given: &Value) {
        let choice = self.rng.below(8);
        match here {
            Value::Array(items) if choice < 4 => {
                let (a, b) = (self.rng.below(items.len()), self.rng.below(items.len()));
                match choice {
                    0 if !items.is_empty() => drop(items.remove(a)),
                    1 if !items.is_empty() => items.swap(a, b),
                    2 if !items.is_empty() => items.insert(a, items[b].clone()),
                    _ => items.push(self.part(given)),
                }
            }
            Value::Object(map) if choice < 4 => {
                let at = self.rng.below(map.len());
                let key = map.keys().nth(at).cloned().unwrap_or_default();
                match choice {
                    0 => drop(map.remove(&key)),
                    1 => drop(map.insert(key, self.part(given))),
                    _ => {
                        if let Value::Object(given) = given {
                            let at = self.rng.below(given.len());
                            map.extend(given.iter().nth(at).map(|(k, v)| (k.clone(), v.clone())));
                        }
                    }
                }
            }
            Value::Number(n) if choice < 4 => {
                let n = n.as_u64().unwrap_or_default();
                *here = match choice {
                    0 => json!(n.wrapping_add(1)),
                    1 => json!(n.wrapping_sub(1)),
                    2 => json!(n.wrapping_mul(1 << self.rng.below(63))),
                    _ => json!(self.rng.below(8)),
                };
            }
            here if choice < 7 => *here = self.odd(),
            here => *here = self.part(given),
        }
    }

    /// Returns a random part of another input.
    fn part(&mut self, given: &Value) -> Value {
        let mut here = given;
        while !self.rng.one_in(3) {
            let next = match here {
                Value::Array(items) => self.rng.pick(items),
                Value::Object(map) => map.values().nth(self.rng.below(map.len())),
                _ => None,
            };
            let Some(next) = next else { break };
            here = next;
        }
        here.clone()
    }

    /// Returns one of the values that programs tend to forget.
    fn odd(&mut self) -> Value {
        let odd = [
            json!(null),
            json!(true),
            json!(false),
            json!(0),
            json!(1),
            json!(-1),
            json!(u32::MAX),
            json!(u64::MAX),
            json!(i64::MIN),
            json!((1u64 << 53) + 1),
            json!(1e308),
            json!(-1e308),
            json!(1e-308),
            json!(""),
            json!("\0\n\u{202e}"),
            json!("a/b[3]#1"),
            json!("n0"),
            json!("x".repeat(300)),
            json!([]),
            json!({}),
            json!([[[[[]]]]]),
            json!({"secs": u64::MAX, "nanos": 999_999_999}),
            json!({"secs": 0, "nanos": 0}),
            json!("started"),
            json!("completed"),
            json!("stuck"),
        ];
        self.rng.pick(&odd).cloned().unwrap_or_default()
    }
}

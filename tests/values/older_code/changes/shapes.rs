//! Tuples, options, lists and maps.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::{Change, change, same, types};

types! {
    struct Nothing;
    struct Cents(u64);
    struct Price { cents: u64 }
    struct Stay { nights: u64, beds: u64 }
    struct Optional { cents: Option<u64> }
}

fn map<K: Ord, V>(key: K, value: V) -> BTreeMap<K, V> {
    BTreeMap::from([(key, value)])
}

pub(super) fn changes() -> Vec<Change> {
    let text = |text: &str| text.to_string();
    vec![
        change("nothing, `()`, becomes a value", ((), None), (5_u64, Some(()))),
        change("nothing, `()`, becomes an `Option`", ((), Some(None)), (Some(5_u64), Some(()))),
        change(
            "nothing, `()`, becomes a struct of `Option`s",
            ((), Some(Optional { cents: None })),
            (Optional { cents: Some(5) }, Some(())),
        ),
        same("`()` becomes a unit struct", (), Nothing),
        same("a value becomes a struct around it, `Cents(u64)`", 5_u64, Cents(5)),
        same("a value becomes a struct with a field", 5_u64, Price { cents: 5 }),
        same("`Cents(u64)` becomes `Price { cents: u64 }`", Cents(5), Price { cents: 5 }),
        same("a tuple becomes a struct", (5_u64, 2_u64), Stay { nights: 5, beds: 2 }),
        same(
            "a tuple becomes a struct whose fields have another order",
            (2_u64, 5_u64),
            Stay { nights: 5, beds: 2 },
        ),
        change("a tuple becomes longer", ((5_u64, 2_u64), None), ((5_u64, 2_u64, 7_u64), None)),
        same("a tuple becomes an array", (5_u64, 2_u64), [5_u64, 2]),
        change("a value becomes an `Option`", (5_u64, Some(Some(5))), (None::<u64>, None::<u64>)),
        change("an `Option` becomes a value", (None::<u64>, None::<u64>), (5, Some(Some(5)))),
        same("a value becomes a list", 5_u64, vec![5_u64]),
        same("an `Option` becomes a list", Some(5_u64), vec![5_u64]),
        same("a list becomes a `VecDeque`", vec![5_u64], VecDeque::from([5_u64])),
        same("a list becomes an array of this length", vec![5_u64, 2], [5_u64, 2]),
        change(
            "a list becomes an array of another length",
            (vec![5_u64], None),
            ([5_u64, 2], Some(vec![5, 2])),
        ),
        same("a list becomes a set", vec![5_u64, 2], BTreeSet::from([5_u64, 2])),
        change(
            "a list with repetitions becomes a set",
            (vec![5_u64, 5], None),
            (BTreeSet::from([5]), Some(vec![5_u64])),
        ),
        same("a list of pairs becomes a map", vec![(text("a"), 5_u64)], map(text("a"), 5_u64)),
        same(
            "a `BTreeMap` becomes a `HashMap`",
            map(text("a"), 5_u64),
            HashMap::from([(text("a"), 5_u64)]),
        ),
        same("keys of a map: numbers become texts", map(7_u64, 5_u64), map(text("7"), 5_u64)),
        change(
            "keys of a map: texts become numbers",
            (map(text("a"), 5_u64), None),
            (map(7_u64, 5), Some(map(text("7"), 5_u64))),
        ),
        {
            #[derive(
                Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
            )]
            enum Meal {
                Lunch,
            }
            change(
                "keys of a map: texts become variants",
                (map(text("Dinner"), 5_u64), None),
                (map(Meal::Lunch, 5_u64), Some(map(text("Lunch"), 5_u64))),
            )
        },
        same(
            "a map becomes a struct with these fields",
            map(text("cents"), 5_u64),
            Price { cents: 5 },
        ),
        same(
            "a value becomes a `Box` or `Arc` of it",
            Price { cents: 5 },
            Arc::new(Price { cents: 5 }),
        ),
        same(
            "a value becomes a `serde_json::Value`",
            Price { cents: 5 },
            serde_json::json!({ "cents": 5 }),
        ),
    ]
}

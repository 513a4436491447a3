//! Enums as serde writes them unless it is told otherwise: with the name of the variant around its content.

use super::{Change, change, same, types};

types! {
    enum Plain { Card, Cash }
    enum Paid { Cash, Card(u64) }
}

/// A number for each variant, given by its place.
macro_rules! numbered {
    ($name:ident: $($variant:ident),*) => {
        #[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(into = "u8", try_from = "u8")]
        enum $name { $($variant),* }

        impl From<$name> for u8 {
            fn from(variant: $name) -> Self {
                variant as Self
            }
        }

        impl TryFrom<u8> for $name {
            type Error = &'static str;
            fn try_from(number: u8) -> Result<Self, Self::Error> {
                let all = [$($name::$variant),*];
                all.get(usize::from(number)).copied().ok_or("no variant has this number")
            }
        }
    };
}

pub(super) fn changes() -> Vec<Change> {
    vec![
        {
            types! { enum New { Card, Cash, Coupon } }
            change("a variant is added", (Plain::Cash, Some(New::Cash)), (New::Coupon, None))
        },
        {
            types! { enum New { Card } }
            change("a variant is removed", (Plain::Cash, None), (New::Card, Some(Plain::Card)))
        },
        {
            types! { enum New { Card, Coins } }
            same("a variant is renamed", Plain::Cash, New::Coins)
        },
        {
            types! { enum New { Card, #[serde(alias = "Cash")] Coins } }
            same("a variant is renamed, with `#[serde(alias = \"Cash\")]`", Plain::Cash, New::Coins)
        },
        {
            types! { enum New { Card, #[serde(rename = "Cash")] Coins } }
            same(
                "a variant is renamed, with `#[serde(rename = \"Cash\")]`",
                Plain::Cash,
                New::Coins,
            )
        },
        {
            types! { enum New { Cash, Card } }
            same("variants change their order", Plain::Cash, New::Cash)
        },
        {
            numbered! { Old: Card, Cash }
            numbered! { New: Cash, Card }
            same(
                "variants change their order, and are stored as numbers, `Cash as u8`",
                Old::Cash,
                New::Cash,
            )
        },
        {
            types! { enum New { Card, Cash(u64) } }
            change(
                "a variant without a value gets one",
                (Plain::Cash, Some(New::Cash(0))),
                (New::Cash(5), Some(Plain::Cash)),
            )
        },
        {
            types! { enum New { Card, Cash {} } }
            same("`Cash` becomes `Cash {}`", Plain::Cash, New::Cash {})
        },
        {
            types! { enum New { Cash, Card { number: u64 } } }
            same(
                "`Card(u64)` becomes `Card { number: u64 }`",
                Paid::Card(5),
                New::Card { number: 5 },
            )
        },
        {
            types! { enum New { Cash, Card(u64, u64) } }
            change(
                "`Card(u64)` becomes `Card(u64, u64)`",
                (Paid::Card(5), Some(New::Card(5, 0))),
                (New::Card(5, 7), Some(Paid::Card(5))),
            )
        },
        {
            types! {
                enum Old { Card { number: u64 } }
                enum New { Card { number: u64, #[serde(default)] pin: u64 } }
            }
            change(
                "a field is added to a variant, with `#[serde(default)]`",
                (Old::Card { number: 5 }, Some(New::Card { number: 5, pin: 0 })),
                (New::Card { number: 5, pin: 7 }, Some(Old::Card { number: 5 })),
            )
        },
        same("a text becomes an enum, and is one of its variants", "Cash".to_string(), Plain::Cash),
        change(
            "a text becomes an enum, and is none of its variants",
            ("cash".to_string(), None),
            (Plain::Card, Some("Card".to_string())),
        ),
        same("a `bool` becomes an enum", true, Plain::Card),
        same("a value `T` becomes a `Result<T, E>`", 5_u64, Ok::<u64, String>(5)),
    ]
}

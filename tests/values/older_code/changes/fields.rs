//! Fields of structs.

use super::{Change, change, same, types};

types! {
    struct Price { cents: u64 }
    struct Tipped { cents: u64, tip: u64 }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

pub(super) fn changes() -> Vec<Change> {
    let price = || Price { cents: 5 };
    let tipped = |tip| Tipped { cents: 5, tip };
    vec![
        change("a field is added", (price(), None::<Tipped>), (tipped(2), Some(price()))),
        {
            types! { struct New { cents: u64, #[serde(default)] tip: u64 } }
            let new = |tip| New { cents: 5, tip };
            change(
                "a field is added, with `#[serde(default)]`",
                (price(), Some(new(0))),
                (new(2), Some(price())),
            )
        },
        {
            types! { struct New { cents: u64, tip: Option<u64> } }
            let new = |tip| New { cents: 5, tip };
            change(
                "a field is added that is an `Option`",
                (price(), Some(new(None))),
                (new(Some(2)), Some(price())),
            )
        },
        {
            types! {
                #[serde(deny_unknown_fields)]
                struct Old { cents: u64 }
                #[serde(deny_unknown_fields)]
                struct New { cents: u64, #[serde(default)] tip: u64 }
            }
            let (old, new) = (|| Old { cents: 5 }, |tip| New { cents: 5, tip });
            change(
                "a field is added, with `#[serde(default)]`, to a struct with `deny_unknown_fields`",
                (old(), Some(new(0))),
                (new(2), Some(old())),
            )
        },
        change("a field is removed", (tipped(2), Some(price())), (price(), None)),
        {
            types! { struct Old { cents: u64, #[serde(default)] tip: u64 } }
            let old = |tip| Old { cents: 5, tip };
            change(
                "a field is removed that had `#[serde(default)]`",
                (old(2), Some(price())),
                (price(), Some(old(0))),
            )
        },
        {
            types! { struct Old { cents: u64, tip: Option<u64> } }
            let old = |tip| Old { cents: 5, tip };
            change(
                "a field is removed that was an `Option`",
                (old(Some(2)), Some(price())),
                (price(), Some(old(None))),
            )
        },
        {
            types! {
                #[serde(deny_unknown_fields)]
                struct New { cents: u64 }
            }
            let new = || New { cents: 5 };
            change(
                "a field is removed from a struct with `deny_unknown_fields`",
                (tipped(2), Some(new())),
                (new(), None),
            )
        },
        {
            types! {
                #[serde(deny_unknown_fields)]
                struct New { cents: u64 }
            }
            same("`deny_unknown_fields` is added", price(), New { cents: 5 })
        },
        {
            types! { struct New { amount: u64 } }
            same("a field is renamed", price(), New { amount: 5 })
        },
        {
            types! { struct New { #[serde(alias = "cents")] amount: u64 } }
            same(
                "a field is renamed, with `#[serde(alias = \"cents\")]`",
                price(),
                New { amount: 5 },
            )
        },
        {
            types! { struct New { #[serde(rename = "cents")] amount: u64 } }
            same(
                "a field is renamed, with `#[serde(rename = \"cents\")]`",
                price(),
                New { amount: 5 },
            )
        },
        {
            types! { struct Old { tip: Option<u64> } struct New { gift: Option<u64> } }
            same(
                "a field is renamed that is an `Option`",
                Old { tip: Some(2) },
                New { gift: Some(2) },
            )
        },
        {
            types! {
                struct Old { #[serde(default)] tip: u64 }
                struct New { #[serde(default)] gift: u64 }
            }
            same("a field is renamed that has `#[serde(default)]`", Old { tip: 2 }, New { gift: 2 })
        },
        {
            types! {
                struct Old { room_rate: u64 }
                #[serde(rename_all = "camelCase")]
                struct New { room_rate: u64 }
            }
            same("`rename_all` is added", Old { room_rate: 5 }, New { room_rate: 5 })
        },
        {
            types! { struct New { tip: u64, cents: u64 } }
            same("fields change their order", tipped(2), New { tip: 2, cents: 5 })
        },
        {
            types! { struct New { cents: Option<u64> } }
            change(
                "a field becomes an `Option`",
                (price(), Some(New { cents: Some(5) })),
                (New { cents: None }, None),
            )
        },
        {
            types! {
                struct Old { tip: Option<u64> }
                struct New { #[serde(default)] tip: u64 }
            }
            change(
                "an `Option` becomes a value with `#[serde(default)]`",
                (Old { tip: None }, Some(New { tip: 0 })),
                (New { tip: 2 }, Some(Old { tip: Some(2) })),
            )
        },
        {
            types! {
                struct New { cents: u64, #[serde(default, skip_serializing_if = "is_zero")] tip: u64 }
            }
            same(
                "`skip_serializing_if` is added, with `#[serde(default)]`",
                tipped(0),
                New { cents: 5, tip: 0 },
            )
        },
        {
            types! { struct New { cents: u64, #[serde(skip)] tip: u64 } }
            change(
                "`#[serde(skip)]` is added",
                (tipped(2), Some(New { cents: 5, tip: 2 })),
                (New { cents: 5, tip: 2 }, Some(tipped(2))),
            )
        },
        {
            types! { struct New { #[serde(flatten)] price: Price, tip: u64 } }
            same(
                "fields move into a struct with `#[serde(flatten)]`",
                tipped(2),
                New { price: price(), tip: 2 },
            )
        },
        {
            types! { struct New { price: Price, tip: u64 } }
            same("fields move into a struct", tipped(2), New { price: price(), tip: 2 })
        },
        {
            types! {
                struct Old { wei: u128 }
                struct New { #[serde(flatten)] all: Old }
            }
            same(
                "a `u128` moves into a flattened struct",
                Old { wei: 5 },
                New { all: Old { wei: 5 } },
            )
        },
    ]
}

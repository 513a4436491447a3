//! Enums with `#[serde(tag = "..")]`, `#[serde(tag = "..", content = "..")]` and `#[serde(untagged)]`.

use super::{Change, change, same, types};

types! {
    enum External { Cash { cents: u64 }, Card { number: u64 } }
    #[serde(tag = "kind")]
    enum Internal { Cash { cents: u64 }, Card { number: u64 } }
    #[serde(tag = "kind", content = "how")]
    enum Adjacent { Cash { cents: u64 }, Card { number: u64 } }
    #[serde(untagged)]
    enum Untagged { Cash { cents: u64 }, Card { number: u64 } }
}

pub(super) fn changes() -> Vec<Change> {
    let internal = || Internal::Cash { cents: 5 };
    let untagged = || Untagged::Cash { cents: 5 };
    vec![
        {
            types! {
                #[serde(tag = "kind")]
                enum New { Card { number: u64 }, Cash { cents: u64 } }
            }
            same("`tag`: variants change their order", internal(), New::Cash { cents: 5 })
        },
        {
            types! {
                #[serde(tag = "kind")]
                enum New { Cash { cents: u64 }, Card { number: u64 }, Coupon }
            }
            let new = || New::Cash { cents: 5 };
            change("`tag`: a variant is added", (internal(), Some(new())), (New::Coupon, None))
        },
        {
            types! {
                #[serde(tag = "kind")]
                enum Old { Cash { cents: u64 }, #[serde(other)] Unknown }
                #[serde(tag = "kind")]
                enum New { Cash { cents: u64 }, Coupon { code: u64 }, #[serde(other)] Unknown }
            }
            change(
                "`tag`: a variant is added where `#[serde(other)] Unknown` is",
                (Old::Cash { cents: 5 }, Some(New::Cash { cents: 5 })),
                (New::Coupon { code: 7 }, Some(Old::Unknown)),
            )
        },
        {
            types! {
                #[serde(tag = "kind")]
                enum New { #[serde(alias = "Cash")] Coins { cents: u64 }, Card { number: u64 } }
            }
            let new = New::Coins { cents: 5 };
            same("`tag`: a variant is renamed, with `#[serde(alias = \"Cash\")]`", internal(), new)
        },
        {
            types! {
                #[serde(tag = "type")]
                enum New { Cash { cents: u64 }, Card { number: u64 } }
            }
            same("`tag`: the tag gets another name", internal(), New::Cash { cents: 5 })
        },
        {
            types! {
                #[serde(tag = "kind")]
                enum New { Cash { cents: u128 }, Card { number: u64 } }
            }
            same("`tag`: a `u64` becomes a `u128`", internal(), New::Cash { cents: 5 })
        },
        {
            types! {
                #[serde(tag = "kind", content = "how")]
                enum New { Card { number: u64 }, Cash { cents: u64 } }
            }
            let (old, new) = (Adjacent::Cash { cents: 5 }, New::Cash { cents: 5 });
            same("`tag` and `content`: variants change their order", old, new)
        },
        {
            types! {
                #[serde(tag = "kind", content = "how")]
                enum New { Cash { cents: u64 }, Card { number: u64 }, Coupon }
            }
            let (old, new) = (Adjacent::Cash { cents: 5 }, New::Cash { cents: 5 });
            let what = "`tag` and `content`: a variant is added";
            change(what, (old, Some(new)), (New::Coupon, None))
        },
        same("no attribute to `tag`", External::Cash { cents: 5 }, internal()),
        same("`tag` to `tag` and `content`", internal(), Adjacent::Cash { cents: 5 }),
        same("no attribute to `untagged`", External::Cash { cents: 5 }, untagged()),
        same("`tag` to `untagged`", internal(), untagged()),
        {
            types! {
                #[serde(untagged)]
                enum New { Card { number: u64 }, Cash { cents: u64 } }
            }
            let what = "`untagged`: variants without a common form change their order";
            same(what, untagged(), New::Cash { cents: 5 })
        },
        {
            types! {
                #[serde(untagged)]
                enum Old { Cents(u64), Euros(f64) }
                #[serde(untagged)]
                enum New { Euros(f64), Cents(u64) }
            }
            same("`untagged`: `u64` and `f64` change their order", Old::Cents(5), New::Cents(5))
        },
        {
            types! {
                #[serde(untagged)]
                enum Old { Card { number: u64, pin: u64 } }
                #[serde(untagged)]
                enum New { Account { number: u64 }, Card { number: u64, pin: u64 } }
            }
            let (old, new) = (Old::Card { number: 5, pin: 7 }, New::Card { number: 5, pin: 7 });
            same("`untagged`: a variant with fewer of the same fields is added in front", old, new)
        },
        {
            types! {
                #[serde(untagged)]
                enum New { Cash { cents: u64 }, Card { number: u64 }, Coupon(String) }
            }
            let new = || New::Cash { cents: 5 };
            change(
                "`untagged`: a variant is added at the end",
                (untagged(), Some(new())),
                (New::Coupon("c7".into()), None),
            )
        },
        {
            types! {
                struct Old { cents: u64 }
                #[serde(untagged)]
                enum New { Old { cents: u64 }, Now { euros: u64 } }
            }
            change(
                "a struct becomes an `untagged` enum of its old and its new form",
                (Old { cents: 5 }, Some(New::Old { cents: 5 })),
                (New::Now { euros: 7 }, None),
            )
        },
    ]
}

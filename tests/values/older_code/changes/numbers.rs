//! Numbers.

use std::num::NonZeroU8;

use super::{Change, change, same, types};

types! { struct Cents(u64); }

/// The first integer that an `f64` cannot hold.
const BEYOND_FLOATS: u64 = (1 << 53) + 1;
const BEYOND_U64: u128 = 1 << 64;

pub(super) fn changes() -> Vec<Change> {
    vec![
        same("`u32` to `u64`", 5_u32, 5_u64),
        change("`u32` to `u64`, which fits no `u32`", (5_u32, Some(5_u64)), (1_u64 << 32, None)),
        change("`u64` to `u32`, which fits no `u32`", (1_u64 << 32, None), (5_u32, Some(5_u64))),
        same("`u64` to `i64`", 5_u64, 5_i64),
        change("`u64` to `i64`, which is large or negative", (u64::MAX, None::<i64>), (-5, None)),
        change("`u64` to `u128`, which fits no `u64`", (5_u64, Some(5_u128)), (BEYOND_U64, None)),
        same("`i64` to `i128`", -5_i64, -5_i128),
        change("`u8` to `NonZeroU8`, of 0", (0_u8, None), (NonZeroU8::MIN, Some(1_u8))),
        same("`u64` to `f64`", 5_u64, 5.0),
        change("`u64` to `f64`, beyond 2^53", (BEYOND_FLOATS, None::<f64>), (0.5, None)),
        same(
            "`u64` to `serde_json::Value`, beyond 2^53",
            BEYOND_FLOATS,
            serde_json::json!(BEYOND_FLOATS),
        ),
        change("`f64` to `f32`, which is rounded", (0.1_f64, None), (0.5_f32, Some(0.5_f64))),
        change(
            "`f64` of euros to `u64` of cents",
            (19.99, Some(1999_u64)),
            (1999_u64, Some(19.99)),
        ),
        change("`u64` of cents to `u64` of euros", (500_u64, Some(5_u64)), (5_u64, Some(500_u64))),
        change("`f64` to `Option<f64>`, of NaN", (f64::NAN, None), (None::<f64>, None::<f64>)),
        change(
            "`f64` to `f32`, of infinity",
            (f64::INFINITY, Some(f32::INFINITY)),
            (f32::INFINITY, None),
        ),
        same("a number to a struct around it, `Cents(u64)`", 5_u64, Cents(5)),
        same("a number to a text", 5_u64, "5".to_string()),
        same("a `bool` to a number", true, 1_u8),
    ]
}

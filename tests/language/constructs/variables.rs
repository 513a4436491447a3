//! Pattern variables that are mutated.

use saga_core::prelude::*;

use super::Any;

#[saga_action(no_undo)]
async fn add(a: i64, b: i64) -> Result<i64, String> {
    Ok(a + b)
}

saga! {
    /// rustc must not ask for the `mut` to go, with which the last node would not compile.
    #[deny(unused_mut)]
    Mutable<()>(a: Option<i64>, list: Vec<i64>) -> Vec<i64> {
        let matched = match *a {
            Some(mut x) if x > 3 => add { a: { x += 1; x }, b: 0 },
            Some(x) => add { a: x, b: 0 },
            None => add { a: 0, b: 0 },
        };
        let condition = if let Some(mut x) = *a && { x += 1; x > 0 } {
            let plain = add { a: x, b: 0 };
            let changed: i64 = { x *= 2; x };
            add { a: *plain, b: *changed }
        };
        let items = for mut x in list.clone() {
            let changed: i64 = { x += 1; x * 10 };
            changed
        };
        let by_reference = match a.filter(|x| *x > 0) {
            Some(ref mut x) => { let changed: i64 = { *x += 1; *x }; changed }
            None => add { a: 0, b: 0 },
        };
        { [vec![*matched, condition.unwrap_or_default(), *by_reference], items.clone()].concat() }
    }
}

#[tokio::test]
async fn a_pattern_variable_can_be_mut() -> Result<(), Any> {
    let sec = Coordinator::builder(()).saga::<Mutable>().build().await?;
    assert_eq!(sec.run(Mutable { a: Some(4), list: vec![1, 2] }).await?, [5, 15, 5, 20, 30]);
    assert_eq!(sec.run(Mutable { a: None, list: vec![] }).await?, [0, 0, 0]);
    Ok(())
}

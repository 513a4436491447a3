//! Constants: their values, and patterns that compare with them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use saga_core::dag::{Dag, DagError};
use saga_core::prelude::*;

use super::Any;

#[saga_action(no_undo)]
async fn say(text: &str) -> Result<String, String> {
    Ok(text.to_string())
}

const OUTSIDE: i64 = 30;

struct Limits;
impl Limits {
    const HIGH: i64 = 40;
}

mod limits {
    pub(super) const HIGHER: i64 = 50;
}

/// A pattern that only the macro knows to be one.
macro_rules! is {
    ($value:expr, $($pattern:tt)*) => {
        match $value {
            $($pattern)* => true,
            _ => false,
        }
    };
}

saga! {
    /// Each way in which a pattern can compare with a constant of the saga.
    Compare<()>(n: i64, maybe: Option<i64>) -> Vec<String> {
        const LIMIT: i64 = 3;
        const NEGATIVE: i64 = -3;
        const WAIT: Duration = Duration::from_secs(3);
        const UNREAD: String = "made while the saga is declared".to_string();
        let arm = match *n {
            LIMIT => say { text: "limit" },
            NEGATIVE | OUTSIDE => say { text: &format!("{NEGATIVE} or {OUTSIDE}") },
            Limits::HIGH => say { text: "high" },
            limits::HIGHER => say { text: "higher" },
            other if other > *LIMIT => say { text: &format!("{other} > {LIMIT}") },
            _ => say { text: "low" },
        };
        let inside = match maybe {
            Some(LIMIT) => say { text: "the limit" },
            Some(n) if matches!(*n, NEGATIVE | LIMIT) => say { text: "negative" },
            Some(n) => say { text: &n.to_string() },
            None => say { text: "none" },
        };
        let condition = if let Some(LIMIT) = maybe && let 1..=5 = *n { say { text: "both" } };
        let by_reference = match n { &LIMIT => say { text: "=" }, _ => say { text: "!=" } };
        let deep = match (*n, maybe) {
            (LIMIT, Some(NEGATIVE)) => {
                let local = match *n { LIMIT => say { text: "deep" }, _ => say { text: "wrong" } };
                local
            }
            _ => say { text: "shallow" },
        };
        let input = say { text: match *n { LIMIT => "limit", NEGATIVE => "negative", _ => "neither" } };
        let wait = { match Duration::from_secs(n.unsigned_abs()) { WAIT => "wait", _ => "go" }.to_string() };
        let shown = say { text: &format!("{}!", if let LIMIT = *n { "shown" } else { "hidden" }) };
        let in_macro = say { text: if is!(n, LIMIT) { "is" } else { "is not" } };
        let nested = say { text: if is!(maybe.as_ref(), Some(LIMIT)) || matches!(*n, LIMIT) { "one" } else { "no" } };
        let local = say { text: { const LIMIT: i64 = -3; match *n { LIMIT => "inner", _ => "other" } } };
        {
            vec![
                arm.clone(), inside.clone(), condition.clone().unwrap_or_default(), by_reference.clone(),
                deep.clone(), input.clone(), wait.clone(), shown.clone(), in_macro.clone(), nested.clone(),
                local.clone(), UNREAD.clone(),
            ]
        }
    }

    /// A pattern that is not the name of a constant binds, however it is written.
    #[allow(non_snake_case)]
    Bind<()>(xs: Vec<i64>) -> Vec<String> {
        for N in xs {
            match *N {
                Many if Many > 1 => say { text: &format!("{Many} of {N}") },
                _ => say { text: &N.to_string() },
            }
        }
    }

    Ordered<()>() -> usize {
        const BY_NAME: HashMap<String, u32> = [("a", 1), ("b", 2), ("c", 3)].map(|(k, v)| (k.to_string(), v)).into();
        { BY_NAME.len() }
    }

    Unordered<()>() -> usize {
        const NAMES: HashSet<u32> = (0..50).collect();
        { NAMES.len() }
    }

    Panics<()>() -> u32 {
        const NUMBER: u32 = "no number".parse().expect("a number");
        { *NUMBER }
    }
}

async fn compare(n: i64, maybe: Option<i64>) -> Result<Vec<String>, Any> {
    let sec = Coordinator::builder(()).saga::<Compare>().build().await?;
    Ok(sec.run(Compare { n, maybe }).await?)
}

const MADE: &str = "made while the saga is declared";

#[tokio::test]
async fn a_pattern_compares_with_a_constant() -> Result<(), Any> {
    assert_eq!(
        compare(3, Some(3)).await?,
        [
            "limit",
            "the limit",
            "both",
            "=",
            "shallow",
            "limit",
            "wait",
            "shown!",
            "is",
            "one",
            "other",
            MADE
        ]
    );
    assert_eq!(
        compare(-3, Some(-3)).await?,
        [
            "-3 or 30", "negative", "", "!=", "shallow", "negative", "wait", "hidden!", "is not",
            "no", "inner", MADE
        ]
    );
    assert_eq!(compare(3, Some(-3)).await?[4], "deep");
    for (n, arm) in [(30, "-3 or 30"), (40, "high"), (50, "higher"), (7, "7 > 3"), (0, "low")] {
        assert_eq!(compare(n, None).await?[..2], [arm, "none"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_capitalized_name_that_is_no_constant_binds() -> Result<(), Any> {
    let sec = Coordinator::builder(()).saga::<Bind>().build().await?;
    assert_eq!(sec.run(Bind { xs: vec![1, 2] }).await?, ["1", "2 of 2"]);
    Ok(())
}

#[test]
fn a_constant_is_the_same_each_time() -> Result<(), DagError> {
    Dag::of::<Ordered>()?;
    let error = Dag::of::<Unordered>().err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("'NAMES'") && error.contains("differs each time"), "{error}");
    let error = Dag::of::<Panics>().err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("'NUMBER'") && error.contains("it panics"), "{error}");
    Ok(())
}

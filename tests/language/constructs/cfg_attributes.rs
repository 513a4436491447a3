//! `#[cfg]` and `#[cfg_attr]` on sagas, parameters, actions and nodes. Half of the items in this file are
//! disabled.

use saga_core::Saga;
use saga_core::dag::Dag;
use saga_core::prelude::*;

use super::Any;

#[saga_action(undo = take_back(b))]
async fn add(
    a: i64,
    #[cfg(not(test))] missing: NoSuchType,
    #[cfg(test)] b: &i64,
    #[cfg_attr(test, cfg(not(test)))] gone: NoSuchType,
    #[cfg_attr(not(test), cfg(not(test)))] c: i64,
) -> Result<i64, String> {
    Ok(a + b + c)
}
async fn take_back(_: &i64) -> Result<(), String> {
    Ok(())
}

#[saga_action(no_undo)]
#[cfg_attr(test, cfg(not(test)))]
async fn not_there(a: NoSuchType) -> Result<NoSuchType, String> {
    Ok(a)
}

saga! {
    /// None of it is there, whatever is wrong with it.
    #[cfg(not(test))]
    NotThere<NoSuchContext>(a: NoSuchType) -> NoSuchType { no_such_action { a } }

    #[cfg_attr(test, cfg(not(test)))]
    NotThereEither<NoSuchContext>(a: NoSuchType) -> NoSuchType { no_such_action { a } }

    #[cfg(test)]
    #[cfg_attr(test, name = "There.1", derive(PartialEq))]
    #[cfg_attr(not(test), name = "There.2", retry(forever))]
    There<()>(
        n: i64,
        #[cfg(not(test))] missing: NoSuchType,
        #[cfg(test)] more: i64,
        #[cfg_attr(test, serde(default))] fresh: i64,
    ) -> i64 {
        #[cfg_attr(test, label = "the first", after())]
        #[cfg_attr(not(test), pivot, after(nobody))]
        let first = add { a: *n, b: more, #[cfg(not(test))] missing: n, c: 0 };
        #[cfg_attr(test, cfg(not(test)))]
        let not_there = no_such_action { a: first };
        #[cfg_attr(not(test), retry(forever))]
        add { a: *first, b: n, c: *fresh }
    }
}

#[tokio::test]
async fn items_disabled_by_cfg_are_absent() -> Result<(), Any> {
    assert_eq!(There::NAME, "There.1");
    let there = There { n: 1, more: 20, fresh: 300 };
    assert!(there == there.clone());
    assert_eq!(
        serde_json::from_str::<There>(r#"{"n": 1, "more": 20}"#)?,
        There { fresh: 0, ..there.clone() }
    );
    let sec = Coordinator::builder(()).saga::<There>().build().await?;
    assert_eq!(sec.run(there).await?, 322);
    let dag = Dag::of::<There>()?;
    assert_eq!(dag.len(), 2);
    assert_eq!(dag.to_json()["nodes"][0]["label"], "the first");
    Ok(())
}

//! Struct literals and sagas on the last line, with `..rest`, and the keys of such a line.

use saga_core::prelude::*;
use serde::{Deserialize, Serialize};

use super::Any;

#[saga_action(no_undo)]
async fn add(a: i64, b: i64) -> Result<i64, String> {
    Ok(a + b)
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i64,
    y: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrap<T> {
    of: T,
}

saga! {
    Inner<()>(n: i64, m: i64) -> i64 { let sum = add { a: *n, b: *m }; sum }

    LastSaga<()>(n: i64) -> i64 { Inner { n: *n, m: 1 } }
    LastStruct<()>(n: i64) -> Point { Point { x: *n, y: 1 } }
    LastGeneric<()>(n: i64) -> Wrap<i64> { Wrap { of: *n } }
    Holder<()>(n: i64) -> i64 { let inner = LastSaga { n: *n }; inner }

    Update<()>(point: Point, inner: Inner, xs: Vec<i64>) -> Point {
        let moved: Point = { Point { x: 5, ..point.clone() } };
        let sub = Inner { n: moved.x, ..inner.clone() };
        let rest = Inner { ..inner.clone() };
        let all: Vec<Point> = for x in xs { Point { x: *x, ..moved.clone() } };
        Point { y: sub + rest + all[0].x, ..moved.clone() }
    }
}

#[tokio::test]
async fn a_struct_can_use_functional_update() -> Result<(), Any> {
    let sec = Coordinator::builder(()).saga::<Update>().build().await?;
    let update =
        Update { point: Point { x: 1, y: 2 }, inner: Inner { n: 10, m: 20 }, xs: vec![100] };
    assert_eq!(sec.run(update).await?, Point { x: 5, y: 25 + 30 + 100 });
    Ok(())
}

#[tokio::test]
async fn the_last_line_has_a_key_by_name_and_as_output() -> Result<(), Any> {
    let sec =
        Coordinator::builder(()).saga::<LastSaga>().saga::<LastStruct>().saga::<LastGeneric>();
    let sec = sec.saga::<Holder>().build().await?;

    let handle = sec.saga(LastSaga { n: 1 }).start().await?;
    let outcome = handle.clone().outcome().await?;
    assert_eq!((outcome.get(LastSaga::Inner), outcome.get(LastSaga::output)), (Some(&2), Some(&2)));
    let inner = [LastSaga::Inner.node(Inner::sum), LastSaga::output.node(Inner::sum)];
    assert!(inner.into_iter().all(|key| outcome.get(key) == Some(&2)));
    assert_eq!(handle.status_of(LastSaga::output).await?, ActionState::Completed);
    assert!(outcome.node(LastSaga::output).is_some());

    let outcome = sec.saga(LastStruct { n: 3 }).start().await?.outcome().await?;
    let point = Point { x: 3, y: 1 };
    assert_eq!(outcome.get(LastStruct::output), Some(&point));
    assert_eq!(outcome.get(LastStruct::Point), Some(&point));
    let outcome = sec.saga(LastGeneric { n: 3 }).start().await?.outcome().await?;
    assert_eq!(outcome.get(LastGeneric::output), Some(&Wrap { of: 3 }));

    let outcome = sec.saga(Holder { n: 4 }).start().await?.outcome().await?;
    assert_eq!(outcome.get(Holder::inner.node(LastSaga::output)), Some(&5));
    assert_eq!(outcome.get(Holder::inner.node(LastSaga::output.node(Inner::sum))), Some(&5));
    Ok(())
}

//! Contexts with generics, by path, and behind a pointer.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

use std::marker::PhantomData;
use std::sync::Arc;

use saga_core::dag::{Dag, DagError};
use saga_core::prelude::*;

mod a {
    pub(crate) mod b {
        /// By path.
        #[derive(Default)]
        pub(crate) struct Agency {
            pub(crate) name: String,
        }
    }
}

/// With generics.
struct Ctx<T, const N: usize> {
    values: [T; N],
}

trait Clock: Send + Sync {
    fn now(&self) -> u64;
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> u64 {
        12
    }
}

struct Pool<'p, T: ?Sized>(PhantomData<&'p T>);

type Alias = ActionContext<Ctx<String, 4>>;
type Whole<C> = ActionContext<C>;

#[saga_action(undo = ungeneric(output))]
async fn generic(cx: &ActionContext<Ctx<String, 4>>, n: usize) -> Result<Option<String>, String> {
    Ok(cx.values.get(n).cloned())
}
async fn ungeneric(cx: &Alias, _: &Option<String>) -> Result<(), String> {
    let _ = cx.values.len();
    Ok(())
}

#[saga_action(no_undo)]
async fn aliased(cx: &Alias) -> Result<usize, String> {
    Ok(cx.values.len())
}

#[saga_action(no_undo)]
async fn by_generic_alias(cx: &Whole<Ctx<String, 4>>) -> Result<usize, String> {
    Ok(cx.values.len())
}

#[saga_action(undo = unpath())]
async fn path(cx: &ActionContext<crate::a::b::Agency>) -> Result<String, String> {
    Ok(cx.name.clone())
}
async fn unpath(cx: &saga_core::ActionContext<self::a::b::Agency>) -> Result<(), String> {
    let _ = &cx.name;
    Ok(())
}

#[saga_action(no_undo)]
async fn dynamic(cx: &ActionContext<Arc<dyn Clock>>) -> Result<u64, String> {
    Ok(cx.now())
}

#[saga_action(no_undo)]
async fn boxed(cx: &ActionContext<Box<dyn Fn(&str) -> usize + Send + Sync>>, text: &str) -> Result<usize, String> {
    Ok(cx(text))
}

#[saga_action(no_undo)]
async fn tuple(cx: &ActionContext<(u32, [u8; 2])>) -> Result<u32, String> {
    Ok(cx.0)
}

#[saga_action(no_undo)]
async fn borrowed(cx: &ActionContext<Pool<'static, str>>) -> Result<(), String> {
    let _ = &cx.0;
    Ok(())
}

#[saga_action(no_undo)]
async fn projected(cx: &ActionContext<<Vec<u32> as IntoIterator>::Item>) -> Result<u32, String> {
    Ok(**cx)
}

#[saga_action(no_undo)]
async fn anywhere(n: usize) -> Result<usize, String> {
    Ok(n)
}

saga! {
    Generic<Ctx<String, 4>>(n: usize) -> usize {
        let first = generic { n: *n };
        let count = aliased {};
        let same = by_generic_alias {};
        let all = for i in vec![*count, *same] { generic { n: i } };
        anywhere { n: all.len() + first.iter().count() }
    }

    ByPath<crate::a::b::Agency>(n: usize) -> String {
        anywhere { n: *n };
        if *n > 1 { path {} } else { Inner { n: *n } }
    }

    Inner<self::a::b::Agency>(n: usize) -> String {
        { n.to_string() }
    }

    Dynamic<Arc<dyn Clock>>() -> u64 {
        dynamic {}
    }

    Boxed<Box<dyn Fn(&str) -> usize + Send + Sync>>(text: String) -> usize {
        let len = boxed { text };
        #[retry(max = 2)]
        let again = boxed { text: &text.repeat(*len) };
        again
    }

    Tuple<(u32, [u8; 2])>() -> u32 {
        tuple {}
    }

    Borrowed<Pool<'static, str>>() {
        borrowed {}
    }

    Projected<<Vec<u32> as IntoIterator>::Item>() -> u32 {
        projected {}
    }
}

fn main() -> Result<(), DagError> {
    let _ = Noon;
    assert_eq!(Dag::of::<Generic>()?.len(), 5);
    assert_eq!(Dag::of::<ByPath>()?.len(), 2);
    assert_eq!(Dag::of::<Dynamic>()?.len(), 1);
    assert_eq!(Dag::of::<Boxed>()?.len(), 2);
    assert_eq!(Dag::of::<Tuple>()?.len() + Dag::of::<Borrowed>()?.len() + Dag::of::<Projected>()?.len(), 3);
    Ok(())
}

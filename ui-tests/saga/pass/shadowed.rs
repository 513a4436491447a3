//! What the macros write means the same whatever the user calls things, and without the prelude.
#![no_implicit_prelude]
#![allow(dead_code, non_camel_case_types, non_upper_case_globals, unused, missing_docs)]

mod user {
    // names of the prelude
    pub(super) struct Result;
    pub(super) enum Option {
        Some,
        None,
    }
    pub(super) use self::Option::{None, Some};
    pub(super) struct Ok;
    pub(super) struct Err;
    pub(super) struct Box;
    pub(super) struct Vec;
    pub(super) struct String;
    pub(super) trait Send {}
    pub(super) trait Sync {}
    pub(super) trait Sized {}
    pub(super) trait Fn {}
    pub(super) trait FnOnce {}
    pub(super) trait Future {}
    pub(super) trait Into {}
    pub(super) trait From {}
    pub(super) trait Iterator {}
    pub(super) trait IntoIterator {}
    pub(super) trait Clone {}
    pub(super) trait Copy {}
    pub(super) trait Default {}
    pub(super) trait Debug {}
    pub(super) trait Drop {}
    pub(super) fn drop() {}
    // of what the macros may use
    pub(super) struct ActionContext;
    pub(super) struct Coordinator;
    pub(super) struct DagBuilder;
    pub(super) struct Slot;
    pub(super) struct Ends;
    pub(super) struct Node;
    pub(super) struct Op;
    pub(super) struct Stop;
    pub(super) trait Saga {}
    pub(super) trait Step {}
    pub(super) trait Typed {}
    pub(super) trait Serialize {}
    pub(super) trait Deserialize {}
    pub(super) struct AnyContext;
    pub(super) struct Pivot;
    pub(super) struct Duration;
    pub(super) struct Pin;
    pub(super) struct fmt;
    // primitive types, but `str` and `usize`, which the derives of serde write
    pub(super) struct bool;
    pub(super) struct u32;
    // crates
    pub(super) mod core {}
    pub(super) mod std {}
    pub(super) mod alloc {}
    pub(super) mod serde {}
    pub(super) mod saga_core {}
    pub(super) mod __private {}
    pub(super) mod __pivot {}
    // macros
    macro_rules! vec { ($($x:tt)*) => { ::core::compile_error!("the user's") }; }
    macro_rules! format { ($($x:tt)*) => { ::core::compile_error!("the user's") }; }
    macro_rules! matches { ($($x:tt)*) => { ::core::compile_error!("the user's") }; }
    macro_rules! concat { ($($x:tt)*) => { ::core::compile_error!("the user's") }; }
    macro_rules! file { ($($x:tt)*) => { ::core::compile_error!("the user's") }; }
    macro_rules! line { ($($x:tt)*) => { ::core::compile_error!("the user's") }; }
    macro_rules! unreachable { ($($x:tt)*) => { ::core::compile_error!("the user's") }; }
    macro_rules! panic { ($($x:tt)*) => { ::core::compile_error!("the user's") }; }
    pub(super) use {concat, file, format, line, matches, panic, unreachable, vec};

    /// Methods that everything has.
    pub(super) trait Methods {
        fn get(&self, _: ()) {}
        fn id(&self) {}
        fn call(&self) {}
        fn run(&self) {}
        fn done(&self) {}
        fn list(&self) {}
        fn count(&self) {}
        fn item(&self) {}
        fn like(&self) {}
        fn param(&self) {}
        fn step(&self) {}
        fn shape(&self) {}
        fn behind(&self) {}
        fn undone(&self) {}
        fn of(&self) {}
        fn arm(&self) {}
        fn value(&self) {}
        fn leaf(&self) {}
        fn none(&self) {}
    }
    impl<T: ?::core::marker::Sized> Methods for T {}
}

use user::*;

type OutcomeResult<T> = ::core::result::Result<T, ::std::string::String>;

#[::saga_core::saga_action(
    undo = unact(output?, n),
    retry(max = 3, base = "1s", when = certain),
    undo_retry(max = 2),
    in_doubt = certain,
    timeout = "1s",
    label = "x",
    name = "shadowed.act"
)]
async fn act(cx: &::saga_core::ActionContext<()>, n: ::core::primitive::u32) -> ::core::result::Result<::core::primitive::u32, ::std::string::String> {
    let _ = ::saga_core::ActionContext::attempt(cx);
    ::core::result::Result::Ok(n)
}

async fn unact(
    _: &::saga_core::ActionContext<()>,
    _: ::core::option::Option<&::core::primitive::u32>,
    _: ::core::primitive::u32,
) -> ::core::result::Result<(), ::std::string::String> {
    ::core::result::Result::Ok(())
}

fn certain(_: &::std::string::String) -> ::core::primitive::bool {
    false
}

#[::saga_core::saga_action(undo = unalias(output), retry(forever))]
async fn by_alias(text: &::core::primitive::str) -> OutcomeResult<::core::primitive::usize> {
    ::core::result::Result::Ok(text.len())
}

async fn unalias(_: &::core::primitive::usize) -> OutcomeResult<()> {
    ::core::result::Result::Ok(())
}

::saga_core::saga! {
    Everything<()>(n: ::core::primitive::u32, list: ::std::vec::Vec<::core::primitive::u32>) -> ::core::primitive::u32 {
        const LIMIT: ::core::primitive::u32 = 3;
        #[label = "first"]
        #[retry(max = 2)]
        #[timeout = "1s"]
        let first: ::core::primitive::u32 = act { n: *n };
        parallel {
            let a = act { n: *first };
            { #[after(a)] let b = by_alias { text: "b" }; }
        }
        let sum = { *a + *LIMIT };
        #[concurrency = 2]
        let all: ::std::vec::Vec<_> = for x in list { act { n: *x } };
        let one = if *sum > 1 { act { n: 1 } };
        let two: ::core::primitive::u32 = if *sum > 1 { act { n: 1 } } else { let c = act { n: 2 }; { *c } };
        let three = match n { 0 => Inner { n: 1 }, m if *m > 1 => act { n: *m }, _ => Inner { n: *two } };
        { *three + all[0] + one.unwrap_or(0) + *b as ::core::primitive::u32 }
    }

    #[retry(forever)]
    Inner<()>(n: ::core::primitive::u32) -> ::core::primitive::u32 {
        let a = by_alias { text: "a" };
        { *n + *a as ::core::primitive::u32 }
    }

    Paid<()>(n: ::core::primitive::u32) {
        #[pivot]
        let paid = act { n: *n };
        let _then = by_alias { text: if *paid > 1 { "a" } else { "b" } };
    }
}

fn main() {
    let dag = ::saga_core::dag::Dag::of::<Everything>();
    ::core::assert!(dag.is_ok_and(|dag| dag.len() == 10));
    ::core::assert!(::saga_core::dag::Dag::of::<Paid>().is_ok());
}

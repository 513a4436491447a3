//! Actions and sagas that the user's own macros write.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

use saga_core::dag::{Dag, DagError};
use saga_core::prelude::*;
use ui_tests::actions::*;
use ui_tests::types::*;

macro_rules! action {
    ($name:ident($cx:ident: $context:ty, $($input:ident: $ty:ty),*) -> $output:ty, $error:ty, undo $undo:path, $($settings:tt)*) => {
        #[saga_action(undo = $undo(output, $($input),*), $($settings)*)]
        async fn $name($cx: &ActionContext<$context>, $($input: $ty),*) -> Result<$output, $error> {
            let _ = $cx.attempt();
            $(let _ = $input;)*
            Ok(<$output>::default())
        }
    };
}

macro_rules! undo {
    ($name:ident($context:ty, $output:ty, $($ty:ty),*)) => {
        async fn $name(_: &ActionContext<$context>, _: &$output, $(_: $ty),*) -> Result<(), String> {
            Ok(())
        }
    };
}

macro_rules! whole {
    ($name:ident: fn($cx:ident: $context:ty) -> $result:ty $body:block every $every:literal) => {
        #[saga_action(no_undo, timeout = $every)]
        async fn $name($cx: $context) -> $result $body
    };
}

undo!(cancel(Agency, Vec<u32>, &str, u32));
action!(reserve(cx: Agency, name: &str, seats: u32) -> Vec<u32>, String, undo cancel, retry(max = 3), timeout = "3s");
whole!(check: fn(cx: &ActionContext<Agency>) -> Result<u32, String> { Ok(cx.attempt()) } every "5s");

macro_rules! saga_of {
    ($(#[$attr:meta])* $vis:vis $name:ident<$context:ty>($($param:ident: $ty:ty),*) -> $output:ty: $node:ident = $action:path [$($input:ident: $value:expr),*], $last:expr) => {
        saga! {
            $(#[$attr])*
            $vis $name<$context>($($param: $ty),*) -> $output {
                let $node = $action { $($input: $value),* };
                let inner = reserve { name: &format!("{:?}", $node), seats: 1 };
                check {};
                { let _ = inner; $last }
            }
        }
    };
}

saga_of! {
    /// By a macro too.
    #[derive(PartialEq)]
    pub(crate) Booked<Agency>(name: String, seats: u32) -> usize: flight = ui_tests::actions::add [a: *seats, b: name.len() as u32],
    *flight as usize + name.len()
}

macro_rules! list {
    ($name:ident($names:ident, $n:ident): $item:pat in $list:expr => $text:expr, if $condition:expr, match $on:expr => $case:pat) => {
        saga! {
            /// Of a macro.
            pub(crate) $name<Agency>($names: Vec<String>, $n: Option<u32>) -> usize {
                let all = for $item in $list { note { text: $text } };
                let some = if $condition { note { text: "some" } };
                let one = match $on { $case => reserve { name: "x", seats: 1 }, _ => reserve { name: "y", seats: 2 } };
                { all.len() + one.len() + some.iter().count() + $names.len() + $n.iter().count() }
            }
        }
    };
}

list!(Listed(names, n): (i, name) in names.iter().enumerate().collect::<Vec<_>>() => &format!("{i}{name}"), if n.is_some() && names.len() > 1, match n => Some(1 | 2));

fn main() -> Result<(), DagError> {
    assert_eq!(Dag::of::<Listed>()?.len(), 4);
    assert_eq!(Dag::of::<Booked>()?.len(), 4);
    let _ = check {};
    Ok(())
}

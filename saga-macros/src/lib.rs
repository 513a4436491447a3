//! The macros of `saga-core`, which re-exports and documents them: use them from there.
//!
//! Both work in phases, one module each: *parse* reads tokens into a syntax tree and recovers from
//! half-typed input, *check* (of `#[saga_action]`) and *resolve* (of `saga!`) find what rustc cannot
//! find, *expand* writes code. Errors are collected through all phases and reported together; what
//! rustc reports better (types, misspelled names, missing inputs) is left to it, on the user's tokens.

mod action;
mod errors;
mod names;
mod saga;

// macros cannot be called as functions from outside, so this is a module and not a test of its own
#[cfg(test)]
#[path = "../tests/expansion.rs"]
mod expansion;

use proc_macro::TokenStream;

/// Makes an action of an async function: the function stays as it is, and a struct of the same name
/// whose fields are the function's parameters is put beside it, for the nodes of `saga!`.
///
/// ```ignore
/// #[saga_action(undo = refund(output?, card), retry(max = 5, base = "100ms"), timeout = "30s")]
/// async fn charge_card(cx: &ActionContext<Agency>, card: &Card) -> Result<Payment, PaymentError> { .. }
/// ```
///
/// | argument | meaning |
/// |---|---|
/// | `undo = f(output, a, ..)` | the undo function and what it is given: `output`, `output?` (an `Option`) and parameters of the action by name, after the context if the action takes one |
/// | `no_undo`, `no_undo = "reason"` | there is no effect worth undoing; this or `undo` is required |
/// | `retry(max, base, cap, factor, jitter, when = path)`, `retry(forever)` | when to try again; default: one attempt. `max` counts the first one, `when` is a `fn(&Error) -> bool` |
/// | `undo_retry(..)` | the same for the undo; default: 10 attempts |
/// | `timeout = "30s"`, `undo_timeout` | of one attempt, which is in doubt after it |
/// | `in_doubt = path` | a `fn(&Error) -> bool`: errors after which the effect may have happened |
/// | `name = ".."`, `rev = N`, `label = ".."` | the durable name (default: the function's), its revision, a label for humans |
/// | `crate = path` | where `saga_core` is, if it is not `::saga_core` |
#[proc_macro_attribute]
pub fn saga_action(args: TokenStream, item: TokenStream) -> TokenStream {
    action::expand(args.into(), item.into()).into()
}

/// Declares sagas: structs whose fields are the parameters, and the DAG that they start.
///
/// ```ignore
/// saga! {
///     /// Books a flight and a hotel and charges for them: all of it, or nothing.
///     pub BookTrip<Agency>(trip: TripRequest) -> Itinerary {
///         parallel {
///             let flight = book_flight { leg: &trip.flight };
///             let hotel = book_hotel { city: &trip.city };
///         }
///         let payment = charge_card { card: &trip.card, cents: flight.cents + hotel.cents };
///         issue_itinerary { trip, flight, hotel, payment }
///     }
/// }
/// ```
///
/// Each `let` is a node: an action with its inputs, which are expressions over the saga's parameters and
/// earlier nodes; every such name is a shared reference. Statements run one after the other; those of
/// `parallel { }` side by side, each as soon as the nodes that it names have completed. The last line
/// is the saga's output: an action, the name of a node, a struct, or an expression in braces.
///
/// `#[saga(crate = path)]` on a saga says where `saga_core` is, if it is not `::saga_core`.
#[proc_macro]
pub fn saga(input: TokenStream) -> TokenStream {
    saga::expand(input.into()).into()
}

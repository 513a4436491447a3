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
///
/// The context, `cx: &ActionContext<C>` or `cx: &Alias`, is the first parameter; an action without one runs in a
/// saga of any context. The other parameters are the inputs, best taken by reference. An undo takes the
/// context exactly if its action does, then what `undo = f(..)` lists, in that order. The function returns a
/// `Result`, or an alias of it whose name ends in `Result`.
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
/// A struct is made of each saga: `BookTrip { trip }` is one request to run it. `<Agency>` is the context
/// that its actions share; `<()>` for none.
///
/// # Statements
///
/// Statements run one after the other; each node is recorded under its name, which is durable, a leading
/// `_` included.
///
/// | statement | what it is |
/// |---|---|
/// | `let hotel = book_hotel { city: &trip.city };` | a node `hotel`: an action with its inputs, which are expressions. An input that is called like what it is given is written once: `book_hotel { city }` |
/// | `let hotel: Hotel = book_hotel { .. };` | the same, and rustc compares the type |
/// | `book_hotel { .. };` | a bare statement: a node that is named after its action, `book_hotel`, as which later nodes read it. For a second one of the same action write `let` |
/// | `let total = { flight.cents + hotel.cents };` | a computed node: an expression in braces, evaluated once and recorded. It has no effect and no undo |
/// | `const REGION: String = "eu".to_string();` | a constant: it reads nothing, and its value is part of the saga's definition |
/// | `parallel { .. }` | its statements run side by side, each as soon as the nodes that it names have completed. Their names stay visible after it, and the next statement waits for all of them |
/// | `{ .. }`, directly in `parallel` | a branch: its statements run one after the other. It may hold a `parallel` again |
/// | `#[after(flight, hotel)]` on a node | waits for these nodes too, without reading them |
/// | `#[cfg(..)]`, `#[allow(..)]` on a node | as in Rust; a node that is configured away makes another definition |
///
/// The last line, without `;`, is the saga's output:
///
/// | last line | what it is |
/// |---|---|
/// | `issue_itinerary { trip, hotel }` | a node named after its action |
/// | `payment` | the output of the node `payment` |
/// | `Itinerary { hotel: hotel.clone() }` | a plain struct, computed as a node `output` |
/// | `{ flight.cents + hotel.cents }` | any other expression, in braces, as a node `output`. It is the value itself, without `Ok` |
/// | none | for a saga without `->` |
///
/// # Names are references
///
/// In an expression the name of a parameter or an earlier node is a shared reference to its value, so that
/// nothing is copied. For an input that is owned write `hotel.clone()`, or `*nights` if it is `Copy`; better
/// let the action take `&str` or `&Hotel`. Expressions are evaluated again at each attempt, after a crash
/// and for the undo, so they must be pure: no clock, no random numbers.
///
/// # Errors that rustc words
///
/// | rustc says | what it means |
/// |---|---|
/// | ``expected struct, variant or union type, found function `welcome` `` | the function `welcome` has no `#[saga_action]` |
/// | ``expected `String`, found `&String` `` at an input | names are references: see above |
/// | ``unused variable`` at a parameter or a node | no node reads it. A node that is there for its effect alone is a bare step, or has a name with a leading `_` |
///
/// `#[saga(crate = path)]` on a saga says where `saga_core` is, if it is not `::saga_core`.
#[proc_macro]
pub fn saga(input: TokenStream) -> TokenStream {
    saga::expand(input.into()).into()
}

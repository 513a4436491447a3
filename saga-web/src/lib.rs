//! A web page for those who operate sagas: which of them need a human, what one of them does and waits for, which effects
//! remain, and the buttons to decide what only a human can, each with what it would write.
//!
//! [`router`] makes an axum router for a service that has a coordinator, or is attached to a store:
//!
//! ```
//! use axum::Router;
//! use saga_core::prelude::*;
//! # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
//! let page = saga_web::router(sec.operator("operations page"));
//! let service: Router = Router::new().nest_service("/ops/sagas", page);
//! # Ok(()) }
//! ```
//!
//! `nest_service` also answers at `/ops/sagas/`, with the slash that people type; with `nest`, nothing is there.
//!
//! The page only shows, unless [`Options::allow_changes`] gives it a token that people must enter before they act. Even so,
//! **it shows what is in your sagas to all who can reach it**: names, ids, messages of errors, notes of operators, and outputs
//! if [`Options::show_outputs`] says so. Put it behind the authentication of your service, or on a loopback address.
//!
//! What it does for its own safety: it answers only to names of this computer and to those of [`Options::host`]; forms carry a
//! token of their session and are refused from other sites; nothing is loaded from anywhere else, and a content security policy
//! says so to the browser; every text from a saga is escaped, isolated from the direction of the text around it, and cut
//! where it is long. Everything works without a script; with it, pages follow what happens.

mod app;
mod ask;
mod assets;
mod events;
mod fleet;
mod guard;
mod layout;
mod list;
mod options;
mod problem;
mod saga;
mod session;
mod sessions;
mod text;

use axum::Router;
use saga_core::operator::Operator;

pub use options::Options;

/// The page, which shows and changes nothing: see [`router_with`].
pub fn router(operator: Operator) -> Router {
    router_with(operator, Options::new())
}

/// The page of this operator's sagas, as a router to be nested anywhere in a service.
///
/// ```
/// use saga_core::prelude::*;
/// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
/// let options = saga_web::Options::new().host("orders.example.com").show_outputs();
/// let page = saga_web::router_with(sec.operator("operations page"), options);
/// # let _ = page;
/// # Ok(()) }
/// ```
pub fn router_with(operator: Operator, options: Options) -> Router {
    app::router(operator, options)
}

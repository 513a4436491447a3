//! The simulator: whole sagas on the library's own coordinators, drivers and machines, by several processes at a time, with
//! everything around them simulated: processes that die and are suspended, a store that fails, clocks that are set,
//! receivers that answer late or never, operators. Everything that happens follows from one seed.

mod laws;
mod neglect;
mod panics;
mod planted;
mod process;
mod reached;
mod repeats;
mod run;
mod sagas;
mod search;
mod shrink;
mod store;
mod tape;
mod trace;
mod world;

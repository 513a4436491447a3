//! The pure machine, without stores, clocks or tasks: its rules, its invariants and its cost.

mod cost;
mod explored;
mod migrated;
mod planted;
mod properties;
mod rules;
mod simulation;

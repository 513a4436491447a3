//! What the library must do, case by case, through its public API.
//!
//! Where a case is about a row of the reference API, its test stands with the row:
//!
//! | case | test |
//! |---|---|
//! | 1, 2, 4, 7, 8, 9 | `acceptance/both.rs`: built at run time and written as `saga!`, with the same log |
//! | 3 | `reference::dags`: `an_empty_stage_is_refused`, `a_failed_append_leaves_nothing_behind` |
//! | 5 | `reference::dags`: `an_edge_that_closes_a_circle_is_refused_by_name` |
//! | 6 | `reference::executor`: `nodes_run_one_by_one_and_are_undone_in_reverse` |
//! | 10 | `reference::actions`: `lookups_tell_what_is_wrong` |
//! | 11 | `reference::executor`: `the_context_is_written_with_each_entry_and_comes_back`; what does not compile: `ui-tests/executor/fail` |
//! | 12, 13 | `acceptance/undo.rs` |
//! | 14, 15 | `acceptance/reload.rs` |
//! | 16, 17 | `trip_example.rs`; `provision.rs` |
//! | 18, 19 | `storms.rs`, `shapes.rs` |
//! | 21, 22 | `instance_create.rs`, `instance_start.rs` |
//! | 20, 23 to 33 | `semantics.rs`, `pivot.rs`, `choose.rs`, `operators.rs`; `for` over a map: `ui-tests/saga/fail/for-over-map.rs`; late delivery: `saga-core/tests/barrier.rs` |
//! | E | `bad_input.rs`, `damaged_stores.rs` |

#[path = "acceptance/both.rs"]
mod both;
#[path = "acceptance/reload.rs"]
mod reload;
#[path = "acceptance/undo.rs"]
mod undo;
#[path = "common/world.rs"]
mod world;

//! What the library must do, case by case, through its public API.
//!
//! Where a case is about a row of the reference API, its test stands with that row:
//!
//! | case | test |
//! |---|---|
//! | 1, 2, 4, 7, 8, 9 | `both`: built at run time and written as `saga!`, with the same log |
//! | 3 | `dags`: `an_empty_stage_is_refused`, `a_failed_append_leaves_nothing_behind` |
//! | 5 | `dags`: `an_edge_that_closes_a_cycle_is_refused_by_name` |
//! | 6 | `executor`: `nodes_run_one_by_one_and_are_undone_in_reverse` |
//! | 10 | `actions`: `failed_lookups_say_what_is_wrong` |
//! | 11 | `executor`: `the_context_is_written_with_each_entry_and_comes_back`; what does not compile: `ui-tests/executor/fail` |
//! | 12, 13 | `undo` |
//! | 14, 15 | `reload` |
//! | 16, 17 | `examples/trip/`; `compensation/provision.rs` |
//! | 18, 19 | `compensation/concurrent_failures.rs`; `dags/scale.rs` |
//! | 21, 22 | `language/instance_create/`, `language/instance_start.rs` |
//! | 20, 23 to 33 | `compensation/undo_counterexamples/`, `compensation/pivot.rs`, `language/choose.rs`, `operators/commands/`; `for` over a map: `ui-tests/saga/fail/for-over-map.rs`; late delivery: `saga-core/tests/stores/barrier/` |
//! | E | `values/bad_input.rs`, `recovery/damaged_stores/` |

mod both;
mod reload;
mod undo;

//! How DAGs are built, and that a saga has the same DAG whichever way it is written.

mod bodies;
mod builder;
mod same_dag;

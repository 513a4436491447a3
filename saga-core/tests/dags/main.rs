//! How DAGs are built, and that a saga gives the same DAG however it is written.

mod bodies;
mod builder;
mod same_dag;

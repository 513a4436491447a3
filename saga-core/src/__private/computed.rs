//! Computed nodes of `saga!`. If the type of a value is not [`Storable`], rustc reports the bound of the
//! function here, and not that of a method of the builder, which users of `saga!` never see.

use crate::dag::DagBuilder;
use crate::typed::{OutputRef, Scope, Source};
use crate::value::Storable;

/// Adds a node whose value is computed from earlier outputs.
pub fn computed<C, O, F>(
    dag: &mut DagBuilder<C>,
    name: &'static str,
    bindings: &[(&'static str, &[Source])],
    after: &[Source],
    value: F,
) -> OutputRef<O>
where
    C: Send + Sync + 'static,
    O: Storable,
    F: for<'s> Fn(&'s Scope<C>) -> O + Send + Sync + 'static,
{
    dag.computed(name, bindings, after, value)
}

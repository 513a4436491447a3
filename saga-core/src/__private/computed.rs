//! Computed nodes: a value whose type is no [`Storable`] is reported as a bound of the function here, and not of
//! the builder, which users of `saga!` never see.

use crate::dag::DagBuilder;
use crate::typed::{OutputRef, Scope, Source};
use crate::value::Storable;

/// A node whose value follows from earlier ones.
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

//! Migrations between DAGs that are built at run time, for the simulator: nodes are named, and nothing has a type.

use serde_json::Value;

use super::{AnyMigration, Migration, NodeRef, Rule, converter};
use crate::coordinator::CoordinatorBuilder;
use crate::dag::Dag;

impl Migration<Value, Value> {
    /// As [`Migration::new`].
    #[doc(hidden)]
    pub fn of_dags(params: impl Fn(Value) -> Value + Send + Sync + 'static) -> Self {
        let any = AnyMigration { rules: Vec::new(), params: converter(params) };
        Self { any, types: std::marker::PhantomData }
    }

    /// As [`Migration::node_with`], or [`Migration::node`] if the outputs stay as they are.
    #[doc(hidden)]
    pub fn named(
        mut self,
        old: &str,
        new: &str,
        convert: impl Fn(Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        let (old, new, convert) = (NodeRef::named(old), NodeRef::named(new), converter(convert));
        self.any.rules.push(Rule::Node { old, new, same_type: true, convert });
        self
    }

    /// As [`Migration::drop_keeping_effect`], or [`Migration::drop_unbegun`].
    #[doc(hidden)]
    pub fn drop_named(mut self, old: &str, keeps_effect: bool) -> Self {
        self.any.rules.push(Rule::Drop { old: NodeRef::named(old), keeps_effect });
        self
    }

    /// As [`Migration::undo_accepted`].
    #[doc(hidden)]
    pub fn undo_of_named_accepted(mut self, old: &str) -> Self {
        self.any.rules.push(Rule::UndoAccepted { old: NodeRef::named(old) });
        self
    }
}

impl<C> CoordinatorBuilder<C> {
    /// As [`migrate`](Self::migrate).
    #[doc(hidden)]
    pub fn migrate_dags(
        mut self,
        old: &Dag<C>,
        new: &Dag<C>,
        migration: Migration<Value, Value>,
    ) -> Self {
        let migration = (old.any().clone(), new.any().clone(), migration.into_any());
        self.setup.dag_migrations.push(migration);
        self
    }
}

impl NodeRef {
    fn named(name: &str) -> Self {
        Self { path: name.to_string(), or: None }
    }
}

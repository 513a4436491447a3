//! The sagas and actions that a coordinator knows.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::migration::{AnyMigration, CheckedMigration, check};
use crate::action::{AnyRegistry, RegistryError};
use crate::ambient::HashMap;
use crate::context::Frame;
use crate::dag::{AnyDag, DagError};
use crate::error::{ActionError, MissingTransactions};
use crate::log::Payload;
use crate::names::ActionName;
use crate::store::Store;
use crate::typed::{Saga, define};
use crate::value::{ActionOutput, rewritten};

type RewriteParams = fn(&Payload) -> Result<Payload, ActionError>;

/// A saga that can be run: its DAG, and how its parameters are read.
#[derive(Clone)]
pub(crate) struct Definition {
    pub(super) dag: Arc<AnyDag>,
    decode_params: fn(&Payload) -> Result<ActionOutput, ActionError>,
    /// Reads parameters and writes them again, if they have a type.
    rewrite_params: Option<RewriteParams>,
    pub(super) ty: Option<TypeId>,
}

impl Definition {
    pub(super) fn of<S: Saga>(max_nodes: usize) -> Result<Self, DagError> {
        let dag = define::<S>(max_nodes, Vec::new())?;
        Ok(Self {
            dag,
            decode_params: ActionOutput::decode::<S>,
            rewrite_params: Some(rewritten::<S>),
            ty: Some(TypeId::of::<S>()),
        })
    }

    pub(super) fn dynamic(dag: Arc<AnyDag>) -> Self {
        let decode_params = ActionOutput::decode::<serde_json::Value>;
        Self { dag, decode_params, rewrite_params: None, ty: None }
    }

    /// Stored parameters as this program would write them; `None` if their type is not known.
    pub(super) fn written_today(&self, params: &Payload) -> Option<Result<Payload, ActionError>> {
        self.rewrite_params.map(|rewrite| rewrite(params))
    }

    #[cfg(feature = "testing")]
    pub(crate) fn dag(&self) -> &Arc<AnyDag> {
        &self.dag
    }

    #[cfg(feature = "testing")]
    pub(crate) fn ty(&self) -> Option<TypeId> {
        self.ty
    }

    /// The outermost frame of a stored saga: its parameters, or why this program cannot read them.
    pub(super) fn root(&self, params: &Payload) -> Frame {
        match (self.decode_params)(params) {
            Ok(params) => self.dag.frame(params),
            Err(error) => self.dag.refused_frame(error),
        }
    }
}

/// The registered sagas, and the definitions that were rebuilt from the store.
pub(super) struct Definitions {
    by_name: BTreeMap<String, Definition>,
    /// Definitions that are not started any more.
    old: Vec<Definition>,
    /// By the fingerprint of the old version.
    migrations: BTreeMap<String, (Definition, CheckedMigration)>,
    /// Includes definitions that were rebuilt from what the store holds.
    by_fingerprint: Mutex<HashMap<String, Definition>>,
    actions: AnyRegistry,
    /// Where each action name, with its revision, was first seen.
    places: HashMap<(String, u32), String>,
}

/// Checks that the store has the transactions that the actions of a DAG need.
pub(crate) fn check_transactions(
    dag: &AnyDag,
    store: &dyn Store,
) -> Result<(), MissingTransactions> {
    for action in dag.actions() {
        if let Some(database) = action.policy().transaction
            && !store.has_transactions(database)
        {
            let (action, store) = (action.name().to_string(), store.type_name().to_string());
            return Err(MissingTransactions { action, database, store });
        }
    }
    Ok(())
}

impl Definitions {
    pub(super) fn new(actions: AnyRegistry) -> Self {
        let places = actions.actions();
        let places = places.map(|a| ((a.name().to_string(), a.revision()), a.place())).collect();
        Self {
            by_name: BTreeMap::new(),
            old: Vec::new(),
            migrations: BTreeMap::new(),
            by_fingerprint: Mutex::default(),
            actions,
            places,
        }
    }

    /// Adds a saga and its actions. Adding one saga twice is fine; two sagas with one name are not.
    pub(super) fn add(&mut self, definition: Definition) -> Result<(), RegistryError> {
        let name = definition.dag.name().to_string();
        if let Some(first) = self.by_name.get(&name) {
            if first.ty == definition.ty {
                return Ok(());
            }
            let (first, second) =
                (first.dag.place().to_string(), definition.dag.place().to_string());
            return Err(RegistryError::AlreadyRegistered { what: "saga", name, first, second });
        }
        self.add_actions(&definition)?;
        self.remember(definition.clone());
        self.by_name.insert(name, definition);
        Ok(())
    }

    /// Adds a definition whose sagas are resumed, but not started.
    pub(super) fn add_old(&mut self, definition: Definition) -> Result<(), RegistryError> {
        self.add_actions(&definition)?;
        // the same definition may be the current one, which can be started
        if self.known(definition.dag.fingerprint()).is_none() {
            self.remember(definition.clone());
        }
        self.old.push(definition);
        Ok(())
    }

    /// Adds a migration between two definitions, of which the new one has been added before.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn add_migration(
        &mut self,
        migration: AnyMigration,
        old: Definition,
        new: Definition,
    ) -> Result<(), Vec<String>> {
        let fingerprint = old.dag.fingerprint().to_string();
        if old.dag.name() != new.dag.name() {
            return Err(vec![format!(
                "its versions have different names, `{}` and `{}`; a saga keeps its name",
                old.dag.name(),
                new.dag.name()
            )]);
        }
        if self.known(new.dag.fingerprint()).is_none() {
            // the program starts another version: this one is on the way to that
            let method = match self.named(new.dag.name().as_str()) {
                Some(_) => "old_saga",
                None => "saga",
            };
            let why = "its new version is not registered; add it with";
            return Err(vec![format!("{why} `CoordinatorBuilder::{method}`")]);
        }
        if self.migrations.contains_key(&fingerprint) {
            let why = "there are two migrations for its old version; leave one of them out";
            return Err(vec![why.to_string()]);
        }
        let mut next = Some(new.dag.fingerprint());
        while let Some(after) = next {
            if after == fingerprint && old.dag.fingerprint() != new.dag.fingerprint() {
                let why =
                    "it leads back to a version that a migration leaves; leave one of them out";
                return Err(vec![why.to_string()]);
            }
            next = self.migration(after).map(|migration| migration.new.dag.fingerprint());
        }
        let checked = check(&migration, &old, &new)?;
        self.migrations.insert(fingerprint, (old, checked));
        Ok(())
    }

    /// The migration of sagas with this fingerprint.
    pub(super) fn migration(&self, fingerprint: &str) -> Option<&CheckedMigration> {
        self.migrations.get(fingerprint).map(|(_, migration)| migration)
    }

    /// The parameters of a saga with this fingerprint as they are after each of the migrations that it may take.
    pub(super) fn converted_params(&self, fingerprint: &str, params: &Payload) -> Vec<Payload> {
        let (mut converted, mut fingerprint) = (Vec::new(), fingerprint);
        let mut params = params.clone();
        while let Some(migration) = self.migration(fingerprint)
            && converted.len() <= self.migrations.len()
            && let Ok(next) = migration.params(&params)
        {
            params = next;
            converted.push(params.clone());
            fingerprint = migration.new.dag.fingerprint();
        }
        converted
    }

    /// All migrations, each with its old version.
    pub(super) fn migrations(&self) -> impl Iterator<Item = &(Definition, CheckedMigration)> {
        self.migrations.values()
    }

    fn add_actions(&mut self, definition: &Definition) -> Result<(), RegistryError> {
        for action in definition.dag.actions() {
            let key = (action.name().to_string(), action.revision());
            let second = action.place();
            match self.places.get(&key) {
                Some(first) if *first != second => {
                    return Err(RegistryError::AlreadyRegistered {
                        what: "action",
                        name: key.0,
                        first: first.clone(),
                        second,
                    });
                }
                Some(_) => {}
                None => {
                    self.places.insert(key, second);
                }
            }
        }
        Ok(())
    }

    /// Checks that the store has the transactions that the actions of all sagas need.
    pub(super) fn check_transactions(&self, store: &dyn Store) -> Result<(), MissingTransactions> {
        let mut sagas = self.by_name.values().chain(&self.old);
        sagas.try_for_each(|saga| check_transactions(&saga.dag, store))
    }

    /// Checks that an action of this name is known.
    pub(super) fn check_name(&self, action: &str) -> Result<(), RegistryError> {
        let in_sagas = self.places.keys().map(|(name, _)| name.as_str());
        let known = in_sagas.chain(self.actions.names().map(ActionName::as_str));
        let mut known = known.collect::<Vec<_>>();
        known.sort_unstable();
        if known.binary_search(&action).is_ok() {
            return Ok(());
        }
        Err(RegistryError::not_found(action, known))
    }

    pub(super) fn remember(&self, definition: Definition) {
        let fingerprint = definition.dag.fingerprint().to_string();
        self.fingerprints().insert(fingerprint, definition);
    }

    /// Rebuilds a stored definition, if this program has every action that it needs.
    pub(super) fn rebuild(&self, dag: &Payload, fingerprint: &str) -> Option<Definition> {
        let dag = AnyDag::from_json(dag.as_bytes(), &self.actions).ok()?;
        // another revision of an action, another undo: not the saga that was started
        (dag.fingerprint() == fingerprint).then(|| Definition::dynamic(dag))
    }

    pub(super) fn named(&self, name: &str) -> Option<&Definition> {
        self.by_name.get(name)
    }

    /// The version that is not started any more, if this type is one.
    pub(super) fn old_version(&self, ty: TypeId) -> Option<u32> {
        let old = self.old.iter().find(|definition| definition.ty == Some(ty))?;
        Some(old.dag.version())
    }

    /// The version of this definition, if another one is started under its name.
    pub(super) fn not_current(&self, name: &str, fingerprint: &str) -> Option<u32> {
        let current = self.named(name)?;
        let known = self.known(fingerprint)?;
        (current.dag.fingerprint() != fingerprint).then(|| known.dag.version())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.by_name.keys().cloned().collect()
    }

    pub(super) fn known(&self, fingerprint: &str) -> Option<Definition> {
        self.fingerprints().get(fingerprint).cloned()
    }

    pub(super) fn all_fingerprints(&self) -> Vec<String> {
        self.fingerprints().keys().cloned().collect()
    }

    /// Knows this definition from now on, as those that are registered: a saga whose DAG was built at run time is claimed by it.
    pub(super) fn know(&self, dag: Arc<AnyDag>) {
        if self.known(dag.fingerprint()).is_none() {
            self.remember(Definition::dynamic(dag));
        }
    }

    /// Checks that another process could rebuild this DAG from registered actions. A DAG that this coordinator
    /// was given as a whole needs no such check.
    pub(super) fn check_actions(&self, dag: &Arc<AnyDag>) -> Result<(), RegistryError> {
        if self.known(dag.fingerprint()).is_some_and(|known| Arc::ptr_eq(&known.dag, dag)) {
            return Ok(());
        }
        for action in dag.actions() {
            self.actions.get(action.name().as_str())?;
        }
        Ok(())
    }

    fn fingerprints(&self) -> std::sync::MutexGuard<'_, HashMap<String, Definition>> {
        self.by_fingerprint.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

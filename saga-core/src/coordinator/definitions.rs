//! The sagas and actions that a coordinator knows.

use std::any::TypeId;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::action::{AnyRegistry, RegistryError};
use crate::context::Frame;
use crate::dag::{AnyDag, DagError};
use crate::error::ActionError;
use crate::log::Payload;
use crate::names::ActionName;
use crate::typed::{Saga, define};
use crate::value::ActionOutput;

/// A saga that can be run: its DAG, and how its parameters are read.
#[derive(Clone)]
pub(crate) struct Definition {
    pub(super) dag: Arc<AnyDag>,
    decode_params: fn(&Payload) -> Result<ActionOutput, ActionError>,
    ty: Option<TypeId>,
}

impl Definition {
    pub(super) fn of<S: Saga>(max_nodes: usize) -> Result<Self, DagError> {
        let dag = define::<S>(max_nodes, Vec::new())?;
        Ok(Self { dag, decode_params: ActionOutput::decode::<S>, ty: Some(TypeId::of::<S>()) })
    }

    pub(super) fn dynamic(dag: Arc<AnyDag>) -> Self {
        Self { dag, decode_params: ActionOutput::decode::<serde_json::Value>, ty: None }
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
    /// Includes definitions that were rebuilt from what the store holds.
    by_fingerprint: Mutex<HashMap<String, Definition>>,
    actions: AnyRegistry,
    /// Where each action name, with its revision, was first seen.
    places: HashMap<(String, u32), String>,
}

impl Definitions {
    pub(super) fn new(actions: AnyRegistry) -> Self {
        let places = actions.actions();
        let places = places.map(|a| ((a.name().to_string(), a.revision()), a.place())).collect();
        Self { by_name: BTreeMap::new(), by_fingerprint: Mutex::default(), actions, places }
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
        self.remember(definition.clone());
        self.by_name.insert(name, definition);
        Ok(())
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

    pub(super) fn names(&self) -> Vec<String> {
        self.by_name.keys().cloned().collect()
    }

    pub(super) fn known(&self, fingerprint: &str) -> Option<Definition> {
        self.fingerprints().get(fingerprint).cloned()
    }

    pub(super) fn all_fingerprints(&self) -> Vec<String> {
        self.fingerprints().keys().cloned().collect()
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

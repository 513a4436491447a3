//! The sagas that a test names.

use std::any::TypeId;
use std::sync::Arc;

use crate::coordinator::Definition;
use crate::dag::{AnyDag, DEFAULT_MAX_NODES, Described};
use crate::typed::{Saga, define};

/// A saga that the program has, or why it has none.
pub(super) struct Registered {
    dag: Result<Arc<AnyDag>, String>,
    ty: Option<TypeId>,
    is_old: bool,
}

impl Registered {
    pub(super) fn of<S: Saga>(is_old: bool) -> Self {
        let dag = define::<S>(DEFAULT_MAX_NODES, Vec::new());
        let dag = dag.map_err(|error| format!("saga `{}`: {error}", S::NAME));
        Self { dag, ty: Some(TypeId::of::<S>()), is_old }
    }

    pub(super) fn from_definition(definition: Result<Definition, String>, is_old: bool) -> Self {
        let ty = definition.as_ref().ok().and_then(Definition::ty);
        Self { dag: definition.map(|definition| definition.dag().clone()), ty, is_old }
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Sagas(Vec<Registered>);

/// A saga of the program.
pub(super) struct Current {
    pub(super) definition: Described,
    pub(super) fingerprint: String,
    /// Where it is defined.
    pub(super) place: &'static str,
    pub(super) is_old: bool,
}

impl Current {
    pub(super) fn is(&self, name: &str, version: u32) -> bool {
        self.definition.name() == name && self.definition.version() == version
    }
}

impl Sagas {
    pub(super) fn add(&mut self, saga: Registered) {
        self.0.push(saga);
    }

    /// The sagas, each once; those that are started come first.
    ///
    /// # Errors
    /// Why they cannot all be sagas of one program.
    pub(super) fn valid(self) -> Result<Vec<Current>, String> {
        let Self(mut all) = self;
        all.sort_by_key(|saga| saga.is_old);
        let (mut valid, mut types) = (Vec::<Current>::new(), Vec::new());
        for saga in all {
            let dag = saga.dag?;
            let (name, version, place) = (dag.name(), dag.version(), dag.place());
            let started = |other: &&Current| !other.is_old && other.definition.name() == name;
            if saga.ty.is_some() && types.contains(&(saga.ty, saga.is_old)) {
                continue;
            }
            if !saga.is_old
                && let Some(other) = valid.iter().find(started)
            {
                return Err(format!(
                    "two sagas are called `{name}`, the one at {} and the one at {place}. Give one of them another name with \
                     `#[name = \"..\"]`, or, if it is an older version of the other, name it with `old_saga`",
                    other.place
                ));
            }
            let fingerprint = dag.fingerprint().to_string();
            if let Some(other) = valid.iter().find(|other| other.is(name.as_str(), version)) {
                if other.fingerprint == fingerprint {
                    continue;
                }
                return Err(format!(
                    "two different sagas are version {version} of `{name}`, the one at {} and the one at {place}. Set \
                     `#[version = {}]` on the newer one",
                    other.place,
                    version + 1
                ));
            }
            types.push((saga.ty, saga.is_old));
            let definition = Described::of(&dag);
            valid.push(Current { definition, fingerprint, place, is_old: saga.is_old });
        }
        Ok(valid)
    }
}

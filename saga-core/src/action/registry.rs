//! Actions by name, for DAGs that are built or rebuilt at run time.

use std::any::Any;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Action, AnyAction, any_action};
use crate::error::RegistryError;
use crate::names::ActionName;

/// The actions that a program knows, by their durable names.
///
/// ```
/// use saga_core::action::{ActionConstant, ActionRegistry, RegistryError};
/// let mut actions = ActionRegistry::<()>::new();
/// actions.register(ActionConstant::new("region", "eu".to_string())?)?;
/// let taken = actions.register(ActionConstant::new("region", "us".to_string())?);
/// assert!(matches!(taken, Err(RegistryError::AlreadyRegistered { .. })));
/// let missing = actions.get("regoin").err().map(|e| e.to_string());
/// let expected = "action `regoin` is not registered; did you mean `region`?";
/// assert_eq!(missing.as_deref(), Some(expected));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ActionRegistry<C> {
    any: AnyRegistry,
    context: PhantomData<fn(C) -> C>,
}

impl<C: 'static> Default for ActionRegistry<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> Clone for ActionRegistry<C> {
    fn clone(&self) -> Self {
        Self { any: self.any.clone(), context: PhantomData }
    }
}

impl<C> fmt::Debug for ActionRegistry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ActionRegistry").field(&self.any.actions.keys()).finish()
    }
}

impl<C: 'static> ActionRegistry<C> {
    /// A registry without actions.
    pub fn new() -> Self {
        Self { any: AnyRegistry::default(), context: PhantomData }
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &ActionName> {
        self.any.names()
    }

    pub(crate) fn any(&self) -> &AnyRegistry {
        &self.any
    }
}

impl<C: Send + Sync + 'static> ActionRegistry<C> {
    /// Adds an action and returns it, ready for the nodes that run it.
    ///
    /// # Errors
    /// [`RegistryError::AlreadyRegistered`] if its name is taken.
    pub fn register(
        &mut self,
        action: impl Action<C>,
    ) -> Result<Arc<dyn Action<C>>, RegistryError> {
        let action: Arc<dyn Action<C>> = Arc::new(action);
        self.any.register(any_action(action.clone()), Arc::new(action.clone()))?;
        Ok(action)
    }

    /// The action with this name.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] if there is none.
    pub fn get(&self, name: &str) -> Result<Arc<dyn Action<C>>, RegistryError> {
        let typed = self.any.find(name)?.typed.downcast_ref::<Arc<dyn Action<C>>>();
        typed.cloned().ok_or_else(|| self.any.not_found(name))
    }
}

/// The actions of a registry, whatever the type of their context.
#[derive(Clone, Default)]
pub(crate) struct AnyRegistry {
    actions: BTreeMap<ActionName, Registered>,
}

#[derive(Clone)]
struct Registered {
    action: Arc<AnyAction>,
    /// The same as its registry returns it: an `Arc<dyn Action<C>>`.
    typed: Arc<dyn Any + Send + Sync>,
}

impl AnyRegistry {
    fn register(
        &mut self,
        action: Arc<AnyAction>,
        typed: Arc<dyn Any + Send + Sync>,
    ) -> Result<(), RegistryError> {
        match self.actions.entry(action.name().clone()) {
            Entry::Occupied(first) => Err(RegistryError::AlreadyRegistered {
                what: "action",
                name: action.name().to_string(),
                first: first.get().action.place(),
                second: action.place(),
            }),
            Entry::Vacant(place) => {
                place.insert(Registered { action, typed });
                Ok(())
            }
        }
    }

    /// The action with this name.
    pub(crate) fn get(&self, name: &str) -> Result<&Arc<AnyAction>, RegistryError> {
        self.find(name).map(|found| &found.action)
    }

    fn find(&self, name: &str) -> Result<&Registered, RegistryError> {
        self.actions.get(name).ok_or_else(|| self.not_found(name))
    }

    fn not_found(&self, name: &str) -> RegistryError {
        RegistryError::not_found(name, self.names().map(ActionName::as_str))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &ActionName> {
        self.actions.keys()
    }

    pub(crate) fn actions(&self) -> impl Iterator<Item = &Arc<AnyAction>> {
        self.actions.values().map(|registered| &registered.action)
    }
}

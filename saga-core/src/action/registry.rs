//! Actions by name, for DAGs that are built or rebuilt at run time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Action;
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
    actions: BTreeMap<ActionName, Arc<dyn Action<C>>>,
}

impl<C: 'static> Default for ActionRegistry<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> Clone for ActionRegistry<C> {
    fn clone(&self) -> Self {
        Self { actions: self.actions.clone() }
    }
}

impl<C> fmt::Debug for ActionRegistry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ActionRegistry").field(&self.actions.keys()).finish()
    }
}

impl<C: 'static> ActionRegistry<C> {
    /// A registry without actions.
    pub fn new() -> Self {
        Self { actions: BTreeMap::new() }
    }

    /// Adds an action and returns it, ready for the nodes that run it.
    ///
    /// # Errors
    /// [`RegistryError::AlreadyRegistered`] if its name is taken.
    pub fn register(
        &mut self,
        action: impl Action<C>,
    ) -> Result<Arc<dyn Action<C>>, RegistryError> {
        if let Some(first) = self.actions.get(action.name()) {
            return Err(RegistryError::AlreadyRegistered {
                what: "action",
                name: action.name().to_string(),
                first: first.place(),
                second: action.place(),
            });
        }
        let action: Arc<dyn Action<C>> = Arc::new(action);
        self.actions.insert(action.name().clone(), action.clone());
        Ok(action)
    }

    /// The action with this name.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] if there is none.
    pub fn get(&self, name: &str) -> Result<Arc<dyn Action<C>>, RegistryError> {
        let known = || self.actions.keys().map(ActionName::as_str);
        let action = self.actions.get(name).cloned();
        action.ok_or_else(|| RegistryError::not_found(name, known()))
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &ActionName> {
        self.actions.keys()
    }
}

//! Actions by name, for DAGs that are built or rebuilt at run time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Action;
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

/// A name that is taken, or that nobody has.
///
/// ```
/// use saga_core::prelude::*;
///
/// mod other {
///     use saga_core::prelude::*;
///     #[saga_action(no_undo)] // `name = "other.ask"` would tell them apart
///     pub async fn ask() -> Result<u32, String> { Ok(2) }
/// }
/// #[saga_action(no_undo)]
/// async fn ask() -> Result<u32, String> { Ok(1) }
///
/// saga! { Ask<()>() -> u32 { let one = ask {}; let two = other::ask {}; { one + two } } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let error = Coordinator::builder(()).saga::<Ask>().build().await.err();
/// let error = error.map(|error| error.to_string()).unwrap_or_default();
/// assert!(error.starts_with("two actions are named `ask`"), "{error}");
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No action has this name.
    #[error("action `{name}` is not registered{}", meant(.nearest))]
    NotFound {
        /// The name.
        name: String,
        /// The most similar name that is registered.
        nearest: Option<String>,
    },
    /// Another action, or another saga, has this name already.
    #[error("two {what}s are named `{name}`: {first} and {second}; give one of them another name")]
    AlreadyRegistered {
        /// `action` or `saga`.
        what: &'static str,
        /// The name.
        name: String,
        /// Where the first one is written.
        first: String,
        /// Where the second one is written.
        second: String,
    },
}

impl RegistryError {
    /// No action has this name; these are known.
    pub(crate) fn not_found<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let near = |known: &str| {
            let distance = strsim::osa_distance(name, known);
            (distance <= (name.len().max(known.len()) / 3).max(1)).then_some(distance)
        };
        let near = known.into_iter().filter_map(|known| Some((near(known)?, known)));
        let nearest = near.min_by_key(|(distance, _)| *distance);
        Self::NotFound {
            name: name.to_string(),
            nearest: nearest.map(|(_, known)| known.to_string()),
        }
    }
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default()
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

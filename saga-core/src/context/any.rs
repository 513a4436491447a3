//! A user's context whose type is not known.
//!
//! What runs sagas is compiled once, with this library, and not again for each program's type of context. It
//! carries the context along as an [`AnyContext`], and only what calls users' code knows the type.

use std::any::Any;
use std::sync::Arc;

use super::ActionContext;
use crate::error::ActionError;

/// A user's context, whatever its type.
pub(crate) struct AnyContext(Arc<dyn Any + Send + Sync>);

impl AnyContext {
    pub(crate) fn new<C: Send + Sync + 'static>(user: Arc<C>) -> Self {
        Self(user)
    }

    pub(crate) fn get<C: 'static>(&self) -> Option<&C> {
        self.0.downcast_ref()
    }
}

impl ActionContext<AnyContext> {
    /// The same for users' code.
    ///
    /// # Errors
    /// If the context is of another type, which the types of DAGs and coordinators rule out.
    pub(crate) fn typed<C: Send + Sync + 'static>(self) -> Result<ActionContext<C>, ActionError> {
        match self.user.0.clone().downcast() {
            Ok(user) => Ok(ActionContext { user, inner: self.inner }),
            Err(_) => Err(ActionError::from_error("the context is of another type")),
        }
    }
}

//! The actions that nodes call: some made of closures, some that implement the trait.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use saga_core::action::{
    Action, ActionFunc, ActionOutput, ActionRegistry, AttemptError, Policy, UndoContract, Value,
};
use saga_core::dag::ActionName;
use saga_core::log::Payload;
use saga_core::store::DatabaseKind;
use saga_core::{ActionContext, ActionError, BoxError, UndoError};
use serde_json::Value as Json;

use super::{DECLARED, Declared, LATER};
use crate::world::{Direction, Site, Trouble, perform};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

struct Actions {
    registry: ActionRegistry<Site>,
    /// With the one that only later versions have.
    later: ActionRegistry<Site>,
    by_name: Vec<(&'static str, Arc<dyn Action<Site>>)>,
}

/// They are the same in all runs: what belongs to a run is in the context.
static ACTIONS: LazyLock<Actions> = LazyLock::new(|| {
    let mut registry = ActionRegistry::new();
    let by_name = DECLARED.iter().map(|declared| {
        let action = declared.register(&mut registry).expect("no name is used twice");
        (declared.name, action)
    });
    let mut by_name = by_name.collect::<Vec<_>>();
    let mut later = registry.clone();
    by_name.push((LATER.name, LATER.register(&mut later).expect("no name is used twice")));
    Actions { registry, later, by_name }
});

/// Those of a program that knows versions up to this one.
pub(super) fn registry(deployment: usize) -> ActionRegistry<Site> {
    if deployment > 1 { ACTIONS.later.clone() } else { ACTIONS.registry.clone() }
}

pub(super) fn shared(name: &str) -> Result<Arc<dyn Action<Site>>, String> {
    let found = ACTIONS.by_name.iter().find(|(of, _)| *of == name);
    found.map(|(_, action)| action.clone()).ok_or_else(|| format!("no action {name}"))
}

impl Declared {
    fn register(
        &'static self,
        registry: &mut ActionRegistry<Site>,
    ) -> Result<Arc<dyn Action<Site>>, BoxError> {
        if !self.closures {
            let name = ActionName::new(self.name)?;
            return Ok(registry.register(Service { name, declared: self })?);
        }
        let act = |cx: ActionContext<Site>| async move { perform(&cx, Direction::Do).await };
        let undo = |cx: ActionContext<Site>, output: Option<Arc<Json>>| async move {
            perform(&cx, Direction::Undo(output)).await.map(drop).map_err(undo_error)
        };
        let action = match self.contract {
            UndoContract::Output => {
                ActionFunc::new(self.name, act, move |cx, output| undo(cx, Some(output)))?
            }
            UndoContract::MaybeOutput => ActionFunc::new_undo_maybe(self.name, act, undo)?,
            UndoContract::None => ActionFunc::new_noop_undo(self.name, act)?,
            UndoContract::InputsOnly => return Err("no `ActionFunc` has this contract".into()),
        };
        let action = if self.cleans_up { action.undo_on_failure() } else { action };
        let action = if self.fresh_key { action.fresh_key() } else { action };
        let in_doubt = |why: &ActionError| why.to_string().contains("no answer");
        Ok(registry.register(action.in_doubt(in_doubt))?)
    }
}

fn undo_error(trouble: Trouble) -> UndoError {
    match trouble {
        Trouble::Failed { permanent: true } | Trouble::Refused(_) => UndoError::permanent(trouble),
        Trouble::Failed { permanent: false } | Trouble::NoAnswer => UndoError::from_error(trouble),
    }
}

/// An action that implements the trait, so that it can have every contract and fail for good.
struct Service {
    name: ActionName,
    declared: &'static Declared,
}

impl Action<Site> for Service {
    fn name(&self) -> &ActionName {
        &self.name
    }

    fn do_it(&self, cx: ActionContext<Site>) -> BoxFuture<'_, Result<ActionOutput, AttemptError>> {
        Box::pin(async move {
            let trouble = match perform(&cx, Direction::Do).await {
                Ok(output) => return Ok(ActionOutput::new(output)?),
                Err(trouble) => trouble,
            };
            let error = AttemptError::from(ActionError::from_error(trouble.clone()));
            Err(match trouble {
                Trouble::Failed { permanent: false } => error,
                Trouble::Failed { permanent: true } | Trouble::Refused(_) => error.permanent(),
                Trouble::NoAnswer => error.in_doubt(),
            })
        })
    }

    fn undo_it(
        &self,
        cx: ActionContext<Site>,
        output: Option<Value>,
    ) -> BoxFuture<'_, Result<(), UndoError>> {
        Box::pin(async move {
            let output = output.and_then(|output| output.downcast::<Json>().ok());
            let output = output.filter(|_| self.declared.contract != UndoContract::InputsOnly);
            perform(&cx, Direction::Undo(output)).await.map(drop).map_err(undo_error)
        })
    }

    fn decode(&self, stored: &Payload) -> Result<ActionOutput, ActionError> {
        ActionOutput::decode::<Json>(stored)
    }

    fn policy(&self) -> Policy {
        let policy = Policy::new(self.declared.contract);
        let Declared { cleans_up, fresh_key, transaction, .. } = *self.declared;
        let transaction = transaction.then_some(DatabaseKind::Sqlite);
        Policy { undo_on_failure: cleans_up, fresh_key, transaction, ..policy }
    }
}

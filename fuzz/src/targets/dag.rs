//! Decoding a DAG of registered actions from JSON.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::Dag;
use saga_core::{ActionContext, BoxError};
use serde_json::Value;

/// How many more times the flaky action fails, so that a saga that retries forever ends.
pub(crate) type Failures = Arc<AtomicU32>;
type Cx = ActionContext<Failures>;

/// Creates actions that succeed, that fail for a while, and that return numbers and lists.
pub(crate) fn registry() -> ActionRegistry<Failures> {
    build().expect("valid names")
}

fn build() -> Result<ActionRegistry<Failures>, BoxError> {
    let mut actions = ActionRegistry::new();
    let ok = |_: Cx| async { Ok::<_, BoxError>(1u64) };
    actions.register(ActionFunc::new_noop_undo("ok", ok)?)?;
    let list = |_: Cx| async { Ok::<_, BoxError>(vec![1u64, 2, 3]) };
    actions.register(ActionFunc::new("list", list, |_, _| async { Ok::<_, BoxError>(()) })?)?;
    actions.register(ActionFunc::new_undo_maybe(
        "flaky",
        |cx: Cx| async move {
            let less = |n: u32| n.checked_sub(1);
            match cx.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
                Ok(_) => Err::<Value, BoxError>("not yet".into()),
                Err(_) => Ok(cx.lookup::<Value>("a").map(|a| (*a).clone()).unwrap_or_default()),
            }
        },
        |_, _| async { Ok::<_, BoxError>(()) },
    )?)?;
    Ok(actions)
}

pub(super) fn run(input: &[u8]) -> String {
    let registry = registry();
    super::outcome(Dag::from_json(input, &registry), |dag| {
        drop((format!("{dag:?}"), dag.plan().vertices()));
        let json = serde_json::to_vec(&dag.to_json()).expect("a DAG is JSON");
        let again = Dag::from_json(&json, &registry).expect("its own JSON");
        assert_eq!(again.fingerprint(), dag.fingerprint());
        assert_eq!(again.to_json(), dag.to_json());
        format!("{} nodes", dag.len().min(4))
    })
}

//! I3: which effects are there in the end, once every call has arrived.

use std::collections::BTreeMap;

use saga_core::action::UndoContract;
use saga_core::log::NodeEntry;
use saga_core::machine::SagaState;
use saga_core::{ActionState, SagaStatus};

use super::log_view::{Book, Undo};
use super::{Case, Holds, holds};

impl Case<'_> {
    pub(super) fn effects(&self, book: &Book<'_>) -> Holds {
        let twice = self.keys.iter().find(|(_, keys)| {
            self.known_under(*keys).is_some_and(|known| !matches!(known.effects, 0 | 1))
        });
        holds("I3", twice.is_none(), || {
            let there = twice.and_then(|(_, keys)| self.known_under(keys));
            format!("{:?}: there are several effects: {there:?}", twice.map(|(path, _)| path))
        })?;
        let record = &self.saga.stored.record;
        let status = record.status;
        holds("I2", book.ended.is_none_or(|ended| ended == status), || {
            format!("the record says {status}, the log {:?}", book.ended)
        })?;
        let Some(ended) = book.ended else {
            let what = || format!("the record says that it has ended as {status}");
            return holds("I2", !status.is_ended(), what);
        };
        let state = SagaState::fold(self.plan().dag.dag().plan().clone(), self.log);
        let state = match state {
            Ok(state) => state,
            Err(why) => return holds("I2", false, || format!("the log cannot be read: {why}")),
        };
        let nodes = state.nodes();
        let nodes = nodes.iter().map(|n| (n.path.as_str(), n)).collect::<BTreeMap<_, _>>();
        for (i, node) in book.dag.nodes.iter().enumerate() {
            let Some(policy) = node.policy else { continue };
            let path = node.path.as_str();
            let receiver = self.receiver(self.version(), path).unwrap_or_default();
            let left = receiver.leaves_something();
            let about = |what: &str| format!("{ended}: {path}: {what}: {receiver:?}");
            let Some(node) = nodes.get(path) else {
                holds("I3", !left, || about("it has an effect, and is not listed"))?;
                continue;
            };
            // a human took care of what is left, the human of the simulator did not
            if book.status[i].undo == Undo::Resolved {
                holds("I3", node.resolved, || about("an operator resolved it"))?;
                continue;
            }
            let doubt = node.in_doubt && policy.transaction.is_some();
            holds("I3", !doubt, || about("a transaction is in doubt"))?;
            let lists = matches!(node.state, ActionState::Completed | ActionState::UndoFailed);
            match ended {
                SagaStatus::Completed if node.state == ActionState::Skipped => {
                    holds("I3", !left, || about("skipped, and it has an effect"))?;
                }
                SagaStatus::Completed => {
                    let done = node.state == ActionState::Completed;
                    holds("I3", done, || about("it is not completed"))?;
                    let there = receiver.effects == 1 && receiver.undos == 0;
                    holds("I3", there, || about("its effect is not there"))?;
                }
                // it stopped behind the pivot
                SagaStatus::Stuck if !book.unwinding => {
                    holds("I3", receiver.undos == 0, || about("undone behind the pivot"))?;
                    let there = node.state != ActionState::Completed || receiver.effects == 1;
                    holds("I3", there, || about("its effect is not there"))?;
                    let not_begun = node.state == ActionState::Pending;
                    holds("I3", !not_begun || !left, || about("it has not begun"))?;
                }
                _ if policy.undo == UndoContract::None => {
                    holds("I3", receiver.undos == 0, || about("undone without an undo"))?;
                }
                SagaStatus::RolledBack => {
                    holds("I3", !left, || about("its effect is left"))?;
                }
                SagaStatus::Stuck
                | SagaStatus::Running
                | SagaStatus::Failed
                | SagaStatus::RollingBack => {
                    holds("I3", lists || !left, || about("its effect is not listed"))?;
                    let blocked = node.state == ActionState::Completed;
                    let there = !blocked || receiver.effects == 1;
                    holds("I3", there, || about("it is listed, and not there"))?;
                    // without an output nobody can say that the effect *is* there
                    let known = blocked || self.has_succeeded(path);
                    let remains = !lists || node.in_doubt != known;
                    holds("I3", remains, || about("does it remain, or may it remain?"))?;
                }
            }
        }
        Ok(())
    }

    fn has_succeeded(&self, path: &str) -> bool {
        self.log.iter().any(|entry| {
            let here = entry.node().is_some_and(|node| node.as_str() == path);
            here && matches!(entry.node_entry(), Some(NodeEntry::Succeeded(_)))
        })
    }
}

//! What operators are shown: which sagas there are, which of them need a human, and what is known about one of them.

mod holders;
mod needs_human;
mod one_saga;
mod requests;
mod scale;

use std::sync::Arc;
use std::time::Duration;

use crate::common::process::Process;
use crate::common::world::{Do, World, bare, out, plain};
use saga_core::operator::{ListedState, Operator, SagaFilter};
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, Store};
use saga_core::{CoordinatorBuilder, SagaId};

type W = Arc<World>;

saga! {
    #[allow(unused_variables)]
    Three<W>() {
        let a = plain {};
        let b = bare {};
        let c = out {};
    }
    #[allow(unused_variables)]
    Pivoted<W>() {
        let a = plain {};
        #[pivot]
        let p = bare {};
    }
    #[allow(unused_variables)]
    Beyond<W>() {
        let a = plain {};
        #[pivot]
        let p = bare {};
        #[retry(forever)]
        let z = bare {};
    }
    #[allow(unused_variables)]
    Beside<W>() {
        parallel {
            let l = plain {};
            let r = plain {};
        }
        let last = bare {};
    }
}

fn sagas(builder: CoordinatorBuilder<W>) -> CoordinatorBuilder<W> {
    builder.saga::<Three>().saga::<Pivoted>().saga::<Beyond>().saga::<Beside>()
}

/// A process that runs sagas on a store, and the world that they act on.
struct Running {
    world: W,
    store: MemoryStore,
    process: Process<W>,
    alice: Operator,
}

impl Running {
    fn new(scripts: &[(&str, &[Do])]) -> Self {
        let (world, store) = (Arc::new(World::default()), MemoryStore::new());
        for (call, script) in scripts {
            world.script(call, script.iter().copied());
        }
        let process = Process::start(&world, &store, sagas);
        let alice = process.sec.operator("alice");
        Self { world, store, process, alice }
    }

    /// An operator in another process.
    fn attached(&self) -> Operator {
        Operator::attach(self.store.clone(), "bob", Duration::from_secs(1))
    }

    fn start(&self, id: &str) {
        let start = self.process.sec.saga(Three {}).id(id).start();
        self.process.until(start).unwrap();
    }

    fn start_pivoted(&self, id: &str) {
        let start = self.process.sec.saga(Pivoted {}).id(id).start();
        self.process.until(start).unwrap();
    }

    fn sleeps(&self, time: Duration) {
        self.process.until(async { tokio::time::sleep(time).await });
    }

    /// Waits until the saga has come to rest.
    fn rests(&self, id: &str) {
        self.process.until(async {
            loop {
                let found = self.process.sec.inspect(id).await.unwrap().unwrap();
                if found.record.status.is_ended() || found.record.parked_reason.is_some() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }

    fn ids(&self, filter: SagaFilter) -> Vec<String> {
        let page = self.process.until(self.alice.list(filter)).unwrap();
        page.into_iter().map(|saga| saga.id.to_string()).collect()
    }
}

fn in_states(states: &[ListedState]) -> SagaFilter {
    SagaFilter { states: states.to_vec(), ..SagaFilter::default() }
}

#[test]
fn sagas_are_listed_by_their_states_and_what_is_parked_is_one() {
    use ListedState::{Completed, Parked, Paused, Running as Going, Stuck};
    let x = Running::new(&[
        ("p", &[Do::Panics; 20]),
        ("c", &[Do::Works, Do::Fails]),
        ("undo a", &[Do::FailsForGood]),
    ]);
    x.start("done");
    x.rests("done");
    x.start("stuck");
    x.rests("stuck");
    x.start_pivoted("parked");
    x.rests("parked");
    x.world.script("a", [Do::Fails, Do::Waits]);
    x.start("paused");
    x.process.until(x.alice.pause("paused")).unwrap();
    x.start("running");
    x.process.until(x.world.hears("do a", 4));

    assert_eq!(x.ids(in_states(&[Parked])), ["parked"]);
    assert_eq!(x.ids(in_states(&[Stuck, Parked])), ["parked", "stuck"]);
    assert_eq!(x.ids(in_states(&[Going])), ["running"]);
    assert_eq!(x.ids(in_states(&[Paused, Completed])), ["done", "paused"]);
    let all = ["done", "parked", "paused", "running", "stuck"];
    assert_eq!(x.ids(in_states(&[])), all);
    assert_eq!(x.ids(in_states(&ListedState::ALL)), all);
    let of = |saga: &str| SagaFilter { saga: Some(saga.to_string()), ..SagaFilter::default() };
    assert_eq!(x.ids(of("Pivoted")), ["parked"]);
    let version = |version| SagaFilter { version: Some(version), ..of("Three") };
    assert_eq!(x.ids(version(1)), ["done", "paused", "running", "stuck"]);
    assert!(x.ids(version(2)).is_empty());
    let prefixed = SagaFilter { id_prefix: Some("pa".into()), ..SagaFilter::default() };
    assert_eq!(x.ids(prefixed), ["parked", "paused"]);

    // the same from another process
    let page = x.process.until(x.attached().list(in_states(&[Parked]))).unwrap();
    assert_eq!(page.len(), 1);
    assert!(page[0].parked_reason.as_ref().unwrap().contains("pivot `p`"), "{page:?}");
    let json = serde_json::to_value(&page[0]).unwrap();
    assert_eq!((&json["id"], &json["state"]), (&"parked".into(), &"parked".into()));
    assert!(json["created_at"].as_str().unwrap().ends_with('Z'), "{json}");

    let fleet = x.process.until(x.attached().fleet()).unwrap();
    assert_eq!((fleet.sagas(), fleet.in_state(Stuck), fleet.in_state(Parked)), (5, 1, 1));
    let three = fleet.versions.iter().find(|of| of.saga == "Three").unwrap();
    assert_eq!((three.version, three.in_state(Paused), three.in_state(Going)), (Some(1), 1, 1));
    assert_eq!(
        fleet.oldest_unfinished,
        fleet.versions.iter().filter_map(|of| of.oldest_unfinished()).min()
    );
}

#[test]
fn every_saga_is_on_one_page_while_others_start_and_end() {
    let x = Running::new(&[]);
    for n in 0..25 {
        x.start(&format!("old-{n:02}"));
    }
    let mut filter = SagaFilter { limit: 4, version: Some(1), ..SagaFilter::default() };
    let mut seen: Vec<String> = Vec::new();
    for round in 0.. {
        let page = x.ids(filter.clone());
        let Some(last) = page.last() else { break };
        filter.after = Some(last.parse::<SagaId>().unwrap());
        seen.extend(page);
        // before and after the place that has been reached
        x.start(&format!("a-{round}"));
        let gone = format!("old-{round:02}").parse().unwrap();
        x.rests(&format!("old-{round:02}"));
        x.process.until(x.store.delete(&gone)).unwrap();
    }
    seen.retain(|id| id.starts_with("old"));
    assert_eq!(seen, (0..25).map(|n| format!("old-{n:02}")).collect::<Vec<_>>());
}

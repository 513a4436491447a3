//! Sagas to look at, and the service that shows them.

mod trips;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{Dag, DagBuilder, Node, SagaDag};
use saga_core::log::{Entry, Payload, SagaEntry, Timestamp};
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, NewSaga, SagaRecord, Store, WorkerId};
use saga_core::{BoxError, Limits, SagaStatus, UndoError};
use saga_web::Options;
use tokio::sync::Semaphore;

pub(crate) const TOKEN: &str = "a long token for tests";

/// Names and texts that are no friends of a page.
pub(crate) const SCRIPT: &str = "<script>document.title='owned'<script>";
pub(crate) const IMAGE: &str = "<img src=x onerror=document.title='owned'>";
pub(crate) const TURNED: &str = "\u{202e}gpj.exe \u{5e9}\u{5dc}\u{5d5}\u{5dd}";

/// The services that the sagas of a test call.
pub(crate) struct World {
    /// Packing waits for a permit, except for an order of nobody.
    pub(crate) packing: Semaphore,
    pub(crate) bank_refuses: AtomicBool,
    /// A transfer is never answered as long as this is false.
    pub(crate) bank_answers: AtomicBool,
}

impl Default for World {
    fn default() -> Self {
        let [bank_refuses, bank_answers] = [(); 2].map(|()| AtomicBool::new(false));
        Self { packing: Semaphore::new(0), bank_refuses, bank_answers }
    }
}

type Cx = ActionContext<Arc<World>>;

#[saga_action(undo = release())]
async fn reserve(_cx: &Cx) -> Result<String, String> {
    Ok("shelf 7".into())
}
async fn release(_cx: &Cx) -> Result<(), UndoError> {
    Ok(())
}

#[saga_action(undo = refund())]
async fn charge(_cx: &Cx, customer: &str) -> Result<String, String> {
    Ok(format!("receipt of {customer}"))
}
async fn refund(cx: &Cx) -> Result<(), UndoError> {
    match cx.bank_refuses.load(Ordering::SeqCst) {
        true => Err(UndoError::permanent("the bank refuses: <b>account closed</b>")),
        false => Ok(()),
    }
}

#[saga_action(undo = unpack())]
async fn pack(cx: &Cx, customer: &str) -> Result<u32, String> {
    if customer == "nobody" {
        return Ok(0);
    }
    cx.packing.acquire().await.map_err(|error| error.to_string())?.forget();
    Ok(3)
}
async fn unpack(_cx: &Cx) -> Result<(), UndoError> {
    Ok(())
}

#[saga_action(no_undo)]
async fn ship(customer: &str) -> Result<String, String> {
    match customer {
        "nobody" => Err("there is no address".into()),
        _ => Ok("shipped".into()),
    }
}

saga! {
    /// An order of a shop.
    pub(crate) Order<Arc<World>>(customer: String) -> String {
        reserve {};
        parallel {
            charge { customer };
            pack { customer };
        }
        ship { customer }
    }
}

#[saga_action(no_undo, timeout = "50ms", retry(max = 1))]
async fn transfer(cx: &Cx) -> Result<String, String> {
    match cx.bank_answers.load(Ordering::SeqCst) {
        true => Ok("t-1".into()),
        false => std::future::pending().await,
    }
}

#[saga_action(no_undo, retry(forever))]
async fn print(_cx: &Cx) -> Result<String, String> {
    Ok("printed".into())
}

saga! {
    /// A payout, which nobody takes back once the bank has made it.
    #[allow(unused_variables)]
    pub(crate) Payout<Arc<World>>() -> String {
        reserve {};
        #[pivot]
        let transfer = transfer {};
        let receipt = print {};
        receipt
    }
}

/// A parcel, in a program whose weights are of this type.
macro_rules! parcel {
    ($program:ident, $weight:ty, $weighed:expr) => {
        pub(crate) mod $program {
            use super::*;

            #[saga_action(no_undo)]
            async fn weigh(_cx: &Cx) -> Result<$weight, String> {
                Ok($weighed)
            }

            saga! {
                #[name = "Parcel"]
                #[allow(unused_variables)]
                pub(crate) Parcel<Arc<World>>(customer: String) -> u32 {
                    let weight = weigh {};
                    pack { customer }
                }
            }
        }
    };
}

parcel!(of_grams, u32, 3000);
parcel!(of_words, String, "3 kg".to_string());

/// A coordinator, and its sagas' world and store.
pub(crate) struct Shop {
    pub(crate) world: Arc<World>,
    pub(crate) sec: Coordinator<Arc<World>>,
    actions: ActionRegistry<Arc<World>>,
}

fn actions() -> ActionRegistry<Arc<World>> {
    let mut actions = ActionRegistry::new();
    let says = |what: String| {
        move |_: Cx| {
            let what = what.clone();
            async move { Ok::<_, BoxError>(what) }
        }
    };
    for (name, says_what) in [
        ("work", "done".to_string()),
        (SCRIPT, SCRIPT.to_string()),
        ("large", "<i>ä".repeat(1024 * 1024)),
    ] {
        actions.register(ActionFunc::new_noop_undo(name, says(says_what)).unwrap()).unwrap();
    }
    let fails = |_: Cx| async { Err::<String, BoxError>(format!("{IMAGE} {TURNED}").into()) };
    actions.register(ActionFunc::new_noop_undo("fails", fails).unwrap()).unwrap();
    actions
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::on(MemoryStore::new()).await
    }

    pub(crate) async fn on(store: MemoryStore) -> Self {
        let (world, actions) = (Arc::new(World::default()), actions());
        let sec = Coordinator::builder(world.clone()).store(store).actions(actions.clone());
        let sec = sec
            .limits(Limits::default().max_payload(8 * 1024 * 1024))
            .saga::<Order>()
            .saga::<Payout>()
            .saga::<of_words::Parcel>()
            .saga::<trips::Trip>()
            .build()
            .await
            .unwrap();
        Self { world, sec, actions }
    }

    pub(crate) fn page(&self, options: Options) -> Router {
        saga_web::router_with(self.sec.operator("operations page"), options)
    }

    /// An order that waits for its parcel to be packed.
    pub(crate) async fn start(&self, id: &str, customer: &str) {
        self.sec.saga(Order { customer: customer.into() }).id(id).start().await.unwrap();
        self.reaches(id, "succeeded charge").await;
    }

    /// An order that is stuck, because the bank does not take the payment back.
    pub(crate) async fn stuck(&self, id: &str) {
        self.world.bank_refuses.store(true, Ordering::SeqCst);
        self.start(id, "nobody").await;
        self.reaches(id, "ended: stuck").await;
    }

    /// A payout that is parked, because nobody knows whether the bank has made it.
    pub(crate) async fn parked(&self, id: &str) {
        self.sec.saga(Payout {}).id(id).start().await.unwrap();
        self.reaches(id, "parked").await;
    }

    /// A shop with a parcel that it cannot go on with: the program before has stored its weight as a number.
    pub(crate) async fn with_an_unreadable_parcel(id: &str) -> (Self, MemoryStore) {
        let store = MemoryStore::new();
        let before = Coordinator::builder(Arc::new(World::default())).store(store.clone());
        let before = before.saga::<of_grams::Parcel>().build().await.unwrap();
        let parcel = of_grams::Parcel { customer: "Ada".into() };
        before.saga(parcel).id(id).start().await.unwrap();
        while !before.inspect(id).await.unwrap().unwrap().pretty().contains("started pack") {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        before.shutdown(std::time::Duration::ZERO).await.unwrap();
        let shop = Self::on(store.clone()).await;
        shop.reaches(id, "parked").await;
        (shop, store)
    }

    /// Waits until the saga's log has such an entry.
    pub(crate) async fn reaches(&self, id: &str, line: &str) {
        for _ in 0..6000 {
            let view = self.sec.inspect(id).await.unwrap().unwrap();
            if view.pretty().contains(line) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("no `{line}` in {}", self.log(id).await);
    }

    pub(crate) async fn log(&self, id: &str) -> String {
        self.sec.inspect(id).await.unwrap().unwrap().pretty()
    }

    fn node(&self, name: &str, action: &str) -> Node<Arc<World>> {
        Node::shared_action(name, self.actions.get(action).unwrap()).unwrap()
    }

    async fn run(&self, id: &str, dag: Dag<Arc<World>>) {
        let params = serde_json::json!({ "note": IMAGE });
        let saga = SagaDag::new(dag, &params).unwrap();
        let handle = self.sec.saga_dag(saga).id(id).start().await.unwrap();
        let _ = handle.await;
    }

    /// A saga whose names, outputs and errors are hostile; one output has 4 MiB.
    pub(crate) async fn hostile(&self, id: &str) {
        let mut dag = DagBuilder::new(format!("{SCRIPT}{TURNED}")).unwrap();
        dag.append(self.node(SCRIPT, SCRIPT)).unwrap();
        dag.append(self.node(TURNED, "large")).unwrap();
        dag.append(self.node(IMAGE, "work")).unwrap();
        dag.append(self.node("last", "fails")).unwrap();
        self.run(id, dag.build().unwrap()).await;
    }

    /// A saga of 1 000 nodes, in 40 stages of 25.
    pub(crate) async fn large(&self, id: &str) {
        let mut dag = DagBuilder::new("Large").unwrap();
        for stage in 0..40 {
            let nodes = (0..25).map(|n| self.node(&format!("stage {stage} node {n}"), "work"));
            dag.append_parallel(nodes.collect::<Vec<_>>()).unwrap();
        }
        self.run(id, dag.build().unwrap()).await;
    }
}

/// A store with so many sagas that have ended, a few of them stuck.
pub(crate) async fn many(sagas: usize) -> MemoryStore {
    let store = MemoryStore::new();
    let worker = WorkerId::from("one");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    for n in 0..sagas {
        let at = Timestamp(now.as_millis() as u64 - (sagas - n) as u64 * 1000);
        let id = format!("order-{n:06}").parse().unwrap();
        let mut record = SagaRecord {
            fingerprint: "f1".into(),
            params: Payload::from(&b"{}"[..]),
            dag: Payload::from(&br#"{"name":"Old","nodes":[]}"#[..]),
            next_seq: 2,
            ..SagaRecord::new(id, "Old", worker.clone(), at)
        };
        record.status = if n % 20_000 == 7 { SagaStatus::Stuck } else { SagaStatus::Completed };
        let kind =
            SagaEntry::Created { run_key: record.run_key, traceparent: None, starts_at: None }
                .into();
        let entries = vec![Entry { seq: 1, epoch: 1, at, kind }];
        store.create(NewSaga { record, entries }).await.unwrap();
    }
    store
}

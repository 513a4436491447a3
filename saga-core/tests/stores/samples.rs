//! Sample sagas, appends and requests for the tests of stores.

use saga_core::log::{Entry, NodeEntry, Payload, SagaEntry, Timestamp, Uuid};
use saga_core::operator::{Answer, Command, Request};
use saga_core::store::{
    Append, Created, NewSaga, Purge, RecordChange, SagaRecord, Store, WorkerId,
};
use saga_core::{SagaId, SagaStatus};

pub(crate) fn id(text: &str) -> SagaId {
    text.parse().unwrap()
}

pub(crate) fn new_saga(name: &str) -> NewSaga {
    let run_key = uuid::Uuid::new_v4();
    let entry = Entry {
        seq: 1,
        epoch: 1,
        at: Timestamp(1_000),
        kind: SagaEntry::Created { run_key, traceparent: None, starts_at: None }.into(),
    };
    let record = SagaRecord {
        run_key,
        fingerprint: "f1".into(),
        params: Payload::from(&b"{}"[..]),
        dag: Payload::from(&b"{}"[..]),
        next_seq: 2,
        ..SagaRecord::new(id(name), "book_trip", WorkerId::from("one"), Timestamp(1_000))
    };
    NewSaga { record, entries: vec![entry] }
}

pub(crate) fn append(name: &str, seq: u64, output: &[u8]) -> Append {
    let entry = Entry {
        seq,
        epoch: 1,
        at: Timestamp(1_000 + seq),
        kind: NodeEntry::Succeeded(Payload::from(output)).about("hotel", 1),
    };
    Append {
        saga: id(name),
        owner: WorkerId::from("one"),
        epoch: 1,
        expected_next_seq: seq,
        entries: vec![entry],
        change: RecordChange::status(SagaStatus::Running),
        answers: Vec::new(),
    }
}

pub(crate) async fn create(store: &impl Store, names: &[&str]) {
    for name in names {
        assert!(matches!(store.create(new_saga(name)).await, Ok(Created::New)));
    }
}

pub(crate) async fn entries(store: &impl Store, name: &str) -> usize {
    store.load(&id(name)).await.unwrap().unwrap().entries.len()
}

/// Somebody asks for a pause.
pub(crate) fn request(saga: &str) -> Request {
    Request {
        id: Uuid::new_v4(),
        saga: id(saga),
        command: Command::Pause,
        by: "ann".to_string(),
        at: Timestamp(1),
    }
}

/// A store that is attached does nothing that only a worker may do.
pub(crate) async fn refuses_to_work(reader: &impl Store) {
    let one = WorkerId::from("one");
    let everything = Purge { ended_before: Timestamp(u64::MAX), statuses: Vec::new(), limit: 9 };
    let refusals = [
        reader.create(new_saga("b")).await.unwrap_err(),
        reader.append(append("a", 2, b"")).await.unwrap_err(),
        reader.claim(&one, &[], 1).await.unwrap_err(),
        reader.release(&one).await.unwrap_err(),
        reader.delete(&id("a")).await.unwrap_err(),
        reader.take(&one, &id("a")).await.unwrap_err(),
        reader.purge(everything).await.unwrap_err(),
        reader.answer(&one, request("a").id, Answer::Done).await.unwrap_err(),
    ];
    for e in refusals {
        assert!(e.to_string().contains("attached for reading and requests only"), "{e}");
    }
}

//! A store that keeps payloads encoded, in whatever store it is put around.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::de::IgnoredAny;

use super::codec::{Aad, CodecError, PayloadCodec, PayloadKind};
use super::{
    Append, Created, ListFilter, NewSaga, Purge, RecordChange, SagaRecord, SagaVersion, Store,
    StoreError, StoredSaga, Work, WorkerId,
};
use crate::log::{
    Answer, Command, Decision, Entry, EntryKind, Failure, NodePath, Payload, Request, SagaId, Uuid,
};

/// A store around another one, in which every payload is encoded by a [`PayloadCodec`]: parameters,
/// outputs, the JSON of errors, contexts, and DAGs (for the values of their constants). Neither the
/// coordinator nor the inner store knows.
///
/// Names, node paths, times, statuses, what operators wrote and the *messages* of errors are not
/// encoded: a list and a log are readable without a key. What must not be read belongs into an error's
/// fields, not into its message.
///
/// A payload whose key the codec does not have is [`StoreError::UnknownKey`] where it is needed, in
/// `load` and in `create` of an id that is taken. `list`, `claim` and `versions` leave it empty instead:
/// one saga never hides the others. What does not decode is [`StoreError::Corrupt`].
///
/// ```
/// use saga_core::store::{Aad, CodecError, EncodedStore, MemoryStore, PayloadCodec};
/// # struct Cipher;
/// # impl PayloadCodec for Cipher {
/// #     fn encode(&self, plain: &[u8], _: &Aad<'_>) -> Result<Vec<u8>, CodecError> { Ok(plain.into()) }
/// #     fn decode(&self, plain: &[u8], _: &Aad<'_>) -> Result<Vec<u8>, CodecError> { Ok(plain.into()) }
/// # }
/// # async fn build() -> Result<(), Box<dyn std::error::Error>> {
/// let store = EncodedStore::new(MemoryStore::new(), Cipher);
/// let sec = saga_core::Coordinator::builder(()).store(store).build().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct EncodedStore<S> {
    store: S,
    codec: Arc<dyn PayloadCodec>,
}

impl<S: Store> EncodedStore<S> {
    /// Everything that goes into `store` is encoded from now on. What is in it must have been, too.
    pub fn new(store: S, codec: impl PayloadCodec) -> Self {
        Self { store, codec: Arc::new(codec) }
    }

    /// The store that it is around, where payloads are encoded.
    pub fn inner(&self) -> &S {
        &self.store
    }

    fn pass<'a>(&'a self, way: Way, saga: &'a SagaId) -> Pass<'a> {
        Pass { codec: &*self.codec, way, saga, seq: 0 }
    }

    /// A record for a list; what does not decode is left out.
    fn shown(&self, record: SagaRecord) -> SagaRecord {
        let id = record.id.clone();
        let pass = self.pass(Way::Out, &id);
        let context = record.context.map(|context| {
            pass.payload(Aad::of_saga(&id, PayloadKind::Context), &context).unwrap_or_default()
        });
        let params = pass.payload(Aad::of_saga(&id, PayloadKind::Params), &record.params);
        let dag = pass.payload(Aad::of_dag(&record.fingerprint), &record.dag);
        SagaRecord {
            params: params.unwrap_or_default(),
            dag: dag.unwrap_or_default(),
            context,
            ..record
        }
    }

    fn encode_new(&self, saga: NewSaga) -> Result<NewSaga, StoreError> {
        let id = saga.record.id.clone();
        let pass = self.pass(Way::In, &id);
        Ok(NewSaga { record: pass.record(saga.record)?, entries: pass.entries(saga.entries)? })
    }

    fn encode_append(&self, append: Append) -> Result<Append, StoreError> {
        let id = append.saga.clone();
        let pass = self.pass(Way::In, &id);
        let change =
            RecordChange { context: pass.context(append.change.context)?, ..append.change };
        Ok(Append { entries: pass.entries(append.entries)?, change, ..append })
    }

    fn decode_stored(&self, stored: StoredSaga) -> Result<StoredSaga, StoreError> {
        let id = stored.record.id.clone();
        let pass = self.pass(Way::Out, &id);
        Ok(StoredSaga {
            record: pass.record(stored.record)?,
            entries: pass.entries(stored.entries)?,
        })
    }
}

impl<S: fmt::Debug> fmt::Debug for EncodedStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedStore").field("store", &self.store).finish_non_exhaustive()
    }
}

impl<S: Store> Store for EncodedStore<S> {
    fn create(&self, saga: NewSaga) -> BoxFuture<'_, Result<Created, StoreError>> {
        Box::pin(async move {
            match self.store.create(self.encode_new(saga)?).await? {
                Created::New => Ok(Created::New),
                Created::Exists(there) => {
                    let id = there.id.clone();
                    let record = self.pass(Way::Out, &id).record(*there)?;
                    Ok(Created::Exists(Box::new(record)))
                }
            }
        })
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.store.append(self.encode_append(append)?).await })
    }

    fn append_with(&self, append: Append, work: Work) -> BoxFuture<'_, Result<(), StoreError>> {
        let first = append.entries.first().map(|entry| (entry.seq, entry.node().cloned()));
        let (codec, saga) = (Arc::clone(&self.codec), append.saga.clone());
        let work = work.and_then(move |output| {
            let (seq, node) = first.unwrap_or_default();
            let pass = Pass { codec: &*codec, way: Way::In, saga: &saga, seq };
            let aad = Aad::of_node(&saga, node.as_ref(), PayloadKind::Output);
            pass.payload(aad, &output).map(Some)
        });
        Box::pin(async move { self.store.append_with(self.encode_append(append)?, work).await })
    }

    fn load(&self, id: &SagaId) -> BoxFuture<'_, Result<Option<StoredSaga>, StoreError>> {
        let id = id.clone();
        Box::pin(async move {
            let stored = self.store.load(&id).await?;
            stored.map(|stored| self.decode_stored(stored)).transpose()
        })
    }

    fn list(&self, filter: ListFilter) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        Box::pin(async move {
            let records = self.store.list(filter).await?;
            Ok(records.into_iter().map(|record| self.shown(record)).collect())
        })
    }

    fn versions(&self) -> BoxFuture<'_, Result<Vec<SagaVersion>, StoreError>> {
        Box::pin(async move {
            let mut versions = self.store.versions().await?;
            for version in &mut versions {
                let decoded =
                    decode(&*self.codec, &version.dag, &Aad::of_dag(&version.fingerprint));
                version.dag = decoded.unwrap_or_default();
            }
            Ok(versions)
        })
    }

    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        let claimed = self.store.claim(worker, fingerprints, limit);
        Box::pin(async move {
            Ok(claimed.await?.into_iter().map(|record| self.shown(record)).collect())
        })
    }

    fn release(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.release(worker)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.close()
    }

    fn reopen(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.reopen()
    }

    fn take(
        &self,
        worker: &WorkerId,
        id: &SagaId,
    ) -> BoxFuture<'_, Result<Option<SagaRecord>, StoreError>> {
        let taken = self.store.take(worker, id);
        Box::pin(async move { Ok(taken.await?.map(|record| self.shown(record))) })
    }

    fn delete(&self, id: &SagaId) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.delete(id)
    }

    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.store.purge(purge)
    }

    fn request(&self, request: Request) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let saga = request.saga.clone();
            let command = self.pass(Way::In, &saga).command(request.command)?;
            self.store.request(Request { command, ..request }).await
        })
    }

    fn requests(
        &self,
        worker: &WorkerId,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Request>, StoreError>> {
        let requests = self.store.requests(worker, limit);
        Box::pin(async move {
            let decoded = requests.await?.into_iter().filter_map(|request| {
                let saga = request.saga.clone();
                // one that does not decode waits for a program that has the key
                let command = self.pass(Way::Out, &saga).command(request.command).ok()?;
                Some(Request { command, ..request })
            });
            Ok(decoded.collect())
        })
    }

    fn requested(&self) -> Option<BoxFuture<'static, ()>> {
        self.store.requested()
    }

    fn answer(&self, request: Uuid, answer: Answer) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.answer(request, answer)
    }

    fn answer_to(&self, request: Uuid) -> BoxFuture<'_, Result<Option<Answer>, StoreError>> {
        self.store.answer_to(request)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// Takes what belongs to one saga through the codec, the same way in as out.
#[derive(Clone, Copy)]
struct Pass<'a> {
    codec: &'a dyn PayloadCodec,
    way: Way,
    saga: &'a SagaId,
    /// The entry that it is about; 0 for the record.
    seq: u64,
}

impl Pass<'_> {
    fn record(&self, record: SagaRecord) -> Result<SagaRecord, StoreError> {
        Ok(SagaRecord {
            params: self.payload(Aad::of_saga(self.saga, PayloadKind::Params), &record.params)?,
            dag: self.payload(Aad::of_dag(&record.fingerprint), &record.dag)?,
            context: self.context(record.context)?,
            ..record
        })
    }

    fn context(&self, context: Option<Payload>) -> Result<Option<Payload>, StoreError> {
        let aad = Aad::of_saga(self.saga, PayloadKind::Context);
        context.map(|context| self.payload(aad, &context)).transpose()
    }

    fn entries(&self, entries: Vec<Entry>) -> Result<Vec<Entry>, StoreError> {
        entries.into_iter().map(|entry| Self { seq: entry.seq, ..*self }.entry(entry)).collect()
    }

    fn entry(&self, entry: Entry) -> Result<Entry, StoreError> {
        let kind = match entry.kind {
            EntryKind::Saga(saga) => EntryKind::Saga(saga.try_map_command(|c| self.command(c))?),
            EntryKind::Node { node, attempt, entry: recorded } => {
                let aad = Aad::of_node(self.saga, Some(&node), PayloadKind::Output);
                let recorded = recorded.try_map_user_data(
                    |output| self.payload(aad, &output),
                    |failure| self.failure(&node, failure),
                )?;
                recorded.about(node, attempt)
            }
        };
        Ok(Entry { kind, ..entry })
    }

    fn failure(&self, node: &NodePath, failure: Failure) -> Result<Failure, StoreError> {
        let aad = Aad::of_node(self.saga, Some(node), PayloadKind::Error);
        let error = failure.error.map(|error| self.json(aad, &error)).transpose()?;
        Ok(Failure { error, ..failure })
    }

    fn command(&self, command: Command) -> Result<Command, StoreError> {
        command.try_map_decision(|node, decision| {
            let aad = Aad::of_node(self.saga, Some(node), PayloadKind::Decision);
            Ok(match decision {
                Decision::Succeeded(output) => {
                    let json = self.json(aad, &Payload::from(output.to_string().into_bytes()))?;
                    let output = serde_json::from_slice(json.as_bytes());
                    Decision::Succeeded(output.map_err(|_| self.not_json(&aad))?)
                }
                Decision::SucceededWith(output) => {
                    Decision::SucceededWith(self.json(aad, &output)?)
                }
                Decision::Failed => Decision::Failed,
            })
        })
    }

    fn payload(&self, aad: Aad<'_>, payload: &Payload) -> Result<Payload, StoreError> {
        let passed = match self.way {
            Way::In => self.codec.encode(payload.as_bytes(), &aad).map(Payload::from),
            Way::Out => decode(self.codec, payload, &aad),
        };
        passed.map_err(|error| self.error(error, &aad))
    }

    /// What is stored as JSON among other things: encoded, it is a string of hexadecimal digits.
    fn json(&self, aad: Aad<'_>, json: &Payload) -> Result<Payload, StoreError> {
        match self.way {
            Way::In => {
                let encoded = self.payload(aad, json)?;
                Ok(Payload::from(format!("\"{}\"", to_hex(encoded.as_bytes())).into_bytes()))
            }
            Way::Out => {
                let hex = serde_json::from_slice::<String>(json.as_bytes()).ok();
                let encoded = hex.and_then(|hex| from_hex(&hex)).ok_or_else(|| {
                    self.error(CodecError::Failed { why: "it was not encoded".to_string() }, &aad)
                })?;
                let plain = self.payload(aad, &Payload::from(encoded))?;
                match serde_json::from_slice::<IgnoredAny>(plain.as_bytes()) {
                    Ok(_) => Ok(plain),
                    Err(_) => Err(self.not_json(&aad)),
                }
            }
        }
    }

    fn not_json(&self, aad: &Aad<'_>) -> StoreError {
        let why = "what was decoded is not JSON".to_string();
        self.error(CodecError::Failed { why }, aad)
    }

    fn error(&self, error: CodecError, aad: &Aad<'_>) -> StoreError {
        let saga = self.saga.clone();
        match (error, self.way) {
            (CodecError::UnknownKey { key_id }, _) => StoreError::UnknownKey { saga, key_id },
            (CodecError::Failed { why }, Way::In) => StoreError::Failed {
                store: "the payload codec".to_string(),
                why: format!("{aad} is not encoded: {why}"),
            },
            (CodecError::Failed { why }, Way::Out) => {
                let why = format!("{aad} does not decode: {why}");
                StoreError::Corrupt { saga, seq: self.seq, why }
            }
        }
    }
}

fn decode(
    codec: &dyn PayloadCodec,
    payload: &Payload,
    aad: &Aad<'_>,
) -> Result<Payload, CodecError> {
    codec.decode(payload.as_bytes(), aad).map(Payload::from)
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = hex.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| u8::try_from(high * 16 + low).ok()).collect()
}

//! [`EncodedStore`]: a wrapper around any store that encodes (encrypts, say) every payload.

mod transcoder;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use self::transcoder::{Direction, Transcoder, decode};
use super::payload_codec::{Aad, PayloadCodec, PayloadKind};
use super::{
    Append, Created, CurrentWorker, DatabaseKind, LeaseTerms, ListFilter, NewSaga, Position, Purge,
    ReadableSaga, RecordChange, RequestsWithAnswers, SagaRecord, SagaVersion, ShareChange,
    SharedCalls, Store, StoreError, StoredSaga, Suspension, TransactionWork, VersionCounts, Worker,
    WorkerId,
};
use crate::log::{Answer, Request, SagaId, Timestamp, Uuid};

/// Wraps another store and encodes every payload with a [`PayloadCodec`]: parameters, outputs, the JSON of
/// errors, contexts, and DAGs (because they contain the values of constants). Neither the coordinator nor
/// the inner store notices.
///
/// Names, node paths, times, statuses, text written by operators and the *messages* of errors are not
/// encoded, so that lists and logs can be read without a key. Put secrets into an error's fields, not into
/// its message.
///
/// If the codec does not have a payload's key, [`load`](Store::load), and [`create`](Store::create) with an
/// id that is taken, fail with [`StoreError::UnknownKey`]. [`list`](Store::list), [`claim`](Store::claim) and
/// [`versions`](Store::versions) leave the payload empty instead, so that one saga never hides the others. A
/// payload that does not decode is [`StoreError::Corrupt`].
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
    /// Wraps `store`. Everything that is already in it must have been encoded by the same codec.
    pub fn new(store: S, codec: impl PayloadCodec) -> Self {
        Self { store, codec: Arc::new(codec) }
    }

    /// The wrapped store, in which payloads are encoded.
    pub fn inner(&self) -> &S {
        &self.store
    }

    fn transcoder<'a>(&'a self, direction: Direction, saga: &'a SagaId) -> Transcoder<'a> {
        Transcoder { codec: &*self.codec, direction, saga, seq: 0 }
    }

    /// Decodes a record for a list. Payloads that do not decode are left empty.
    fn decode_for_list(&self, record: SagaRecord) -> SagaRecord {
        let id = record.id.clone();
        let transcoder = self.transcoder(Direction::Decode, &id);
        let context = record.context.map(|context| {
            transcoder
                .payload(Aad::of_saga(&id, PayloadKind::Context), &context)
                .unwrap_or_default()
        });
        let params = transcoder.payload(Aad::of_saga(&id, PayloadKind::Params), &record.params);
        let dag = transcoder.payload(Aad::of_dag(&record.fingerprint), &record.dag);
        SagaRecord {
            params: params.unwrap_or_default(),
            dag: dag.unwrap_or_default(),
            context,
            ..record
        }
    }

    fn encode_new(&self, saga: NewSaga) -> Result<NewSaga, StoreError> {
        let id = saga.record.id.clone();
        let transcoder = self.transcoder(Direction::Encode, &id);
        Ok(NewSaga {
            record: transcoder.record(saga.record)?,
            entries: transcoder.entries(saga.entries)?,
        })
    }

    fn encode_append(&self, append: Append) -> Result<Append, StoreError> {
        let id = append.saga.clone();
        let transcoder = self.transcoder(Direction::Encode, &id);
        let change = RecordChange {
            context: transcoder.context(append.change.context)?,
            definition: transcoder.definition(append.change.definition)?,
            ..append.change
        };
        Ok(Append { entries: transcoder.entries(append.entries)?, change, ..append })
    }

    fn decode_stored(&self, stored: StoredSaga) -> Result<StoredSaga, StoreError> {
        let id = stored.record.id.clone();
        let transcoder = self.transcoder(Direction::Decode, &id);
        Ok(StoredSaga {
            record: transcoder.record(stored.record)?,
            entries: transcoder.entries(stored.entries)?,
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
                    let record = self.transcoder(Direction::Decode, &id).record(*there)?;
                    Ok(Created::Exists(Box::new(record)))
                }
            }
        })
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.store.append(self.encode_append(append)?).await })
    }

    fn lease_terms(&self) -> Option<LeaseTerms> {
        self.store.lease_terms()
    }

    fn renew(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.renew(worker)
    }

    fn workers(&self) -> BoxFuture<'_, Result<Vec<Worker>, StoreError>> {
        self.store.workers()
    }

    fn current_worker(&self) -> BoxFuture<'_, Result<CurrentWorker, StoreError>> {
        self.store.current_worker()
    }

    fn owned(&self, worker: &WorkerId) -> BoxFuture<'_, Result<Vec<SagaId>, StoreError>> {
        self.store.owned(worker)
    }

    fn call_shares(&self, actions: Vec<String>) -> BoxFuture<'_, Result<SharedCalls, StoreError>> {
        self.store.call_shares(actions)
    }

    fn change_call_shares(&self, change: ShareChange) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.change_call_shares(change)
    }

    fn positions(
        &self,
        ids: Vec<SagaId>,
    ) -> BoxFuture<'_, Result<Vec<Option<Position>>, StoreError>> {
        self.store.positions(ids)
    }

    fn has_transactions(&self, database: DatabaseKind) -> bool {
        self.store.has_transactions(database)
    }

    fn type_name(&self) -> &'static str {
        self.store.type_name()
    }

    fn append_with(
        &self,
        append: Append,
        work: TransactionWork,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let first = append.entries.first().map(|entry| (entry.seq, entry.node().cloned()));
        let (codec, saga) = (Arc::clone(&self.codec), append.saga.clone());
        let work = work.and_then(move |output| {
            let (seq, node) = first.unwrap_or_default();
            let transcoder =
                Transcoder { codec: &*codec, direction: Direction::Encode, saga: &saga, seq };
            let aad = Aad::of_node(&saga, node.as_ref(), PayloadKind::Output);
            transcoder.payload(aad, &output).map(Some)
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

    fn load_readable(&self, id: &SagaId) -> BoxFuture<'_, Result<ReadableSaga, StoreError>> {
        let id = id.clone();
        Box::pin(async move {
            let ReadableSaga { saga, damage } = self.store.load_readable(&id).await?;
            Ok(ReadableSaga { saga: self.decode_stored(saga)?, damage })
        })
    }

    fn load_many(
        &self,
        ids: Vec<SagaId>,
    ) -> BoxFuture<'_, Vec<Result<Option<StoredSaga>, StoreError>>> {
        let loaded = self.store.load_many(ids);
        let decode = |stored: Result<Option<StoredSaga>, StoreError>| {
            stored?.map(|stored| self.decode_stored(stored)).transpose()
        };
        Box::pin(async move { loaded.await.into_iter().map(decode).collect() })
    }

    fn list(&self, filter: ListFilter) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        Box::pin(async move {
            let records = self.store.list(filter).await?;
            Ok(records.into_iter().map(|record| self.decode_for_list(record)).collect())
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

    fn counts(&self) -> BoxFuture<'_, Result<Vec<VersionCounts>, StoreError>> {
        Box::pin(async move {
            let mut counts = self.store.counts().await?;
            for count in &mut counts {
                let decoded = decode(&*self.codec, &count.dag, &Aad::of_dag(&count.fingerprint));
                count.dag = decoded.unwrap_or_default();
            }
            Ok(counts)
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
            Ok(claimed.await?.into_iter().map(|record| self.decode_for_list(record)).collect())
        })
    }

    fn suspend(&self, suspension: Suspension) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.suspend(suspension)
    }

    fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        let claimed = self.store.claim_due(worker, fingerprints, now, limit);
        Box::pin(async move {
            Ok(claimed.await?.into_iter().map(|record| self.decode_for_list(record)).collect())
        })
    }

    fn next_due(
        &self,
        fingerprints: &[String],
    ) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        self.store.next_due(fingerprints)
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
        Box::pin(async move { Ok(taken.await?.map(|record| self.decode_for_list(record))) })
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
            let command = self.transcoder(Direction::Encode, &saga).command(request.command)?;
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
                // A request that does not decode waits for a process that has the key.
                let command =
                    self.transcoder(Direction::Decode, &saga).command(request.command).ok()?;
                Some(Request { command, ..request })
            });
            Ok(decoded.collect())
        })
    }

    fn requests_of(&self, saga: &SagaId) -> BoxFuture<'_, Result<RequestsWithAnswers, StoreError>> {
        let (requests, saga) = (self.store.requests_of(saga), saga.clone());
        Box::pin(async move {
            let transcoder = self.transcoder(Direction::Decode, &saga);
            let decoded = requests.await?.into_iter().filter_map(|(request, answer)| {
                let command = transcoder.command(request.command).ok()?;
                Some((Request { command, ..request }, answer))
            });
            Ok(decoded.collect())
        })
    }

    fn requested(&self) -> Option<BoxFuture<'static, ()>> {
        self.store.requested()
    }

    fn answer(
        &self,
        worker: &WorkerId,
        request: Uuid,
        answer: Answer,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.answer(worker, request, answer)
    }

    fn answer_to(&self, request: Uuid) -> BoxFuture<'_, Result<Option<Answer>, StoreError>> {
        self.store.answer_to(request)
    }
}

//! Writes of several sagas share a statement. Its first try is committed, and nobody hears of it; its second try is refused,
//! so that each saga is tried alone. What became of the first try must not be forgotten by then.

use saga_core::log::Payload;
use saga_core::store::{
    Append, Created, NewDefinition, PostgresStore, Store, StoreError, TransactionWork,
};
use throwaway_postgres::{Place, ThrowawayPostgres};

use super::*;
use crate::samples::*;

/// The second statement that writes to `saga` takes longer than the store waits, and is committed nevertheless. The third one
/// is refused, although it finds nothing to write.
const TRIGGER: &str = "CREATE SEQUENCE writes;
    CREATE FUNCTION disturb() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE n bigint := nextval('writes'); BEGIN
        IF n = 2 THEN
            BEGIN PERFORM pg_sleep(10); EXCEPTION WHEN query_canceled THEN PERFORM pg_sleep(0.2); END;
        ELSIF n = 3 THEN RAISE 'not now' USING ERRCODE = '22023';
        END IF;
        RETURN NULL; END $$;
    CREATE TRIGGER disturbs AFTER INSERT OR UPDATE ON saga FOR EACH STATEMENT EXECUTE FUNCTION disturb()";

/// A store with one writer, and whoever disturbs it.
async fn disturbed(names: &[&str]) -> (TestDatabase, Client, PostgresStore) {
    let url = database();
    let options = options(&url).connections(2).statement_timeout(Duration::from_millis(800));
    let store = options.connect().await.unwrap();
    create(&store, names).await;
    let client = client(&url).await;
    client.batch_execute(TRIGGER).await.unwrap();
    // so that the writer is busy, and what comes next forms a batch
    client.batch_execute("BEGIN; LOCK TABLE saga IN SHARE MODE").await.unwrap();
    (url, client, store)
}

/// How many statements have written to `saga` since the trigger is there.
async fn statements(client: &Client) -> i64 {
    client.query_one("SELECT last_value FROM writes", &[]).await.unwrap().get(0)
}

/// Spawns the first one, and the others once it waits for the lock. Then the lock is released.
async fn one_and_the_others<T: Send + 'static>(
    client: &Client,
    writes: Vec<impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut spawned = Vec::new();
    for write in writes {
        let is_first = spawned.is_empty();
        spawned.push(tokio::spawn(write));
        if is_first {
            let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
            while client.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
        }
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.batch_execute("COMMIT").await.unwrap();
    let mut results = Vec::new();
    for write in spawned {
        results.push(write.await.unwrap());
    }
    results
}

#[tokio::test]
async fn an_append_that_was_committed_is_not_called_fenced() {
    committed_appends_are_not_called_fenced(|append| append).await;
}

#[tokio::test]
async fn an_append_with_a_definition_that_was_committed_is_not_called_fenced() {
    committed_appends_are_not_called_fenced(|mut append| {
        let (params, dag) = (Payload::from(&b"new"[..]), Payload::from(&b"new"[..]));
        // the fingerprint is stored already, so that each try is one statement
        let definition = NewDefinition { fingerprint: "f1".into(), params, dag };
        append.change.definition = Some(Box::new(definition));
        append
    })
    .await;
}

async fn committed_appends_are_not_called_fenced(changed: fn(Append) -> Append) {
    let names = ["first", "a", "b"];
    let (_url, client, store) = disturbed(&names).await;
    let appends = names.map(|name| {
        let store = store.clone();
        async move { store.append(changed(append(name, 2, b"x"))).await }
    });
    let appended = one_and_the_others(&client, appends.into()).await;
    assert_eq!(appended, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(statements(&client).await, 5, "one for the first, two for both, one for each");
    for name in names {
        assert_eq!(entries(&store, name).await, 2);
        let given = changed(append(name, 2, b"x")).change.definition;
        let record = store.load(&id(name)).await.unwrap().unwrap().record;
        assert_eq!(record.params, given.map_or(new_saga(name).record.params, |new| new.params));
    }
    // what this epoch has not written is still fenced
    let other = store.append(append("a", 2, b"other")).await;
    assert_eq!(other, Err(StoreError::Fenced { saga: id("a") }));
}

#[tokio::test]
async fn a_saga_that_was_created_is_not_called_another() {
    let (_url, client, store) = disturbed(&["there"]).await;
    let names = ["first", "a", "b", "there"];
    let creates = names.map(|name| {
        let store = store.clone();
        async move { store.create(new_saga(name)).await.unwrap() }
    });
    let created = one_and_the_others(&client, creates.into()).await;
    let new = created.iter().map(|created| matches!(created, Created::New)).collect::<Vec<_>>();
    assert_eq!(new, [true, true, true, false]);
    assert_eq!(statements(&client).await, 6);
}

/// A commit that waits for a standby is there for everybody as soon as nobody waits for it any more. It is lost in a failover
/// all the same, so it is not acknowledged.
#[tokio::test]
async fn a_commit_that_has_not_reached_the_standby_is_not_acknowledged() {
    let server = ThrowawayPostgres::start().unwrap();
    let url = server.url();
    let store = options(&url).statement_timeout(Duration::from_millis(400)).connect().await;
    let store = store.unwrap();
    create(&store, &["a", "b"]).await;
    let client = client(&url).await;
    client.batch_execute("CREATE TABLE theirs (x int)").await.unwrap();
    let standbys = |names: &str| {
        let line = format!("synchronous_standby_names = '{names}'");
        server.configure("postgresql.conf", &line, Place::Last).unwrap();
    };
    standbys("nobody");
    // the server reads its files a moment later
    let commits = async || {
        let insert = client.batch_execute("INSERT INTO theirs VALUES (1)");
        tokio::time::timeout(Duration::from_millis(300), insert).await.is_ok()
    };
    while commits().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let work = TransactionWork::postgres(Box::new(|_| Box::pin(async { Ok(None) })));
    let (appended, created, committed) = tokio::join!(
        store.append(append("a", 2, b"x")),
        store.create(new_saga("c")),
        store.append_with(append("b", 2, b"x"), work),
    );
    for (what, refused) in
        [("append", appended), ("create", created.map(drop)), ("commit", committed)]
    {
        let Err(StoreError::Failed { why, .. }) = refused else { panic!("{what}: {refused:?}") };
        assert!(why.contains("did not answer within"), "{why}");
    }
    standbys("");
    client.batch_execute("INSERT INTO theirs VALUES (2)").await.unwrap();
    // whoever loads them now goes on from there
    assert_eq!((entries(&store, "a").await, entries(&store, "c").await), (2, 1));
    assert_eq!(store.append(append("a", 3, b"x")).await, Ok(()));
}

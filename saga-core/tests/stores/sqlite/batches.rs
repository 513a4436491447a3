//! Group commit: appends that wait together share a transaction, and one that fails does not fail the
//! others.

use super::*;

#[tokio::test]
async fn appends_that_wait_together_share_a_transaction() {
    let place = Place::new();
    let store = place.open();
    let names: Vec<String> = (0..100).map(|n| format!("saga-{n}")).collect();
    create(&store, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let before = store.stats();
    assert_eq!((before.creates, before.appends, before.entries), (100, 0, 100));

    let appends = names.iter().map(|name| append(name, 2, b"ok")).collect();
    let results = append_together(&place, &store, appends).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");

    let after = store.stats();
    assert_eq!((after.appends, after.entries), (100, 200));
    let transactions = after.transactions - before.transactions;
    assert!(transactions <= 3, "{transactions} transactions for 100 appends");
}

#[tokio::test]
async fn a_fenced_append_does_not_harm_the_others_of_its_batch() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a", "b", "c", "d"]).await;
    let stale = Append { epoch: 7, ..append("b", 2, b"stale") };
    let gone = append("gone", 2, b"gone");
    let appends =
        vec![append("a", 2, b"a"), stale, gone, append("c", 2, b"c"), append("d", 2, b"d")];
    let results = append_together(&place, &store, appends).await;
    assert_eq!(
        results,
        [
            Ok(()),
            Err(StoreError::Fenced { saga: id("b") }),
            Err(StoreError::NotFound { saga: id("gone") }),
            Ok(()),
            Ok(())
        ]
    );
    for (name, expected) in [("a", 2), ("b", 1), ("c", 2), ("d", 2)] {
        assert_eq!(entries(&store, name).await, expected);
    }
}

#[tokio::test]
async fn a_failing_statement_does_not_fail_its_batch() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a", "b", "c"]).await;
    let in_the_way = "INSERT INTO saga_log (key, entries, payloads) \
                      SELECT (number << 24) + 2, '[[\"skipped\",1,1,\"hotel\",0,0]]', X'' FROM saga WHERE id = 'b'";
    place.connection().execute_batch(in_the_way).unwrap();

    let appends = ["a", "b", "c"].map(|name| append(name, 2, b"ok")).into();
    let results = append_together(&place, &store, appends).await;
    assert_eq!((&results[0], &results[2]), (&Ok(()), &Ok(())));
    let e = results[1].as_ref().unwrap_err().to_string();
    assert!(e.contains("UNIQUE constraint failed"), "{e}");

    // Nothing of b's append is in, and the store goes on.
    let next_seq: i64 = place
        .connection()
        .query_row("SELECT next_seq FROM saga WHERE id = 'b'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(next_seq, 2);
    assert_eq!(store.append(append("a", 3, b"ok")).await, Ok(()));
}

#[tokio::test]
async fn a_number_too_large_for_sqlite_is_refused() {
    let place = Place::new();
    let store = place.open();
    create(&store, &["a"]).await;
    let mut late = append("a", 2, b"");
    late.entries[0].at = Timestamp(u64::MAX);
    let mut never = append("a", 2, b"");
    never.change.wake_at = Some(Timestamp(u64::MAX));
    let far = Append { epoch: u64::MAX, ..append("a", 2, b"") };
    for bad in [late, never, far] {
        let e = store.append(bad).await.unwrap_err().to_string();
        assert!(e.contains("18446744073709551615 is too large to store"), "{e}");
    }
    let e = store.append(append("a", 1 << 24, b"")).await.unwrap_err().to_string();
    assert!(e.contains("entry 16777216 is one too many"), "{e}");
    assert_eq!(store.append(append("a", 2, b"")).await, Ok(()));
}

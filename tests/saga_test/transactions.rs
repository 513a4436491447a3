//! Sagas whose actions have transactions in SQLite.

use saga_core::prelude::*;
use saga_core::store::rusqlite::{self, Connection};
use saga_core::testing::{CallFault, Ended, SagaTest};

use crate::messages::message;

async fn add(cx: &ActionContext<()>, owner: &str, cents: i64) -> Result<i64, rusqlite::Error> {
    let owner = owner.to_string();
    cx.transaction(move |tx| {
        let sql = "UPDATE account SET cents = cents + ?2 WHERE owner = ?1 RETURNING cents";
        tx.query_row(sql, (owner, cents), |row| row.get(0))
    })
    .await
}

#[saga_action(undo = put_back(output?, from, cents), timeout = "10s", retry(max = 2))]
async fn withdraw(cx: &ActionContext<()>, from: &str, cents: i64) -> Result<i64, rusqlite::Error> {
    add(cx, from, -cents).await
}
async fn put_back(
    cx: &ActionContext<()>,
    left: Option<&i64>,
    from: &str,
    cents: i64,
) -> Result<(), rusqlite::Error> {
    if left.is_some() { add(cx, from, cents).await.map(drop) } else { Ok(()) }
}

/// Takes the money back even if it was never paid.
async fn always_put_back(
    cx: &ActionContext<()>,
    from: &str,
    cents: i64,
) -> Result<(), rusqlite::Error> {
    add(cx, from, cents).await.map(drop)
}

#[saga_action(no_undo, retry(forever), timeout = "10s")]
async fn deposit(cx: &ActionContext<()>, to: &str, cents: i64) -> Result<i64, rusqlite::Error> {
    add(cx, to, cents).await
}

#[saga_action(undo = always_put_back(from, cents))]
async fn withdraw_badly(
    cx: &ActionContext<()>,
    from: &str,
    cents: i64,
) -> Result<i64, rusqlite::Error> {
    add(cx, from, -cents).await
}

saga! {
    Transfer<()>(cents: i64) -> i64 {
        withdraw { from: "ada", cents: *cents };
        #[pivot]
        deposit { to: "bob", cents: *cents }
    }
    NoPivot<()>(cents: i64) -> i64 {
        withdraw { from: "ada", cents: *cents };
        deposit { to: "bob", cents: *cents }
    }
    BadTransfer<()>(cents: i64) -> i64 {
        withdraw_badly { from: "ada", cents: *cents };
        deposit { to: "bob", cents: *cents }
    }
}

fn accounts(db: &mut Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "CREATE TABLE account (owner TEXT PRIMARY KEY, cents INTEGER CHECK (cents >= 0));
         INSERT INTO account VALUES ('ada', 100), ('bob', 0)",
    )
}

async fn money_moves_once_or_not_at_all<S: saga_core::Saga>(ended: &Ended<S>) {
    let cents = |owner: &str| {
        let sql = "SELECT cents FROM account WHERE owner = ?1";
        ended.sqlite(|db| db.query_row(sql, [owner], |row| row.get::<_, i64>(0)).unwrap())
    };
    let expected = if ended.completed() { (70, 30) } else { (100, 0) };
    assert_eq!((cents("ada"), cents("bob")), expected);
}

#[test]
fn everything_can_go_wrong_with_transactions_too() {
    let test = SagaTest::<Transfer>::new(|| (), Transfer { cents: 30 }).sqlite(accounts);
    let report = test.check_all(money_moves_once_or_not_at_all);
    assert!(report.runs() > 40, "{report}");
}

#[test]
fn a_transaction_that_fails_leaves_nothing() {
    let test = SagaTest::<Transfer>::new(|| (), Transfer { cents: 300 }).sqlite(accounts);
    let report = test.rolls_back().check_all(money_moves_once_or_not_at_all);
    assert!(report.runs() > 10, "{report}");
}

#[test]
fn an_undo_that_does_not_look_at_the_output_is_found() {
    let test = SagaTest::<BadTransfer>::new(|| (), BadTransfer { cents: 30 }).sqlite(accounts);
    let report = test.try_all(money_moves_once_or_not_at_all);
    let found = |begins: &str| report.failures().iter().any(|failure| failure.starts_with(begins));
    assert!(found("`withdraw_badly`, in doubt: "), "{:#?}", report.failures());
}

#[test]
fn a_deposit_that_cannot_be_undone_and_is_not_the_pivot_is_found() {
    let test = SagaTest::<NoPivot>::new(|| (), NoPivot { cents: 30 }).sqlite(accounts);
    let report = test.try_all(money_moves_once_or_not_at_all);
    let [cancelled, deadline] = report.failures() else { panic!("{:#?}", report.failures()) };
    assert!(cancelled.starts_with("`deposit`, cancelled meanwhile: assertion"), "{cancelled}");
    assert!(deadline.starts_with("`deposit`, deadline meanwhile: assertion"), "{deadline}");
}

#[test]
fn without_tables_a_transaction_fails_and_the_test_says_so() {
    let transfer = || SagaTest::<Transfer>::new(|| (), Transfer { cents: 30 });
    let said = message(|| transfer().check_all(async |_: &Ended<Transfer>| {}));
    assert!(said.contains("transaction"), "{said}");
    let test = transfer().fault("withdraw", CallFault::Error).fault("withdraw", CallFault::Error);
    let look = async |ended: &Ended<Transfer>| ended.sqlite(|_| ());
    let said = message(|| test.check(look));
    assert!(
        said.contains("this test has no tables; create them with `SagaTest::sqlite`"),
        "{said}"
    );
    let broken = transfer().sqlite(|db| db.execute_batch("CREATE TABEL account"));
    let said = message(|| broken.check(async |_: &Ended<Transfer>| {}));
    assert!(said.starts_with("Transfer: could not run: its tables cannot be created: "), "{said}");
}

#[tokio::test]
#[should_panic(expected = "which has no store that could take part in a transaction")]
async fn a_test_call_has_no_transactions_and_says_so() {
    let call = ActionContext::for_test(());
    let _ = withdraw(&call, "ann", 5).await;
}

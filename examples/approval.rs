//! An expense claim: it is booked, a person has two days to approve it, then it goes to the boss, and what was approved is paid.
//! While it waits, a claim is a row of the database and takes no memory; the program may be stopped meanwhile.
//!
//! ```text
//! cargo run --example approval
//! ```

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use saga_core::prelude::*;
use saga_core::store::SqliteStore;
use saga_core::testing::{IdempotentService, ServiceError};

/// The services that a claim calls. In a program of yours they are clients of the real ones.
#[derive(Default)]
struct Office {
    budget: IdempotentService<u64>,
    mails: IdempotentService<String>,
    payments: IdempotentService<String>,
    /// There are no wire transfers then.
    bank_is_closed: AtomicBool,
}

type Cx = ActionContext<Office>;

/// Somebody has decided about the claim.
#[saga_event]
#[derive(Debug, Clone)]
struct Decided {
    by: String,
    approved: bool,
}

/// Whoever claimed it does not want it any more.
#[saga_event]
#[derive(Debug, Clone)]
struct Withdrawn {}

/// Takes the money out of the budget until it is paid.
#[saga_action(undo = release())]
async fn reserve(cx: &Cx, cents: u64) -> Result<u64, ServiceError> {
    cx.budget.call(cx, || Ok::<_, String>(cents))
}

async fn release(cx: &Cx) -> Result<(), ServiceError> {
    cx.budget.undo(cx).map(drop)
}

#[saga_action(no_undo = "a mail cannot be unsent")]
async fn ask(cx: &Cx, whom: &str) -> Result<String, ServiceError> {
    cx.mails.call(cx, || Ok::<_, String>(format!("{whom}, do you approve {}?", cx.saga_id())))
}

/// Fails if nobody has approved it: then the saga rolls back, and the budget has its money again.
#[saga_action(no_undo)]
async fn check(decision: Option<&Decided>) -> Result<String, String> {
    match decision {
        None => Err("it was withdrawn, or nobody has decided".to_string()),
        Some(Decided { by, approved: false }) => Err(format!("{by} does not approve it")),
        Some(Decided { by, approved: true }) => Ok(by.clone()),
    }
}

#[saga_action(undo = take_back())]
async fn wire(cx: &Cx, cents: u64) -> Result<String, ServiceError> {
    cx.payments.call(cx, || match cx.bank_is_closed.load(Ordering::Relaxed) {
        true => Err("the bank is closed"),
        false => Ok(format!("{cents} by wire")),
    })
}

/// The other carrier: slower, and always there.
#[saga_action(undo = take_back())]
async fn send_check(cx: &Cx, cents: u64) -> Result<String, ServiceError> {
    cx.payments.call(cx, || Ok::<_, String>(format!("{cents} by check")))
}

async fn take_back(cx: &Cx) -> Result<(), ServiceError> {
    cx.payments.undo(cx).map(drop)
}

saga! {
    /// From the claim to the money. `patience` is how long each person has: two days.
    Claim<Office>(cents: u64, patience: Duration) -> String {
        reserve { cents: *cents };
        ask { whom: "lead" };
        let decision = select {
            decided = wait_for::<Decided> {} => { { Some(decided.clone()) } },
            _ = wait_for::<Withdrawn> {} => { { None } },
            _ = sleep { duration: *patience } => {
                let _escalated = ask { whom: "boss" };
                let late = wait_for::<Decided> { timeout: *patience };
                late
            },
        };
        let by = check { decision: decision.as_ref() };
        // a failure of the wire stays small: it is undone, and the check is sent in its place
        let way = try { wire { cents: *cents } } else { send_check { cents: *cents } };
        { format!("paid {way}, approved by {by}") }
    }
}

/// Two days, in a program that people watch.
const PATIENCE: Duration = Duration::from_millis(1500);

fn decided(by: &str, approved: bool) -> Decided {
    Decided { by: by.to_string(), approved }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let store = SqliteStore::open(scratch.path().join("claims.db"))?;
    let sec = Coordinator::builder(Office::default()).store(store).saga::<Claim>().build().await?;

    let mut claims = Vec::new();
    for id in ["train", "hotel", "dinner", "desk", "plane"] {
        let claim = Claim { cents: 4_200, patience: PATIENCE };
        claims.push((id, sec.saga(claim).id(id).start().await?));
    }
    // events may come from another process, over HTTP or from the command line: `saga signal train Decided ..`
    sec.signal("train", decided("lead", true)).event_id("mail-1").await?;
    sec.signal("hotel", decided("lead", false)).event_id("mail-2").await?;
    sec.signal("dinner", Withdrawn {}).await?;
    // nobody decides about the desk, and the boss about the plane, when the bank is closed
    tokio::time::sleep(PATIENCE + Duration::from_millis(300)).await;
    sec.context().bank_is_closed.store(true, Ordering::Relaxed);
    sec.signal("plane", decided("boss", true)).event_id("mail-3").await?;

    for (id, claim) in claims {
        match claim.await {
            Ok(paid) => println!("{id}: {paid}"),
            Err(SagaError::RolledBack(report)) => match report.error {
                Some(why) => println!("{id}: not paid, {why}"),
                None => println!("{id}: not paid"),
            },
            Err(other) => return Err(other.into()),
        }
    }
    let Office { budget, mails, payments, .. } = &**sec.context();
    println!("reserved: {}", budget.effects().len());
    println!("mails: {}", mails.effects().len());
    println!("payments: {}", payments.effects().len());
    sec.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use saga_core::testing::{Ended, SagaTest};

    use super::*;

    /// The test's time passes at once, but each second of it costs something.
    const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);

    fn test(bank_is_closed: bool) -> SagaTest<Claim> {
        let office =
            move || Office { bank_is_closed: AtomicBool::new(bank_is_closed), ..Office::default() };
        SagaTest::new(office, Claim { cents: 10, patience: TWO_HOURS })
    }

    /// Money is reserved and paid once, or neither.
    fn all_or_nothing(ended: &Ended<Claim>) {
        let Office { budget, payments, .. } = ended.context();
        let expected = usize::from(ended.completed());
        assert_eq!((budget.effects().len(), payments.effects().len()), (expected, expected));
    }

    #[test]
    fn a_claim_that_is_approved_is_paid() {
        let test = test(false).signal(decided("lead", true));
        test.check_all(async |ended: &Ended<Claim>| all_or_nothing(ended));
    }

    #[test]
    fn the_boss_decides_later_and_a_check_is_sent_when_the_bank_is_closed() {
        let test =
            test(true).signal_after(TWO_HOURS + Duration::from_secs(60), decided("boss", true));
        test.check_all(async |ended: &Ended<Claim>| {
            all_or_nothing(ended);
            if let Ok(paid) = ended.result() {
                assert_eq!(paid, "paid 10 by check, approved by boss");
            }
        });
    }

    #[test]
    fn a_claim_that_nobody_wants_or_approves_is_rolled_back() {
        let refused = test(false).signal(decided("lead", false)).rolls_back();
        let withdrawn = test(false).signal(Withdrawn {}).rolls_back();
        let forgotten = test(false).rolls_back();
        for test in [refused, withdrawn, forgotten] {
            test.check_all(async |ended: &Ended<Claim>| all_or_nothing(ended));
        }
    }
}

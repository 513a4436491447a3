//! `cargo bench-waiting`: many sagas that wait in SQLite, of which some are due at one moment.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use saga_benches::Any;
use saga_benches::closed_loop::{Load, closed_loop};
use saga_benches::scale::resident;
use saga_core::prelude::*;
use tokio::sync::Notify;

const USAGE: &str = "\
usage: cargo bench-waiting [SAGAS [DUE]]

  SAGAS  how many sagas wait for an event (default 1000000)
  DUE    how many more are due at one moment (default 10000)";

/// How many starts are under way at once.
const AT_ONCE: usize = 500;

/// How many sagas were woken.
#[derive(Default)]
struct Woken {
    count: AtomicUsize,
    another: Notify,
}

#[saga_event]
struct Paid {
    cents: u64,
}

#[saga_action(no_undo)]
async fn count(cx: &ActionContext<Arc<Woken>>) -> Result<(), String> {
    cx.user_context().count.fetch_add(1, SeqCst);
    cx.user_context().another.notify_one();
    Ok(())
}

saga! {
    Invoice<Arc<Woken>>(number: u64) -> u64 {
        let paid = wait_for::<Paid> {};
        { paid.cents + *number }
    }

    Reminder<Arc<Woken>>(millis: u64) {
        sleep_until { at: UNIX_EPOCH + Duration::from_millis(*millis) };
        count {};
    }
}

#[tokio::main]
async fn main() -> Result<(), Any> {
    let numbers = env::args().skip(1).map(|arg| arg.parse::<usize>());
    let numbers = numbers.collect::<Result<Vec<_>, _>>().map_err(|_| USAGE)?;
    let (sagas, due) = match numbers[..] {
        [] => (1_000_000, 10_000),
        [sagas] => (sagas, 10_000),
        [sagas, due] => (sagas, due),
        _ => return Err(USAGE.into()),
    };
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("waiting.db");
    let woken = Arc::new(Woken::default());
    let sec = open(&file, &woken).await?;

    let begun = Instant::now();
    let starting = sec.clone();
    closed_loop(AT_ONCE, Load::Count(sagas), move |number| {
        let sec = starting.clone();
        async move {
            sec.saga(Invoice { number }).start().await?;
            Ok(())
        }
    })
    .await?;
    until_idle(&sec).await;
    println!("{sagas} sagas wait, started in {:.0} s", begun.elapsed().as_secs_f64());
    println!("resident memory of the process that started them: {}", megabytes(resident()?));
    sec.shutdown(Duration::ZERO).await?;
    drop(sec);

    let begun = Instant::now();
    let sec = open(&file, &woken).await?;
    println!("the next coordinator is built in {:.2} s", begun.elapsed().as_secs_f64());

    let at = SystemTime::now() + Duration::from_secs(10);
    let millis = u64::try_from(at.duration_since(UNIX_EPOCH)?.as_millis())?;
    let starting = sec.clone();
    closed_loop(AT_ONCE, Load::Count(due), move |_| {
        let sec = starting.clone();
        async move {
            sec.saga(Reminder { millis }).start().await?;
            Ok(())
        }
    })
    .await?;
    until_idle(&sec).await;
    let left = at
        .duration_since(SystemTime::now())
        .map_err(|_| "they were due before they had left memory")?;
    println!("{due} more wait, and are due in {:.1} s", left.as_secs_f64());

    // what else goes on must not notice: an event for a saga that waits, again and again
    let (mut slowest, mut told) = (Duration::ZERO, 0_u32);
    tokio::time::sleep(left).await;
    while woken.count.load(SeqCst) < due {
        let asked = Instant::now();
        let id = format!("probe-{told}");
        sec.saga(Invoice { number: 0 }).id(&id).start().await?;
        sec.signal(&id, Paid { cents: 1 }).await?;
        slowest = slowest.max(asked.elapsed());
        told += 1;
        let pause = tokio::time::sleep(Duration::from_millis(20));
        tokio::select! { () = woken.another.notified() => {} () = pause => {} }
    }
    let after = SystemTime::now().duration_since(at)?;
    println!("the last of them goes on {:.2} s after that", after.as_secs_f64());
    println!(
        "meanwhile {told} other sagas were started and told of an event, the slowest in {slowest:.0?}"
    );
    println!("resident memory with {sagas} that still wait: {}", megabytes(resident()?));
    sec.shutdown(Duration::from_secs(1)).await?;
    Ok(())
}

async fn open(file: &std::path::Path, woken: &Arc<Woken>) -> Result<Coordinator<Arc<Woken>>, Any> {
    let builder = Coordinator::builder(woken.clone()).store(SqliteStore::open(file)?);
    Ok(builder.saga::<Invoice>().saga::<Reminder>().build().await?)
}

/// Until none of the sagas is in memory.
async fn until_idle(sec: &Coordinator<Arc<Woken>>) {
    while sec.health().running > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn megabytes(bytes: f64) -> String {
    format!("{:.0} MB", bytes / 1e6)
}

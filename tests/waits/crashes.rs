//! A process dies at each call of its store, before the call takes effect and after it, while a saga waits, is told of events, leaves
//! memory and is woken. Whatever happens: no event is lost or taken twice, no wait ends before its time, and the saga ends.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, UNIX_EPOCH};

use futures_util::future::{Either, select};
use saga_core::log::{NodeEntry, Timestamp};
use saga_core::operator::Answer;
use saga_core::planted::{Mistake, plant};
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, Store, StoredSaga};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::HOUR;
use crate::common::dice::Dice;
use crate::common::scripted_store::ScriptedStore;

/// A message with a number.
#[saga_event]
struct Message {
    number: u32,
}

saga! {
    Reader<()>() -> Vec<u32> {
        let first = wait_for::<Message> {};
        sleep { duration: HOUR };
        let second = wait_for::<Message> { timeout: HOUR * 100 };
        let third = wait_for::<Message> {};
        let never = wait_for::<Message> { timeout: HOUR };
        {
            let all = [Some(first), second.as_ref(), Some(third), never.as_ref()];
            all.into_iter().flatten().map(|message| message.number).collect()
        }
    }
}

/// At which call of its store a process dies, counted from 1, and whether the call has taken effect.
#[derive(Debug, Clone, Copy)]
struct Death {
    at: usize,
    late: bool,
}

/// What happened to the saga when nothing happens any more.
struct Ran {
    output: Option<Vec<u32>>,
    stored: Option<StoredSaga>,
    /// True if a process died at each of the calls at which it was to die.
    all_died: bool,
}

/// A world with a store and a clock that outlive processes.
#[derive(Default)]
struct Medium {
    memory: MemoryStore,
    /// How long processes have lived so far.
    passed: Duration,
}

impl Medium {
    /// A process that lives until everything is done, or until it dies. The saga's output, or whether it has died.
    fn live(&mut self, death: Option<Death>) -> Result<Option<Vec<u32>>, Died> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        let (ended, passed) = runtime.block_on(async {
            let begun = Instant::now();
            let (before, died) = (self.passed, Arc::new(Notify::new()));
            let store = dying(self.memory.clone(), death, &died);
            let live = async {
                let now = move || UNIX_EPOCH + HOUR * 500_000 + before + begun.elapsed();
                let builder = Coordinator::builder(()).saga::<Reader>().store(store);
                use_it(&builder.wall_clock(now).build().await.unwrap()).await
            };
            let live = timeout(HOUR * 1000, live);
            let ended = match select(pin!(live), pin!(died.notified())).await {
                Either::Left((ended, _)) => Ok(ended.ok()),
                Either::Right(_) => Err(Died),
            };
            (ended, begun.elapsed())
        });
        // as a kill does
        runtime.shutdown_background();
        self.passed += passed;
        ended
    }
}

/// A process has died.
struct Died;

/// A store that does nothing more from one of its calls on.
fn dying(memory: MemoryStore, death: Option<Death>, died: &Arc<Notify>) -> ScriptedStore {
    let mut store = ScriptedStore::default();
    store.memory = memory;
    let Some(Death { at, late }) = death else { return store };
    let calls = Arc::new(AtomicUsize::new(0));
    for is_late in [false, true] {
        let (calls, died) = (calls.clone(), died.clone());
        let hook = move |_: &_| {
            let number = match is_late {
                false => calls.fetch_add(1, SeqCst) + 1,
                true => calls.load(SeqCst),
            };
            let over = number > at || number == at && is_late == late;
            over.then(|| {
                died.notify_one();
                Box::pin(std::future::pending()) as _
            })
        };
        match is_late {
            false => store.before(hook),
            true => store.after(hook),
        }
    }
    store
}

/// What the program does in each life: it starts the saga unless it is there, and tells it of three messages.
async fn use_it(sec: &Coordinator<()>) -> Vec<u32> {
    let handle = sec.saga(Reader {}).id("r").start().await.unwrap();
    for number in 1..=3 {
        // long enough for the saga to leave memory, and for the third to come after the second wait began
        sleep(HOUR * (number * number / 3) + Duration::from_secs(5)).await;
        let told = sec.signal("r", Message { number }).event_id(format!("m-{number}")).await;
        match told {
            Ok(Answer::Done | Answer::Duplicate) => {}
            other => panic!("message {number}: {other:?}"),
        }
    }
    handle.await.unwrap()
}

/// Processes that die like this, one after the other, and then one that lives.
fn run(deaths: &[Death]) -> Ran {
    let mut medium = Medium::default();
    let mut all_died = true;
    for death in deaths {
        if let Ok(output) = medium.live(Some(*death)) {
            all_died = false;
            if output.is_some() {
                return medium.ran(output, all_died);
            }
        }
    }
    let output = medium.live(None).unwrap_or_default();
    medium.ran(output, all_died)
}

impl Medium {
    fn ran(&self, output: Option<Vec<u32>>, all_died: bool) -> Ran {
        let load = self.memory.load(&"r".parse().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Ran { output, stored: runtime.block_on(load).unwrap(), all_died }
    }
}

/// What is wrong with a run.
fn broken(ran: &Ran) -> Option<String> {
    let stored = ran.stored.as_ref()?;
    let Some(output) = &ran.output else {
        return Some(format!("the saga does not end: {:?}", stored.record));
    };
    if *output != [1, 2, 3] {
        return Some(format!("the messages that were read are {output:?}"));
    }
    let mut until = Vec::<Timestamp>::new();
    let mut timers = 0;
    for entry in &stored.entries {
        match entry.node_entry() {
            Some(NodeEntry::Waiting { until: times }) => until.clone_from(times),
            Some(NodeEntry::Waited(won)) if won.event.is_none() => {
                timers += 1;
                if until.iter().any(|until| entry.at < *until) {
                    return Some(format!("a timer fires early: {entry:?}"));
                }
            }
            _ => {}
        }
    }
    (timers != 2).then(|| format!("{timers} timers fired"))
}

#[test]
fn a_process_dies_at_each_call_of_its_store() {
    assert_eq!(broken(&run(&[])), None);
    let mut deaths = 0;
    for late in [false, true] {
        for at in 1.. {
            let ran = run(&[Death { at, late }]);
            let broken = broken(&ran);
            assert_eq!(broken, None, "it dies at call {at}, late: {late}");
            if !ran.all_died {
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths > 40, "{deaths}");
}

#[test]
fn processes_die_one_after_the_other() {
    for seed in 0..60 {
        let dice = Dice::new(seed);
        let deaths = (0..1 + dice.roll(6))
            .map(|_| Death { at: 1 + dice.roll(40) as usize, late: dice.one_in(2) });
        let deaths = deaths.collect::<Vec<_>>();
        assert_eq!(broken(&run(&deaths)), None, "seed {seed}: {deaths:?}");
    }
}

/// These tests can fail.
#[test]
fn every_mistake_in_waking_is_found() {
    for mistake in Mistake::IN_WAKING {
        let _planted = plant(*mistake);
        let dies = || (1..40).flat_map(|at| [Death { at, late: false }, Death { at, late: true }]);
        let found = broken(&run(&[])).or_else(|| dies().find_map(|death| broken(&run(&[death]))));
        assert!(found.is_some(), "{mistake:?} is not found");
    }
}

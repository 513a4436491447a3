//! Several workers that share a limit and look at the store as coordinators do: each gets its part, nothing is left unused,
//! and the store is seldom changed.

use std::time::Duration;

use super::model::{Random, Stored, Worker};
use super::{ShareTerms, divide};
use crate::log::Timestamp;
use crate::store::{CallShare, WorkerId};

/// Those of a lease of 15 s.
const USUAL: ShareTerms = ShareTerms { idle: Duration::from_secs(3), turn: Duration::from_secs(1) };

/// How busy the workers of a simulation are.
#[derive(Clone, Copy)]
struct Load {
    /// A worker has calls to make from here to there.
    from: u64,
    to: u64,
    /// How many calls it would make at once.
    wanted: u32,
    /// How long its calls take at most.
    call: u64,
    /// For how long it has none after each second of calls.
    pause: u64,
}

struct Ran {
    /// How many milliseconds of calls there were of each worker in the last `measured`.
    times: Vec<u64>,
    /// The longest time that each waited without a single call.
    longest: Vec<u64>,
    /// Changes in the store in that time.
    changes: u64,
    /// How many workers have a part at the end.
    left: usize,
}

/// Workers that look at the store as coordinators do, with its answers some milliseconds later. `kill` is when the first
/// one dies.
fn run(limit: u32, loads: &[Load], until: u64, measured: u64, kill: u64) -> Ran {
    const STEP: u64 = 5;
    const POLL: u64 = 250;
    let mut random = Random(7);
    let mut store = Stored { now: 1_000_000, ..Stored::default() };
    let began = store.now;
    let mut workers = Vec::new();
    for n in 0..loads.len() as u64 {
        let mut worker = Worker::new(n, limit);
        worker.until = u64::MAX;
        store.leases.insert(worker.id.to_string(), if n == 0 { began + kill } else { u64::MAX });
        // when each of its calls ends, when it looks next, since when it waits
        workers.push((worker, Vec::<u64>::new(), 0, None::<u64>));
    }
    let mut ran =
        Ran { times: vec![0; loads.len()], longest: vec![0; loads.len()], changes: 0, left: 0 };
    while store.now < began + until {
        store.now += STEP;
        let (now, at) = (store.now, store.now - began);
        if at == until - measured {
            ran = Ran { changes: store.changes, ..ran };
            ran.longest.fill(0);
        }
        for (n, (worker, ends, next, waits)) in workers.iter_mut().enumerate() {
            if n == 0 && at >= kill {
                continue;
            }
            let load = loads[n];
            ends.retain(|end| *end > now);
            worker.under_way = ends.len() as u32;
            let is_busy = (load.from..load.to).contains(&at) && at % (1_000 + load.pause) < 1_000;
            let wanted = if is_busy { load.wanted } else { 0 };
            worker.waiting = wanted.saturating_sub(worker.under_way);
            let soon = worker.share.note(worker.calls());
            if (soon && now + POLL >= *next + POLL / 10) || now >= *next {
                *next = now + POLL + random.below(POLL / 4);
                // others may have been faster, as a change in the store takes a moment
                for _ in 0..3 {
                    let seen = store.read();
                    let Some((change, planned)) = worker.plan(USUAL, &seen) else { break };
                    if !random.one_in(4) && store.change(&change) {
                        worker.share.confirmed(&planned);
                        break;
                    }
                }
            }
            worker.start_calls(now);
            while ends.len() < worker.under_way as usize {
                ends.push(now + STEP + random.below(load.call));
            }
            let is_waiting = worker.under_way == 0 && worker.waiting > 0;
            let since = waits.get_or_insert(now);
            if is_waiting {
                ran.longest[n] = ran.longest[n].max(now - *since);
            } else {
                *waits = None;
            }
            if at > until - measured {
                ran.times[n] += u64::from(worker.under_way) * STEP;
            }
        }
        let lives = |n: usize| n > 0 || at < kill;
        let running = workers.iter().enumerate().filter(|(n, _)| lives(*n));
        let running: u32 = running.map(|(_, (worker, ..))| worker.under_way).sum();
        assert!(running <= limit, "{running} at once");
    }
    Ran { changes: store.changes - ran.changes, left: store.there.shares.len(), ..ran }
}

const FOREVER: u64 = u64::MAX / 2;

fn busy(wanted: u32) -> Load {
    Load { from: 0, to: FOREVER, wanted, call: 100, pause: 0 }
}

#[test]
fn busy_workers_have_equal_shares_and_then_write_nothing() {
    let ran = run(30, &[busy(100); 3], 20_000, 10_000, FOREVER);
    println!("{:?}, {} changes", ran.times, ran.changes);
    assert!(ran.times.iter().all(|time| (95_000..=100_000).contains(time)), "{:?}", ran.times);
    assert_eq!(ran.changes, 0);
}

#[test]
fn what_one_does_not_want_is_for_the_others() {
    let ran = run(30, &[busy(3), busy(100), busy(100)], 20_000, 10_000, FOREVER);
    println!("{:?}, {} changes", ran.times, ran.changes);
    assert!((28_000..=30_000).contains(&ran.times[0]));
    assert!((128_000..=141_000).contains(&ran.times[1]), "{:?}", ran.times);
    assert!((128_000..=141_000).contains(&ran.times[2]), "{:?}", ran.times);
}

#[test]
fn a_worker_that_comes_later_gets_its_share_soon() {
    let late = Load { from: 10_000, ..busy(100) };
    let ran = run(10, &[busy(100), late], 12_000, 2_000, FOREVER);
    println!("{:?}, waited {:?}, {} changes", ran.times, ran.longest, ran.changes);
    assert!(ran.longest[1] < 1_000, "{:?}", ran.longest);
    assert!(ran.times[1] > 6_000 && ran.times.iter().sum::<u64>() > 17_000, "{:?}", ran.times);
}

#[test]
fn more_workers_than_calls_take_turns() {
    let ran = run(1, &[busy(5); 4], 40_000, 30_000, FOREVER);
    println!("{:?}, waited {:?}, {} changes", ran.times, ran.longest, ran.changes);
    assert!(ran.times.iter().all(|time| *time > 3_500), "{:?}", ran.times);
    assert!(ran.times.iter().sum::<u64>() > 18_000, "{:?}", ran.times);
    assert!(ran.longest.iter().all(|time| *time < 5_000), "{:?}", ran.longest);
    let ran = run(3, &[busy(5); 7], 40_000, 30_000, FOREVER);
    println!("{:?}, waited {:?}, {} changes", ran.times, ran.longest, ran.changes);
    assert!(ran.times.iter().all(|time| *time > 6_000), "{:?}", ran.times);
    assert!(ran.longest.iter().all(|time| *time < 6_000), "{:?}", ran.longest);
}

#[test]
fn idle_and_dead_workers_keep_nothing() {
    // the first one stops after 5 s, and another one takes over
    let (first, second) = (Load { to: 5_000, ..busy(50) }, Load { from: 5_500, ..busy(50) });
    let ran = run(10, &[first, second], 8_000, 2_000, FOREVER);
    assert!(ran.times[1] > 19_500, "{:?}", ran.times);
    assert_eq!(ran.changes, 0);
    // it dies
    let ran = run(10, &[busy(50), busy(50)], 8_000, 2_000, 5_000);
    assert!(ran.times[1] > 19_500, "{:?}", ran.times);
    // nobody wants anything any more: after two idle times, nobody has anything
    let ran = run(10, &[Load { to: 1_000, ..busy(50) }; 3], 10_000, 9_500, FOREVER);
    assert!((1..=5).contains(&ran.changes), "{}", ran.changes);
    let ran = run(10, &[Load { to: 1_000, ..busy(50) }; 3], 10_000, 2_000, FOREVER);
    assert_eq!((ran.times, ran.changes, ran.left), (vec![0; 3], 0, 0));
}

#[test]
fn a_worker_whose_calls_come_and_go_keeps_its_part() {
    let now_and_then = Load { pause: 300, ..busy(1) };
    let ran = run(10, &[now_and_then, now_and_then], 20_000, 15_000, FOREVER);
    println!("{:?}, waited {:?}, {} changes", ran.times, ran.longest, ran.changes);
    assert_eq!((ran.changes, ran.longest), (0, vec![0, 0]));
}

#[test]
fn who_wants_no_more_than_an_equal_part_gets_just_that() {
    let share = |name: &str, wants| CallShare {
        worker: WorkerId::from(name),
        limit: 5,
        held: 0,
        wants,
        since: Timestamp(1),
    };
    let shares = [share("a", 1), share("b", 5), share("c", 5)];
    assert_eq!(divide(&shares, 5, Timestamp(1), USUAL.turn), [1, 2, 2]);
}

//! Deployments: processes with two versions of a saga, one after the other or side by side, that are killed at any moment.
//! Whichever version finishes a saga, it has all of the effects of that version, or none.
//!
//! `UPGRADE_SEED=n cargo test --all-features --test crashes upgrades::` repeats the moments.

mod program;
mod sagas;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Child;
use std::time::{Duration, Instant};

use saga_core::dag::Dag;
use saga_core::prelude::*;
use saga_core::store::{FileStore, ListFilter, StoredSaga};
use saga_core::{BuildError, SagaId, StartError};

use self::program::{Program, runtime};
use self::sagas::{v1, v2};
use crate::after::heard;
use crate::child::child;
use crate::dice::Dice;
use crate::life::Home;
use crate::places::Place;
use crate::sagas::{Outside, World};
use crate::said::Says;

pub(crate) use self::program::live;

const SEED: &str = "UPGRADE_SEED";

fn dice() -> Dice {
    let chosen = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let seed = chosen.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 44);
    println!("{SEED}={seed}");
    Dice::new(seed)
}

/// A process with this program, which begins sagas of this round.
fn deploy<P: Place>(home: &Home, program: Program, round: usize) -> Child {
    let mut child = child::<P>(home, &format!("upgrade:{program:?}-{round}"));
    let silent = std::process::Stdio::null;
    child.stdout(silent()).stderr(silent()).spawn().unwrap()
}

/// Waits until processes have started so many sagas in this round, so that a kill hits them at their work.
fn until_started(home: &Home, round: usize, started: usize) {
    let begun = Instant::now();
    let of_round = format!("-{round}-");
    while heard(home).started.iter().filter(|id| id.contains(&of_round)).count() < started {
        assert!(begun.elapsed() < Duration::from_secs(60), "the program starts no sagas");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill(mut process: Child) {
    // SIGKILL
    process.kill().unwrap();
    process.wait().unwrap();
}

/// A program that is deployed again after each kill.
fn live_and_die<P: Place>(
    home: &Home,
    program: Program,
    rounds: std::ops::Range<usize>,
    dice: &Dice,
) {
    // nobody waits for the leases of the program before
    runtime().block_on(P::expire(&home.place));
    for round in rounds {
        let process = deploy::<P>(home, program, round);
        until_started(home, round, 1 + dice.roll(20) as usize);
        dice.sleep(0..60);
        kill(process);
    }
}

fn all() -> ListFilter {
    ListFilter { limit: 10_000, ..ListFilter::default() }
}

/// What the store has of all sagas.
async fn stored<P: Place>(store: &P) -> Vec<StoredSaga> {
    let mut sagas = Vec::new();
    for record in store.list(all()).await.unwrap() {
        sagas.push(store.load(&record.id).await.unwrap().unwrap());
    }
    sagas
}

/// The last deployment: it runs until all sagas have ended that it knows. Returns how many are left.
async fn finish<P: Place>(home: &Home, program: Program) -> (Coordinator<Outside>, usize) {
    P::expire(&home.place).await;
    let world = World::new(Says::to(&home.said), P::KIND);
    let store = P::open(&home.place).await.unwrap();
    let sec = program.builder(&world).store(store).build().await.unwrap();
    let begun = Instant::now();
    loop {
        let unknown = sec.unknown_versions();
        let left = sec.list(all()).await.unwrap();
        let left = left.iter().filter(|record| !record.status.is_ended());
        let known = |fingerprint: &str| unknown.iter().all(|v| v.fingerprint != fingerprint);
        let (goes_on, stays) = left.partition::<Vec<_>, _>(|record| known(&record.fingerprint));
        if goes_on.is_empty() {
            return (sec, stays.len());
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "these do not end: {goes_on:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many sagas each version has finished.
#[derive(Debug, Default)]
struct Finished {
    by: BTreeMap<u32, usize>,
    /// Of those that were under way when the next version was deployed, how many the old one has finished.
    by_old: usize,
    migrated: usize,
    rolled_back: usize,
}

/// All sagas that were acknowledged have ended, each with all effects of the version that finished it, or with none.
async fn check<P: Place>(home: &Home, store: &P, under_way: &BTreeSet<SagaId>) -> Finished {
    let versions = BTreeMap::from([
        (Dag::of::<v1::Upgraded>().unwrap().fingerprint().to_string(), 1),
        (Dag::of::<v2::Upgraded>().unwrap().fingerprint().to_string(), 2),
    ]);
    let heard = heard(home);
    let sagas = stored(store).await;
    for id in &heard.started {
        assert!(sagas.iter().any(|saga| saga.record.id.as_str() == id), "{id} is lost");
    }
    let mut finished = Finished::default();
    for StoredSaga { record, entries } in &sagas {
        let version = versions[&*record.fingerprint];
        let migrated = entries.iter().filter(|entry| entry.kind.name() == "migrated").count();
        let mut effects = heard.effects(record.id.as_str());
        effects.iter_mut().for_each(|effect| *effect = effect.split('/').next().unwrap());
        effects.sort_unstable();
        let expected: &[&str] = match (record.status, version) {
            (SagaStatus::Completed, 1) => &["flight", "hotel", "payment"],
            (SagaStatus::Completed, _) => &["car", "flight", "hotel", "payment"],
            (SagaStatus::RolledBack, _) => &[],
            (status, _) => panic!("{} is {status}", record.id),
        };
        assert_eq!(effects, expected, "{} of version {version}: {entries:#?}", record.id);
        *finished.by.entry(version).or_default() += 1;
        finished.migrated += migrated;
        finished.by_old += usize::from(version == 1 && under_way.contains(&record.id));
        finished.rolled_back += usize::from(record.status == SagaStatus::RolledBack);
    }
    finished
}

/// The sagas that have not ended.
fn under_way<P: Place>(home: &Home) -> BTreeSet<SagaId> {
    runtime().block_on(async {
        let sagas = stored(&P::attach(&home.place).await.unwrap()).await;
        let open = sagas.into_iter().filter(|saga| !saga.record.status.is_ended());
        open.map(|saga| saga.record.id).collect()
    })
}

/// Version 1 is killed again and again, then version 2.
fn upgrade<P: Place>(home: &Home, program: Program, dice: &Dice) -> Finished {
    live_and_die::<P>(home, Program::First, 0..3, dice);
    let under_way = under_way::<P>(home);
    live_and_die::<P>(home, program, 3..6, dice);
    runtime().block_on(async {
        let (sec, left) = finish::<P>(home, program).await;
        assert_eq!(left, 0);
        repeat(&sec, home, program).await;
        sec.shutdown(Duration::from_secs(5)).await.unwrap();
        check(home, &P::attach(&home.place).await.unwrap(), &under_way).await
    })
}

/// Clients that repeat their requests after the upgrade, as they say it today, find the sagas of old.
async fn repeat(sec: &Coordinator<Outside>, home: &Home, program: Program) {
    let before = sec.list(all()).await.unwrap().len();
    for id in heard(home).started.iter().filter(|id| id.starts_with("First-")) {
        let n = id.rsplit('-').next().unwrap().parse().unwrap();
        let found = sec.saga(v2::Upgraded { n, guests: 1 }).id(id).start().await;
        match (program, found) {
            (Program::Migrating, Ok(handle)) => assert_eq!(handle.id().as_str(), id),
            // without a migration nothing says what the old parameters are in the new version
            (
                Program::SideBySide,
                Err(StartError::IdConflict { .. } | StartError::Corrupt { .. }),
            ) => {}
            (_, found) => panic!("{id}: {:?}", found.map(drop)),
        }
    }
    assert_eq!(sec.list(all()).await.unwrap().len(), before);
}

/// True if each way was taken in which a saga can go.
fn upgraded<P: Place>(home: &Home) -> bool {
    let dice = dice();
    let finished = upgrade::<P>(home, Program::Migrating, &dice);
    println!("{:?}: {finished:?}", P::KIND);
    // those that were behind their pivot, or were rolling back, went on with the old version
    let old = finished.by_old > 0 && finished.rolled_back > 0;
    old && finished.migrated > 0 && finished.by.get(&2) > Some(&finished.migrated)
}

fn side_by_side<P: Place>(home: &Home) -> bool {
    let dice = dice();
    let finished = upgrade::<P>(home, Program::SideBySide, &dice);
    println!("{:?}: {finished:?}", P::KIND);
    assert_eq!(finished.migrated, 0);
    finished.by_old > 0 && finished.by.contains_key(&2)
}

/// The deployment is taken back: the old program leaves alone what was migrated, and finishes the rest; then the new one is back.
fn taken_back<P: Place>(home: &Home) -> bool {
    let dice = dice();
    live_and_die::<P>(home, Program::First, 0..2, &dice);
    let under_way = under_way::<P>(home);
    live_and_die::<P>(home, Program::Migrating, 2..4, &dice);
    live_and_die::<P>(home, Program::First, 4..6, &dice);
    runtime().block_on(async {
        let (sec, left) = finish::<P>(home, Program::First).await;
        // those of version 2
        let stood_still = left > 0;
        sec.shutdown(Duration::from_secs(5)).await.unwrap();
        drop(sec);
        let (sec, left) = finish::<P>(home, Program::Migrating).await;
        assert_eq!(left, 0);
        sec.shutdown(Duration::from_secs(5)).await.unwrap();
        let finished = check(home, &P::attach(&home.place).await.unwrap(), &under_way).await;
        println!("{:?}: {finished:?}", P::KIND);
        stood_still && finished.migrated > 0 && finished.by_old > 0
    })
}

/// A program that does not know version 1 changes nothing about its sagas; that one comes back and finishes them.
fn refused_and_unknown<P: Place>(home: &Home) -> bool {
    let dice = dice();
    live_and_die::<P>(home, Program::First, 0..2, &dice);
    runtime().block_on(async {
        P::expire(&home.place).await;
        let world = World::new(Says::to(&home.said), P::KIND);
        let before = stored(&P::attach(&home.place).await.unwrap()).await;
        let store = P::open(&home.place).await.unwrap();
        let refused = Program::Refusing.builder(&world).store(store).build().await;
        // unless all sagas of version 1 have ended
        let open = before.iter().any(|saga| !saga.record.status.is_ended());
        assert_eq!(matches!(refused, Err(BuildError::UnknownVersions { .. })), open);
        drop(refused);
        assert_eq!(stored(&P::attach(&home.place).await.unwrap()).await, before);
    });
    live_and_die::<P>(home, Program::Second, 2..4, &dice);
    runtime().block_on(async {
        let (sec, left) = finish::<P>(home, Program::Second).await;
        // those of version 1
        let stood_still = left > 0;
        sec.shutdown(Duration::from_secs(5)).await.unwrap();
        drop(sec);
        let (sec, left) = finish::<P>(home, Program::First).await;
        assert_eq!(left, 0);
        sec.shutdown(Duration::from_secs(5)).await.unwrap();
        let finished = check(home, &P::attach(&home.place).await.unwrap(), &BTreeSet::new()).await;
        println!("{:?}: {finished:?}", P::KIND);
        stood_still && finished.by.len() == 2
    })
}

/// Where a process is killed is chance: tries again until each way was taken in which a saga can go.
fn until_all_ways_were_taken(test: impl Fn() -> bool) {
    assert!((0..5).any(|_| test()), "some ways were never taken");
}

fn on_disk(name: &str, test: impl Fn(&Home) -> bool) {
    until_all_ways_were_taken(|| {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join(name).display().to_string();
        test(&Home { place, said: directory.path().join("said") })
    });
}

#[test]
fn sagas_are_migrated_by_processes_that_are_killed_on_sqlite() {
    on_disk("sagas.db", upgraded::<SqliteStore>);
}

#[test]
fn sagas_are_migrated_by_processes_that_are_killed_on_files() {
    on_disk("sagas", upgraded::<FileStore>);
}

#[test]
fn versions_run_side_by_side_in_processes_that_are_killed_on_sqlite() {
    on_disk("sagas.db", side_by_side::<SqliteStore>);
}

#[test]
fn a_version_that_is_not_known_waits_unharmed_on_sqlite() {
    on_disk("sagas.db", refused_and_unknown::<SqliteStore>);
}

#[test]
fn a_deployment_is_taken_back_on_sqlite() {
    on_disk("sagas.db", taken_back::<SqliteStore>);
}

#[cfg(feature = "postgres")]
mod postgres {
    use saga_core::store::PostgresStore;

    use super::*;

    fn on_postgres(test: impl Fn(&Home) -> bool) {
        until_all_ways_were_taken(|| {
            let directory = tempfile::tempdir().unwrap();
            let database = throwaway_postgres::new_database().unwrap();
            test(&Home { place: database.to_string(), said: directory.path().join("said") })
        });
    }

    #[test]
    fn sagas_are_migrated_by_processes_that_are_killed() {
        on_postgres(upgraded::<PostgresStore>);
    }

    #[test]
    fn versions_run_side_by_side_in_processes_that_are_killed() {
        on_postgres(side_by_side::<PostgresStore>);
    }

    #[test]
    fn a_deployment_is_taken_back() {
        on_postgres(taken_back::<PostgresStore>);
    }

    #[test]
    fn a_version_that_is_not_known_waits_unharmed() {
        on_postgres(refused_and_unknown::<PostgresStore>);
    }

    /// A rolling upgrade: workers of both versions at once, each of which is killed and comes back.
    #[test]
    fn workers_of_both_versions_are_killed_side_by_side() {
        on_postgres(|home| {
            let dice = dice();
            let mut workers = [Program::First, Program::Migrating]
                .map(|program| (program, deploy::<PostgresStore>(home, program, 0)));
            for round in 1..6 {
                until_started(home, round - 1, 5);
                dice.sleep(0..100);
                let (program, worker) = &mut workers[dice.roll(2) as usize];
                let next = deploy::<PostgresStore>(home, *program, round);
                kill(std::mem::replace(worker, next));
                runtime().block_on(PostgresStore::expire(&home.place));
            }
            until_started(home, 5, 1);
            workers.into_iter().for_each(|(_, worker)| kill(worker));
            runtime().block_on(async {
                let (sec, left) = finish::<PostgresStore>(home, Program::Migrating).await;
                assert_eq!(left, 0);
                sec.shutdown(Duration::from_secs(5)).await.unwrap();
                let store = <PostgresStore as Place>::attach(&home.place).await.unwrap();
                let finished = check(home, &store, &BTreeSet::new()).await;
                println!("{finished:?}");
                finished.migrated > 0 && finished.by.len() == 2
            })
        });
    }
}

//! `docs/operating.md` is true: each command in it is run, in the situation that the comment before it names, and prints what is
//! written there. `OPERATING_UPDATE=1` rewrites what is printed, after an intended change.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::place::{Place, Worker};
use crate::redact::redacted;
use crate::shop::Shop;

/// Set in a child that is to die: the directory of its store.
const KILLED: &str = "SAGA_TEST_KILLED";

/// A situation.
struct Stage {
    place: Place,
    shop: Arc<Shop>,
    worker: Option<Worker>,
}

impl Stage {
    fn new(place: Place) -> Self {
        let shop = Arc::new(Shop::default());
        let worker = Some(place.worker(&shop));
        Self { place, shop, worker }
    }

    fn worker(&self) -> &Worker {
        self.worker.as_ref().unwrap()
    }

    fn deploy(&mut self, shop: Shop) {
        self.shop = Arc::new(shop);
        self.worker = Some(self.place.worker(&self.shop));
    }

    /// Brings about what a comment of the guide says.
    fn set(&mut self, what: &str) {
        // what begins a section has a store of its own
        let afresh = |stage: &mut Self| *stage = Self::new(Place::sqlite());
        match what {
            "an order is stuck, a payout is parked, others go on" => {
                afresh(self);
                self.worker().order("order-40", "retry");
                self.worker().order("order-41", "wait");
                self.worker().order("order-42", "sold out");
                self.worker().payout("payout-7");
            }
            "an order is stuck" => {
                afresh(self);
                self.worker().order("order-42", "sold out");
            }
            "another order is stuck" => {
                self.shop.refunds.store(false, SeqCst);
                self.worker().order("order-43", "sold out");
            }
            "the bank refunds again" => self.shop.refunds.store(true, SeqCst),
            "order-42 has ended again" => self.ended("order-42", "rolled back"),
            "a payout is parked" => {
                afresh(self);
                self.worker().payout("payout-7");
            }
            "payout-7 has ended" => self.ended("payout-7", "rolled back"),
            "a label kills its worker until it is parked" => {
                afresh(self);
                self.worker.take().unwrap().stop();
                self.poison();
            }
            "a worker with a mended printer" => self.deploy(Shop::default()),
            "label-9 has ended" => self.ended("label-9", "completed"),
            "a program without orders is deployed" => {
                afresh(self);
                self.worker().order("order-41", "wait");
                self.worker.take().unwrap().stop();
                self.deploy(Shop { no_orders: true, ..Shop::default() });
            }
            #[cfg(feature = "postgres")]
            "the only worker on PostgreSQL is killed" => {
                *self = Self::new(Place::Postgres(throwaway_postgres::new_database().unwrap()));
                self.worker().order("order-41", "wait");
                self.worker.take().unwrap().kill();
                self.until("why order-41", "is gone");
            }
            "a worker is started" => {
                self.deploy(Shop::default());
                self.until("why order-41", "has been running");
            }
            "no worker is running" => {
                afresh(self);
                self.worker().order("order-41", "wait");
                self.worker.take().unwrap().stop();
            }
            "a worker is started, and order-41 has ended" => {
                self.deploy(Shop { refunds: AtomicBool::new(true), ..Shop::default() });
                self.ended("order-41", "rolled back");
            }
            "an article waits for its approval" => {
                afresh(self);
                self.worker().article("article-7");
            }
            "article-7 has ended" => self.ended("article-7", "completed"),
            "an order goes on" => {
                afresh(self);
                self.worker().order("order-41", "wait");
            }
            "three orders are stuck, and the bank refunds again" => {
                afresh(self);
                for id in ["order-42", "order-43", "order-44"] {
                    self.worker().order(id, "sold out");
                }
                self.shop.refunds.store(true, SeqCst);
            }
            "old orders, and no worker" => {
                afresh(self);
                self.worker().order("order-1", "ok");
                self.worker().order("order-2", "ok");
                self.worker.take().unwrap().stop();
            }
            what => panic!("the guide has a situation that this test does not know: {what}"),
        }
    }

    fn ended(&self, id: &str, how: &str) {
        self.until(&format!("why {id}"), how);
    }

    /// Waits until a command prints this.
    fn until(&self, command: &str, expected: &str) {
        let begun = Instant::now();
        loop {
            let said = self.place.saga(command).out;
            if said.contains(expected) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{command}: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs workers that are killed by what they call, until nobody calls it any more.
    fn poison(&self) {
        let Place::Sqlite(directory) = &self.place else { panic!("it is for SQLite") };
        for _ in 0..30 {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "guide::a_worker_that_is_killed", "--nocapture"]);
            child.env(KILLED, directory.path()).output().unwrap();
            if self.place.saga("why label-9").out.starts_with("parked") {
                return;
            }
        }
        panic!("{}", self.place.saga("log label-9").out);
    }

    /// What a command of the guide prints.
    fn run(&self, command: &str) -> String {
        let words = words(command.strip_prefix("saga ").unwrap());
        let ran = self.place.saga_with(&words.iter().map(String::as_str).collect::<Vec<_>>());
        redacted(&(ran.err + &ran.out))
    }
}

/// The words of a command, where those between quotes of either kind are one.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut rest) = (Vec::new(), command);
    while let Some(at) = rest.find(['"', '\'']) {
        let quote = rest[at..].chars().next().unwrap();
        words.extend(rest[..at].split_whitespace().map(str::to_string));
        let (inside, after) = rest[at + 1..].split_once(quote).unwrap();
        words.push(inside.to_string());
        rest = after;
    }
    words.extend(rest.split_whitespace().map(str::to_string));
    words
}

/// The child of [`Stage::poison`]; otherwise there is nothing to test.
#[test]
fn a_worker_that_is_killed() {
    let Some(directory) = std::env::var_os(KILLED) else { return };
    let directory = PathBuf::from(directory);
    let place = Place::there(&directory);
    let worker = place.worker(&Arc::new(Shop { kills: AtomicBool::new(true), ..Shop::default() }));
    worker.label("label-9");
    worker.until("label-9", "parked");
    std::process::exit(0);
}

#[test]
fn each_command_of_the_guide_prints_what_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
    let guide = fs::read_to_string(&path).unwrap();
    let mut stage = Stage::new(Place::sqlite());
    let (mut written, mut in_block, mut commands) = (String::new(), false, 0);
    for line in guide.lines() {
        if let Some(what) = line.strip_prefix("<!-- stage: ") {
            println!("{what}");
            stage.set(what.strip_suffix(" -->").unwrap());
        }
        match (in_block, line) {
            (false, "```console") => in_block = true,
            (true, "```") => in_block = false,
            (true, line) => {
                // what the guide says is left out, and what is printed takes its place
                if let Some(command) = line.strip_prefix("$ ") {
                    commands += 1;
                    written += &format!("{line}\n{}", stage.run(command));
                }
                continue;
            }
            (false, _) => {}
        }
        written += &format!("{line}\n");
    }
    assert!(commands > 20, "{commands}");
    if std::env::var_os("OPERATING_UPDATE").is_some() {
        fs::write(&path, &written).unwrap();
    }
    let differs = guide.lines().zip(written.lines()).find(|(guide, written)| guide != written);
    let same = guide == written || std::env::var_os("OPERATING_UPDATE").is_some();
    assert!(
        same,
        "OPERATING_UPDATE=1 rewrites docs/operating.md, where first differs: {differs:#?}"
    );
}

#[test]
fn the_guide_has_the_exit_codes_of_the_help() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
    let guide = fs::read_to_string(path).unwrap();
    let help = Place::sqlite().saga("-h").ok();
    let codes = help.lines().skip_while(|line| *line != "Exit codes:").skip(1);
    for (code, meaning) in codes.filter_map(|line| line.trim().split_once("  ")) {
        assert!(guide.contains(&format!("| {code} | {meaning} |\n")), "{code} {meaning}");
    }
}

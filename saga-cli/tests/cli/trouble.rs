//! A store that is locked, full or silent, somebody who loses patience, and texts that nobody would read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::place::{Place, Ran, program};
use crate::shop::Shop;

/// The times here are bounds that are far from what is measured: 30 s without `--wait`, and a second with it.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_locked_database_is_waited_for_no_longer_than_is_said() {
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    worker.order("x", "wait");
    worker.stop();
    let path = place.url().strip_prefix("sqlite:").unwrap().to_string();
    let other = saga_core::store::rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let since = Instant::now();
    let said = place.saga("pause x --wait 1s").expect(1);
    assert!(said.contains("x: pause failed: ") && said.contains("database is locked"), "{said}");
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(place.saga("audit x").ok(), "nobody has asked anything of it\n");
    place.saga("pause x --wait 0s").expect(5);
}

#[cfg(feature = "postgres")]
#[test]
fn a_server_that_does_not_answer_is_waited_for_no_longer_than_is_said() {
    // it takes connections, and says nothing
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let store = format!("postgres://user:secret@{}/none", silent.local_addr().unwrap());
    let since = Instant::now();
    for arguments in [&["pause", "x", "--wait", "1s"][..], &["pause", "x", "--wait", "0s"]] {
        let mut command = program();
        command.env("SAGA_STORE", &store).env("SAGA_BY", "alice").args(arguments);
        let said = Ran::of(command).fails(1);
        assert!(said.contains("the server does not answer (within 1 s)"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
}

#[cfg(unix)]
#[test]
fn somebody_who_loses_patience_learns_what_was_asked() {
    use rustix::process::{Pid, Signal, kill_process};
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    for n in 10..50 {
        worker.order(&format!("w-{n}"), "wait");
    }
    worker.stop();
    let asked = || place.saga("audit w-10 --json").json(0).as_array().unwrap().len();
    for json in [false, true] {
        let before = asked();
        let mut command = program();
        command.env("SAGA_STORE", place.url()).env("SAGA_BY", "alice");
        command.args(["pause", "--state", "running", "--yes", "--wait", "60s"]);
        if json {
            command.arg("--json");
        }
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = command.spawn().unwrap();
        while asked() == before {
            std::thread::sleep(Duration::from_millis(20));
        }
        // the first are all left at once
        while place.saga("audit w-41 --json").json(0).as_array().unwrap().len() == before {
            std::thread::sleep(Duration::from_millis(20));
        }
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(6), "{output:?}");
        let out = String::from_utf8(output.stdout).unwrap();
        if json {
            let json: serde_json::Value = serde_json::from_str(&out).unwrap();
            assert_eq!(json["interrupted"], true);
            let outcome = |n: usize| json["results"][n]["outcome"].as_str().unwrap();
            assert_eq!(
                [outcome(0), outcome(31), outcome(32), outcome(39)],
                ["unanswered", "unanswered", "not_asked", "not_asked"]
            );
        } else {
            let expected = "interrupted: 32 in the store and without an answer, 8 not asked\n";
            assert!(out.contains(expected), "{out}");
            assert!(out.contains("w-42: pause was not asked: "), "{out}");
        }
    }
}

#[test]
fn an_error_that_nobody_would_read_is_cut_off() {
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    worker.order("x", "long");
    for command in ["why x", "show x", "show x --timeline", "ls", "ls --needs-human"] {
        let text = place.saga(command).ok();
        assert!(text.len() < 40_000, "{command}: {}", text.len());
    }
    assert!(place.saga("why x").ok().contains("bytes in all; `saga log` has them)"));
    assert!(place.saga("log x").ok().len() > 100_000);
}

#[test]
fn nobody_needs_a_name_for_a_dry_run() {
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    worker.order("x", "wait");
    let nameless = |arguments: &[&str]| {
        let mut command = program();
        for name in ["USER", "LOGNAME", "USERNAME"] {
            command.env_remove(name);
        }
        command.env("SAGA_STORE", place.url()).args(arguments);
        Ran::of(command)
    };
    let dry = nameless(&["pause", "x", "--dry-run"]).ok();
    assert!(dry.contains("requested: pause by you"), "{dry}");
    let said = nameless(&["pause", "x"]).fails(2);
    assert!(said.contains("what is your name"), "{said}");
}

#[test]
fn a_purge_that_would_be_refused_says_so_before() {
    let place = Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    worker.order("x", "ok");
    let dry = "purge --ended-before 0s --dry-run";
    assert!(place.saga(dry).ok().contains("but it would be refused now"));
    assert_eq!(place.saga(&format!("{dry} --json")).json(0)["in_use"], true);
    worker.stop();
    assert!(!place.saga(dry).ok().contains("refused"));
}

#[test]
fn of_a_corrupt_log_everything_before_the_damage_is_printed() {
    for place in [Place::sqlite(), Place::Files(tempfile::tempdir().unwrap())] {
        let shop = Arc::new(Shop::default());
        let worker = place.worker(&shop);
        worker.order("x", "wait");
        worker.order("y", "wait");
        worker.stop();
        let whole = place.saga("log x").ok();
        damage(&place);
        let ran = place.saga("log x");
        assert_eq!(ran.code, 1);
        assert!(!ran.out.is_empty() && whole.starts_with(&ran.out), "{}", ran.out);
        assert!(ran.err.starts_with("saga: saga x: "), "{}", ran.err);
        let ran = place.saga("log x --json");
        let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert!(
            json["problem"].is_string() && !json["entries"].as_array().unwrap().is_empty(),
            "{json}"
        );
        let worker = place.worker(&shop);
        let doctor = place.saga("doctor --idle 0s").expect(8);
        assert!(
            doctor.contains("what is stored of 1 saga cannot be understood (x); see "),
            "{doctor}"
        );
        assert!(place.saga("ls --needs-human --idle 0s").ok().contains("corrupt"));
        let health = worker.health();
        assert_eq!(health.unreadable.len(), 1, "{health:?}");
        // the worker itself knows at once
        assert_eq!(worker.corrupt(), ["x"]);
        worker.stop();
    }
}

/// Damages the last entries of saga `x`.
fn damage(place: &Place) {
    match place {
        Place::Sqlite(directory) => {
            let path = directory.path().join("sagas.db");
            let database = saga_core::store::rusqlite::Connection::open(path).unwrap();
            let last = "DELETE FROM saga_log WHERE key = (SELECT max(key) FROM saga_log WHERE key >> 24 = \
                        (SELECT number FROM saga WHERE id = 'x'))";
            assert_eq!(database.execute(last, []).unwrap(), 1);
        }
        Place::Files(directory) => {
            let files = std::fs::read_dir(directory.path().join("sagas")).unwrap();
            let logs = files.map(|file| file.unwrap().path());
            let log = logs.into_iter().find(|path| {
                path.is_file()
                    && std::fs::read(path).unwrap().windows(8).any(|part| part == b"\"id\":\"x\"")
            });
            let path = log.unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            // another write follows, so it was durable
            let at = text.find("succeeded").unwrap();
            std::fs::write(&path, format!("{}S{}", &text[..at], &text[at + 1..])).unwrap();
        }
        _ => panic!("no other store is damaged here"),
    }
}

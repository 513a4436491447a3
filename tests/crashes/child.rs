//! The process that dies.

use std::process::Command;

use saga_core::crash_points::passed;
use saga_core::prelude::*;
use saga_core::store::FileStore;

use crate::life::{Home, Trouble, live};
use crate::many;
use crate::places::Place;
use crate::upgrades;

const KIND: &str = "CRASHES_KIND";
const PLACE: &str = "CRASHES_PLACE";
const SAID: &str = "CRASHES_SAID";
const LIFE: &str = "CRASHES_LIFE";

/// This is the program of a process that dies. As a test it does nothing.
#[test]
fn a_process_that_dies() {
    let Ok(kind) = std::env::var(KIND) else { return };
    let home =
        Home { place: std::env::var(PLACE).unwrap(), said: std::env::var_os(SAID).unwrap().into() };
    let life = std::env::var(LIFE).unwrap();
    let lived = match kind.as_str() {
        "File" => lead::<FileStore>(&home, &life),
        "Sqlite" => lead::<SqliteStore>(&home, &life),
        #[cfg(feature = "postgres")]
        "Postgres" => lead::<saga_core::store::PostgresStore>(&home, &life),
        _ => panic!("{kind}"),
    };
    lived.unwrap();
    let passed = serde_json::to_string(&passed()).unwrap();
    std::fs::write(home.said.with_extension("passed"), passed).unwrap();
}

fn lead<P: Place>(home: &Home, life: &str) -> Result<(), Trouble> {
    match life.split_once(':') {
        None if life == "whole" => live::<P>(home),
        None if life == "filling" => many::fill::<P>(home),
        Some(("many", which)) => many::live::<P>(home, which),
        Some(("upgrade", which)) => upgrades::live::<P>(home, which),
        Some(("failing", which)) => many::fail::<P>(home, which),
        _ => Err(format!("no life is called {life}").into()),
    }
}

/// That program, which leads this life.
pub(crate) fn child<P: Place>(home: &Home, life: &str) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child::a_process_that_dies", "--nocapture"]);
    child.env(KIND, format!("{:?}", P::KIND)).env(PLACE, &home.place).env(SAID, &home.said);
    child.env(LIFE, life);
    child
}

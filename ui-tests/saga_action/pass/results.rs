//! Outputs and errors of all kinds.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

use std::convert::Infallible;
use std::error::Error;
use std::{fmt, io};

use saga_core::BoxError;
use saga_core::prelude::*;

type IoResult<T, E = io::Error> = Result<T, E>;
type WholeResult = Result<u32, String>;

#[derive(Debug)]
struct Plain;

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain")
    }
}

impl Error for Plain {}

#[saga_action(no_undo)]
async fn error() -> Result<u32, Plain> {
    Err(Plain)
}

#[saga_action(no_undo)]
async fn text() -> Result<(), String> {
    Ok(())
}

#[saga_action(no_undo)]
async fn never() -> Result<Vec<Option<u8>>, Infallible> {
    Ok(Vec::new())
}

#[saga_action(no_undo)]
async fn boxed() -> Result<String, BoxError> {
    Err("no".into())
}

#[saga_action(no_undo)]
async fn alias() -> IoResult<u32> {
    Ok(1)
}

#[saga_action(no_undo)]
async fn io_alias() -> io::Result<u32> {
    Ok(1)
}

#[saga_action(no_undo)]
async fn whole_alias() -> WholeResult {
    Ok(1)
}

fn main() {
    let _ = (error {}, text {}, never {}, boxed {}, alias {}, io_alias {}, whole_alias {});
}

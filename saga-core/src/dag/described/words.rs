//! The words of the lines for what an action declares.

use super::super::differences::contract;
use crate::policy::{DatabaseKind, UndoContract};

pub(super) const CONTRACTS: [UndoContract; 4] =
    [UndoContract::Output, UndoContract::MaybeOutput, UndoContract::InputsOnly, UndoContract::None];

pub(super) const DATABASES: [DatabaseKind; 2] = [DatabaseKind::Sqlite, DatabaseKind::Postgres];

/// A database as the value of the key `transaction`.
pub(super) fn database_word(database: DatabaseKind) -> &'static str {
    match database {
        DatabaseKind::Sqlite => "sqlite",
        DatabaseKind::Postgres => "postgres",
    }
}

/// A contract as the value of the key `undo`.
pub(super) fn undo_word(undo: UndoContract) -> &'static str {
    let words = contract(undo);
    words.strip_prefix("undo = ").unwrap_or(words)
}

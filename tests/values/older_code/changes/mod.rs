//! Which changes of a type are safe: each is tried in both directions, by sagas that one program starts and another one
//! resumes. What came of it is the tables of docs/changing-a-saga.md, which are compared here; `VALUES_UPDATE=1` rewrites
//! them.

use std::fmt::Debug;
use std::{env, fs};

use serde::Serialize;
use serde::de::DeserializeOwned;

mod enums;
mod fields;
mod numbers;
mod shapes;
mod tagged;
mod texts;
mod tried;

use tried::{Read, tried};

/// Derives what stored types derive, for each of them.
macro_rules! types {
    ($($item:item)*) => { $(
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        $item
    )* };
}
use types;

/// What a changed type is here.
trait Stored: Serialize + DeserializeOwned + PartialEq + Debug + Clone + Send + Sync + 'static {}
impl<T: Serialize + DeserializeOwned + PartialEq + Debug + Clone + Send + Sync + 'static> Stored
    for T
{
}

/// A change, and what came of it: a row of a table.
struct Change {
    what: &'static str,
    /// What older code wrote, and how newer code reads it.
    older: (String, Read),
    /// The other way round.
    newer: (String, Read),
}

/// `older` is a value of the type before the change, and what it should be for newer code; `newer` is a value of the type
/// after it, and what it should be for older code. `None`: the other type has no value that says the same.
fn change<O: Stored, N: Stored>(
    what: &'static str,
    older: (O, Option<N>),
    newer: (N, Option<O>),
) -> Change {
    Change { what, older: tried(older.0, older.1), newer: tried(newer.0, newer.1) }
}

/// The same with two values that mean the same.
fn same<O: Stored, N: Stored>(what: &'static str, older: O, newer: N) -> Change {
    change(what, (older.clone(), Some(newer.clone())), (newer, Some(older)))
}

impl Change {
    fn row(&self) -> String {
        let written = |(written, read): &(String, Read)| match read {
            Read::NeverWritten => "–".to_string(),
            Read::Same | Read::Other | Read::Parked => format!("`{written}`"),
        };
        format!(
            "| {} | {} | {} | {} | {} |\n",
            self.what,
            written(&self.older),
            self.older.1.words(),
            written(&self.newer),
            self.newer.1.words()
        )
    }
}

fn table(changes: &[Change]) -> String {
    let head = "| the change | older code wrote | newer code reads it | newer code wrote | older code reads it |\n\
                |---|---|---|---|---|\n";
    changes.iter().fold(head.to_string(), |table, change| table + &change.row())
}

/// Compares a table with the one in the document, or replaces it.
fn compare(name: &str, changes: &[Change]) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/changing-a-saga.md");
    let text = fs::read_to_string(path).unwrap();
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->\n"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{begin} is missing"));
    let (there, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{end} is missing"));
    let table = table(changes);
    if env::var_os("VALUES_UPDATE").is_some() {
        fs::write(path, [before, &begin, &table, &end, after].concat()).unwrap();
        return;
    }
    for (found, expected) in there.lines().zip(table.lines()) {
        assert_eq!(found, expected, "in the document, and now");
    }
    assert!(there == table, "run this test with VALUES_UPDATE=1, and read what changes");
}

#[test]
fn the_tables_of_the_document_are_what_happens() {
    compare("fields", &fields::changes());
    compare("numbers", &numbers::changes());
    compare("enums", &enums::changes());
    compare("tagged", &tagged::changes());
    compare("shapes", &shapes::changes());
    compare("texts", &texts::changes());
}

//! What an input may be: whatever it borrows from lives until its action has ended, and again until its
//! undo has ended.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use saga_core::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Default)]
struct Book(Arc<Mutex<Vec<String>>>);

impl Book {
    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Room {
    name: String,
    beds: Vec<String>,
    owner: Arc<Owner>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Owner {
    name: String,
}

const LIMIT: u32 = 7;
const HOUSE: House = House { rooms: Vec::new(), of: Cow::Borrowed("no one") };
static GREETING: &str = "hello";

struct House {
    rooms: Vec<String>,
    of: Cow<'static, str>,
}

#[saga_action(no_undo)]
async fn room(name: &str) -> Result<Room, String> {
    let owner = Arc::new(Owner { name: format!("owner of {name}") });
    Ok(Room { name: name.to_string(), beds: vec!["left".into(), "right".into()], owner })
}

#[saga_action(undo = forget(text))]
async fn note(cx: &ActionContext<Book>, text: &str) -> Result<(), String> {
    tokio::task::yield_now().await;
    cx.write(text.to_string());
    Ok(())
}

async fn forget(cx: &ActionContext<Book>, text: &str) -> Result<(), String> {
    tokio::task::yield_now().await;
    cx.write(format!("not {text}"));
    Ok(())
}

#[saga_action(no_undo)]
async fn list(cx: &ActionContext<Book>, words: &[&str]) -> Result<(), String> {
    tokio::task::yield_now().await;
    cx.write(words.join(" "));
    Ok(())
}

#[saga_action(no_undo)]
async fn maybe(
    cx: &ActionContext<Book>,
    text: Option<&str>,
    number: (&u32, u32),
    cow: Cow<'_, str>,
) -> Result<(), String> {
    tokio::task::yield_now().await;
    cx.write(format!("{text:?} {number:?} {cow}"));
    Ok(())
}

#[saga_action(no_undo)]
async fn fail() -> Result<(), String> {
    Err("as asked".into())
}

fn shout(text: &str) -> String {
    text.to_uppercase()
}

saga! {
    Inputs<Book>(first: String, count: u32, fails: bool) {
        let den = room { name: first };
        let _plain = note { text: &den.name };
        let shorthand = { den.name.clone() };
        note { text: shorthand };
        let _deref = note { text: &(*den.name)[1..] };
        let _owner = note { text: &den.owner.name };
        let _method = note { text: den.owner.name.as_str() };
        let _index = note { text: &den.beds[0] };
        let _slice = note { text: &den.name[..2] };
        let _nested = note { text: den.beds[1].trim().trim_start_matches('r') };
        let _text = note { text: "text" };
        let _outer = note { text: GREETING };
        let _constant = note { text: &HOUSE.of };
        let _found = note { text: HOUSE.rooms.first().map_or("nothing", |name| name) };
        let _formatted = note { text: &format!("{count} of {}", den.name) };
        let _cloned = note { text: &den.name.clone() };
        let _called = note { text: &shout(&den.name) };
        let _chained = note { text: shout(first).to_lowercase().as_str() };
        let _block = note { text: { den.name.repeat(2) }.as_str() };
        let _chosen = note { text: if *count > 1 { den.name.as_str() } else { "one" } };
        let _joined = note { text: &(den.name.clone() + first) };
        let _words = list { words: &[first, &den.name, "end"] };
        let _both = maybe {
            text: Some(&den.name),
            number: (count, LIMIT),
            cow: Cow::Borrowed(&den.owner.name),
        };
        let _owned = maybe {
            text: den.beds.first().map(|bed| bed.as_str()),
            number: (&LIMIT, -(-5_i32) as u32 + *count),
            cow: Cow::Owned(shout(first)),
        };
        let _all = for bed in &den.beds { note { text: bed } };
        let _some = if *fails { fail {} };
    }
}

/// Each with whether it is undone.
const LINES: &[(&str, bool)] = &[
    ("den", true),
    ("den", true),
    ("en", true),
    ("owner of den", true),
    ("owner of den", true),
    ("left", true),
    ("de", true),
    ("ight", true),
    ("text", true),
    ("hello", true),
    ("no one", true),
    ("nothing", true),
    ("3 of den", true),
    ("den", true),
    ("DEN", true),
    ("den", true),
    ("denden", true),
    ("den", true),
    ("denden", true),
    ("den den end", false),
    ("Some(\"den\") (3, 7) owner of den", false),
    ("Some(\"left\") (7, 8) DEN", false),
    ("left", true),
    ("right", true),
];

#[tokio::test]
async fn what_an_input_borrows_from_is_there_until_the_action_has_ended() {
    let book = Book::default();
    let sec = Coordinator::builder(book.clone()).saga::<Inputs>().build().await.unwrap();
    sec.run(Inputs { first: "den".into(), count: 3, fails: false }).await.unwrap();
    let (mut lines, forward) = (book.lines(), LINES.iter().map(|(line, _)| *line));
    // the instances of a `for` run side by side
    lines.sort();
    let mut expected: Vec<_> = forward.map(str::to_string).collect();
    expected.sort();
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn what_an_input_borrows_from_is_there_until_its_undo_has_ended() {
    let book = Book::default();
    let sec = Coordinator::builder(book.clone()).saga::<Inputs>().build().await.unwrap();
    sec.run(Inputs { first: "den".into(), count: 3, fails: true }).await.unwrap_err();
    let mut lines = book.lines().split_off(LINES.len());
    lines.sort();
    let undone = LINES.iter().filter(|(_, undone)| *undone);
    let mut expected: Vec<_> = undone.map(|(line, _)| format!("not {line}")).collect();
    expected.sort();
    assert_eq!(lines, expected);
}

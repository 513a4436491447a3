//! How the file is written, and that it is read again.

use super::*;
use crate::lock::trips::*;
use saga_core::prelude::*;

fn text(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

#[test]
fn a_file_is_only_created_when_that_is_asked_for() {
    let file = file("created");
    let lock = || SagaLock::at(&file).saga::<whole::Tour>().saga::<first::Trip>();
    let refused = said(lock());
    assert!(refused.starts_with("there is no file "), "{refused}");
    assert!(refused.contains("`SAGA_BLESS=1 cargo test` creates it"), "{refused}");
    assert!(!file.exists());
    lock().blessed(Some("1")).assert();
    lock().blessed(None).assert();
    insta::assert_snapshot!("file", text(&file));
}

#[test]
fn the_file_does_not_depend_on_the_order_of_registration() {
    let (one, two) = (file("one-order"), file("other-order"));
    let lock = SagaLock::at(&one).saga::<second::Trip>().saga::<whole::Tour>();
    lock.old_saga::<first::Trip>().blessed(Some("1")).assert();
    let lock = SagaLock::at(&two).old_saga::<first::Trip>().saga::<whole::Tour>();
    lock.saga::<second::Trip>().blessed(Some("1")).assert();
    assert_eq!(text(&one), text(&two));
    // blessing again changes nothing, not even the time of modification
    let before = fs::metadata(&one).unwrap().modified().unwrap();
    let lock = SagaLock::at(&one).saga::<second::Trip>().saga::<whole::Tour>();
    lock.old_saga::<first::Trip>().blessed(Some("1")).assert();
    assert_eq!(fs::metadata(&one).unwrap().modified().unwrap(), before);
}

#[test]
fn a_new_version_is_added_beside_the_old_one() {
    let file = locked::<first::Trip>("added");
    let before = text(&file);
    let lock = || SagaLock::at(&file).saga::<second::Trip>().old_saga::<first::Trip>();
    lock().blessed(Some("1")).assert();
    lock().blessed(None).assert();
    let after = text(&file);
    assert!(after.starts_with(&before), "{after}");
    assert_eq!(after.matches("\n[[saga]]\n").count(), 2);

    // the old one stays in the file when it leaves the program, and is missed
    let lock = || SagaLock::at(&file).saga::<second::Trip>();
    let missed = lock().blessed(Some("1")).check().unwrap_err();
    assert!(missed.contains("Version 1 of saga `Trip`, which is now of version 2,"), "{missed}");
    assert_eq!(text(&file), after);
    // until somebody deletes its section
    let (header, sections) = after.split_once("\n[[saga]]\n").unwrap();
    let second = sections.split_once("\n[[saga]]\n").unwrap().1;
    fs::write(&file, format!("{header}\n[[saga]]\n{second}")).unwrap();
    lock().blessed(None).assert();
}

#[test]
fn options_are_taken_over_and_definitions_only_with_a_word_of_their_own() {
    let file = locked::<first::Trip>("taken-over");
    let lock = || SagaLock::at(&file).saga::<other_options::Trip>();
    lock().blessed(Some("1")).assert();
    lock().blessed(None).assert();

    let before = text(&file);
    let lock = || SagaLock::at(&file).saga::<new_nodes::Trip>();
    let refused = lock().blessed(Some("1")).check().unwrap_err();
    assert!(refused.contains("has changed, and is still called version 1"), "{refused}");
    assert_eq!(text(&file), before);
    lock().blessed(Some("replace")).assert();
    lock().blessed(None).assert();
    assert_eq!(text(&file).matches("\n[[saga]]\n").count(), 1);
}

#[test]
fn line_ends_of_windows_are_no_difference() {
    let file = file("line-ends");
    let lock = || SagaLock::at(&file).saga::<whole::Tour>().saga::<first::Trip>();
    lock().blessed(Some("1")).assert();
    let text = text(&file).replace('\n', "\r\n");
    fs::write(&file, &text).unwrap();
    lock().blessed(None).assert();
    lock().blessed(Some("1")).assert();
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    // some editors write a mark in front
    fs::write(&file, format!("\u{feff}{text}")).unwrap();
    lock().blessed(None).assert();
}

#[test]
fn the_sagas_of_a_builder_are_the_sagas_of_the_test() {
    let builder = Coordinator::builder(()).saga::<second::Trip>().old_saga::<first::Trip>();
    let file = file("builder");
    SagaLock::at(&file).all_of(&builder).blessed(Some("1")).assert();
    let lock = SagaLock::at(&file).saga::<second::Trip>().old_saga::<first::Trip>();
    lock.blessed(None).assert();
}

//! Each kind of change, in the words of the test.

use super::*;
use crate::lock::trips::*;

/// What is said when the first version becomes this one, and keeps its number.
macro_rules! changed_to {
    ($($version:ident),* $(,)?) => {$(
        #[test]
        fn $version() {
            let file = locked::<first::Trip>(concat!("changed-to-", stringify!($version)));
            let lock = SagaLock::at(file).saga::<trips::$version::Trip>();
            insta::assert_snapshot!(stringify!($version), shown(&said(lock)));
        }
    )*};
}

changed_to!(
    other_options,
    other_types,
    wherever_they_are,
    new_nodes,
    new_first_node,
    gone_and_renamed,
    other_actions_and_inputs,
    another_order,
    other_parts_and_a_pivot,
    other_kinds,
);

#[test]
fn a_new_version_beside_the_old_one_only_has_to_be_recorded() {
    let file = locked::<first::Trip>("new-version");
    let lock = SagaLock::at(file).saga::<second::Trip>().old_saga::<first::Trip>();
    insta::assert_snapshot!("new_version", shown(&said(lock)));
}

#[test]
fn a_new_version_without_the_old_one_is_no_new_version() {
    let file = locked::<first::Trip>("old-one-lost");
    let lock = SagaLock::at(file).saga::<second::Trip>();
    insta::assert_snapshot!("new_version_without_the_old_one", shown(&said(lock)));
}

#[test]
fn an_old_version_must_stay_what_it_was() {
    let file = file("old-one-changed");
    let lock = SagaLock::at(&file).saga::<second::Trip>().old_saga::<first::Trip>();
    lock.blessed(Some("1")).check().unwrap();
    let lock =
        || SagaLock::at(&file).saga::<second::Trip>().old_saga::<other_actions_and_inputs::Trip>();
    let said = said(lock());
    insta::assert_snapshot!("old_version_changed", shown(&said));
    // nor can that be blessed
    for bless in ["1", "replace"] {
        assert_eq!(lock().blessed(Some(bless)).check().unwrap_err(), said);
    }
}

#[test]
fn a_saga_that_is_not_registered_any_more_is_missed() {
    let file = locked::<first::Trip>("gone");
    let lock = SagaLock::at(&file).saga::<whole::Train>().saga::<first::Trip>();
    insta::assert_snapshot!("new_saga", shown(&said(lock)));
    let lock = SagaLock::at(&file);
    insta::assert_snapshot!("saga_gone", shown(&said(lock)));
}

//! [`SagaLock`]: a test that fails when a definition has changed, and says what that means for sagas that are running.

mod file;
mod findings;
mod registered;
mod words;

use std::path::PathBuf;
use std::{env, fs, io};

use self::registered::{Registered, Sagas};
use super::saga_test::fail;
use crate::coordinator::CoordinatorBuilder;
use crate::typed::Saga;

/// The environment variable that has the file written.
const BLESS: &str = "SAGA_BLESS";

/// Compares the sagas of a crate with a file in its repository, so that no definition changes without somebody noticing.
///
/// A saga goes on only under the definition that it was started with. One `let` more, and the sagas that are running stand
/// still after the deployment. This test fails before that: it tells each change in your words, sorted by what it means for
/// sagas that are running, and what can be done. Whoever reviews the change sees it in the file, which has one line for each
/// node.
///
/// ```
/// use saga_core::prelude::*;
/// use saga_core::testing::SagaLock;
///
/// #[saga_action(no_undo)]
/// async fn ship(order: &str) -> Result<String, String> { Ok(format!("shipped {order}")) }
///
/// mod v1 {
///     use super::ship;
///     use saga_core::prelude::*;
///     saga! { pub(crate) Order<()>(order: String) -> String { ship { order } } }
/// }
/// saga! {
///     #[version = 2]
///     Order<()>(order: String) -> String {
///         let parcel = ship { order };
///         let _shipped_at = now {};
///         parcel
///     }
/// }
///
/// // in your tests: #[test]
/// fn sagas_have_not_changed_unnoticed() {
///     SagaLock::at("sagas.lock").saga::<Order>().old_saga::<v1::Order>().assert();
/// }
/// # fn main() -> std::io::Result<()> {
/// # let dir = std::env::temp_dir().join(format!("saga-core-lock-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// # let missing = SagaLock::at(dir.join("sagas.lock")).saga::<Order>().old_saga::<v1::Order>().check();
/// # assert!(missing.unwrap_err().contains("SAGA_BLESS=1 cargo test"));
/// # std::fs::remove_dir_all(&dir)
/// # }
/// ```
///
/// `SAGA_BLESS=1 cargo test` creates the file, and later adds new versions beside the old ones. Nothing else creates it, so a
/// run in CI fails if it was not committed. Old versions stay in the file until you delete them, and as long as they are
/// there, the test insists that they are registered. The guide is `docs/changing-a-saga.md` in the repository.
///
/// The file has what [fingerprints](crate::dag::AnyDag::fingerprint) are made of, and what they leave out: labels, retries,
/// timeouts, and the types of outputs, by name and without their modules. It knows nothing of the code of actions and undos, the
/// fields of types and the expressions between nodes.
///
/// One test has one file: two tests that share one would each miss the sagas of the other.
#[must_use = "nothing is compared until `assert` is called"]
pub struct SagaLock {
    file: PathBuf,
    sagas: Sagas,
    bless: Option<String>,
}

/// What the environment asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bless {
    No,
    /// Adds what is new.
    Add,
    /// And replaces versions that have changed and kept their number.
    Replace,
}

impl SagaLock {
    /// Compares with this file. A relative path starts at the root of the package, where its `Cargo.toml` is.
    pub fn at(file: impl Into<PathBuf>) -> Self {
        let root = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
        let bless = env::var(BLESS).ok();
        Self { file: root.join(file.into()), sagas: Sagas::default(), bless }
    }

    /// A saga that the program starts: what [`CoordinatorBuilder::saga`] is given.
    pub fn saga<S: Saga>(mut self) -> Self {
        self.sagas.add(Registered::of::<S>(false));
        self
    }

    /// A version that the program only finishes, or migrates: what [`CoordinatorBuilder::old_saga`] is given.
    pub fn old_saga<S: Saga>(mut self) -> Self {
        self.sagas.add(Registered::of::<S>(true));
        self
    }

    /// All sagas and old versions that are registered with this builder. If your program has a function that registers them,
    /// the test cannot forget one:
    ///
    /// ```
    /// use saga_core::coordinator::CoordinatorBuilder;
    /// use saga_core::prelude::*;
    /// use saga_core::testing::SagaLock;
    ///
    /// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
    /// // in the program; `main` adds a store and calls `build`
    /// fn sagas(builder: CoordinatorBuilder<()>) -> CoordinatorBuilder<()> {
    ///     builder.saga::<Stamp>()
    /// }
    ///
    /// // in your tests: #[test]
    /// fn sagas_have_not_changed_unnoticed() {
    ///     SagaLock::at("sagas.lock").all_of(&sagas(Coordinator::builder(()))).assert();
    /// }
    /// ```
    pub fn all_of<C: Send + Sync + 'static>(mut self, builder: &CoordinatorBuilder<C>) -> Self {
        for (definition, is_old) in builder.definitions() {
            self.sagas.add(Registered::from_definition(definition, is_old));
        }
        self
    }

    /// Does what an environment with this `SAGA_BLESS` would have it do.
    #[cfg(feature = "fault-injection")]
    #[doc(hidden)]
    pub fn blessed(self, bless: Option<&str>) -> Self {
        Self { bless: bless.map(str::to_string), ..self }
    }

    /// Compares, or writes the file if the environment variable `SAGA_BLESS` says so.
    ///
    /// # Panics
    /// If the file and the sagas are not the same, with what to do.
    #[track_caller]
    pub fn assert(self) {
        if let Err(why) = self.check() {
            fail(why);
        }
    }

    /// The same, and returns what [`assert`](Self::assert) would say.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn check(self) -> Result<(), String> {
        let name = self.file.file_name().unwrap_or(self.file.as_os_str());
        let name = name.to_string_lossy().into_owned();
        let bless = match self.bless.as_deref() {
            None | Some("" | "0") => Bless::No,
            Some("1") => Bless::Add,
            Some("replace") => Bless::Replace,
            Some(other) => {
                return Err(format!("`{BLESS}` must be `1` or `replace`, and is `{other}`"));
            }
        };
        let sagas = self.sagas.valid()?;
        let shown = self.file.display();
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && bless != Bless::No => {
                String::new()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(words::missing(&shown.to_string()));
            }
            Err(error) => return Err(format!("{shown} cannot be read: {error}")),
        };
        // an editor may have put a byte order mark in front
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut locked =
            file::read(text).map_err(|bad| words::bad_file(&shown.to_string(), &bad))?;
        if bless != Bless::No {
            findings::bless(&mut locked, &sagas, bless);
            let new = file::write(&mut locked);
            // an unchanged file keeps its time of modification, and its line ends
            if new != text.replace("\r\n", "\n") {
                fs::write(&self.file, new)
                    .map_err(|error| format!("{shown} cannot be written: {error}"))?;
            }
        }
        let findings = findings::compare(&locked, &sagas);
        if findings.is_empty() { Ok(()) } else { Err(words::report(&name, &findings)) }
    }
}

//! A store of a test, the worker that runs sagas on it, and the program `saga` as a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use saga_core::operator::HumanReason;
use saga_core::prelude::*;
use saga_core::store::{FileStore, SqliteStore, Store};

use crate::shop::{Article, Gift, Label, Order, Payout, Shop};

/// Where the sagas of a test are.
pub(crate) enum Place {
    Sqlite(tempfile::TempDir),
    Files(tempfile::TempDir),
    Inherited(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(throwaway_postgres::TestDatabase),
}

/// Runs a test on each kind of store.
pub(crate) fn everywhere(test: impl Fn(&Place)) {
    for place in Place::all() {
        println!("on {}", place.url());
        test(&place);
    }
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// The store in SQLite that a parent of this process has made in this directory.
    pub(crate) fn there(directory: &Path) -> Self {
        Self::Inherited(directory.to_path_buf())
    }

    pub(crate) fn all() -> Vec<Self> {
        vec![
            Self::sqlite(),
            Self::Files(tempfile::tempdir().unwrap()),
            #[cfg(feature = "postgres")]
            Self::Postgres(throwaway_postgres::new_database().unwrap()),
        ]
    }

    /// What `--store` is.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(directory) => {
                format!("sqlite:{}", directory.path().join("sagas.db").display())
            }
            Self::Inherited(directory) => {
                format!("sqlite:{}", directory.join("sagas.db").display())
            }
            Self::Files(directory) => format!("file:{}", directory.path().join("sagas").display()),
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.to_string(),
        }
    }

    /// True if several workers can have it open at the same time.
    pub(crate) fn is_shared(&self) -> bool {
        match self {
            Self::Sqlite(_) | Self::Files(_) | Self::Inherited(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
        }
    }

    /// A worker on this store.
    pub(crate) fn worker(&self, shop: &Arc<Shop>) -> Worker {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.unwrap();
        let sec = runtime.block_on(async {
            match self {
                Self::Sqlite(directory) => {
                    build(shop, SqliteStore::open(directory.path().join("sagas.db")).unwrap()).await
                }
                Self::Inherited(directory) => {
                    build(shop, SqliteStore::open(directory.join("sagas.db")).unwrap()).await
                }
                Self::Files(directory) => {
                    build(shop, FileStore::open(directory.path().join("sagas")).unwrap()).await
                }
                #[cfg(feature = "postgres")]
                Self::Postgres(database) => {
                    let options = saga_core::store::PostgresStore::options(database);
                    let store = options.lease(Duration::from_secs(2)).connections(4).connect();
                    build(shop, store.await.unwrap()).await
                }
            }
        });
        Worker { sec, runtime }
    }

    /// Runs `saga` on this store, as alice, without a terminal.
    pub(crate) fn saga(&self, arguments: &str) -> Ran {
        self.saga_with(&arguments.split(' ').collect::<Vec<_>>())
    }

    /// The same beside a terminal at which somebody types this.
    #[cfg(unix)]
    pub(crate) fn saga_at_a_terminal(&self, arguments: &[&str], typed: &str) -> Ran {
        use rustix::fs::{Mode, OFlags};
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let theirs =
            rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        rustix::io::write(&terminal, typed.as_bytes()).unwrap();
        let mut command = program();
        command.env("SAGA_STORE", self.url()).env("SAGA_BY", "alice").args(arguments);
        command.stdin(Stdio::from(theirs));
        Ran::of(command)
    }

    /// The same with arguments that contain spaces.
    pub(crate) fn saga_with(&self, arguments: &[&str]) -> Ran {
        let mut command = program();
        command.env("SAGA_STORE", self.url()).env("SAGA_BY", "alice").args(arguments);
        Ran::of(command)
    }
}

/// `saga`, without settings from the environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saga"));
    for name in ["SAGA_STORE", "SAGA_BY", "SAGA_TABLE_PREFIX"] {
        command.env_remove(name);
    }
    command.env("COLUMNS", "100").stdin(Stdio::null());
    command
}

async fn build(shop: &Arc<Shop>, store: impl Store) -> Coordinator<Arc<Shop>> {
    let builder = Coordinator::builder(shop.clone()).store(store).saga::<Payout>().saga::<Label>();
    let builder = builder.saga::<Article>().saga::<Gift>();
    // a program that is deployed without it does not know the orders of the one before
    let builder = if shop.no_orders { builder } else { builder.saga::<Order>() };
    builder.abandon_after(Duration::ZERO).build().await.unwrap()
}

/// A worker in this process.
pub(crate) struct Worker {
    sec: Coordinator<Arc<Shop>>,
    runtime: tokio::runtime::Runtime,
}

impl Worker {
    /// Starts an order, and waits until it has come as far as its kind does.
    pub(crate) fn order(&self, id: &str, how: &str) {
        self.runtime.block_on(async {
            let order = self.sec.saga(Order { how: how.into() }).id(id).start().await.unwrap();
            match how {
                "wait" | "retry" => {}
                // how it ends is what the test looks at
                _ => drop(order.await),
            }
        });
        match how {
            "wait" => self.until(id, "started payment"),
            "retry" => self.until(id, "retry_scheduled payment"),
            _ => {}
        }
    }

    /// Starts a payout whose pivot ends up in doubt, so that it is parked.
    pub(crate) fn payout(&self, id: &str) {
        self.runtime.block_on(async {
            let payout = self.sec.saga(Payout {}).id(id).start().await.unwrap();
            drop(payout.await);
        });
        self.until(id, "parked");
    }

    /// Starts a saga that prints a label.
    pub(crate) fn label(&self, id: &str) {
        self.runtime.block_on(self.sec.saga(Label {}).id(id).start()).unwrap();
    }

    /// Starts an article, which waits for its approval.
    pub(crate) fn article(&self, id: &str) {
        self.runtime.block_on(self.sec.saga(Article {}).id(id).start()).unwrap();
        self.until(id, "waiting approved");
    }

    /// Starts a gift, whose wrapping fails, and waits for its end.
    pub(crate) fn gift(&self, id: &str) {
        let gift = async { self.sec.saga(Gift {}).id(id).start().await.unwrap().await };
        drop(self.runtime.block_on(gift));
    }

    /// Waits until the log has this entry.
    pub(crate) fn until(&self, id: &str, entry: &str) {
        let begun = Instant::now();
        loop {
            let view = self.runtime.block_on(self.sec.inspect(id)).unwrap().unwrap();
            let mut words = view.log.entries().iter().map(|entry| match entry.node() {
                Some(node) => format!("{} {node}", entry.kind.name()),
                None => entry.kind.name().to_string(),
            });
            if words.any(|found| found == entry) {
                return;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "no {entry}:\n{}",
                view.log.pretty()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it says about itself.
    pub(crate) fn health(&self) -> saga_core::Health {
        self.sec.health()
    }

    /// The sagas that its own operators are told to be corrupt.
    pub(crate) fn corrupt(&self) -> Vec<String> {
        let operator = self.sec.operator("alice");
        let page = self.runtime.block_on(operator.needs_human(Default::default())).unwrap();
        let corrupt = page.sagas.iter().filter(|one| one.reason == HumanReason::Corrupt);
        corrupt.map(|one| one.saga.id.to_string()).collect()
    }

    /// Ends as a program does that is told to.
    pub(crate) fn stop(self) {
        self.runtime.block_on(self.sec.shutdown(Duration::ZERO)).unwrap();
    }

    /// Ends as a program does that is killed.
    pub(crate) fn kill(self) {
        let Self { sec, runtime } = self;
        runtime.shutdown_background();
        drop(sec);
    }
}

/// What a process has printed, and how it has ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        Self { code: output.status.code().unwrap_or(-1), out, err }
    }

    /// What it has printed, if it has ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self.out
    }

    /// What it has printed, if all is well.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        self.expect(0)
    }

    /// What it has said to standard error, if it has ended with this code.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        assert_eq!(self.out, "");
        self.err
    }

    #[track_caller]
    pub(crate) fn json(self, code: i32) -> serde_json::Value {
        let text = self.expect(code);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

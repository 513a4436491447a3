//! The programs that are deployed one after the other, each in a process that is killed at any moment.

use std::time::Duration;

use saga_core::prelude::*;
use saga_core::{CoordinatorBuilder, Saga, UnknownVersions};

use super::sagas::{migration, v1, v2};
use crate::life::{Home, Trouble};
use crate::places::Place;
use crate::sagas::{Outside, World};
use crate::said::{Said, Says};

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// It knows version 1 only.
    First,
    /// Version 2, with version 1 beside it.
    SideBySide,
    /// Version 2, with a migration.
    Migrating,
    /// It knows version 2 only, and would rather not start.
    Refusing,
    /// It knows version 2 only.
    Second,
}

pub(super) const ALL: [Program; 5] =
    [Program::First, Program::SideBySide, Program::Migrating, Program::Refusing, Program::Second];

impl Program {
    pub(super) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|program| format!("{program:?}") == name)
    }

    pub(super) fn builder(self, world: &Outside) -> CoordinatorBuilder<Outside> {
        let builder = Coordinator::builder(world.clone());
        match self {
            Self::First => builder.saga::<v1::Upgraded>(),
            Self::SideBySide => builder.saga::<v2::Upgraded>().old_saga::<v1::Upgraded>(),
            Self::Migrating => builder.saga::<v2::Upgraded>().migrate(migration()),
            Self::Refusing => {
                builder.saga::<v2::Upgraded>().unknown_versions(UnknownVersions::Refuse)
            }
            Self::Second => builder.saga::<v2::Upgraded>(),
        }
    }
}

/// A runtime in real time: these processes are killed from outside.
pub(super) fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(1).enable_all().build().unwrap()
}

/// Resumes what is there, and starts sagas until it is killed.
pub(crate) fn live<P: Place>(home: &Home, life: &str) -> Result<(), Trouble> {
    let (program, round) = life.split_once('-').ok_or("a program and a round")?;
    let program = Program::named(program).ok_or("a program")?;
    runtime().block_on(async {
        let world = World::new(Says::to(&home.said), P::KIND);
        let store = P::open(&home.place).await?;
        let sec = program.builder(&world).store(store).build().await?;
        for n in 0..60 {
            let id = format!("{program:?}-{round}-{n}");
            match program {
                Program::First => start(&sec, &id, v1::Upgraded { n }).await?,
                Program::SideBySide | Program::Migrating | Program::Refusing | Program::Second => {
                    start(&sec, &id, v2::Upgraded { n, guests: 2 }).await?
                }
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        std::future::pending::<()>().await;
        Ok(())
    })
}

pub(super) async fn start<S>(sec: &Coordinator<Outside>, id: &str, saga: S) -> Result<(), Trouble>
where
    S: Saga<Context = Outside>,
{
    let saga = sec.saga(saga).id(id);
    sec.context().says.say(&Said::Starting { saga: id.to_string() });
    saga.start().await?;
    sec.context().says.say(&Said::Started { saga: id.to_string() });
    Ok(())
}

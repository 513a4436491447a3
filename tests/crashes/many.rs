//! Lives of many sagas, and lives on a disk that fails.

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use saga_core::prelude::*;

use crate::life::{Home, Trouble, build, end, runtime, start};
use crate::places::Place;
use crate::sagas::{Outside, World};
use crate::said::{Said, Says};

/// How many sagas one life starts.
pub(crate) const MANY: usize = 60;

/// Recovers whatever there is, and runs many sagas, some at once; every fifth one rolls back.
pub(crate) fn live<P: Place>(home: &Home, life: &str) -> Result<(), Trouble> {
    let runtime = runtime(P::KIND);
    runtime.block_on(async {
        let world = World::new(Says::to(&home.said), P::KIND);
        let store = P::open(&home.place).await?;
        P::prepare(&home.place).await;
        let sec = build(store, &world).await?;
        for few in (0..MANY).collect::<Vec<_>>().chunks(8) {
            let sagas = few.iter().map(|n| {
                let (sec, world, id) = (&sec, &world, format!("{life}-{n}"));
                async move { end(world, start(sec, &id, 0, n % 5 != 0).await?).await }
            });
            try_join_all(sagas).await?;
        }
        sec.shutdown(Duration::ZERO).await?;
        Ok(())
    })
}

/// Runs a few sagas on a disk that fails at some time, and says what it is told. At last it tries once more.
pub(crate) fn fail<P: Place>(home: &Home, life: &str) -> Result<(), Trouble> {
    let says = Says::to(&home.said);
    let runtime = runtime(P::KIND);
    let failed = runtime.block_on(async {
        // another program has made it before
        let world = World::new(Says::to(&home.said), P::KIND);
        let store = P::open(&home.place).await?;
        let sec = build(store, &world).await?;
        join_all((0..4).map(|n| run(&sec, &world, format!("{life}-{n}"), n != 3))).await;
        // whatever has failed above, has it passed?
        run(&sec, &world, format!("{life}-last"), true).await;
        sec.shutdown(Duration::ZERO).await?;
        Ok::<(), Trouble>(())
    });
    if let Err(error) = failed {
        says.say(&Said::Failed { why: with_causes(&*error) });
    }
    says.say(&Said::Over);
    Ok(())
}

/// Starts sagas until the disk is full. When there is room again, whatever is left goes on in the same process.
pub(crate) fn fill<P: Place>(home: &Home) -> Result<(), Trouble> {
    let runtime = runtime(P::KIND);
    runtime.block_on(async {
        let world = World::new(Says::to(&home.said), P::KIND);
        let store = P::open(&home.place).await?;
        P::prepare(&home.place).await;
        let sec = build(store, &world).await?;
        let mut handles = Vec::new();
        let (mut failed, mut after) = (0, 0);
        while after < 10 {
            let id = format!("fill-{}", handles.len() + failed);
            match start(&sec, &id, 0, true).await {
                Ok(handle) => {
                    after += u32::from(failed > 0);
                    handles.push(handle);
                }
                Err(error) => {
                    failed += 1;
                    world.says.say(&Said::Failed { why: with_causes(&*error) });
                    // in real time, in which somebody makes room
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
        join_all(handles.into_iter().map(|handle| end(&world, handle)))
            .await
            .into_iter()
            .collect::<Result<(), _>>()?;
        sec.shutdown(Duration::ZERO).await?;
        world.says.say(&Said::Over);
        Ok(())
    })
}

/// Runs a saga, and says why it could not be started, or did not end.
async fn run(sec: &Coordinator<Outside>, world: &Outside, id: String, approved: bool) {
    let ran = async { end(world, start(sec, &id, 0, approved).await?).await };
    let why = match tokio::time::timeout(Duration::from_secs(300), ran).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => with_causes(&*error),
        Err(_) => format!("{id} waits for the disk"),
    };
    world.says.say(&Said::Failed { why });
}

/// All that a user can be told.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

//! Calls in doubt when another version comes: the old one finds out about them, and does not wait for ever for that.

use super::*;

/// Answers only once the letter has been sent: nobody knows whether it had its effect before.
#[saga_action(no_undo, retry(forever, base = "1s", cap = "1s"), timeout = "1s")]
async fn await_answer(cx: &ActionContext<World>) -> Result<(), String> {
    let is_sent = cx.0.calls.lock().unwrap().iter().any(|call| call == "send letter");
    if is_sent { Ok(()) } else { std::future::pending().await }
}

#[saga_action(no_undo, retry(forever, base = "1s", cap = "1s"))]
async fn send_letter(cx: &ActionContext<World>) -> Result<(), String> {
    if !cx.0.is_open.load(Ordering::SeqCst) {
        return Err("the post office is closed".into());
    }
    cx.call("send letter");
    Ok(())
}

mod first {
    use super::*;
    saga! {
        pub(crate) Write<World>(city: String) {
            parallel {
                await_answer {};
                send_letter {};
            }
            confirm { city };
        }
    }
}

mod second {
    use super::*;
    saga! {
        #[version = 2]
        pub(crate) Write<World>(city: String) {
            parallel {
                await_answer {};
                send_letter {};
            }
            let _car = book_car { to: city };
            confirm { city };
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_needs_another_node_does_not_keep_its_saga_waiting_for_ever() -> Result<(), Any>
{
    let (world, store) = (World::default(), MemoryStore::new());
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    let sec = builder.saga::<first::Write>().build().await?;
    sec.saga(first::Write { city: "Oslo".into() }).id("letter").start().await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    sec.shutdown(Duration::ZERO).await?;
    world.open();

    let migration = Migration::new(|old: first::Write| second::Write { city: old.city });
    let builder = Coordinator::builder(world.clone()).store(store).saga::<second::Write>();
    let sec = builder.migrate(migration).build().await?;
    let letter = sec.get::<second::Write>("letter").await?.ok_or("it is there")?;
    tokio::time::timeout(Duration::from_secs(3600), letter).await??;
    // and when nothing was in doubt any more, it was migrated
    assert_eq!(world.calls(), ["send letter", "book car in Oslo", "confirm Oslo"]);
    Ok(())
}

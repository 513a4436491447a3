//! A saga that leaves memory twice, since it only waits: until its time comes, and until somebody tells it of an event. After a
//! crash it is woken all the same, and what was acknowledged to whoever told it is not lost.

use std::time::Duration;

use saga_core::operator::{Answer, OperateError, SendSignal};
use saga_core::prelude::*;

use crate::life::{Trouble, ask, end, start_saga};
use crate::sagas::{Outside, pay, reserve};
use crate::said::{Heard, Said};

/// The saga that waits in a life.
pub(crate) const ID: &str = "vigil";

/// Long enough for it to leave memory.
const LONG: Duration = Duration::from_millis(2_500);

/// Somebody has come.
#[saga_event]
pub(crate) struct Dawn {
    pub(crate) hour: u8,
}

saga! {
    /// Has the effects of a trip.
    pub(crate) Vigil<Outside>() {
        parallel {
            let _flight = reserve { what: "flight" };
            let _hotel = reserve { what: "hotel" };
        }
        pay {};
        sleep { duration: LONG };
        let _dawn = wait_for::<Dawn> {};
        let _car = reserve { what: "car" };
    }
}

pub(crate) async fn start(sec: &Coordinator<Outside>) -> Result<SagaHandle<Vigil>, Trouble> {
    start_saga(sec, ID, Vigil {}).await
}

/// Lets it sleep, wake up, and leave memory again. Then it is told of its event, and ends.
pub(crate) async fn live(
    sec: &Coordinator<Outside>,
    handle: SagaHandle<Vigil>,
) -> Result<(), Trouble> {
    tokio::time::sleep(LONG + Duration::from_millis(1_500)).await;
    ask(sec.context(), ID, "signal", dawn(sec).into_future()).await?;
    end(sec.context(), handle).await
}

fn dawn(sec: &Coordinator<Outside>) -> SendSignal<Dawn> {
    sec.signal(ID, Dawn { hour: 5 }).event_id("dawn")
}

/// After a crash: whoever was not told that the saga has the event says it again.
pub(crate) async fn go_on(sec: &Coordinator<Outside>, before: &Heard) -> Result<(), String> {
    if before.asked("signal").any(|saga| saga == ID) {
        return Ok(());
    }
    let said_before = before.asking(ID, "signal");
    sec.context().says.say(&Said::Asking { saga: ID.to_string(), command: "signal".to_string() });
    let mut tries = 0;
    loop {
        tries += 1;
        return match dawn(sec).await {
            Ok(Answer::Done | Answer::Duplicate) | Err(OperateError::NotFound { .. }) => Ok(()),
            // it has taken the event, and has ended
            Err(OperateError::Refused { .. }) if said_before => Ok(()),
            // PostgreSQL cuts off a connection in these lives
            Err(OperateError::NotCarriedOut { .. }) if tries < 5 => continue,
            other => Err(format!("the event is not taken: {other:?}")),
        };
    }
}

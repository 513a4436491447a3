//! A saga that waits, and that goes on without a part of itself.

use super::*;

/// Somebody has agreed to a trip.
#[saga_event]
pub(crate) struct Approved {
    pub(crate) by: String,
}

saga! {
    /// A trip: by taxi if there is one, and once somebody has agreed.
    #[allow(unused_variables)]
    pub(crate) Trip<Arc<World>>(customer: String) -> String {
        let shelf = reserve {};
        let ride = try {
            let taxi = charge { customer };
            let driver = ship { customer: "nobody" };
            driver
        } else {
            reserve {}
        };
        let approved = wait_for::<Approved> {};
        let ticket = ship { customer };
        { format!("{ride} {ticket} {}", approved.by) }
    }
}

impl Shop {
    /// A trip whose taxi has no driver, and that waits for an event.
    pub(crate) async fn waits(&self, id: &str) {
        self.sec.saga(Trip { customer: "Ada".into() }).id(id).start().await.unwrap();
        self.reaches(id, "waiting approved").await;
    }
}

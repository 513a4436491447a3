//! Each button is pressed, and does what it says.

use std::sync::atomic::Ordering::SeqCst;

use saga_core::operator::Fault;
use saga_web::Options;

use crate::Screen;
use crate::common::{Shop, TOKEN};

/// A browser whose reader has signed in.
async fn signed_in(shop: &Shop) -> Screen {
    let screen = Screen::open(shop.page(Options::new().allow_changes(TOKEN))).await;
    screen.width(1280).await;
    screen.visit("/session").await;
    screen.enter("#name", "Alice").await;
    screen.enter("#token", TOKEN).await;
    screen.click("button", "Sign in").await;
    screen
}

impl Screen {
    /// Presses a button on the page of a saga, and confirms it on the page that says what it would write.
    async fn presses(&self, button: &str, note: Option<&str>) {
        self.click("a", button).await;
        if let Some(note) = note {
            self.enter("#note", note).await;
        }
        self.is_sound(button).await;
        self.confirms(button).await;
    }

    async fn confirms(&self, button: &str) {
        self.click("button", button).await;
        self.until(&format!("document.body.innerText.includes('{button}: it is in the log')"))
            .await;
    }

    /// Waits until the page of the saga shows it in this state.
    async fn shows(&self, state: &str) {
        self.until(&format!("document.querySelector('h1').innerText.includes('{state}')")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_saga_is_paused_stepped_resumed_and_cancelled() {
    let shop = Shop::open().await;
    let screen = signed_in(&shop).await;
    for id in ["order-1", "order-2"] {
        shop.start(id, "Ada").await;
    }
    screen.visit("/sagas/order-1").await;
    screen.presses("Pause", None).await;
    screen.shows("paused").await;
    screen.presses("Resume", None).await;
    screen.shows("running").await;
    screen.presses("Cancel", Some("the customer called")).await;
    shop.world.packing.add_permits(1);
    screen.shows("rolled back").await;
    assert!(shop.log("order-1").await.contains("cancelled: the customer called"));

    screen.visit("/sagas/order-2").await;
    screen.presses("Pause", None).await;
    shop.world.packing.add_permits(1);
    shop.reaches("order-2", "succeeded pack").await;
    screen.shows("paused").await;
    screen.presses("Step", None).await;
    screen.shows("completed").await;
    screen.is_sound("the page of a saga that was stepped").await;
    screen.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completed_saga_is_rolled_back() {
    let shop = Shop::open().await;
    shop.start("order-1", "Ada").await;
    shop.world.packing.add_permits(1);
    shop.reaches("order-1", "ended: completed").await;
    let screen = signed_in(&shop).await;
    screen.visit("/sagas/order-1").await;
    screen.presses("Roll back", Some("the wrong customer")).await;
    screen.shows("rolled back").await;
    assert!(shop.log("order-1").await.contains("rolled back on request: the wrong customer"));
    screen.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_undos_are_tried_again_one_by_one_and_together() {
    let shop = Shop::open().await;
    shop.stuck("order-1").await;
    let screen = signed_in(&shop).await;
    screen.visit("/sagas/order-1").await;
    screen.presses("Retry undo", None).await;
    // the bank refuses again
    let twice = "document.getElementById('timeline').innerText.split('account closed').length > 2";
    screen.until(twice).await;
    screen.shows("stuck").await;
    shop.world.bank_refuses.store(false, SeqCst);
    screen.presses("Retry all undos", None).await;
    screen.shows("rolled back").await;
    screen.is_sound("the page of a saga whose undo was tried again").await;
    screen.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pivot_in_doubt_is_decided_or_run_again() {
    let shop = Shop::open().await;
    let screen = signed_in(&shop).await;
    for id in ["failed", "succeeded", "again"] {
        shop.parked(id).await;
    }
    screen.visit("/sagas/failed").await;
    screen.shows("parked").await;
    let key = shop.sec.operator("Carol").inspect("failed").await.unwrap();
    let key = key.possible_effects().next().unwrap().action_key;
    // whoever decides sees what to look for, on both pages
    let shows_key = format!("document.body.innerText.includes('{key}')");
    screen.until(&shows_key).await;
    for width in [1280, 390] {
        screen.width(width).await;
        screen.is_sound("the page of a parked saga").await;
        screen.screenshot(&format!("parked-buttons-{width}")).await;
    }
    screen.width(1280).await;
    screen.click("a", "It had no effect").await;
    screen.until(&shows_key).await;
    screen.enter("#note", "the bank does not know the key").await;
    screen.screenshot("decide-failed").await;
    screen.confirms("It had no effect").await;
    screen.shows("rolled back").await;

    // a node after the pivot fails, where no saga rolls back
    let fault = shop.sec.operator("a test").inject("succeeded", "receipt", Fault::Error).await;
    fault.unwrap();
    screen.visit("/sagas/succeeded").await;
    screen.click("a", "It took effect").await;
    screen.enter("#value", "\"t-9\"").await;
    screen.enter("#note", "it is in the list of the bank").await;
    screen.click("button", "Show what it would write").await;
    screen.until("document.body.innerText.includes('succeeded transfer')").await;
    screen.is_sound("the confirmation of a decision").await;
    screen.screenshot("decide-succeeded").await;
    screen.confirms("It took effect").await;
    screen.shows("stuck").await;
    screen.presses("Retry", None).await;
    screen.shows("completed").await;

    shop.world.bank_answers.store(true, SeqCst);
    screen.visit("/sagas/again").await;
    screen.presses("Unpark", None).await;
    screen.shows("completed").await;
    assert!(shop.log("again").await.contains("succeeded transfer (attempt 2)"));
    screen.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_that_cannot_be_read_is_replaced() {
    let (shop, _store) = Shop::with_an_unreadable_parcel("parcel-1").await;
    let screen = signed_in(&shop).await;
    screen.visit("/sagas/parcel-1").await;
    screen.shows("parked").await;
    screen.screenshot("unreadable").await;
    screen.click("a", "Replace the output").await;
    screen.until("document.body.innerText.includes('expected a string')").await;
    // what is no output of the node is refused before anything is asked
    screen.enter("#value", "3").await;
    screen.enter("#note", "weighed again").await;
    screen.click("button", "Show what it would write").await;
    screen.until("document.body.innerText.includes('not an output of node')").await;
    screen.visit("/sagas/parcel-1").await;
    screen.click("a", "Replace the output").await;
    screen.enter("#value", "\"3 kg\"").await;
    screen.enter("#note", "weighed again").await;
    screen.click("button", "Show what it would write").await;
    screen.until("document.body.innerText.includes('succeeded weight')").await;
    screen.confirms("Replace the output").await;
    screen.shows("parked").await;
    shop.world.packing.add_permits(1);
    screen.presses("Unpark", None).await;
    screen.shows("completed").await;
    screen.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saga_that_waits_is_told_of_its_event() {
    let shop = Shop::open().await;
    shop.waits("trip-1").await;
    shop.waits("trip-2").await;
    let screen = signed_in(&shop).await;
    for (id, width) in [("trip-1", 1280), ("trip-2", 390)] {
        screen.width(width).await;
        screen.visit(&format!("/sagas/{id}")).await;
        screen
            .until("document.getElementById('facts').innerText.includes('for event `Approved`')")
            .await;
        screen.is_sound("the page of a saga that waits").await;
        screen.screenshot(&format!("waits-{width}")).await;
        screen.click("a", "Signal Approved").await;
        screen.enter("#value", "{\"by\": \"<b>Ada</b>\"}").await;
        screen.enter("#event-id", "mail 7").await;
        screen.is_sound("the form of an event").await;
        screen.screenshot(&format!("signal-{width}")).await;
        screen.click("button", "Show what it would write").await;
        screen.until("document.body.innerText.includes('requested')").await;
        screen.is_sound("the confirmation of an event").await;
        screen.screenshot(&format!("signal-confirmation-{width}")).await;
        screen.confirms("Signal an event").await;
        screen.shows("completed").await;
        screen.is_sound("the page of a saga that has waited").await;
        screen.screenshot(&format!("waited-{width}")).await;
    }
    screen.close().await;
}

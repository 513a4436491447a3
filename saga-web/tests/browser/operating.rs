//! What an operator does: watches, signs in, and decides.

use saga_web::Options;

use crate::Screen;
use crate::common::{Shop, TOKEN};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saga_is_followed_while_it_runs() {
    let shop = Shop::open().await;
    shop.start("order-1", "Ada").await;
    let screen = Screen::open(shop.page(Options::new())).await;
    screen.width(1280).await;
    screen.visit("/sagas/order-1").await;
    screen.until("document.getElementById('live').innerText === 'Live'").await;
    screen.until("document.querySelector('h1').innerText.includes('running')").await;
    screen.screenshot("running-1280-light").await;
    screen.js::<bool>("window.stays = true").await;
    shop.world.packing.add_permits(1);
    screen.until("document.querySelector('h1').innerText.includes('completed')").await;
    screen.until("document.querySelectorAll('.saga-node.saga-completed').length === 4").await;
    assert!(screen.js::<bool>("window.stays").await, "the page was not loaded again");
    screen.is_sound("the page of a saga that has ended").await;
    screen.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_saga_is_resolved_by_buttons() {
    let shop = Shop::open().await;
    shop.stuck("order-1").await;
    shop.stuck("order-2").await;
    let screen = Screen::open(shop.page(Options::new().allow_changes(TOKEN))).await;
    screen.width(1280).await;
    screen.visit("/").await;
    screen.click("a", "Sign in").await;
    screen.is_sound("the page to sign in").await;
    screen.screenshot("sign-in").await;
    screen.enter("#name", "Alice").await;
    screen.enter("#token", TOKEN).await;
    screen.click("button", "Sign in").await;
    for (id, width) in [("order-1", 1280), ("order-2", 390)] {
        screen.width(width).await;
        screen.visit("/").await;
        screen.click("a", id).await;
        screen.is_sound("the page of a stuck saga").await;
        screen.first_sight(&format!("first-sight-{width}")).await;
        screen.screenshot(&format!("stuck-buttons-{width}")).await;
        screen.click("a", "Resolve by hand").await;
        screen.enter("#note", "paid back in cash, says Bob").await;
        screen.is_sound("the confirmation").await;
        screen.screenshot(&format!("confirmation-{width}")).await;
        screen.click("button", "Resolve by hand").await;
        screen.until("document.body.innerText.includes('Resolve by hand: it is in the log')").await;
        screen.until("document.querySelector('h1').innerText.includes('rolled back')").await;
        screen.until("document.body.innerText.includes('paid back in cash, says Bob')").await;
        screen.is_sound("the page of a saga that was resolved").await;
        screen.screenshot(&format!("resolved-{width}")).await;
        assert!(shop.log(id).await.contains("ended: rolled_back"));
    }
    screen.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_reaches_everything() {
    let shop = Shop::open().await;
    shop.start("order-1", "Ada").await;
    let screen = Screen::open(shop.page(Options::new())).await;
    screen.width(390).await;
    screen.visit("/sagas").await;
    let body = screen.page.find_element("body").await.unwrap();
    let mut reached = Vec::new();
    for _ in 0..40 {
        body.press_key("Tab").await.unwrap();
        let focus =
            "(document.activeElement.innerText || document.activeElement.name || '').trim()";
        reached.push(screen.js::<String>(focus).await);
        if reached.last().is_some_and(|text| text == "order-1") {
            break;
        }
    }
    assert_eq!(reached.first().unwrap(), "Skip to the content", "{reached:?}");
    assert_eq!(reached.last().unwrap(), "order-1", "{reached:?}");
    let outline: String = screen.js("getComputedStyle(document.activeElement).outlineStyle").await;
    assert_eq!(outline, "solid", "what has the focus is seen");
    body.press_key("Enter").await.unwrap();
    screen.until("location.pathname === '/sagas/order-1'").await;
    screen.close().await;
}

//! A page that changes under the reader's hand: the parts of a live page are replaced, and nothing that the reader does is lost.

use saga_web::Options;

use crate::Screen;
use crate::common::Shop;
use crate::screen::{Press, Release};

/// The page of a saga that waits for a parcel, once it follows what happens.
async fn watched(shop: &Shop) -> Screen {
    shop.start("order-1", "Ada").await;
    let screen = Screen::open(shop.page(Options::new())).await;
    // what the stream has said to the page, and has led to
    screen
        .before_each_page(
            "window.heard = 0; const Stream = window.EventSource; window.EventSource = class extends Stream { \
             constructor(address) { super(address); this.addEventListener('message', () => { window.heard += 1 }) } }",
        )
        .await;
    screen.width(1280).await;
    screen.visit("/sagas/order-1").await;
    screen.until("document.getElementById('live').innerText === 'Live' && window.heard > 0").await;
    screen
}

/// The saga completes, and the page has been told; if nothing keeps it, it has been read again.
async fn goes_on(shop: &Shop, screen: &Screen) {
    let heard: u32 = screen.js("window.heard").await;
    shop.world.packing.add_permits(1);
    shop.reaches("order-1", "ended: completed").await;
    screen.until(&format!("window.heard > {heard}")).await;
    // what the page asked for then is answered before these are
    screen
        .js::<bool>(
            "window.read = 0; (async () => { for (let i = 0; i < 3; i++) { \
             await (await fetch(location.href)).text(); window.read += 1 } })(); true",
        )
        .await;
    screen.until("window.read === 3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_is_not_lost_when_the_page_changes_between_its_halves() {
    let shop = Shop::open().await;
    let screen = watched(&shop).await;
    let link = screen.place("#graph a[href$='/nodes']").await;
    screen.mouse(Press, link).await;
    goes_on(&shop, &screen).await;
    screen.mouse(Release, link).await;
    screen.until("location.pathname === '/sagas/order-1/nodes'").await;
    screen.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_catches_up_when_the_mouse_is_let_go() {
    let shop = Shop::open().await;
    let screen = watched(&shop).await;
    let title = screen.place("h1").await;
    screen.mouse(Press, title).await;
    goes_on(&shop, &screen).await;
    assert!(screen.js::<bool>("document.querySelector('h1').innerText.includes('running')").await);
    screen.mouse(Release, title).await;
    screen.until("document.querySelector('h1').innerText.includes('completed')").await;
    screen.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_reader_has_selected_stays_until_they_let_it_go() {
    let shop = Shop::open().await;
    let screen = watched(&shop).await;
    let key = screen.place("#effects code.key").await;
    screen.mouse(Press, key).await;
    screen.mouse(Release, key).await;
    let selected: String = screen.js("getSelection().toString().trim()").await;
    assert_eq!(selected.len(), 36, "one click selects a key: {selected:?}");
    goes_on(&shop, &screen).await;
    // the other parts go on
    screen.until("document.querySelector('h1').innerText.includes('completed')").await;
    screen
        .until("document.getElementById('live').innerText.includes('except what is selected')")
        .await;
    assert_eq!(screen.js::<String>("getSelection().toString().trim()").await, selected);
    let may_remain = "document.getElementById('effects').innerText.includes('In flight')";
    assert!(screen.js::<bool>(may_remain).await);
    let title = screen.place("h1").await;
    screen.mouse(Press, title).await;
    screen.mouse(Release, title).await;
    screen.until(&format!("!{may_remain}")).await;
    screen.until("document.getElementById('live').innerText === 'Live'").await;
    screen.close().await;
}

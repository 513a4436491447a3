//! Each page, wide and narrow, light and dark.

use saga_web::Options;

use crate::Screen;
use crate::common::{Shop, TOKEN, many};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_fits_wide_and_narrow_light_and_dark() {
    let shop = Shop::open().await;
    shop.hostile("hostile").await;
    shop.large("large").await;
    shop.stuck("order-1001").await;
    for n in 1002..1012 {
        shop.start(&format!("order-{n}"), "Ada").await;
    }
    shop.world.packing.add_permits(6);
    shop.reaches("order-1002", "ended: completed").await;
    shop.sec.operator("Carol").pause("order-1011").await.unwrap();
    let screen = Screen::open(shop.page(Options::new().show_outputs())).await;
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        screen.width(width).await;
        screen.scheme(scheme).await;
        for (name, path) in [
            ("overview", "/"),
            ("needs-human", "/needs-human"),
            ("list", "/sagas"),
            ("completed", "/sagas/order-1002"),
            ("stuck", "/sagas/order-1001"),
            ("nodes", "/sagas/order-1001/nodes"),
            ("hostile", "/sagas/hostile"),
            ("hostile-nodes", "/sagas/hostile/nodes"),
            ("large", "/sagas/large"),
        ] {
            screen.visit(path).await;
            screen.is_sound(&format!("{path} at {width}")).await;
            screen.screenshot(&format!("{name}-{width}-{scheme}")).await;
        }
    }
    let nodes: usize = screen.js("document.querySelectorAll('.saga-node').length").await;
    assert!(nodes >= 40, "{nodes} nodes are drawn");
    screen.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_sagas_are_paged_through() {
    let shop = Shop::on(many(100_000).await).await;
    let screen = Screen::open(shop.page(Options::new().allow_changes(TOKEN))).await;
    screen.width(1280).await;
    screen.visit("/").await;
    screen.is_sound("the overview").await;
    screen.screenshot("overview-100000").await;
    screen.click("a", "All sagas").await;
    screen.click("a", "Next page").await;
    screen.until("document.body.innerText.includes('order-000050')").await;
    screen.is_sound("the list").await;
    screen.close().await;
}

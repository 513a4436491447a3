//! Pictures of sagas: what `saga graph` writes, opened as a file of its own; and the legend of the page.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use saga_web::Options;

use crate::Screen;
use crate::common::{IMAGE, SCRIPT, Shop, TOKEN, TURNED};

/// The picture of a saga, as `saga graph` writes it.
async fn picture(shop: &Shop, id: &str) -> String {
    let view = shop.sec.operator("a test").view(id).await.unwrap();
    view.graph().unwrap().to_svg(Some(&view.node_states()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_is_a_file_that_any_browser_shows() {
    let shop = Shop::open().await;
    shop.hostile("hostile").await;
    shop.waits("waits").await;
    shop.stuck("stuck").await;
    shop.parked("parked").await;
    shop.large("large").await;
    // what a browser asks of every server
    let mut files = Router::new().route("/favicon.ico", get(|| async {}));
    for id in ["hostile", "stuck", "waits", "parked", "large"] {
        let svg = picture(&shop, id).await;
        let file = get(move || async move { ([(CONTENT_TYPE, "image/svg+xml")], svg) });
        files = files.route(&format!("/{id}.svg"), file);
    }
    let screen = Screen::open(files).await;
    screen.width(1280).await;
    for scheme in ["light", "dark"] {
        screen.scheme(scheme).await;
        for id in ["hostile", "stuck", "waits", "parked", "large"] {
            screen.visit(&format!("/{id}.svg")).await;
            screen.no_problems(&format!("{id}.svg"));
            screen.is_drawn(id, scheme).await;
            screen.screenshot(&format!("graph-{id}-{scheme}")).await;
        }
    }
    // names are text, however hostile, and run nothing
    screen.visit("/hostile.svg").await;
    assert!(
        screen.js::<bool>("document.querySelector('script, img, foreignObject') === null").await
    );
    let titles = "[...document.querySelectorAll('title')].map(e => e.textContent).join('\\n')";
    let titles: String = screen.js(titles).await;
    // what turns the text around it is shown as what it is
    let turned = TURNED.replace('\u{202e}', "\u{fffd}");
    for name in [SCRIPT, IMAGE, &turned] {
        assert!(titles.contains(name), "{name}: {titles}");
    }
    screen.close().await;
}

impl Screen {
    /// The page is an SVG picture in which every text stands within the picture and can be read on its background.
    async fn is_drawn(&self, what: &str, scheme: &str) {
        let seen = "(() => { \
            const luminance = (rgb) => { const [r, g, b] = rgb.match(/[0-9.]+/g).slice(0, 3).map(v => { v /= 255; \
                return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 }); return 0.2126 * r + 0.7152 * g + 0.0722 * b }; \
            const root = document.documentElement; if (root.tagName !== 'svg') return ['no picture: ' + root.tagName]; \
            const page = root.getBoundingClientRect(); \
            const back = getComputedStyle(root).backgroundColor; \
            return [...document.querySelectorAll('text')].flatMap(text => { \
                const at = text.getBoundingClientRect(), name = text.textContent; \
                const wrong = []; \
                if (at.left < page.left || at.right > page.right || at.bottom > page.bottom) wrong.push('outside: ' + name); \
                const [a, b] = [getComputedStyle(text).fill, back].map(luminance).sort((a, b) => b - a); \
                if ((a + 0.05) / (b + 0.05) < 4.5) wrong.push('contrast: ' + name + ' ' + getComputedStyle(text).fill + ' on ' + back); \
                return wrong }) })()";
        let wrong: Vec<String> = self.js(seen).await;
        assert!(wrong.is_empty(), "{what}, {scheme}: {wrong:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_legend_says_what_the_lines_mean() {
    let shop = Shop::open().await;
    shop.parked("payout-1").await;
    shop.waits("trip-1").await;
    shop.stuck("order-1").await;
    let screen = Screen::open(shop.page(Options::new().allow_changes(TOKEN))).await;
    for (id, means) in [
        ("payout-1", "the pivot: after it"),
        ("order-1", "the rollback has come"),
        ("trip-1", "what a node contains"),
    ] {
        for (width, scheme) in [(1280, "light"), (390, "dark")] {
            screen.width(width).await;
            screen.scheme(scheme).await;
            screen.visit(&format!("/sagas/{id}")).await;
            screen
                .until(&format!(
                    "document.querySelector('ul.legend').innerText.includes('{means}')"
                ))
                .await;
            screen.is_sound(id).await;
            screen.screenshot(&format!("legend-{id}-{width}-{scheme}")).await;
        }
    }
    screen.close().await;
}

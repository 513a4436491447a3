//! A browser that looks at a page, and notes what it complains about.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use chromiumoxide::browser::{Browser, BrowserConfig};
use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams,
};
use chromiumoxide::cdp::browser_protocol::input::{
    DispatchMouseEventParams, DispatchMouseEventType, MouseButton,
};
use chromiumoxide::cdp::browser_protocol::log::{EventEntryAdded, LogEntryLevel};
use chromiumoxide::cdp::js_protocol::runtime::{
    ConsoleApiCalledType, EventConsoleApiCalled, EventExceptionThrown,
};
use chromiumoxide::page::{Page, ScreenshotParams};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::sync::MutexGuard;
use tokio::task::JoinSet;

pub(crate) use chromiumoxide::cdp::browser_protocol::input::DispatchMouseEventType::{
    MousePressed as Press, MouseReleased as Release,
};

/// One browser at a time: each is several processes.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

pub(crate) struct Screen {
    browser: Browser,
    pub(crate) page: Page,
    address: String,
    problems: Arc<Mutex<Vec<String>>>,
    width: Mutex<i64>,
    _tasks: JoinSet<()>,
    _profile: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

fn config(profile: &Path) -> BrowserConfig {
    // a browser cannot put itself into a sandbox as root, and its shared memory may be small in a container
    BrowserConfig::builder()
        .no_sandbox()
        .user_data_dir(profile)
        .launch_timeout(Duration::from_secs(120))
        .request_timeout(Duration::from_secs(120))
        .args([
            "disable-dev-shm-usage",
            "disable-gpu",
            "hide-scrollbars",
            "force-color-profile=srgb",
        ])
        .build()
        .expect("Chromium is not installed. Install it (Debian: `apt-get install chromium`)")
}

impl Screen {
    /// Serves the page on a loopback address, and opens a browser.
    pub(crate) async fn open(router: Router) -> Self {
        let alone = ALONE.lock().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let profile = tempfile::tempdir().unwrap();
        let (browser, mut handler) = Browser::launch(config(profile.path())).await.unwrap();
        tasks.spawn(async move { while handler.next().await.is_some() {} });
        let page = browser.new_page("about:blank").await.unwrap();
        let problems = Arc::new(Mutex::new(Vec::new()));
        let note =
            |what: String, problems: &Mutex<Vec<String>>| problems.lock().unwrap().push(what);
        let mut entries = page.event_listener::<EventEntryAdded>().await.unwrap();
        let mut thrown = page.event_listener::<EventExceptionThrown>().await.unwrap();
        let mut console = page.event_listener::<EventConsoleApiCalled>().await.unwrap();
        let of_entries = problems.clone();
        tasks.spawn(async move {
            while let Some(event) = entries.next().await {
                if event.entry.level == LogEntryLevel::Error {
                    note(format!("{} {:?}", event.entry.text, event.entry.url), &of_entries);
                }
            }
        });
        let of_thrown = problems.clone();
        tasks.spawn(async move {
            while let Some(event) = thrown.next().await {
                note(format!("{:?}", event.exception_details), &of_thrown);
            }
        });
        let of_console = problems.clone();
        tasks.spawn(async move {
            while let Some(event) = console.next().await {
                if matches!(
                    event.r#type,
                    ConsoleApiCalledType::Error | ConsoleApiCalledType::Warning
                ) {
                    note(format!("{:?}", event.args), &of_console);
                }
            }
        });
        Self {
            browser,
            page,
            address,
            problems,
            width: Mutex::new(1280),
            _tasks: tasks,
            _profile: profile,
            _alone: alone,
        }
    }

    /// A window of this width; 390 is a phone.
    pub(crate) async fn width(&self, width: i64) {
        *self.width.lock().unwrap() = width;
        let size = SetDeviceMetricsOverrideParams::new(width, 844, 1.0, width < 500);
        self.page.execute(size).await.unwrap();
    }

    pub(crate) async fn scheme(&self, scheme: &str) {
        let feature = MediaFeature::new("prefers-color-scheme", scheme);
        self.page.emulate_media_features(vec![feature]).await.unwrap();
    }

    pub(crate) async fn visit(&self, path: &str) {
        self.page.goto(format!("{}{path}", self.address)).await.unwrap();
        self.until("document.readyState === 'complete'").await;
    }

    pub(crate) async fn js<T: DeserializeOwned>(&self, expression: &str) -> T {
        self.page.evaluate_expression(expression).await.unwrap().into_value().unwrap()
    }

    /// Waits until this is true in the page.
    pub(crate) async fn until(&self, expression: &str) {
        for _ in 0..1200 {
            // a page that is being left has no answer
            let answer = self.page.evaluate_expression(expression).await;
            if answer.is_ok_and(|answer| answer.into_value::<bool>().unwrap_or(false)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let text: String = self.js("document.body.innerText").await;
        panic!("not true in time: {expression}\n{text}");
    }

    /// Clicks the first link or button with this text, and waits for the page that it leads to.
    ///
    /// A live page replaces its parts, so it is one script that finds the element, looks whether a mouse could reach it, and
    /// clicks: between two calls it may be gone.
    pub(crate) async fn click(&self, element: &str, text: &str) {
        let click = format!(
            "(() => {{ const all = [...document.querySelectorAll('{element}')]; \
             const found = all.find(e => ['{text}', '{text}…'].includes(e.innerText.trim())); \
             if (!found) return false; \
             found.scrollIntoView({{ block: 'center', inline: 'center', behavior: 'instant' }}); \
             const at = found.getClientRects()[0]; if (!at) return false; \
             const hit = document.elementFromPoint(at.left + at.width / 2, at.top + at.height / 2); \
             if (!found.contains(hit)) return false; \
             window.left = false; found.click(); return true }})()"
        );
        self.until(&click).await;
        self.until("window.left === undefined && document.readyState === 'complete'").await;
    }

    /// Types a text into a field, as a keyboard would.
    pub(crate) async fn enter(&self, field: &str, text: &str) {
        self.until(&format!(
            "(() => {{ const field = document.querySelector('{field}'); field?.focus(); \
             return !!field && document.activeElement === field }})()"
        ))
        .await;
        self.page.find_element(field).await.unwrap().type_str(text).await.unwrap();
        let entered: String = self.js(&format!("document.querySelector('{field}').value")).await;
        assert_eq!(entered, text, "{field}");
    }

    /// Runs a script in each page before its own ones.
    pub(crate) async fn before_each_page(&self, script: &str) {
        self.page.evaluate_on_new_document(script).await.unwrap();
    }

    /// The middle of the first such element, where a mouse can reach it.
    pub(crate) async fn place(&self, element: &str) -> (f64, f64) {
        let place = format!(
            "(() => {{ const found = document.querySelector(\"{element}\"); if (!found) return null; \
             found.scrollIntoView({{ block: 'center', inline: 'center', behavior: 'instant' }}); \
             const at = found.getClientRects()[0]; const [x, y] = [at.left + at.width / 2, at.top + at.height / 2]; \
             return found.contains(document.elementFromPoint(x, y)) ? [x, y] : null }})()"
        );
        self.until(&format!("!!{place}")).await;
        self.js(&place).await
    }

    /// What a mouse does there with its left button.
    pub(crate) async fn mouse(&self, what: DispatchMouseEventType, at: (f64, f64)) {
        let event = DispatchMouseEventParams::builder().r#type(what).x(at.0).y(at.1);
        let event = event.button(MouseButton::Left).click_count(1).build().unwrap();
        self.page.execute(event).await.unwrap();
    }

    pub(crate) async fn screenshot(&self, name: &str) {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
        std::fs::create_dir_all(&directory).unwrap();
        let whole = ScreenshotParams::builder().full_page(true).build();
        let file = directory.join(format!("{name}.png"));
        self.page.save_screenshot(whole, file).await.unwrap();
        // a picture of the whole page has changed the size of the window
        let width = *self.width.lock().unwrap();
        self.width(width).await;
    }

    /// What a reader sees first, for README.md.
    pub(crate) async fn first_sight(&self, name: &str) {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
        std::fs::create_dir_all(&directory).unwrap();
        let seen = ScreenshotParams::builder().build();
        self.page.save_screenshot(seen, directory.join(format!("{name}.png"))).await.unwrap();
    }

    /// Nothing is wider than the window, and nobody has run a script of theirs.
    pub(crate) async fn is_sound(&self, what: &str) {
        let (inner, whole): (i64, i64) =
            self.js("[innerWidth, document.documentElement.scrollWidth]").await;
        assert!(whole <= inner, "{what} is {whole} wide in a window of {inner}");
        assert_ne!(self.js::<String>("document.title").await, "owned");
        self.no_problems(what);
    }

    pub(crate) fn no_problems(&self, what: &str) {
        let problems = self.problems.lock().unwrap();
        assert!(problems.is_empty(), "{what}: {problems:#?}");
    }

    pub(crate) async fn close(mut self) {
        self.no_problems("in the end");
        self.browser.close().await.unwrap();
        self.browser.wait().await.unwrap();
    }
}

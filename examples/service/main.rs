//! An order service, as a team would run it: an API for its customers, a page for its operators, a graceful shutdown, and orders
//! that go on after a crash.
//!
//! ```text
//! SERVICE_TOKEN=a-long-secret cargo run --example service -- --demo
//! curl -X PUT -H 'content-type: application/json' -d '{"customer":"Ada","item":"lamp","cents":4200}' localhost:3000/orders/order-42
//! curl localhost:3000/orders/order-42
//! ```
//!
//! The page is at `http://localhost:3000/ops`. Without `SERVICE_TOKEN`, it only shows. Kill the service and start it again:
//! its orders go on. With `--demo`, there is something to do on the page, or with the program `saga` and the `SAGA_STORE` that is
//! printed: `demo-5` is stuck, `demo-8` waits for somebody who says whether the bank has made its transfer, and `demo-9` for the event
//! `Approved`, such as `{"by":"Ada"}`.
//!
//! To copy it into a crate of yours, take these dependencies:
//!
//! ```toml
//! axum = { version = "0.8", default-features = false, features = ["http1", "json", "tokio"] }
//! saga-core = "0.1"
//! saga-web = "0.1"
//! serde = { version = "1", features = ["derive"] }
//! tokio = { version = "1", features = ["macros", "net", "rt-multi-thread", "signal", "time"] }
//! ```
//!
//! | file | contents |
//! |---|---|
//! | `main.rs` | **start here**: what is started, and how it ends |
//! | `api.rs` | the API |
//! | `sagas.rs` | the sagas of orders and of payouts, and their actions |
//! | `options.rs` | the command line |

mod api;
mod options;
mod sagas;

use std::error::Error;
use std::future::IntoFuture;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use saga_core::prelude::*;
use saga_core::store::SqliteStore;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::options::{Options, USAGE};
use crate::sagas::{Order, Partners, Payout};

/// The token of the page for operators; the environment is not seen by everybody, as a command line is.
const TOKEN: &str = "SERVICE_TOKEN";

/// How long requests and calls may take to end once the service is told to stop.
const GRACE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("error: {why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if options.help {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(&options.state)?;
    let path = options.state.join("orders.db");
    let store = SqliteStore::open(&path)?;
    // this also resumes the orders that an earlier process left unfinished
    let partners = Arc::new(Partners);
    let sec = Coordinator::builder(partners).store(store).saga::<Order>().saga::<Payout>();
    let sec = sec.build().await?;

    // everybody who waits for the end of the service watches this
    let (stop, stopped) = watch::channel(false);
    let ended = |mut stopped: watch::Receiver<bool>| async move {
        // an error says that the sender is gone, which is the end as well
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let mut page = saga_web::Options::new().until(ended(stopped.clone()));
    if let Ok(token) = std::env::var(TOKEN) {
        page = page.allow_changes(token);
    }
    let page = saga_web::router_with(sec.operator("operations page"), page);
    let service: Router = api::router(sec.clone()).nest_service("/ops", page);

    let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
    let address = listener.local_addr()?;
    println!("orders: http://{address}/orders/ID");
    println!("page for operators: http://{address}/ops");
    println!("store: SAGA_STORE=sqlite:{}", path.display());
    if options.demo {
        sagas::place_some(&sec).await?;
    }

    let server = axum::serve(listener, service).with_graceful_shutdown(ended(stopped));
    let server = tokio::spawn(server.into_future());
    told_to_stop().await?;
    println!("stopping");
    stop.send_replace(true);
    // requests in flight are answered first; a client that does not read its answer is not waited for
    if tokio::time::timeout(GRACE, server).await.is_err() {
        println!("some clients did not take their answers in time");
    }
    // calls of sagas may end; what is left is in the store, and goes on after the next start
    sec.shutdown(GRACE).await?;
    println!("stopped");
    Ok(())
}

/// Ctrl-C, or what a supervisor sends.
#[cfg(unix)]
async fn told_to_stop() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn told_to_stop() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

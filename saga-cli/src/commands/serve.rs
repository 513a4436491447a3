//! `serve`: the page for operators, as a service of its own.

use std::future::IntoFuture;
use std::net::Ipv4Addr;
use std::time::Duration;

use saga_web::Options;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::args::{Global, ServeArgs};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::store::Access;

/// The environment variable with the token; other processes see the command line.
const TOKEN: &str = "SAGA_WEB_TOKEN";

/// How long a request of the page waits for a worker's answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long answers may take that are under way when the service is told to stop.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct Serving {
    url: String,
    changes: bool,
}

pub(super) async fn serve(
    global: &Global,
    output: &Output,
    args: ServeArgs,
) -> Result<Exit, Failure> {
    let token = match args.allow_changes {
        true => Some(token()?),
        false => None,
    };
    let operator = global.open(Access::Attach).await?.operator("saga serve", PATIENCE);
    let (stop, stopped) = watch::channel(false);
    let ended = |mut stopped: watch::Receiver<bool>| async move {
        // an error says that the sender is gone, which is the end as well
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let mut options = Options::new().until(ended(stopped.clone()));
    for host in args.host {
        options = options.host(host);
    }
    if args.outputs {
        options = options.show_outputs();
    }
    let changes = token.is_some();
    if let Some(token) = token {
        options = options.allow_changes(token);
    }
    let cannot = |error| Failure::error(format!("cannot listen on port {}: {error}", args.port));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    output.line(&Serving { url: format!("http://{address}/"), changes }, |serving| {
        let what = if serving.changes { "to look and to act" } else { "to look only" };
        format!("{} {what}; Ctrl-C ends it\n", serving.url)
    })?;
    let page = saga_web::router_with(operator, options);
    let server = axum::serve(listener, page).with_graceful_shutdown(ended(stopped));
    let server = tokio::spawn(server.into_future());
    tokio::signal::ctrl_c().await.map_err(|error| Failure::error(error.to_string()))?;
    stop.send_replace(true);
    // a browser that does not read its answer is not waited for
    let _ = tokio::time::timeout(GRACE, server).await;
    Ok(Exit::Done)
}

fn token() -> Result<String, Failure> {
    let token = std::env::var(TOKEN).unwrap_or_default();
    if token.len() < 8 {
        let why = format!(
            "--allow-changes needs a token of at least 8 characters in the environment variable {TOKEN}; whoever acts on \
             the page enters it"
        );
        return Err(Failure::usage(why));
    }
    Ok(token)
}

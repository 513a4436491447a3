//! The order service, which runs in a process that is killed again and again.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use saga_core::prelude::*;
use saga_core::store::SqliteStore;
use serde_json::{Value, json};

use crate::orders::{Order, PlaceOrder, Shop};
use crate::wire;

/// The articles: name, price and weight of a piece, and initial stock.
pub(crate) const ARTICLES: [(&str, u32, u32, u32); 4] = [
    ("pen", 150, 20, 5000),
    ("book", 2500, 700, 900),
    ("desk", 40000, 30000, 15),
    ("rare", 9900, 100, 8),
];

/// Runs the shop until it is stopped or killed. Prints the port on which it listens.
pub(crate) fn run(file: &Path, partners: SocketAddr, naive: bool) {
    let store = SqliteStore::open(file).unwrap();
    let tables =
        "CREATE TABLE IF NOT EXISTS article (name TEXT PRIMARY KEY, cents INTEGER NOT NULL,
            grams INTEGER NOT NULL, stock INTEGER NOT NULL CHECK (stock >= 0)) STRICT;
        CREATE TABLE IF NOT EXISTS confirmed (id TEXT PRIMARY KEY, cents INTEGER NOT NULL,
            parcel TEXT NOT NULL) STRICT;";
    let shelves = rusqlite::Connection::open(file).unwrap();
    shelves.execute_batch(tables).unwrap();
    for (name, cents, grams, stock) in ARTICLES {
        let row = (name, cents, grams, stock);
        shelves.execute("INSERT OR IGNORE INTO article VALUES (?1, ?2, ?3, ?4)", row).unwrap();
    }
    drop(shelves);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let builder = Coordinator::builder(Shop { partners }).store(store).max_calls(32);
    let sec = runtime.block_on(builder.saga::<PlaceOrder>().build()).unwrap();
    let (stop, stopped) = std::sync::mpsc::channel();
    let (inside, handle) = (sec.clone(), runtime.handle().clone());
    let address = wire::serve(move |asked| {
        if asked["what"] == "stop" {
            let _ = stop.send(());
            return json!({});
        }
        let answered = handle.block_on(answer(&inside, &asked, naive));
        answered.unwrap_or_else(|error| json!({ "error": error.to_string() }))
    });
    println!("port={}", address.unwrap().port());
    std::io::stdout().flush().unwrap();
    stopped.recv().unwrap();
    runtime.block_on(sec.shutdown(Duration::from_secs(5))).unwrap();
}

type Any = Box<dyn std::error::Error + Send + Sync>;

async fn answer(sec: &Coordinator<Shop>, asked: &Value, naive: bool) -> Result<Value, Any> {
    let id = asked["id"].as_str().ok_or("which order?")?;
    match asked["what"].as_str() {
        Some("place") => {
            let order: Order = serde_json::from_value(asked["order"].clone())?;
            let order = sec.saga(PlaceOrder { order, naive }).id(id);
            order.deadline(Duration::from_secs(600)).start().await?;
            Ok(json!({ "accepted": id }))
        }
        Some("cancel") => {
            sec.operator("customer").cancel(id, "changed their mind").await?;
            Ok(json!({}))
        }
        _ => {
            let view = sec.inspect(id).await?.ok_or("there is no such order")?;
            let record = &view.record;
            let log = view.log.pretty();
            Ok(json!({ "status": record.status, "parked": record.parked_reason, "log": log }))
        }
    }
}

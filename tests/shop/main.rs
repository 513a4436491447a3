//! An order service under load that is killed again and again, and the partners it calls, which are not.
//! In the end no order is stuck, parked or lost, nobody has paid twice, and the stock is right.
//!
//! `SHOP_SEED=n cargo test --test shop` repeats the orders and the moments of the kills, as far as the
//! machine allows; `SHOP_ORDERS` and `SHOP_KILLS` set their number. `cargo xtask soak` runs it for
//! longer.

#[path = "../common/dice.rs"]
mod dice;
mod orders;
mod partners;
mod service;
mod wire;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use dice::Dice;
use orders::{Line, Order};
use partners::Partners;
use service::ARTICLES;

/// Environment variables of the child process.
const FILE: &str = "SHOP_FILE";
const PARTNERS: &str = "SHOP_PARTNERS";
/// The number of customers who place orders concurrently.
const CUSTOMERS: usize = 6;

#[test]
fn orders_survive_kills_of_the_shop() {
    outlive("orders_survive_kills_of_the_shop", false);
}

#[test]
fn orders_with_naive_undos_survive_kills_of_the_shop() {
    outlive("orders_with_naive_undos_survive_kills_of_the_shop", true);
}

type Said = Lines<BufReader<ChildStdout>>;

/// The process of the shop. Dropping this kills it.
struct Shop {
    test: &'static str,
    file: PathBuf,
    partners: SocketAddr,
    /// The process and its output, which must stay open as long as the process writes to it.
    child: Mutex<Option<(Child, Said)>>,
    address: Mutex<Option<SocketAddr>>,
}

impl Shop {
    /// Starts the shop, and waits until it listens.
    fn open(&self) {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", self.test, "--nocapture"]);
        child.env(FILE, &self.file).env(PARTNERS, self.partners.to_string());
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = said.by_ref().map_while(Result::ok).find_map(|line| {
            line.split_once("port=").map(|(_, port)| port.parse::<u16>().unwrap())
        });
        let port = port.expect("the shop prints its port");
        *self.address.lock().unwrap() = Some(([127, 0, 0, 1], port).into());
        *self.child.lock().unwrap() = Some((child, said));
    }

    fn kill(&self) {
        if let Some((mut child, _)) = self.child.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn ask(&self, question: &Value) -> std::io::Result<Value> {
        let address = self.address.lock().unwrap().expect("the shop has been started");
        wire::ask(address, question)
    }

    /// Repeats a question until the answer is not an error.
    fn insist(&self, question: &Value) -> Value {
        loop {
            match self.ask(question) {
                Ok(answer) if answer.get("error").is_none() => return answer,
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.kill();
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

fn outlive(test: &'static str, naive: bool) {
    if let Some(file) = std::env::var_os(FILE) {
        let partners = std::env::var(PARTNERS).unwrap().parse().unwrap();
        return service::run(Path::new(&file), partners, naive);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("SHOP_SEED", now.as_nanos() as u64);
    println!("SHOP_SEED={seed}");
    let directory = tempfile::tempdir().unwrap();
    let (partners, address) = Partners::open(Dice::new(seed)).unwrap();
    let shop = Shop {
        test,
        file: directory.path().join("shop.db"),
        partners: address,
        child: Mutex::default(),
        address: Mutex::default(),
    };
    shop.open();

    let dice = Dice::new(seed + 1);
    let orders = (0..number("SHOP_ORDERS", 90)).map(|n| (format!("order-{n:05}"), order(&dice)));
    let orders = orders.collect::<BTreeMap<_, _>>();
    let kills = number("SHOP_KILLS", 15);
    std::thread::scope(|all| {
        let places = orders.iter().collect::<Vec<_>>();
        for part in places.chunks(places.len().div_ceil(CUSTOMERS)) {
            let (shop, dice, part) = (&shop, &dice, part.to_vec());
            all.spawn(move || {
                part.into_iter().for_each(|(id, order)| place(shop, dice, id, order))
            });
        }
        for _ in 0..kills {
            dice.sleep(50..600);
            shop.kill();
            shop.open();
        }
    });

    let ends = orders.keys().map(|id| (id.as_str(), end(&shop, id))).collect::<BTreeMap<_, _>>();
    shop.insist(&json!({ "what": "stop" }));
    let (mut child, _said) = shop.child.lock().unwrap().take().unwrap();
    assert!(child.wait().unwrap().success(), "the shop shuts down cleanly");
    check(&shop.file, &orders, &ends, &partners);
    let completed = ends.values().filter(|end| *end == "completed").count();
    println!("{kills} kills, {} orders, {completed} of them completed", orders.len());
}

fn order(dice: &Dice) -> Order {
    let articles = ["pen", "pen", "book", "book", "desk", "rare"];
    let line =
        |_| Line { article: dice.pick(&articles).to_string(), pieces: *dice.pick(&[1, 1, 2, 5]) };
    Order {
        customer: if dice.one_in(8) { "crook" } else { "somebody" }.to_string(),
        card: if dice.one_in(10) { "empty card" } else { "card" }.to_string(),
        lines: (0..*dice.pick(&[1, 1, 2, 3])).map(line).collect(),
    }
}

/// Places an order, repeatedly until the shop has accepted it, and sometimes cancels it.
fn place(shop: &Shop, dice: &Dice, id: &str, order: &Order) {
    shop.insist(&json!({ "what": "place", "id": id, "order": order }));
    dice.sleep(0..100);
    if dice.one_in(10) {
        // This may fail because it is too late or because the shop was killed; then the order stands.
        let _ = shop.ask(&json!({ "what": "cancel", "id": id }));
    }
}

/// Returns how the order has ended. No order may be stuck or wait for an operator.
fn end(shop: &Shop, id: &str) -> String {
    let began = Instant::now();
    loop {
        let shown = shop.insist(&json!({ "what": "show", "id": id }));
        let log = shown["log"].as_str().unwrap();
        assert!(shown["parked"].is_null(), "{id} is parked: {}\n{log}", shown["parked"]);
        match shown["status"].as_str().unwrap() {
            status @ ("completed" | "rolled_back") => return status.to_string(),
            status @ ("running" | "failed" | "rolling_back") => {
                assert!(began.elapsed() < Duration::from_secs(120), "{id} is {status}:\n{log}");
                std::thread::sleep(Duration::from_millis(20));
            }
            status => panic!("{id} is {status}:\n{log}"),
        }
    }
}

/// Compares the effects with the expected ones.
fn check(
    file: &Path,
    orders: &BTreeMap<String, Order>,
    ends: &BTreeMap<&str, String>,
    partners: &Partners,
) {
    let shelves = rusqlite::Connection::open(file).unwrap();
    let count =
        |sql: &str, name: &str| shelves.query_row(sql, [name], |row| row.get::<_, u32>(0)).unwrap();
    let mut stock =
        ARTICLES.map(|(name, _, _, stock)| (name, stock)).into_iter().collect::<BTreeMap<_, _>>();
    for (id, order) in orders {
        let price = |line: &Line| {
            let article = ARTICLES.iter().find(|(name, ..)| *name == line.article);
            article.unwrap().1 * line.pieces
        };
        let done = partners.done_for(id);
        let confirmed = count("SELECT count(*) FROM confirmed WHERE id = ?1", id);
        let found = (&done.charges[..], done.parcels, confirmed, done.mails);
        if ends[id.as_str()] == "completed" {
            let cents = order.lines.iter().map(price).sum::<u32>();
            assert_eq!(found, (&[cents][..], 1, 1, 1), "{id} was completed: {order:?}");
            for line in &order.lines {
                *stock.get_mut(line.article.as_str()).unwrap() -= line.pieces;
            }
        } else {
            assert_eq!(found, (&[][..], 0, 0, 0), "{id} was rolled back: {order:?}");
        }
    }
    for (name, stock) in stock {
        assert_eq!(count("SELECT stock FROM article WHERE name = ?1", name), stock, "{name}");
    }
}

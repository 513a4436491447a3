//! `serve`, as a process: where it listens, and who may act.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::place::{everywhere, program};
use crate::shop::Shop;

struct Serving {
    process: Child,
    address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // it may have ended
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Serving {
    fn start(store: &str, options: &[&str], token: &str) -> Self {
        let mut saga = program();
        saga.args(["--store", store, "serve", "--port", "0"]).args(options);
        let mut process = saga.env("SAGA_WEB_TOKEN", token).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split('/').nth(2).unwrap_or_else(|| panic!("{line}")).to_string();
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        Self { process, address }
    }

    fn ask(&self, method: &str, path: &str, host: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[test]
fn the_page_is_served_beside_a_worker_on_each_kind_of_store() {
    everywhere(|place| {
        let worker = place.worker(&Arc::new(Shop::default()));
        worker.order("order-1", "ok");
        let serving = Serving::start(&place.url(), &[], "");
        let page = serving.ask("GET", "/sagas/order-1", "localhost", "");
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("Read-only"), "{page}");
        let other = serving.ask("GET", "/", "rebound.example", "");
        assert!(other.starts_with("HTTP/1.1 421"), "{other}");
        let sign_in = serving.ask("POST", "/session", "localhost", "name=Eve&token=");
        assert!(sign_in.starts_with("HTTP/1.1 403"), "{sign_in}");
    });
}

#[test]
fn who_knows_the_token_may_act() {
    let place = crate::place::Place::sqlite();
    let worker = place.worker(&Arc::new(Shop::default()));
    worker.order("order-1", "ok");
    let serving = Serving::start(&place.url(), &["--allow-changes"], "a long token");
    let body = "name=Alice&token=a+long+token";
    let sign_in = serving.ask("POST", "/session", "localhost", body);
    assert!(
        sign_in.starts_with("HTTP/1.1 303") && sign_in.contains("SameSite=Strict"),
        "{sign_in}"
    );
    let wrong = serving.ask("POST", "/session", "localhost", "name=Alice&token=guess");
    assert!(wrong.starts_with("HTTP/1.1 403"), "{wrong}");

    let mut short = program();
    short
        .args(["--store", &place.url(), "serve", "--allow-changes"])
        .env("SAGA_WEB_TOKEN", "short");
    let refused = short.output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("SAGA_WEB_TOKEN"));
}

//! The example `service`: orders by its API, the page, a kill, and a graceful stop.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::program::program;

struct Service {
    process: Child,
    address: String,
    said: BufReader<std::process::ChildStdout>,
}

impl Drop for Service {
    fn drop(&mut self) {
        // it may have ended
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Service {
    fn start(state: &Path) -> Self {
        Self::start_with(state, &[])
    }

    fn start_with(state: &Path, args: &[&str]) -> Self {
        let mut service = Command::new(program("service"));
        service.arg("--state").arg(state).args(["--port", "0"]).args(args);
        service.env_remove("SERVICE_TOKEN");
        let mut process = service.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let address = line.split('/').nth(2).unwrap_or_else(|| panic!("{line}")).to_string();
        Self { process, address, said }
    }

    /// The status and the body of an answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_string())
    }

    fn becomes(&self, id: &str, status: &str) {
        for _ in 0..600 {
            let (_, body) = self.ask("GET", &format!("/orders/{id}"), "");
            if body.contains(&format!("\"{status}\"")) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{id} is not {status}: {:?}", self.ask("GET", &format!("/orders/{id}"), ""));
    }
}

const LAMP: &str = r#"{"customer":"Ada","item":"lamp","cents":4200}"#;

#[test]
fn the_service_takes_orders_shows_them_survives_a_kill_and_stops() {
    let state = tempfile::tempdir().unwrap();
    let mut service = Service::start(state.path());
    assert_eq!(service.ask("PUT", "/orders/order-1", LAMP).0, 202);
    assert_eq!(
        service.ask("PUT", "/orders/order-1", LAMP).0,
        202,
        "a repeated request is the same order"
    );
    assert_eq!(service.ask("PUT", "/orders/order-1", &LAMP.replace("lamp", "desk")).0, 409);
    assert_eq!(service.ask("PUT", "/orders/no%2Fid", LAMP).0, 422);
    assert_eq!(service.ask("GET", "/orders/other", "").0, 404);
    let (status, page) = service.ask("GET", "/ops/sagas/order-1", "");
    assert!(status == 200 && page.contains("order-1") && page.contains("Read-only"), "{page}");
    // it takes seconds to pack the lamp
    service.process.kill().unwrap();
    service.process.wait().unwrap();

    let mut service = Service::start(state.path());
    service.becomes("order-1", "shipped");
    let refused = r#"{"customer":"Mallory","item":"safe","cents":1}"#;
    assert_eq!(service.ask("PUT", "/orders/order-2", refused).0, 202);
    service.becomes("order-2", "being looked into");
    assert!(service.ask("GET", "/ops", "").1.contains("href=\"/ops/sagas/order-2\""));
    assert!(service.ask("GET", "/ops/sagas/order-2", "").1.contains("the account is closed"));

    // somebody who follows the page does not hold up the end
    let mut follows = TcpStream::connect(&service.address).unwrap();
    write!(follows, "GET /ops/events HTTP/1.1\r\nhost: {}\r\n\r\n", service.address).unwrap();
    follows.read_exact(&mut [0; 12]).unwrap();
    let stop = Command::new("kill").args(["-TERM", &service.process.id().to_string()]).status();
    assert!(stop.unwrap().success());
    assert!(service.process.wait().unwrap().success());
    let mut said = String::new();
    service.said.read_to_string(&mut said).unwrap();
    assert!(said.ends_with("stopping\nstopped\n"), "{said}");
}

#[test]
fn the_demo_has_a_pivot_in_doubt_and_says_what_is_there_already() {
    let state = tempfile::tempdir().unwrap();
    for start in ["demo-8 in doubt", "are there from an earlier start"] {
        let mut service = Service::start_with(state.path(), &["--demo"]);
        let lines = (0..3).map(|_| {
            let mut line = String::new();
            service.said.read_line(&mut line).unwrap();
            line
        });
        let said = lines.collect::<String>();
        let store = format!("store: SAGA_STORE=sqlite:{}/orders.db\n", state.path().display());
        assert!(said.contains(&store), "{said}");
        assert!(said.contains(start), "{said}");
        let shows = |id: &str, text: &str| {
            for _ in 0..600 {
                if service.ask("GET", &format!("/ops/sagas/{id}"), "").1.contains(text) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            panic!("{id}: no {text}");
        };
        shows("demo-8", "nobody knows whether the pivot");
        shows("demo-9", "for event");
    }
}

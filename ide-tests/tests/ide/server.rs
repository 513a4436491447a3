//! rust-analyzer as a child process, and the messages of the language server protocol.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long the workspace may take to load: its proc macros may have to be compiled first.
const LOADING: Duration = Duration::from_secs(300);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(60);

/// "The content changed while this was computed", and "the server gave up on this": both mean try again.
const TRY_AGAIN: [i64; 2] = [-32801, -32802];

pub(crate) struct Server {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    requests: u64,
}

impl Server {
    /// Starts rust-analyzer on the workspace, and waits until it knows all that it can know.
    pub(crate) fn start(workspace: &Path) -> Result<Self, String> {
        let mut child = Command::new("rust-analyzer")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start rust-analyzer: {error}"))?;
        let to = child.stdin.take().ok_or("rust-analyzer has no input")?;
        let out = child.stdout.take().ok_or("rust-analyzer has no output")?;
        let (sender, from) = channel();
        thread::spawn(move || read_all(out, &sender));
        let mut server = Self { child, to, from, requests: 0 };
        server.initialize(workspace)?;
        Ok(server)
    }

    fn initialize(&mut self, workspace: &Path) -> Result<(), String> {
        // only what expands the macros of the fixture
        let check =
            ["cargo", "check", "--quiet", "--package", "ide-tests", "--message-format=json"];
        let options = json!({
            "linkedProjects": [workspace.join("Cargo.toml")],
            "cargo": { "buildScripts": { "enable": true, "overrideCommand": check } },
            "procMacro": { "enable": true },
            "checkOnSave": false,
            "cachePriming": { "enable": false },
            "completion": { "autoimport": { "enable": false } },
        });
        let capabilities = json!({
            "general": { "positionEncodings": ["utf-8"] },
            "experimental": { "serverStatusNotification": true },
        });
        let parameters = json!({
            "processId": std::process::id(),
            "rootUri": format!("file://{}", workspace.display()),
            "capabilities": capabilities,
            "initializationOptions": options,
        });
        self.request("initialize", &parameters)?;
        self.notify("initialized", &json!({}))?;
        let until = Instant::now() + LOADING;
        loop {
            let message = self.receive(until, "load the workspace")?;
            let status = &message["params"];
            if message["method"] != "experimental/serverStatus" || status["quiescent"] != true {
                continue;
            }
            return match status["health"].as_str() {
                Some("ok") => Ok(()),
                _ => Err(format!("rust-analyzer cannot load the workspace: {}", status["message"])),
            };
        }
    }

    /// Asks, and waits for the answer.
    pub(crate) fn request(&mut self, method: &str, parameters: &Value) -> Result<Value, String> {
        let until = Instant::now() + ANSWER;
        loop {
            self.requests += 1;
            let id = self.requests;
            let request =
                json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters });
            self.send(&request)?;
            let mut answer = loop {
                let message = self.receive(until, method)?;
                if message["id"] == id && message["method"].is_null() {
                    break message;
                }
            };
            let error = &answer["error"];
            if error.is_null() {
                return Ok(answer["result"].take());
            }
            if !error["code"].as_i64().is_some_and(|code| TRY_AGAIN.contains(&code)) {
                return Err(format!("rust-analyzer cannot answer `{method}`: {error}"));
            }
        }
    }

    /// Tells something that has no answer.
    pub(crate) fn notify(&mut self, method: &str, parameters: &Value) -> Result<(), String> {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": parameters }))
    }

    /// The next message. What the server itself asks is answered with nothing.
    fn receive(&mut self, until: Instant, what: &str) -> Result<Value, String> {
        let left = until.saturating_duration_since(Instant::now());
        let message = self.from.recv_timeout(left).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("rust-analyzer took too long to {what}"),
            RecvTimeoutError::Disconnected => format!("rust-analyzer ended instead of: {what}"),
        })?;
        if !message["method"].is_null() && !message["id"].is_null() {
            self.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": null }))?;
        }
        Ok(message)
    }

    fn send(&mut self, message: &Value) -> Result<(), String> {
        let body = message.to_string();
        write!(self.to, "Content-Length: {}\r\n\r\n{body}", body.len())
            .and_then(|()| self.to.flush())
            .map_err(|error| format!("cannot write to rust-analyzer: {error}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // where it could not be started; at the end of this process its input ends, and so does it
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Hands on each message, until there is none any more or nobody listens.
fn read_all(out: ChildStdout, to: &Sender<Value>) {
    let mut out = BufReader::new(out);
    while let Ok(Some(message)) = read(&mut out) {
        if to.send(message).is_err() {
            return;
        }
    }
}

/// `Content-Length: 2`, an empty line, `{}`.
fn read(out: &mut impl BufRead) -> io::Result<Option<Value>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if out.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Content-Length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    out.read_exact(&mut body)?;
    serde_json::from_slice(&body).map(Some).map_err(io::Error::other)
}
